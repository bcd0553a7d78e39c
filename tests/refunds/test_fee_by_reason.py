"""The fee for the balance: not avoided by the name of a reason, and never more than half (S1-15, S4-5)."""

from __future__ import annotations

import pytest

from refunds.models import Lane

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("reason", "destination", "lane", "fee_fen"),
    [
        ("changed_mind", "balance", Lane.ONE_CLICK, 300),
        ("invalid_code", "balance", Lane.STANDARD, 0),  # a person asks whose fault it is
        ("invalid_code", "original", Lane.ONE_CLICK, 0),  # no fee hangs on it
    ],
)
def test_who_names_the_shops_fault_is_asked_by_a_person(buy, apply, reason, destination, lane, fee_fen):
    order = buy(price_fen=3000, balance_fee_percent=10)
    refund = apply(order, reason=reason, destination=destination)
    assert (refund.lane, refund.fee_fen) == (lane, fee_fen)


def test_undelivered_goods_owe_no_fee_whoever_is_at_fault(buy, apply):
    order = buy(price_fen=3000, stock=0, balance_fee_percent=10, fee_percent=10)
    refund = apply(order, reason="other", destination="balance")
    assert (refund.lane, refund.fee_fen, refund.amount_fen) == (Lane.UNDELIVERED, 0, 3000)


@pytest.mark.parametrize(("fee_percent", "balance_fee_percent"), [(50, 0), (0, 50), (44, 6)])
def test_both_fees_together_are_at_most_half(buy, apply, fee_percent, balance_fee_percent):
    """A policy cannot say more (``policy_fees_are_shares``); what it may say can be applied under."""
    order = buy(price_fen=3001, fee_percent=fee_percent, balance_fee_percent=balance_fee_percent)
    refund = apply(order, reason="changed_mind", destination="balance")
    assert (refund.lane, refund.fee_fen, refund.amount_fen) == (Lane.ONE_CLICK, 1500, 1501)
