"""服务时间: when people answer, and by when they will have. Pure: moments in, moments out (S3-19).

Support sits every day between two times in Shanghai. A promise of minutes counts those hours alone: a question of the
night is answered in the morning, and the page says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time, timedelta

from django.conf import settings

from clock import SHANGHAI, midnight


@dataclass(frozen=True)
class Hours:
    """From ``opens`` until ``closes``, every day, in Shanghai."""

    opens: time
    closes: time


def current() -> Hours:
    """As set for this place. Raises ValueError where they close before they open: nothing would ever be due."""
    hours = Hours(time.fromisoformat(settings.SUPPORT_OPENS_AT), time.fromisoformat(settings.SUPPORT_CLOSES_AT))
    if hours.closes <= hours.opens:
        raise ValueError("SUPPORT_CLOSES_AT must be later than SUPPORT_OPENS_AT.")
    return hours


def after(at: datetime, minutes: int) -> datetime:
    """``due`` in the hours of this place."""
    return due(at, minutes, current())


def is_open(at: datetime, hours: Hours) -> bool:
    return hours.opens <= at.astimezone(SHANGHAI).time() < hours.closes


def due(at: datetime, minutes: int, hours: Hours) -> datetime:
    """When ``minutes`` of service have passed since ``at``."""
    left, moment = timedelta(minutes=minutes), at.astimezone(SHANGHAI)
    while True:
        opens = datetime.combine(moment.date(), hours.opens, SHANGHAI)
        closes = datetime.combine(moment.date(), hours.closes, SHANGHAI)
        begins = max(moment, opens)
        if begins + left <= closes:
            return begins + left
        left -= max(closes - begins, timedelta())
        moment = midnight(moment.date() + timedelta(days=1))
