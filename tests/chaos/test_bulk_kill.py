"""A shop is suspended with hundreds of open orders, and the worker is killed half-way, twice (S4-1, F1).

Every order is canceled once, each penalty recorded once, and every paid fen goes back.
"""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from urllib.parse import urlsplit

import pytest
from django.db import connection
from django.db.models import Count, Sum

import clock
from cardshop import invariants
from orders import bulk, placing
from orders.models import Cancellation, Cause, Order, OrderEvent, OrderStatus
from orders.placing import Wish
from payments import charging
from payments.models import Payment, PaymentStatus
from refunds.models import Refund, Status
from shops import life
from tests.cast import person
from tests.demo_stack import ROOT, eventually

pytestmark = pytest.mark.django_db(transaction=True)

PRICE_FEN, PENALTY_FEN = 999, 50  # rounded up: the odd fen is the buyer's
UNPAID = 5
SECONDS_EACH = 1.5  # generous: two cores, shared with whatever else runs


@pytest.mark.parametrize("many", [500, pytest.param(5000, marks=pytest.mark.nightly)])
def test_a_suspended_shops_orders_are_canceled_once_each_whatever_dies(many, shop, operator, make_product, simulator):
    product = make_product(PRICE_FEN, kind="service", fulfilment="service", shop_cancel_penalty_percent=5)
    paid = pay_all(order_all(product, many), simulator)
    unpaid = order_all(product, UNPAID)
    life.suspend(shop, by=operator, at=clock.now(), reason="涉嫌违规")
    row = bulk.preview(shop, cause=Cause.SHOP_SUSPENDED, reason="店铺停业", by=operator, at=clock.now())
    assert (row.order_count, row.unpaid_count) == (many, UNPAID)
    assert (row.refund_fen, row.penalty_fen) == (many * PRICE_FEN, many * PENALTY_FEN)
    bulk.start(row, by=operator, at=clock.now())

    for share in (many // 4, many // 2):
        with a_worker():
            eventually(lambda share=share: Cancellation.objects.count() >= share, 60, "no batch was canceled")
        row.refresh_from_db()
        assert row.status == "running", "it was killed too late to prove anything"
        assert row.canceled_count == Cancellation.objects.count()  # progress and work are one commit
    with a_worker():
        eventually(lambda: sent_back() == many, many * SECONDS_EACH, "not all of the money is on its way back")
        eventually(lambda: not Order.objects.filter(status=OrderStatus.PLACED).exists(), 60, "an order waits unpaid")
        eventually(lambda: arrived() == many, many * SECONDS_EACH, "not all of the money has arrived")

    row.refresh_from_db()
    assert (row.status, row.canceled_count, row.called_off_count, row.skipped_count) == ("done", many, UNPAID, 0)
    assert set(Order.objects.values_list("status", flat=True)) == {OrderStatus.CANCELED}
    assert Cancellation.objects.aggregate(Sum("penalty_fen"), Sum("refund_fen"), Count("order", distinct=True)) == {
        "penalty_fen__sum": many * PENALTY_FEN, "refund_fen__sum": many * PRICE_FEN, "order__count": many,
    }  # fmt: skip
    assert Cancellation.objects.count() == many
    assert not Cancellation.objects.filter(heard_at=None).exists()
    assert OrderEvent.objects.filter(step="cancel").count() == many
    assert Refund.objects.aggregate(Sum("amount_fen"), Count("order", distinct=True)) == {
        "amount_fen__sum": many * PRICE_FEN, "order__count": many,
    }  # fmt: skip
    books = {each["out_trade_no"]: each for each in simulator.ledger()["payments"]}
    assert {books[payment.payment_no]["refunded_fen"] for payment in paid} == {PRICE_FEN}
    closed = {books[number]["state"] for number in unpaid_numbers(unpaid) if number in books}
    assert closed <= {"CLOSED"}
    assert invariants.broken(simulator.ledger()) == []


@contextmanager
def a_worker() -> Iterator[None]:
    """Killed at the end of the block, with whatever it is in the middle of."""
    address = urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{connection.settings_dict['NAME']}").geturl()
    words = [sys.executable, "-m", "tests.chaos.bulk_worker"]
    process = subprocess.Popen(words, cwd=ROOT, env=os.environ | {"DATABASE_URL": address})
    try:
        yield
        assert process.poll() is None, "the worker died by itself"
    finally:
        process.kill()
        process.wait()


def order_all(product, many):
    """By as many buyers as it takes: nobody may have more orders unpaid."""
    buyers = [person(uuid.uuid4().hex, "buyer") for _ in range(0, many, placing.MOST_UNPAID_UNITS)]
    orders = [
        placing.place(
            product, Wish(again=True), buyer=buyers[number % len(buyers)], checkout_key=uuid.uuid4(), at=clock.now()
        )
        for number in range(many)
    ]
    return [charging.prepare(order, at=clock.now(), way=charging.Way("wechat")) for order in orders]


def pay_all(payments, simulator):
    """Really paid: a till each, the buyer pays, the shop asks."""
    look(payments)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(simulator.pay, [payment.payment_no for payment in payments]))
    look(payments)
    keys = [payment.pk for payment in payments]
    assert Payment.objects.filter(pk__in=keys, status=PaymentStatus.PAID).count() == len(payments)
    return payments


def look(payments):
    for start in range(0, len(payments), 100):
        charging.look(payments[start : start + 100], at=clock.now())


def sent_back():
    return Refund.objects.filter(status__in=[Status.PROCESSING, Status.PAID_OUT, Status.ARRIVED]).count()


def arrived():
    return Refund.objects.filter(status=Status.ARRIVED).count()


def unpaid_numbers(payments):
    return [payment.payment_no for payment in payments]
