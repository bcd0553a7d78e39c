"""工作日 and 预计到账, over every edge of the calendar that is known and the one that is not (P10)."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payments.gateways.base import ReceivedAccountKind
from refunds.workdays import SHANGHAI, ArrivalWindow, add_workdays, arrival_window, is_official, is_workday

WALLET, BANK_CARD, UNKNOWN = ReceivedAccountKind.WALLET, ReceivedAccountKind.BANK_CARD, ReceivedAccountKind.UNKNOWN


@pytest.mark.parametrize(
    ("day", "works", "official", "why"),
    [
        ("2026-11-20", True, True, "Friday"),
        ("2026-11-21", False, True, "Saturday"),
        ("2026-02-17", False, True, "Spring Festival"),
        ("2026-02-23", False, True, "Monday that is free"),
        ("2026-02-14", True, True, "Saturday that is worked"),
        ("2026-02-28", True, True, "Saturday that is worked"),
        ("2026-09-20", True, True, "Sunday that is worked"),
        ("2026-10-10", True, True, "Saturday that is worked"),
        ("2026-12-31", True, True, "last day of the published plan"),
        ("2027-01-01", False, False, "New Year's Day"),
        ("2027-01-04", True, False, "first Monday that nobody has published"),
        ("2027-01-03", False, False, "Sunday"),
        ("2027-02-05", False, False, "Spring Festival's Eve"),
        ("2027-02-08", False, False, "Spring Festival, Monday"),
        ("2027-02-12", True, False, "Friday after the statutory days"),
        ("2027-02-14", False, False, "a make-up Sunday perhaps, but not known yet"),
        ("2027-10-01", False, False, "National Day"),
        ("2150-06-15", True, False, "Monday in a year of which nothing is known"),
        ("2150-06-14", False, False, "Sunday in a year of which nothing is known"),
    ],
)
def test_a_day_is_worked_or_free_and_says_how_we_know(day: str, works: bool, official: bool, why: str) -> None:
    assert is_workday(date.fromisoformat(day)) is works, why
    assert is_official(date.fromisoformat(day)) is official, why


@pytest.mark.parametrize(
    ("day", "count", "until", "official"),
    [
        ("2026-11-20", 0, "2026-11-20", True),
        ("2026-11-20", 1, "2026-11-23", True),
        ("2026-11-21", 1, "2026-11-23", True),  # a Saturday counts as none
        ("2026-11-21", 0, "2026-11-21", True),
        ("2026-02-13", 1, "2026-02-14", True),  # a Saturday that is worked
        ("2026-02-14", 1, "2026-02-24", True),  # over nine free days
        ("2026-02-27", 1, "2026-02-28", True),
        ("2026-09-30", 3, "2026-10-10", True),  # National Day, then a Saturday that is worked
        ("2026-12-30", 1, "2026-12-31", True),
        ("2026-12-30", 3, "2027-01-05", False),
        ("2026-12-31", 1, "2027-01-04", False),
        ("2026-12-31", 0, "2026-12-31", True),
        ("2027-02-04", 1, "2027-02-11", False),  # Spring Festival 2027, without make-up days
    ],
)
def test_working_days_are_counted_over_holidays_and_years(day: str, count: int, until: str, official: bool) -> None:
    counted = add_workdays(date.fromisoformat(day), count)
    assert (counted.day, counted.official) == (date.fromisoformat(until), official)


def test_counting_backward_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="forward"):
        add_workdays(date(2026, 11, 20), -1)


@given(st.dates(date(2020, 1, 1), date(2030, 12, 31)), st.integers(1, 10))
def test_a_count_ends_on_a_working_day_and_passes_exactly_that_many(day: date, count: int) -> None:
    counted = add_workdays(day, count)
    passed = [day + timedelta(days=i) for i in range(1, (counted.day - day).days + 1)]
    assert is_workday(counted.day)
    assert sum(is_workday(each) for each in passed) == count
    assert counted.official == all(is_official(each) for each in passed)


@pytest.mark.parametrize(
    ("paid_out_at", "kind", "earliest", "latest", "official"),
    [
        # a wallet takes minutes, whatever day it is
        ("2026-11-20T12:00", WALLET, "2026-11-20T12:00", "2026-11-20T12:20", True),
        ("2027-02-06T23:59", WALLET, "2027-02-06T23:59", "2027-02-07T00:19", True),
        # a bank card takes 1 to 3 working days after the day
        ("2026-11-18T12:00", BANK_CARD, "2026-11-19T00:00", "2026-11-23T23:59:59", True),
        ("2026-11-20T23:59", BANK_CARD, "2026-11-23T00:00", "2026-11-25T23:59:59", True),
        ("2026-11-21T00:00", BANK_CARD, "2026-11-23T00:00", "2026-11-25T23:59:59", True),
        ("2026-11-22T23:59", BANK_CARD, "2026-11-23T00:00", "2026-11-25T23:59:59", True),
        ("2026-11-23T00:00", BANK_CARD, "2026-11-24T00:00", "2026-11-26T23:59:59", True),
        ("2026-02-13T18:00", BANK_CARD, "2026-02-14T00:00", "2026-02-25T23:59:59", True),
        ("2026-12-31T23:59", BANK_CARD, "2027-01-04T00:00", "2027-01-06T23:59:59", False),
        ("2026-12-28T10:00", BANK_CARD, "2026-12-29T00:00", "2026-12-31T23:59:59", True),
        ("2026-12-29T10:00", BANK_CARD, "2026-12-30T00:00", "2027-01-04T23:59:59", False),
        ("2027-02-04T10:00", BANK_CARD, "2027-02-11T00:00", "2027-02-15T23:59:59", False),
        # an account that the channel does not name: at once, or up to 5 working days
        ("2026-11-20T23:59", UNKNOWN, "2026-11-20T23:59", "2026-11-27T23:59:59", True),
    ],
)
def test_money_is_expected_within_what_the_channel_says(
    paid_out_at: str, kind: ReceivedAccountKind, earliest: str, latest: str, official: bool
) -> None:
    window = ArrivalWindow(shanghai(earliest), shanghai(latest), official)
    assert arrival_window(shanghai(paid_out_at), kind) == window
    assert arrival_window(shanghai(paid_out_at).astimezone(UTC), kind.value) == window


def test_midnight_in_london_is_no_midnight_here() -> None:
    just_before, just_after = datetime(2026, 11, 18, 15, 59, tzinfo=UTC), datetime(2026, 11, 18, 16, 0, tzinfo=UTC)
    assert arrival_window(just_before, BANK_CARD).earliest == shanghai("2026-11-19T00:00")
    assert arrival_window(just_after, BANK_CARD).earliest == shanghai("2026-11-20T00:00")


def test_a_time_without_a_zone_or_a_strange_account_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="aware"):
        arrival_window(datetime(2026, 11, 20), BANK_CARD)
    with pytest.raises(ValueError, match="purse"):
        arrival_window(shanghai("2026-11-20T12:00"), "purse")


def shanghai(moment: str) -> datetime:
    return datetime.fromisoformat(moment).replace(tzinfo=SHANGHAI)
