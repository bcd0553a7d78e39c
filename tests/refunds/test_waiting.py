"""等待: whose time a case took, told from its events alone (S2-15)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from refunds import waiting
from refunds.models import RefundEvent

START = datetime(2026, 11, 2, 9, tzinfo=UTC)


def events(*moves):
    """[(hours after the beginning, status)] as events, oldest first."""
    first = RefundEvent(step="submit", from_status="", to_status=moves[0][1], at=START)
    later = [
        RefundEvent(step="x", from_status=before[1], to_status=status, at=START + timedelta(hours=hours))
        for before, (hours, status) in pairwise(moves)
    ]
    return [first, *later]


@pytest.mark.parametrize(
    ("moves", "until", "expected"),
    [
        ([(0, "submitted")], 1, {"platform": 60}),
        ([(0, "submitted"), (1, "merchant_review"), (5, "offered"), (6, "first_review")], 8,
         {"platform": 180, "merchant": 240, "answer": 60}),
        ([(0, "submitted"), (1, "approved"), (2, "processing"), (3, "paid_out"), (50, "arrived")], 99,
         {"platform": 120, "channel": 48 * 60}),
        ([(0, "submitted"), (4, "rejected"), (100, "appeal_review")], 101, {"platform": 300}),  # rest is nobody's
        ([(0, "submitted"), (0, "approved")], 0, {}),
    ],
)  # fmt: skip
def test_every_hour_is_somebodys_and_none_is_counted_twice(moves, until, expected):
    at = START + timedelta(hours=until)
    assert dict(waiting.spent(events(*moves), at=at)) == expected
