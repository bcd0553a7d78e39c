"""The one clock: the database's time, plus an offset that is zero when live.

Doors (views, admin actions, tasks) read it once and pass ``at`` on, so that everything one request does happens at one
moment. Signatures and notification time stamps use real time, never this clock.
"""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import connection

#: Where days begin and end: for the shop, for channels and for banks.
SHANGHAI = ZoneInfo("Asia/Shanghai")

_offset = timedelta(seconds=settings.CLOCK_OFFSET_SECONDS)


def now() -> datetime:
    """The shop's time, timezone-aware. Inside a transaction it still moves on (``clock_timestamp``)."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        (moment,) = cursor.fetchone()
    return moment + _offset


def midnight(day: date) -> datetime:
    """The moment at which this day begins in Shanghai."""
    return datetime.combine(day, time.min, SHANGHAI)


def last_moment(at: datetime) -> tuple[date, str]:
    """How a deadline is written in Shanghai: day and hour. One at midnight is 24:00 of the day that it ends, since
    "before the 25th, 00:00" is read as "on the 25th"."""
    local = at.astimezone(SHANGHAI)
    if (local.hour, local.minute) == (0, 0):
        return local.date() - timedelta(days=1), "24:00"
    return local.date(), f"{local:%H:%M}"


def advance(by: timedelta) -> None:
    """Move this process's clock, for tests and rehearsals. Refused when real money is about."""
    global _offset
    if settings.CHANNELS == "live":
        raise RuntimeError("clock.advance: the clock stands still when CHANNELS=live")
    _offset += by


def scaled(seconds: float) -> timedelta:
    """A polling or spacing interval, shortened by TIME_SCALE in demos and tests. Deadlines are never scaled."""
    return timedelta(seconds=seconds * settings.TIME_SCALE)
