"""渠道 on the staff desk: refunds at the channels, merchant accounts, payments, and what the channels told us."""

from payments.admin import accounts, attempts, records

__all__ = ["accounts", "attempts", "records"]
