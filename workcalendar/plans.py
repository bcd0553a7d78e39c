"""Entering a plan: what it would change, and the entry itself. What was promised before stays promised: decision 20."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cached_property

from django.db import connection, transaction

from accounts.models import User
from clock import SHANGHAI
from workcalendar import current, notice
from workcalendar.days import Calendar, Entry, Source, days_of, statutory_holidays
from workcalendar.models import CalendarDay, CalendarPlan
from workcalendar.notice import CannotRead, NamedDay

ALARM_AHEAD = timedelta(days=60)
YEARS_AHEAD = 2
LONGEST_SOURCE = 200
LOCK = 4902  # names this lock among the database's advisory ones


class CannotEnter(Exception):
    """The message says why nothing was entered."""


@dataclass(frozen=True)
class Change:
    """A day that would be another one than it counts as now."""

    day: date
    is_working: bool
    was: Source
    name: str = ""


@dataclass(frozen=True)
class Draft:
    """A plan, read and not entered: ``days`` are those that it names, ``known`` is the calendar it would change."""

    year: int
    is_whole_year: bool
    days: Sequence[NamedDay]
    known: Calendar

    @cached_property
    def after(self) -> Calendar:
        days = {named.day: named.is_working for named in self.days}
        return Calendar([*self.known.entries, Entry(self.year, self.is_whole_year, days)])

    @cached_property
    def changes(self) -> list[Change]:
        """In order. A year that nobody knew may change in no day, and is known from then on."""
        names = {named.day: named.name for named in self.days}
        return [
            Change(day, self.after.is_working(day), self.known.source(day), names.get(day, ""))
            for day in sorted({*days_of(self.year), *names, *self.known.days})
            if self.after.is_working(day) != self.known.is_working(day)
        ]

    @cached_property
    def forgotten(self) -> list[date]:
        """Statutory holidays that the plan would have people work on: most likely a line is missing."""
        if not self.is_whole_year:
            return []
        return sorted(day for day in statutory_holidays(self.year) if self.after.is_working(day))

    @property
    def digest(self) -> str:
        """Of all that was shown: what is confirmed is what was looked at."""
        shown = [(self.year, self.is_whole_year), *self.days, *self.changes]
        return hashlib.sha256(repr(shown).encode()).hexdigest()


def draft_of_year(text: str, year: int, *, at: datetime) -> Draft:
    """The whole plan of a year, as the notice has it. Raises CannotEnter with what cannot be read."""
    this_year = _today(at).year
    if not this_year <= year <= this_year + YEARS_AHEAD:
        raise CannotEnter(f"只能录入 {this_year} 到 {this_year + YEARS_AHEAD} 年的安排。")
    try:
        return Draft(year, True, notice.read(text, year), current.calendar())
    except CannotRead as unread:
        raise CannotEnter(str(unread)) from unread


def draft_of_day(day: date, *, is_working: bool, name: str, at: datetime) -> Draft:
    """One day put right. Raises CannotEnter."""
    today = _today(at)
    if day < today:
        raise CannotEnter("已经过去的日子不能更正：按它算出的期限都已生效。")
    if day.year > today.year + YEARS_AHEAD:
        raise CannotEnter(f"只能更正到 {today.year + YEARS_AHEAD} 年。")
    known = current.calendar()
    if known.is_working(day) == is_working and known.is_official(day, day):
        raise CannotEnter("这一天本来就是这样，没有改动。")
    return Draft(day.year, False, [NamedDay(day, is_working, name)], known)


def enter(draft: Draft, *, source: str, by: User, at: datetime) -> CalendarPlan:
    """In force at once for all that is promised from now on. One at a time; raises CannotEnter if a colleague was
    faster, or nothing says where the plan stands."""
    if not 0 < len(source.strip()) <= LONGEST_SOURCE:
        raise CannotEnter(f"请写明依据（文号或网址），不超过 {LONGEST_SOURCE} 字。")
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s, 0)", [LOCK])
        current.forget()
        if Draft(draft.year, draft.is_whole_year, draft.days, current.calendar()).digest != draft.digest:
            raise CannotEnter("同事刚刚改过日历，请重新核对。")
        plan = CalendarPlan.objects.create(
            year=draft.year, is_whole_year=draft.is_whole_year, source=source.strip(), entered_by=by, at=at
        )
        CalendarDay.objects.bulk_create(
            CalendarDay(plan=plan, day=named.day, is_working=named.is_working, name=named.name) for named in draft.days
        )
        transaction.on_commit(current.forget)
        current.forget()
    return plan


def missing_year(at: datetime) -> int | None:
    """The year whose plan should be here and is not: this one, or within 60 days of its begin the next (P10)."""
    today = _today(at)
    years = range(today.year, (today + ALARM_AHEAD).year + 1)
    return next((year for year in years if not current.calendar().is_known(year)), None)


def _today(at: datetime) -> date:
    return at.astimezone(SHANGHAI).date()
