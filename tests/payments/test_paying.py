"""Money in: found paid by asking, closed in time, and given back by itself when it came too late or twice."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest

import clock
from cardshop import invariants
from orders import placing
from orders.models import OrderStatus
from orders.placing import PAY_WITHIN, Wish
from payments import charging, refunding
from payments.gateways.wechat.answers import Call
from payments.models import AttemptStatus, Payment, PaymentStatus
from refunds import disbursement
from refunds.models import Refund
from tests.cases import scripted_channel
from tests.gateways.test_wechat import (  # noqa: F401  a channel that answers as it is told
    PAYMENT_BODY,
    Reply,
    channel,
    credentials,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def checkout(buyer, make_product):
    """An order with its payment, nothing sent yet."""

    def start(**product):
        goods = make_product(**product)
        return charging.checkout(goods, Wish(again=True), buyer=buyer, checkout_key=uuid.uuid4(), at=clock.now())

    return start


@pytest.fixture
def shown(checkout):
    """The QR code is on the buyer's screen."""
    return lambda **product: charging.present(checkout(**product), at=clock.now())


def later(**time):
    clock.advance(timedelta(**time))
    return charging.sweep(at=clock.now())


def now(row):
    return type(row).objects.get(pk=row.pk)


def test_paid_is_what_the_query_says(shown, simulator):
    payment = shown()
    simulator.pay(payment.payment_no)
    later(minutes=1)
    paid = now(payment)
    assert (paid.status, paid.is_surplus, paid.next_due_at) == (PaymentStatus.PAID, False, None)
    assert paid.order.status == OrderStatus.DELIVERED
    assert invariants.broken(simulator.ledger()) == []


def test_unpaid_it_is_polled_and_stays_open(shown):
    payment = shown()
    for _ in range(5):
        assert later(minutes=1) == 1
    assert now(payment).status == PaymentStatus.OPEN


def test_at_its_end_it_is_closed_and_the_order_canceled(shown, simulator):
    payment = shown()
    later(minutes=15)
    assert now(payment).status == PaymentStatus.CLOSED
    assert now(payment.order).status == OrderStatus.CANCELED
    (row,) = [row for row in simulator.ledger()["payments"] if row["out_trade_no"] == payment.payment_no]
    assert row["state"] == "CLOSED"
    with pytest.raises(charging.OrderIsNotPayable):
        charging.prepare(now(payment.order), at=clock.now())


def test_never_shown_it_is_closed_without_the_channel(checkout):
    payment = checkout()
    clock.advance(PAY_WITHIN)
    charging.sweep(at=clock.now())
    assert (now(payment).status, now(payment.order).status) == (PaymentStatus.CLOSED, OrderStatus.CANCELED)


def test_paid_in_the_last_second_counts(shown, simulator):
    """G20: between our last look and the close the buyer was faster."""
    payment = shown()
    simulator.pay(payment.payment_no)
    later(minutes=20)
    assert now(payment).status == PaymentStatus.PAID
    assert now(payment.order).status == OrderStatus.DELIVERED


def test_paid_after_the_order_was_canceled_goes_back_by_itself(shown, simulator):
    """PM13: in full, without a case, the order untouched, and kept apart in the ledger."""
    payment = shown(price_fen=3000)
    placing.cancel([payment.order], at=clock.now())
    simulator.pay(payment.payment_no)
    later(minutes=1)
    paid = now(payment)
    assert (paid.status, paid.is_surplus, paid.reserved_fen) == (PaymentStatus.PAID, True, 3000)
    assert now(payment.order).status == OrderStatus.CANCELED
    attempt = paid.attempts.get()
    refunding.sweep(at=clock.now())
    simulator.settle(attempt.request_no, "SUCCESS")
    clock.advance(timedelta(minutes=1))
    refunding.sweep(at=clock.now())
    disbursement.hear(at=clock.now())
    assert now(attempt).status == AttemptStatus.SUCCEEDED
    assert now(attempt).news_at is None
    assert (now(paid).reserved_fen, now(paid).refunded_fen) == (0, 3000)
    assert not Refund.objects.exists()
    assert invariants.broken(simulator.ledger()) == []


def test_a_canceled_order_that_was_paid_is_not_refunded_twice(shown, simulator, apply):
    """The surplus goes back by itself; the buyer who asks as well is told that nothing is left to ask for."""
    from refunds.lifecycle import StepRefused

    payment = shown()
    placing.cancel([payment.order], at=clock.now())
    simulator.pay(payment.payment_no)
    later(minutes=1)
    with pytest.raises(StepRefused) as refused:
        apply(now(payment.order))
    assert refused.value.code == "not_paid"


def test_another_amount_than_ours_is_no_payment_of_this_order(shown, channel, credentials, settings):  # noqa: F811
    """G13, G16: it is booked as what came, goes back, and the order is canceled."""
    payment = shown(price_fen=3000)
    with scripted_channel(credentials, settings):
        paid = {"out_trade_no": payment.payment_no, "amount": {"total": 1, "payer_total": 1, "currency": "CNY"}}
        channel.answers[Call.QUERY] = Reply(200, PAYMENT_BODY | paid)
        later(minutes=1)
    wrong = now(payment)
    assert (wrong.status, wrong.is_surplus, wrong.amount_fen, wrong.reserved_fen) == (PaymentStatus.PAID, True, 1, 1)
    assert now(payment.order).status == OrderStatus.CANCELED
    assert invariants.broken() == []


@pytest.mark.parametrize("fault", ["request_lost", "answer_lost", "http_500_after", "bad_signature"])
def test_a_lost_answer_opens_no_second_payment(fault, checkout, simulator):
    payment = checkout()
    simulator.faults(fault, request_no=payment.payment_no)
    assert charging.present(payment, at=clock.now()).till == ""
    later(minutes=1)
    assert now(payment).till
    simulator.pay(payment.payment_no)
    later(minutes=1)
    assert now(payment).status == PaymentStatus.PAID
    assert len([row for row in simulator.ledger()["payments"] if row["out_trade_no"] == payment.payment_no]) == 1
    assert invariants.broken(simulator.ledger()) == []


def test_two_tabs_one_payment(checkout):
    payment = checkout()
    assert charging.prepare(payment.order, at=clock.now()) == payment
    assert Payment.objects.count() == 1


def test_oversold_it_stays_undelivered_and_comes_back_at_once(buy, apply, drain, simulator):
    """P16, S0-4: paid, but somebody else had the last code."""
    order = buy(price_fen=250_000, stock=0)
    assert order.status == OrderStatus.PAID
    refund = apply(order, reason="undelivered")
    drain()
    refund.refresh_from_db()
    assert (refund.status, refund.lane) == ("arrived", "undelivered")
    assert invariants.broken(simulator.ledger()) == []
