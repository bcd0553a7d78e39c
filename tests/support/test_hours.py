"""Minutes of service count the hours in which somebody sits there (S3-19)."""

from __future__ import annotations

from datetime import datetime, time

import pytest

from support import hours
from support.hours import SHANGHAI, Hours, due, is_open

DAY = Hours(time(9), time(21))


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"2026-{text}").replace(tzinfo=SHANGHAI)


@pytest.mark.parametrize(
    ("asked", "minutes", "answered"),
    [
        ("11-22T10:00", 5, "11-22T10:05"),
        ("11-22T20:55", 5, "11-22T21:00"),
        ("11-22T20:58", 5, "11-23T09:03"),
        ("11-22T21:00", 5, "11-23T09:05"),
        ("11-22T03:00", 5, "11-22T09:05"),
        ("11-22T23:59", 5, "11-23T09:05"),
        ("12-31T20:59", 30, "01-01T09:29"),
        ("11-22T10:00", 12 * 60, "11-23T10:00"),
        ("11-22T10:00", 3 * 12 * 60, "11-25T10:00"),
    ],
)
def test_a_promise_of_minutes_runs_while_they_sit_there(asked, minutes, answered):
    wanted = at(answered)
    if wanted < at(asked):
        wanted = wanted.replace(year=2027)
    assert due(at(asked), minutes, DAY) == wanted


def test_who_closes_before_opening_is_told_so(settings):
    assert hours.current() == DAY
    assert is_open(at("11-22T09:00"), DAY)
    assert not is_open(at("11-22T21:00"), DAY)
    settings.SUPPORT_CLOSES_AT = "08:00"
    with pytest.raises(ValueError, match="SUPPORT_CLOSES_AT"):
        hours.current()
