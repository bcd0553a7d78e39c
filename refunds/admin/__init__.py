"""客服台 for refunds: the queue of cases, the review page, the steps with their dialogs, and the records."""

from refunds.admin import audit, calendar, canned, lanes, packs, payout_lines, payouts, policies, records, steps
from refunds.admin.desk_steps import DESK_STEPS

__all__ = [
    "DESK_STEPS", "audit", "calendar", "canned", "lanes", "packs", "payout_lines", "payouts", "policies", "records",
    "steps",
]  # fmt: skip
