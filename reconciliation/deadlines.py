"""差错的期限: by when finance has explained a difference, and when the operators hear that nobody has."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta

from clock import SHANGHAI
from reconciliation.models import URGENT, DiscrepancyKind

EXPLAINED_WITHIN = timedelta(hours=24)
URGENT_WITHIN = timedelta(hours=4)
ALARM_EVERY = timedelta(hours=24)
LATE_FROM_HOUR = 14  # of the next day: a bill that is not there by then is a difference of its own


def of(kind: DiscrepancyKind, *, at: datetime) -> datetime:
    return at + (URGENT_WITHIN if kind in URGENT else EXPLAINED_WITHIN)


def late_from(day: date) -> datetime:
    return datetime.combine(day + timedelta(days=1), time(LATE_FROM_HOUR), SHANGHAI)
