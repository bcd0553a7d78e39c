"""SQL against every rule about the calendar: the database itself refuses, whoever asks."""

from __future__ import annotations

from datetime import date

import pytest

import clock
from tests import attacks
from tests.attacks import another
from workcalendar.models import CalendarDay, CalendarPlan

pytestmark = pytest.mark.django_db


@pytest.fixture
def books(operator):
    plan = CalendarPlan.objects.create(
        year=2027, is_whole_year=True, source="通知", entered_by=operator, at=clock.now()
    )
    CalendarDay.objects.create(plan=plan, day=date(2027, 1, 1), is_working=False, name="元旦")
    return {"plan": plan.pk}


ATTACKS = {
    "a plan of a year before there were any": (
        another("workcalendar.CalendarPlan", year="2003"), "plan_is_of_our_time"
    ),
    "a plan out of nowhere": (another("workcalendar.CalendarPlan", source="''"), "plan_says_where_it_stands"),
    "one day, twice": (another("workcalendar.CalendarDay"), "plan_names_a_day_once"),
    "a day of the year after": (
        another("workcalendar.CalendarDay", day="'2028-01-01'"), "2028-01-01 is no day of plan"
    ),
    "a day of the November before": (
        another("workcalendar.CalendarDay", day="'2026-11-30'"), "2026-11-30 is no day of plan"
    ),
}  # fmt: skip


def test_every_attack_is_refused_by_name(books):
    attacks.check(ATTACKS, books)


def test_every_rule_is_attacked():
    attacks.check_all_are_tried(ATTACKS, "workcalendar")


def test_what_was_entered_never_changes(books):
    attacks.check_append_only("workcalendar")


def test_new_years_break_may_begin_in_december(books):
    CalendarDay.objects.create(plan_id=books["plan"], day=date(2026, 12, 1), is_working=True)
