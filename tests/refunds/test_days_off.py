"""On which of the next days nobody works, over known holidays, weekends and a plan that is not published (S2-20)."""

from __future__ import annotations

from datetime import date

import pytest

from refunds.days_off import ahead


def breaks(today: str) -> list[tuple[str, str, str, bool]]:
    found = ahead(date.fromisoformat(today)).breaks
    return [(f"{each.first}", f"{each.last}", f"{each.back_on}", each.is_official) for each in found]


NATIONAL_DAY = ("2026-10-01", "2026-10-07", "2026-10-08", True)
NEW_YEAR = ("2027-01-01", "2027-01-03", "2027-01-04", False)


@pytest.mark.parametrize(
    ("today", "found"),
    [
        ("2026-11-16", []),  # two ordinary weekends
        ("2026-09-20", [("2026-09-25", "2026-09-27", "2026-09-28", True)]),  # National Day is eleven days off
        ("2026-09-21", [("2026-09-25", "2026-09-27", "2026-09-28", True), NATIONAL_DAY]),
        ("2026-09-28", [NATIONAL_DAY]),
        ("2026-10-07", [NATIONAL_DAY]),  # its last day: it began before
        ("2026-10-08", []),
        ("2026-12-21", []),  # eleven days before
        ("2026-12-22", [NEW_YEAR]),
        ("2026-02-14", [("2026-02-15", "2026-02-23", "2026-02-24", True)]),
    ],
)
def test_breaks_beyond_a_weekend_are_seen_ten_days_before_and_until_they_end(today, found):
    assert breaks(today) == found


def test_a_free_day_in_the_middle_of_a_week_is_a_break():
    assert breaks("2024-12-31") == [("2025-01-01", "2025-01-01", "2025-01-02", True)]


@pytest.mark.parametrize(
    ("today", "is_official"), [("2026-12-21", True), ("2026-12-22", False), ("2027-06-21", False), ("2026-12-01", True)]
)
def test_a_plan_that_is_not_published_is_said_to_be_none(today, is_official):
    assert ahead(date.fromisoformat(today)).is_official is is_official


def test_weekend_days_that_are_worked_are_named():
    assert ahead(date(2026, 2, 10)).worked == [date(2026, 2, 14)]
    assert ahead(date(2026, 10, 1)).worked == [date(2026, 10, 10)]
    assert ahead(date(2026, 11, 16)).worked == []
