"""What happens around midnight stands in a neighbor's bill: it is waited for, and no difference is made of it."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

import clock
from payments.models import RefundAttempt
from reconciliation.models import Statement
from tests.reconciliation.days import Day
from tests.reconciliation.test_matching import FUNDS, found

pytestmark = pytest.mark.django_db
ASIDE = timedelta(minutes=2)  # our clock, from the channel's


@pytest.mark.parametrize(
    ("channel", "first"),
    [
        ("wechat", 0),
        ("alipay", 1),
        *(pytest.param(*other, marks=pytest.mark.nightly) for other in [("wechat", 1), ("alipay", 0)]),
    ],
)
def test_what_lies_on_the_other_side_of_midnight_is_matched(day: Day, channel: str, first: int):
    """One clock says before and the other after, for payments and refunds of either side, whichever of the two days is
    compared ``first``. What is truly missing is told once, when both are there."""
    midnight = clock.midnight(day.day + timedelta(days=1))
    pass_until(day, midnight - timedelta(seconds=90))
    refunds_beside(day, ASIDE, channel)  # ours say tomorrow, theirs today
    pass_until(day, midnight + timedelta(seconds=60))
    lost = refunds_beside(day, -ASIDE, channel).payment  # ours say today, theirs tomorrow
    days = [day.day, day.day + timedelta(days=1)]
    for kind, number in (("trade", lost.payment_no), (FUNDS[channel], lost.channel_transaction_id)):
        day.day = days[1]
        day.plant(channel, kind, "drop_line", number=number)
    day.over()
    day.day = days[first]
    day.reconcile()
    assert told() == set()
    assert (trades(day, channel).waiting > 0) == (first == 1)
    day.day = days[1 - first]
    day.reconcile()
    assert told() == {("trades", "only_ours", lost.payment_no)}
    assert sum(Statement.objects.filter(kind="trades").values_list("waiting", flat=True)) == 0
    day.simulator.post("bill", clear=True)
    day.day = days[1]
    day.reconcile(again=True)
    assert found() == set()


def pass_until(day: Day, moment: datetime) -> None:
    """The channel's clock, and ours with it."""
    day.simulator.clock((moment - clock.now()).total_seconds())
    clock.advance(moment - clock.now())


def refunds_beside(day: Day, aside: timedelta, channel: str) -> RefundAttempt:
    """Bought and refunded while our clock stands so far aside of the channel's."""
    clock.advance(aside)
    attempt: RefundAttempt = day.refund(channel)
    clock.advance(-aside)
    return attempt


def told() -> set[tuple[str, str, str]]:
    """What differs, but for the sums of the bill that lacks a line."""
    return {row for row in found() if row[1] != "totals"}


def trades(day: Day, channel: str) -> Statement:
    return Statement.objects.get(account__code=channel, kind="trades", day=day.day)
