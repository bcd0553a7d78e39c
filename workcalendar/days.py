"""A calendar as known at one moment: each day worked or free, and how we know. Pure: no database, no clock.

Three sources, the first that speaks of a day counts: what an operator entered; the State Council's plan, as
``chinese_calendar`` carries it for the years that it knows (it raises for all others); else an estimate, statutory
holidays free and otherwise Monday to Friday, for make-up days are not known before they are published.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import Enum

import chinese_calendar

DAY = timedelta(days=1)


class Source(Enum):
    """How a day is known."""

    ENTERED = "录入"
    PUBLISHED = "公布"
    ESTIMATED = "估算"


@dataclass(frozen=True)
class Entry:
    """A year's whole plan, or single days put right: {day: is it worked}."""

    year: int
    is_whole_year: bool
    days: Mapping[date, bool]


class Calendar:
    """What ``entries``, the oldest first, say above what is published: of a day, the newest that names it counts.

    A whole plan replaces what was entered for its year before, days of the December before among it.
    """

    def __init__(self, entries: Sequence[Entry] = ()) -> None:
        self.entries = tuple(entries)
        self.years = frozenset(entry.year for entry in self.entries if entry.is_whole_year)
        self.days: dict[date, bool] = {}
        newest = {entry.year: number for number, entry in enumerate(self.entries) if entry.is_whole_year}
        for number, entry in enumerate(self.entries):
            if number >= newest.get(entry.year, 0):
                self.days |= entry.days
        self._counted: dict[int, tuple[date, ...]] = {}

    def is_working(self, day: date) -> bool:
        if (entered := self.days.get(day)) is not None:
            return entered
        if day.year in self.years:
            return day.weekday() < 5
        if is_published(day.year):
            return bool(chinese_calendar.is_workday(day))
        return day.weekday() < 5 and day not in statutory_holidays(day.year)

    def source(self, day: date) -> Source:
        if day in self.days or day.year in self.years:
            return Source.ENTERED
        return Source.PUBLISHED if is_published(day.year) else Source.ESTIMATED

    def is_known(self, year: int) -> bool:
        """Whether the year has a plan, published or entered: single days put right make none."""
        return year in self.years or is_published(year)

    def is_official(self, first: date, last: date) -> bool:
        """Whether no day from ``first`` to ``last``, both included, is estimated."""
        for year in range(first.year, last.year + 1):
            if not self.is_known(year):
                begin, end = max(first, date(year, 1, 1)), min(last, date(year, 12, 31))
                if sum(begin <= day <= end for day in self.days) <= (end - begin).days:
                    return False
        return True

    def workdays(self, year: int) -> tuple[date, ...]:
        """The year's working days, in order: made once."""
        if year not in self._counted:
            self._counted[year] = tuple(day for day in days_of(year) if self.is_working(day))
        return self._counted[year]


def days_of(year: int) -> Iterator[date]:
    return (date(year, 1, 1) + DAY * number for number in range((date(year, 12, 31) - date(year, 1, 1)).days + 1))


@functools.cache
def is_published(year: int) -> bool:
    """Whether the installed ``chinesecalendar`` knows the year's plan."""
    try:
        chinese_calendar.is_workday(date(year, 1, 1))
    except NotImplementedError:
        return False
    return True


@functools.cache
def statutory_holidays(year: int) -> frozenset[date]:
    import holidays  # half a second to load, and needed only beyond the published plans

    return frozenset(holidays.country_holidays("CN", years=year))
