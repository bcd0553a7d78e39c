"""The calendar in force, kept by each process: no count of days asks the database.

A process looks every half minute whether something was entered since, by one number, and reads the few rows anew if so.
Whoever enters sees it at once; all others within that half minute, which is nothing beside days.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from datetime import date

from workcalendar.days import Calendar, Entry
from workcalendar.models import CalendarDay, CalendarPlan

LOOKS_AGAIN_AFTER = 30.0  # seconds


@dataclass(frozen=True)
class _Known:
    calendar: Calendar
    newest: int  # the newest plan's key; 0: none was entered
    until: float  # of time.monotonic()


_known: _Known | None = None


def calendar() -> Calendar:
    """What is worked and free, as far as anybody entered it until half a minute ago. Take it once for a whole count."""
    global _known
    known, now = _known, time.monotonic()
    if known is None or now >= known.until:
        newest = CalendarPlan.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
        fresh = known.calendar if known and known.newest == newest else _read()
        _known = known = _Known(fresh, newest, now + LOOKS_AGAIN_AFTER)
    return known.calendar


def forget() -> None:
    """Look again at the next question: something was entered."""
    global _known
    _known = None


def know(calendar: Calendar) -> None:
    """Take this for the calendar until ``forget``: for tests, whose database begins without entries."""
    global _known
    _known = _Known(calendar, 0, math.inf)


def _read() -> Calendar:
    """All entries, the oldest first: one or two plans a year, a few dozen days each."""
    days: dict[int, dict[date, bool]] = {}
    for pk, day, is_working in CalendarDay.objects.values_list("plan_id", "day", "is_working"):
        days.setdefault(pk, {})[day] = is_working
    plans = CalendarPlan.objects.order_by("pk").values_list("pk", "year", "is_whole_year")
    return Calendar([Entry(year, is_whole_year, days.get(pk, {})) for pk, year, is_whole_year in plans])
