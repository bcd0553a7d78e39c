"""A part of what was never delivered is no automatic refund: the rest of the order would be delivered for the rest."""

from __future__ import annotations

import pytest

import clock
from orders import cancellation
from orders.models import Cause, OrderStatus
from refunds import policy
from refunds.models import Lane, PreCheck, Status

pytestmark = pytest.mark.django_db


def test_nearly_all_of_the_money_and_the_goods_as_well_is_nobodys_by_rule(buy, apply, drain):
    """conflict 6: ¥87.99 of ¥88.00 went back by itself, and the shop did its work for a fen."""
    order = buy(price_fen=8800, stock=0)
    refund = apply(order, amount_fen=8799)
    assert (refund.status, refund.lane) == (Status.FIRST_REVIEW, Lane.STANDARD)
    drain()
    order.refresh_from_db()
    assert (order.status, order.payments.get().refundable_fen) == (OrderStatus.PAID, 8800)


def test_the_buyer_and_the_reviewer_read_why(buy, apply):
    refund = apply(buy(price_fen=8800, stock=0), amount_fen=100)
    results = PreCheck.objects.get(refund=refund).results
    weights = policy.weights({row["rule"]: row["passed"] for row in results})
    assert [rule for rule, weight in weights.items() if weight == "person"] == ["whole"]


def test_one_of_two_units_in_whole_goes_back_by_itself(buy, apply):
    order = buy(price_fen=8800, quantity=2, stock=0)
    refund = apply(order, line_ids=[order.lines.get(position=1).pk])
    assert (refund.amount_fen, refund.lane) == (8800, Lane.UNDELIVERED)


def test_what_was_canceled_goes_back_by_itself_also_where_less_is_left(buy, drain):
    """S4-1: of a payment that the channel's console took from, all that is left."""
    order = buy(price_fen=8800, stock=0)
    payment = order.payments.get()
    type(payment).objects.filter(pk=payment.pk).update(external_fen=800)
    cancellation.cancel(order, cause=Cause.OUT_OF_STOCK, by=None, at=clock.now())
    drain()
    refund = order.refunds.get()
    assert (refund.amount_fen, refund.lane, refund.status) == (8000, Lane.UNDELIVERED, Status.ARRIVED)
