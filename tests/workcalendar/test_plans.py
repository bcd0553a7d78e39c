"""What operators enter: which word of a day counts, what it changes, and who hears of it (P10)."""

from __future__ import annotations

import math
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

import clock
from workcalendar import current
from workcalendar.days import Calendar, Entry, Source
from workcalendar.models import CalendarDay, CalendarPlan
from workcalendar.plans import CannotEnter, draft_of_day, draft_of_year, enter, missing_year

pytestmark = pytest.mark.django_db
SHANGHAI = ZoneInfo("Asia/Shanghai")
NOW = datetime(2026, 11, 22, 12, tzinfo=SHANGHAI)
PLAN = """元旦：2026年12月31日至2027年1月2日放假。1月3日（周日）上班。
春节：2月5日至11日放假。2月14日（周日）上班。
清明节：4月5日放假。劳动节：5月1日至5日放假。端午节：6月9日放假。中秋节：9月15日放假。国庆节：10月1日至7日放假。"""


def enter_year(operator: Any, text: str = PLAN, year: int = 2027) -> CalendarPlan:
    return enter(draft_of_year(text, year, at=NOW), source="国办发明电〔2026〕9号", by=operator, at=NOW)


def correct(operator: Any, day: str, is_working: bool) -> CalendarPlan:
    draft = draft_of_day(date.fromisoformat(day), is_working=is_working, name="", at=NOW)
    return enter(draft, source="补充通知", by=operator, at=NOW)


def is_working(day: str) -> bool:
    return current.calendar().is_working(date.fromisoformat(day))


def source(day: str) -> Source:
    return current.calendar().source(date.fromisoformat(day))


def test_a_plan_that_is_entered_is_the_year_from_then_on(operator):
    assert not current.calendar().is_official(date(2027, 1, 1), date(2027, 12, 31))
    assert not is_working("2027-01-03")
    plan = enter_year(operator)
    assert (plan.entered_by, plan.at, plan.source) == (operator, NOW, "国办发明电〔2026〕9号")
    assert plan.days.count() == 27
    assert is_working("2027-01-03")
    assert not is_working("2026-12-31"), "New Year's break begins in December"
    assert source("2026-12-31") is Source.ENTERED
    assert source("2026-12-30") is Source.PUBLISHED
    assert current.calendar().is_official(date(2026, 1, 1), date(2027, 12, 31))
    assert not current.calendar().is_official(date(2027, 12, 31), date(2028, 1, 1))


def test_of_a_day_the_newest_word_counts_and_a_new_plan_replaces_all_of_its_year(operator):
    correct(operator, "2027-06-15", False)
    assert not is_working("2027-06-15")
    assert not current.calendar().is_known(2027), "a day put right is no plan"
    assert current.calendar().is_official(date(2027, 6, 15), date(2027, 6, 15))
    assert not current.calendar().is_official(date(2027, 6, 15), date(2027, 6, 16))
    enter_year(operator)
    assert is_working("2027-06-15")
    correct(operator, "2027-06-15", False)
    assert not is_working("2027-06-15")
    enter_year(operator, PLAN.replace("2026年12月31日", "2027年1月1日"))
    assert is_working("2027-06-15")
    assert is_working("2026-12-31"), "the December of the plan before is gone with it"
    assert CalendarPlan.objects.count() == 4, "nothing that was entered is lost"


def test_another_years_plan_leaves_this_years_december_alone(operator):
    enter_year(operator)
    correct(operator, "2026-12-26", True)
    enter_year(operator, "元旦：1月1日放假", 2028)
    assert not is_working("2026-12-31")
    assert is_working("2026-12-26")


def test_the_draft_shows_each_day_that_changes_and_holidays_that_are_missing():
    draft = draft_of_year(PLAN.replace("国庆节：10月1日至7日放假。", ""), 2027, at=NOW)
    changed = {f"{change.day:%m-%d}": change.is_working for change in draft.changes}
    assert changed["12-31"] is False
    assert changed["01-03"] is changed["02-14"] is True
    assert changed["10-01"] is True
    assert "02-07" not in changed
    assert date(2027, 10, 1) in draft.forgotten
    assert {change.was for change in draft.changes} == {Source.ESTIMATED, Source.PUBLISHED}
    assert draft_of_year(PLAN, 2027, at=NOW).forgotten == []


def test_what_a_colleague_changed_meanwhile_is_looked_at_again(operator):
    first, second = (draft_of_year(PLAN, 2027, at=NOW) for _ in range(2))
    enter(first, source="通知", by=operator, at=NOW)
    with pytest.raises(CannotEnter, match="同事"):
        enter(second, source="通知", by=operator, at=NOW)
    assert CalendarPlan.objects.count() == 1


@pytest.mark.parametrize("source", ["", "  ", "长" * 201])
def test_a_plan_says_where_it_stands(operator, source):
    with pytest.raises(CannotEnter, match="依据"):
        enter(draft_of_year(PLAN, 2027, at=NOW), source=source, by=operator, at=NOW)


@pytest.mark.parametrize("year", [2025, 2029])
def test_neither_the_past_nor_the_far_future_is_entered(year):
    with pytest.raises(CannotEnter, match="只能录入 2026 到 2028"):
        draft_of_year(PLAN, year, at=NOW)


def test_days_that_are_over_stay_and_a_day_that_is_so_already_is_no_change(operator):
    with pytest.raises(CannotEnter, match="过去"):
        draft_of_day(date(2026, 11, 21), is_working=True, name="", at=NOW)
    with pytest.raises(CannotEnter, match="只能更正到 2028"):
        draft_of_day(date(2029, 1, 1), is_working=True, name="", at=NOW)
    with pytest.raises(CannotEnter, match="没有改动"):
        draft_of_day(date(2026, 11, 23), is_working=True, name="", at=NOW)
    assert draft_of_day(date(2026, 11, 22), is_working=True, name="", at=NOW).changes, "today may still be put right"
    assert draft_of_day(date(2027, 1, 1), is_working=False, name="", at=NOW).changes == [], "an estimate is confirmed"


# --- the alarm --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("at", "missing"),
    [
        ("2026-11-01T23:59", None),
        ("2026-11-02T00:00", 2027),  # 60 days before the year
        ("2026-11-22T12:00", 2027),
        ("2026-12-31T23:59", 2027),
        ("2027-01-01T00:00", 2027),  # it has begun without
        ("2025-12-31T12:00", None),
    ],
)
def test_next_years_plan_is_missed_from_sixty_days_before_it(at, missing):
    assert missing_year(datetime.fromisoformat(at).replace(tzinfo=SHANGHAI)) == missing


def test_a_plan_that_is_entered_ends_the_alarm_and_a_single_day_does_not(operator):
    correct(operator, "2027-06-15", False)
    assert missing_year(NOW) == 2027
    enter_year(operator)
    assert missing_year(NOW) is None
    assert missing_year(NOW + timedelta(days=365)) == 2028


# --- every process sees it, and no count asks -------------------------------------------------------------------------


def by_another_process(operator: Any, day: date) -> None:
    """Rows, and nobody here told."""
    plan = CalendarPlan.objects.create(
        year=day.year, is_whole_year=False, source="通知", entered_by=operator, at=clock.now()
    )
    CalendarDay.objects.create(plan=plan, day=day, is_working=False)


def test_counts_ask_nothing_and_what_others_entered_is_seen_at_the_next_look(
    operator, monkeypatch, django_assert_num_queries
):
    current.forget()
    with django_assert_num_queries(3):  # the newest, and what there is
        current.calendar()
    by_another_process(operator, date(2026, 12, 1))
    with django_assert_num_queries(0):
        for _ in range(50):
            assert is_working("2026-12-01"), "it looks every half minute"
    monkeypatch.setattr(current, "LOOKS_AGAIN_AFTER", -math.inf)
    current.forget()
    current.calendar()
    assert not is_working("2026-12-01")
    with django_assert_num_queries(1):  # nothing new: one number
        current.calendar()
    by_another_process(operator, date(2026, 12, 2))
    with django_assert_num_queries(3):
        assert not is_working("2026-12-02")


def test_an_entry_that_was_rolled_back_is_not_kept(operator, monkeypatch):
    from django.db import transaction

    monkeypatch.setattr(current, "LOOKS_AGAIN_AFTER", -math.inf)
    current.forget()
    with transaction.atomic():
        by_another_process(operator, date(2026, 12, 1))
        assert not is_working("2026-12-01")
        transaction.set_rollback(True)
    assert is_working("2026-12-01")


def test_an_empty_calendar_is_what_is_published():
    assert Calendar().is_official(date(2004, 1, 1), date(2026, 12, 31))
    assert not Calendar().is_official(date(2003, 12, 31), date(2004, 1, 1))
    partly = Calendar([Entry(2027, False, {date(2027, 1, day): False for day in (1, 2)})])
    assert partly.is_official(date(2026, 12, 30), date(2027, 1, 2))
    assert not partly.is_official(date(2026, 12, 30), date(2027, 1, 3))
