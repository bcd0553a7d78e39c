"""计时: how hours of a promise run, by the calendar or on working days only (S1-10, S0-11, P10).

A working day counts 24 hours, from midnight to midnight in Shanghai, and a day off counts none. Not office hours: the
trade promises 工作日 (S0-11: 1-2, S1-10: 1-3), a buyer can check a count of days with any calendar, and nobody outside
can check when our office was open; cards are bought at night, and a shop that opens late must not thereby have longer.

A moment that is reached is late: whoever had until 18:00 has run out of time at 18:00:00, not after it. A deadline in
working time always falls on a working day: hours that run out as a day off begins end with it, at the next working
day's 00:00.

Sums are made in UTC, so neither the zone that a moment comes in nor its summer time lengthens an hour.
"""

from __future__ import annotations

from bisect import bisect_left
from datetime import UTC, date, datetime, timedelta

from clock import SHANGHAI, midnight
from workcalendar import current
from workcalendar.days import Calendar

DAY = timedelta(days=1)
NONE = timedelta(0)


def add(at: datetime, hours: float, *, working: bool) -> datetime:
    """The moment ``hours`` after ``at``, in the zone of ``at``. ``working``: hours of days off do not count, and on a
    day off the count begins at the next working day's 00:00. Raises ValueError for a naive moment or hours below 0."""
    if hours < 0:
        raise ValueError("clocks.add: counts forward only")
    lasts = timedelta(hours=hours)
    moment = _aware(at) + lasts if not working else _counted_on(_aware(at), lasts)
    return moment.astimezone(at.tzinfo)


def between(start: datetime, end: datetime, *, working: bool) -> timedelta:
    """How much of that time counts; nothing if ``end`` is not after ``start``. What ``add`` added, exactly."""
    first, last = _aware(start), _aware(end)
    if last <= first:
        return NONE
    return last - first if not working else _counted_until(first, last)


def is_official(start: datetime, end: datetime) -> bool:
    """Whether every day from ``start`` to ``end``, both included, rests on a plan: published, or as entered."""
    return current.calendar().is_official(_day(_aware(start)), _day(_aware(end)))


# --- working days by the year: a count jumps, it does not walk -------------------------------------------------------


def _counted_on(at: datetime, lasts: timedelta) -> datetime:
    calendar = current.calendar()
    day, gone = _start(calendar, at)
    days, rest = divmod(gone + lasts, DAY)
    return _midnight(_nth_after(calendar, day, days)) + rest


def _counted_until(first: datetime, last: datetime) -> timedelta:
    calendar = current.calendar()
    (day, gone), (last_day, last_gone) = _start(calendar, first), _start(calendar, last)
    return DAY * _how_many(calendar, day, last_day) + last_gone - gone


def _start(calendar: Calendar, at: datetime) -> tuple[date, timedelta]:
    """The working day that ``at`` counts to, and how much of it has gone: none, if ``at`` is on a day off."""
    day = _day(at)
    first = _nth_after(calendar, day, 0)
    return first, at - _midnight(day) if first == day else NONE


def _nth_after(calendar: Calendar, day: date, number: int) -> date:
    """The ``number``-th working day after the first one that is not before ``day``."""
    year = day.year
    number += bisect_left(calendar.workdays(year), day)
    while number >= len(calendar.workdays(year)):
        number -= len(calendar.workdays(year))
        year += 1
    return calendar.workdays(year)[number]


def _how_many(calendar: Calendar, first: date, last: date) -> int:
    """Working days from ``first``, and before ``last``."""
    whole = sum(len(calendar.workdays(year)) for year in range(first.year, last.year))
    return whole + bisect_left(calendar.workdays(last.year), last) - bisect_left(calendar.workdays(first.year), first)


def _midnight(day: date) -> datetime:
    return midnight(day).astimezone(UTC)


def _day(at: datetime) -> date:
    return at.astimezone(SHANGHAI).date()


def _aware(at: datetime) -> datetime:
    if at.tzinfo is None:
        raise ValueError("clocks: a moment must be timezone-aware")
    return at.astimezone(UTC)
