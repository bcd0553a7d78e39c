"""客服台 for refunds: the queue of cases, the review page, the steps with their dialogs, and the records."""

from refunds.admin import audit, calendar, lanes, packs, policies, records, steps
from refunds.admin.review import DESK_STEPS

__all__ = ["DESK_STEPS", "audit", "calendar", "lanes", "packs", "policies", "records", "steps"]
