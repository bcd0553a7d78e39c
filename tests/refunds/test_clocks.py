"""Hours of a promise, on working days and by the calendar (P10, S1-10, S0-11), against a count made day by day.

The oracle below knows nothing of years, prefix sums or bisection: it walks, one day after the other.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from refunds import clocks
from workcalendar import current
from workcalendar.days import Calendar, Entry

SHANGHAI = ZoneInfo("Asia/Shanghai")
NEW_YORK, LONDON, LORD_HOWE = ZoneInfo("America/New_York"), ZoneInfo("Europe/London"), ZoneInfo("Australia/Lord_Howe")
ZONES = st.sampled_from([UTC, SHANGHAI, NEW_YORK, LONDON, LORD_HOWE])
MOMENTS = st.datetimes(datetime(2024, 1, 1), datetime(2030, 12, 31, 23, 59, 59), timezones=ZONES)
HOURS = st.one_of(st.integers(0, 24 * 60), st.floats(0, 24 * 60, allow_nan=False))
DAY, HOUR = timedelta(days=1), timedelta(hours=1)


def works(day: date) -> bool:
    return current.calendar().is_working(day)


def midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=SHANGHAI).astimezone(UTC)


def walked(at: datetime, lasts: timedelta) -> datetime:
    """``lasts`` after ``at``: uses up what each working day has left, and ends where nothing is left, on a working
    day."""
    at = at.astimezone(UTC)
    while True:
        day = at.astimezone(SHANGHAI).date()
        end = midnight(day + DAY)
        if works(day):
            if at + lasts < end:
                return at + lasts
            lasts -= end - at
        at = end


def counted(start: datetime, end: datetime) -> timedelta:
    total = timedelta(0)
    day, last = start.astimezone(SHANGHAI).date(), end.astimezone(SHANGHAI).date()
    while day <= last:
        if works(day):
            total += max(
                timedelta(0), min(end.astimezone(UTC), midnight(day + DAY)) - max(start.astimezone(UTC), midnight(day))
            )
        day += DAY
    return total


@given(MOMENTS, HOURS)
@example(datetime(2026, 12, 31, 23, 59, 59, tzinfo=SHANGHAI), 24)
@example(datetime(2028, 2, 29, 12, tzinfo=SHANGHAI), 24)
@example(datetime(2026, 11, 1, 1, 30, tzinfo=NEW_YORK, fold=1), 1)
def test_hours_end_where_a_walk_from_day_to_day_ends(at: datetime, hours: float) -> None:
    until = clocks.add(at, hours, working=True)
    assert until == walked(at, timedelta(hours=hours))
    assert works(until.astimezone(SHANGHAI).date()), "a deadline in working time is on a working day"
    assert until.tzinfo is at.tzinfo


@given(MOMENTS, MOMENTS)
def test_what_counts_between_is_what_a_walk_counts(start: datetime, end: datetime) -> None:
    assert clocks.between(start, end, working=True) == counted(start, end)
    if end.astimezone(UTC) <= start.astimezone(UTC):
        assert clocks.between(start, end, working=False) == timedelta(0)


@given(MOMENTS, HOURS, st.booleans())
def test_what_was_added_lies_between_to_the_microsecond(at: datetime, hours: float, working: bool) -> None:
    until = clocks.add(at, hours, working=working)
    assert clocks.between(at, until, working=working) == timedelta(hours=hours)


@given(MOMENTS, st.integers(0, 400), st.integers(0, 400), st.booleans())
def test_a_pause_loses_nothing(at: datetime, first: int, second: int, working: bool) -> None:
    """Hours added in two pieces, as when a clock stood still between, are the hours added at once."""
    paused = clocks.add(at, first, working=working)
    assert clocks.add(paused, second, working=working) == clocks.add(at, first + second, working=working)


@given(MOMENTS, MOMENTS, st.integers(0, 400))
def test_who_starts_later_is_never_due_sooner(one: datetime, other: datetime, hours: int) -> None:
    first, second = sorted((one.astimezone(UTC), other.astimezone(UTC)))
    assert clocks.add(first, hours, working=True) <= clocks.add(second, hours, working=True)


@pytest.mark.parametrize(
    ("at", "hours", "until", "why"),
    [
        ("2026-11-18T10:00", 24, "2026-11-19T10:00", "within the week"),
        ("2026-11-20T18:00", 24, "2026-11-23T18:00", "over a weekend"),
        ("2026-11-21T03:00", 24, "2026-11-24T00:00", "a Saturday counts none: from Monday's midnight"),
        ("2026-11-21T00:00", 0, "2026-11-23T00:00", "no hours on a day off"),
        ("2026-11-20T00:00", 24, "2026-11-23T00:00", "hours that end with Friday end with the weekend"),
        ("2026-11-19T23:59:59", 24, "2026-11-20T23:59:59", "the last second of a Friday"),
        ("2026-02-13T12:00", 24, "2026-02-14T12:00", "a make-up Saturday is worked"),
        ("2026-02-14T12:00", 24, "2026-02-24T12:00", "over nine days of Spring Festival"),
        ("2026-02-15T09:00", 48, "2026-02-26T00:00", "asked on its first day"),
        ("2026-02-27T12:00", 24, "2026-02-28T12:00", "the make-up Saturday after it"),
        ("2026-02-27T12:00", 48, "2026-03-02T12:00", "Friday, Saturday that is worked, Monday"),
        ("2026-09-19T12:00", 12, "2026-09-20T12:00", "a Saturday before a make-up Sunday"),
        ("2026-09-30T20:00", 24, "2026-10-08T20:00", "over National Day"),
        ("2026-09-30T20:00", 72, "2026-10-10T20:00", "… and onto the make-up Saturday"),
        ("2026-12-31T23:59:59", 1, "2027-01-04T00:59:59", "over a New Year that nobody has published"),
        ("2027-02-04T12:00", 24, "2027-02-11T12:00", "Spring Festival 2027 by its statutory days alone"),
        ("2024-02-28T12:00", 24, "2024-02-29T12:00", "a leap day, a Thursday"),
        ("2024-02-29T12:00", 24, "2024-03-01T12:00", "from a leap day"),
    ],
)  # fmt: skip
def test_working_hours_over_every_kind_of_day(at: str, hours: int, until: str, why: str) -> None:
    assert clocks.add(shanghai(at), hours, working=True) == shanghai(until), why


def test_calendar_hours_know_no_days_off() -> None:
    assert clocks.add(shanghai("2026-02-14T12:00"), 24, working=False) == shanghai("2026-02-15T12:00")
    assert clocks.between(shanghai("2026-02-14T12:00"), shanghai("2026-02-16T12:00"), working=False) == 48 * HOUR


def test_who_has_until_a_moment_has_run_out_at_that_moment() -> None:
    """Equal is late: nothing is left at the deadline itself, and one microsecond before it something is."""
    at = shanghai("2026-11-20T18:00")
    due = clocks.add(at, 24, working=True)
    assert clocks.between(due, due, working=True) == timedelta(0)
    assert clocks.between(due - timedelta(microseconds=1), due, working=True) == timedelta(microseconds=1)
    assert clocks.between(due, at, working=True) == timedelta(0)


@pytest.mark.parametrize("working", [True, False])
@pytest.mark.parametrize(
    "at",
    [
        datetime(2026, 3, 8, 1, 30, tzinfo=NEW_YORK),  # an hour is left out
        datetime(2026, 11, 1, 1, 30, tzinfo=NEW_YORK),  # an hour comes twice: the first …
        datetime(2026, 11, 1, 1, 30, tzinfo=NEW_YORK, fold=1),  # … and the second
        datetime(2026, 3, 29, 0, 59, tzinfo=LONDON),
        datetime(2026, 4, 5, 1, 45, tzinfo=LORD_HOWE),  # half an hour
    ],
)
def test_summer_time_of_a_buyers_zone_lengthens_no_hour(at: datetime, working: bool) -> None:
    """Python adds wall-clock time within a zone: the same moment, stored in UTC, has to be due at the same moment."""
    for hours in (1, 24, 100):
        there, stored = clocks.add(at, hours, working=working), clocks.add(at.astimezone(UTC), hours, working=working)
        assert there.astimezone(UTC) == stored
        assert clocks.between(at, there, working=working) == hours * HOUR


def test_whether_all_days_are_known() -> None:
    last, first = shanghai("2026-12-31T23:59:59"), shanghai("2027-01-01T00:00")
    assert clocks.is_official(shanghai("2026-01-01T00:00"), last)
    assert not clocks.is_official(last, first)
    assert clocks.is_official(last.astimezone(NEW_YORK), last.astimezone(NEW_YORK))
    assert not clocks.is_official(datetime(2026, 12, 31, 16, tzinfo=UTC), datetime(2026, 12, 31, 17, tzinfo=UTC))
    current.know(Calendar([Entry(2027, True, {date(2027, 1, 1): False})]))
    assert clocks.is_official(last, shanghai("2027-12-31T23:59"))
    assert not clocks.is_official(last, shanghai("2028-01-01T00:00"))


def test_what_was_entered_moves_what_is_promised_from_then_on() -> None:
    at = shanghai("2026-12-31T12:00")
    assert clocks.add(at, 24, working=True) == shanghai("2027-01-04T12:00")
    current.know(Calendar([Entry(2027, True, {date(2027, 1, 1): False, date(2027, 1, 3): True})]))
    assert clocks.add(at, 24, working=True) == shanghai("2027-01-03T12:00")


@pytest.mark.parametrize("hours", [-1, -0.001])
def test_counting_backward_and_moments_without_a_zone_are_mistakes(hours: float) -> None:
    with pytest.raises(ValueError, match="forward"):
        clocks.add(shanghai("2026-11-20T12:00"), hours, working=True)
    naive = datetime(2026, 11, 20)
    for mistaken in (
        lambda: clocks.add(naive, 1, working=False),
        lambda: clocks.between(naive, naive, working=True),
        lambda: clocks.is_official(naive, naive),
    ):
        with pytest.raises(ValueError, match="aware"):
            mistaken()


def test_a_count_over_years_does_not_walk_through_their_days(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each year's days are looked at once, however often is counted over them."""
    known = Calendar()
    asked: list[date] = []
    monkeypatch.setattr(known, "is_working", lambda day, ask=known.is_working: asked.append(day) or ask(day))
    current.know(known)
    for _ in range(50):
        until = clocks.add(shanghai("2024-06-01T00:00"), 24 * 1000, working=True)
        clocks.between(shanghai("2024-06-01T00:00"), until, working=True)
    assert len(asked) == len(set(asked)) <= 366 * 5


def shanghai(moment: str) -> datetime:
    return datetime.fromisoformat(moment).replace(tzinfo=SHANGHAI)
