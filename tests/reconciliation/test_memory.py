"""A bill of any length takes the same memory, from the file to the last difference; here every line is one."""

from __future__ import annotations

import tracemalloc
from typing import Any

import pytest
from django.db import connection

import clock
from reconciliation import statements
from reconciliation.models import Statement
from tests.reconciliation.days import Day, stray_no
from tests.reconciliation.test_matching import CHANNELS

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("channel", CHANNELS)
@pytest.mark.parametrize("most", [5_000, pytest.param(50_000, marks=pytest.mark.nightly)])
def test_ten_times_the_lines_take_no_more_memory(simulator: Any, buy: Any, most: int, channel: str):
    peaks = [peak(Day(simulator, buy, buy, None), channel, count) for count in (most // 10, most)]
    assert peaks[1] <= 1.2 * peaks[0]
    with connection.cursor() as cursor:  # a test's end checks the keys of all rows at once
        cursor.execute("SET LOCAL statement_timeout = 0")


def peak(day: Day, channel: str, count: int) -> int:
    """Bytes of Python's own at the most, while this day's bills are fetched, read and compared."""
    about = {"amount_fen": 1000, "description": "历史", "paid_at": day.noon}
    for first in range(0, count, 1000):
        day.past(channel, [about | {"out_trade_no": stray_no()} for _ in range(min(1000, count - first))], [])
    day.over()
    statements.want(day.day, at=clock.now())
    tracemalloc.start()
    while statements.sweep(at=clock.now()):
        pass
    found = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    row = Statement.objects.get(account__code=channel, kind="trades", day=day.day)
    assert (row.status, row.lines_read, row.discrepancies.count()) == ("matched", count, count)
    return found
