"""放假: which of the next days banks and reviewers do not work, beyond ordinary weekends. Dates in, dates out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from refunds.workdays import is_official, is_workday

DAY = timedelta(days=1)
LOOKS_AHEAD = timedelta(days=10)


@dataclass(frozen=True)
class Break:
    """Days without work in a row, both ends included; work goes on at ``back_on``."""

    first: date
    last: date
    back_on: date
    is_official: bool


@dataclass(frozen=True)
class Ahead:
    """What comes: ``worked`` are weekend days that are worked; ``is_official`` if every day's plan is published."""

    breaks: Sequence[Break]
    worked: Sequence[date]
    is_official: bool


def ahead(today: date) -> Ahead:
    """The next ten days after ``today``, and a break that has begun already. Ordinary weekends are none."""
    days = [today + DAY * number for number in range(LOOKS_AHEAD.days + 1)]
    found = {_around(day) for day in days if not is_workday(day)}
    return Ahead(
        breaks=[each for each in sorted(found, key=lambda each: each.first) if _is_holiday(each)],
        worked=[day for day in days if day.weekday() >= 5 and is_workday(day)],
        is_official=all(is_official(day) for day in days),
    )


def _around(day: date) -> Break:
    first = last = day
    while not is_workday(first - DAY):
        first -= DAY
    while not is_workday(last + DAY):
        last += DAY
    span = [first + DAY * number for number in range((last - first).days + 1)]
    return Break(first, last, last + DAY, all(is_official(each) for each in span))


def _is_holiday(each: Break) -> bool:
    """Longer than a weekend, or in the middle of a week: a day is free on which banks work otherwise."""
    span = (each.first + DAY * number for number in range((each.last - each.first).days + 1))
    return any(day.weekday() < 5 for day in span)
