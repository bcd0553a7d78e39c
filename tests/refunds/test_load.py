"""Many at once: queries do not grow with the cases, and a refund costs at most one message."""

from __future__ import annotations

import json
import uuid

import pytest
import redis
from celery import current_app
from celery.signals import before_task_publish
from django.db import connection
from django.test.utils import CaptureQueriesContext

import clock
from cardshop import invariants
from orders import delivery
from payments import refunding
from payments.models import RefundAttempt
from refunds import applying, disbursement, lifecycle, sweeping
from refunds.applying import Application
from refunds.models import Refund, Status
from shops.stock import Viewer
from tests.cases import attempt_of, hint
from tests.cast import person

FEW, MANY = 2, 20


def queries(work, *args, **how) -> int:
    with CaptureQueriesContext(connection) as captured:
        work(*args, **how, at=clock.now())
    return len(captured)


def apply_for(orders):
    at = clock.now()
    return [applying.submit(order, Application("changed_mind"), by=order.buyer, at=at) for order in orders]


def stands(refunds, status):
    assert {refund.status for refund in Refund.objects.filter(pk__in=[refund.pk for refund in refunds])} == {status}


@pytest.mark.django_db
def test_the_machines_way_costs_no_more_queries_for_many(buy, simulator):
    """Pre-check, release, sending, asking and hearing: as many queries for twenty cases as for two."""

    def counted(size):
        refunds = apply_for([buy(price_fen=300) for _ in range(size)])
        yield "pre-check", queries(sweeping.sweep)
        stands(refunds, Status.APPROVED)
        yield "release", queries(sweeping.sweep)
        stands(refunds, Status.PROCESSING)
        yield "send", queries(refunding.sweep)
        for refund in refunds:
            simulator.settle(attempt_of(refund).request_no, "SUCCESS")
        RefundAttempt.objects.update(next_due_at=clock.now())
        yield "ask", queries(refunding.sweep)
        yield "hear", queries(disbursement.hear)
        stands(refunds, Status.ARRIVED)

    few, many = dict(counted(FEW)), dict(counted(MANY))
    assert all(many[step] <= few[step] + 2 for step in few), (few, many)
    assert max(many.values()) <= 32, many  # payments and orders are locked first (decision 23)
    assert invariants.broken(simulator.ledger()) == []


@pytest.mark.django_db
def test_the_staffs_way_costs_no_more_queries_for_many(buy, apply, reviewer, finance, reveal):
    def counted(size):
        refunds = [apply(revealed(buy, reveal)) for _ in range(size)]
        good, bad = refunds[: size // 2], refunds[size // 2 :]
        yield "approve", queries(lifecycle.approve, good, by=reviewer)
        yield "reject", queries(lifecycle.reject, bad, by=reviewer, note="凭证不足")
        stands(bad, Status.REJECTED)
        yield "release", queries(disbursement.release, good, by=finance)
        stands(good, Status.PROCESSING)

    few, many = dict(counted(FEW)), dict(counted(MANY))
    assert all(many[step] <= few[step] + 2 for step in few), (few, many)


def revealed(buy, reveal):
    order = buy(price_fen=300)
    reveal(order)
    return order


# --- messages ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def broker(settings):
    """The real broker, empty; a worker of the tests takes from it."""
    client = redis.Redis.from_url(settings.REDIS_URL)
    client.flushdb()
    yield client
    client.flushdb()


@pytest.fixture
def messages():
    """How often each task was sent."""
    sent: list[str] = []

    def count(sender=None, **_):
        sent.append(sender)

    before_task_publish.connect(count)
    yield sent
    before_task_publish.disconnect(count)


def work_off(broker) -> None:
    """A worker: one message after the other, until none is left."""
    current_app.loader.import_default_modules()
    while (message := broker.rpop("celery")) is not None:
        current_app.tasks[json.loads(message)["headers"]["task"]]()


@pytest.mark.parametrize("at_once", [10, 40])
def test_under_load_a_refund_costs_at_most_one_message(at_once, transactional_db, buy, broker, messages, simulator):
    """Forty cases from submit to arrival, a worker that comes round after every few: its bells are coalesced."""
    orders = [buy(price_fen=300) for _ in range(40)]
    work_off(broker)
    messages.clear()
    for start in range(0, 40, at_once):
        refunds = apply_for(orders[start : start + at_once])
        work_off(broker)
        for refund in refunds:
            simulator.settle(attempt_of(refund).request_no, "SUCCESS")
            hint(attempt_of(refund))  # as its notification does
        work_off(broker)
        stands(refunds, Status.ARRIVED)
    assert len(messages) <= 40, messages
    assert invariants.broken(simulator.ledger()) == []


def test_a_broker_that_is_gone_costs_only_time(transactional_db, buy, settings, drain, simulator):
    """Losing all of Redis loses no refund: what was committed is found by the sweeper."""
    import workqueue

    workqueue._redis.cache_clear()
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    try:
        (refund,) = apply_for([buy()])
        drain()
    finally:
        workqueue._redis.cache_clear()
    refund.refresh_from_db()
    assert refund.status == Status.ARRIVED


@pytest.mark.django_db
def test_asking_for_many_orders_costs_no_more_queries_than_for_two(buy):
    """Also with words in which codes may stand, to the balance, and where an order had a case before."""

    def counted(size):
        buyer = person(f"buyer-of-{size}-{uuid.uuid4()}", "buyer")
        orders = [buy(by=buyer) for _ in range(size)]
        for order in orders:
            delivery.reveal(order.lines.get(), viewer=Viewer(buyer, "203.0.113.7", "phone"), at=clock.now())
        earlier = applying.submit(orders[0], Application("invalid_code"), by=buyer, at=clock.now())
        lifecycle.withdraw(earlier, by=buyer, at=clock.now())
        asked = Application("invalid_code", "昨晚八点兑换，提示已使用", destination="balance")
        count = queries(applying.submit_many, orders, asked, by=buyer)
        assert Refund.objects.filter(buyer=buyer, status=Status.SUBMITTED).count() == size
        return count

    counted(FEW)  # opens the accounts of the shop
    assert counted(MANY) == counted(FEW) <= 32
