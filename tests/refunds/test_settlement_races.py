"""Settling against asking for the money back, on real connections: whoever is second sees what the first has done."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import DatabaseError, connection, transaction

import clock
from cardshop import invariants
from ledger import balances, posting
from ledger.models import Posting
from orders.models import Order
from refunds import applying, penalties, settlement
from refunds.applying import Application
from refunds.models import Refund
from tests.refunds.test_races import at_once

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def due(buy, reveal):
    """``due(3)``: so many orders whose window is over at the answered time."""

    def build(count):
        orders = [buy(price_fen=8800) for _ in range(count)]
        for order in orders:
            reveal(order)
        settlement.sweep(at=clock.now())
        return orders, clock.now() + timedelta(days=16)

    return build


@pytest.mark.parametrize("rounds", [10, pytest.param(200, marks=pytest.mark.nightly)])
def test_settled_or_held_and_never_both(due, rounds):
    """PM8: asked for first, it is not settled; settled first, the claim is drawn from what the shop has."""
    orders, at = due(rounds)
    shop = orders[0].shop_id
    for order in orders:
        Order.objects.filter(pk=order.pk).update(settle_from=at)
        results = at_once(
            lambda: settlement.sweep(at=at),
            lambda order=order: applying.submit(order, Application("invalid_code"), by=order.buyer, at=at),
        )
        assert not [result for result in results if isinstance(result, Exception)], results
        Order.objects.filter(settled_at=None).update(settle_from=at + timedelta(days=9))
    settled = Order.objects.filter(settled_at__isnull=False).count()
    held = 8800 * Refund.objects.filter(order__settled_at__isnull=False).count()
    owed = balances.owed([account(shop) for account in (posting.available_account, posting.advance_account)])
    assert sum(owed.values()) == 8800 * settled - held
    assert Refund.objects.count() == rounds
    assert invariants.broken() == []


def test_many_sweeps_at_once_settle_each_order_once(due):
    orders, at = due(6)
    results = at_once(*[lambda: settlement.sweep(at=at)] * 4)
    settlement.sweep(at=at)
    assert not [result for result in results if isinstance(result, Exception)], results
    assert Order.objects.filter(settled_fen=8800).count() == len(orders)
    assert Posting.objects.filter(ref__startswith="settle:").count() == len(orders)
    assert balances.owed([posting.available_account(orders[0].shop_id)]) == {
        posting.available_account(orders[0].shop_id): 8800 * len(orders)
    }
    assert invariants.broken() == []


def test_a_sweep_that_is_killed_has_done_nothing(due):
    """The connection is cut after the postings, before the commit."""
    orders, at = due(3)

    def killed():
        with transaction.atomic():
            settlement._settle(settlement._due(at, 2), at)
            assert Order.objects.filter(settled_at__isnull=False).count() == 2
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")

    assert isinstance(at_once(killed)[0], DatabaseError)
    assert not Order.objects.filter(settled_at__isnull=False).exists()
    assert not Posting.objects.filter(ref__startswith="settle:").exists()
    settlement.sweep(at=at)
    assert Order.objects.filter(settled_fen=8800).count() == len(orders)
    assert invariants.broken() == []


def test_many_sweeps_at_once_pay_each_penalty_once(buy, merchant, buyer):
    from orders import cancellation
    from orders.models import Cause

    for _ in range(3):
        order = buy(price_fen=3000, stock=0, shop_cancel_penalty_percent=5)
        cancellation.cancel(order, cause=Cause.OUT_OF_STOCK, by=merchant, at=clock.now())
    results = at_once(*[lambda: penalties.sweep(at=clock.now())] * 3)
    assert not [result for result in results if isinstance(result, Exception)], results
    assert balances.of_buyer(buyer.pk) == 450
