"""渠道 on the staff desk: refunds at the channels, merchant accounts, payments, and what the channels told us."""

from payments.admin import accounts, attempts, outgoing, records, transfers

__all__ = ["accounts", "attempts", "outgoing", "records", "transfers"]
