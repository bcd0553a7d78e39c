"""The watch on promises: overdue, twice overdue, and completion, each at its very moment (S1-4)."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest
from django.db import DatabaseError

import clock
from notices.models import Notice
from orders import delivery, placing, service_jobs, topups, watch
from orders.models import Cancellation, Cause, Order, OrderStatus, ServiceJob, TopUp, TopUpStatus
from orders.placing import Wish
from orders.recipients import Recipient

pytestmark = pytest.mark.django_db
TICK = timedelta(microseconds=1)


@pytest.fixture
def undelivered(buy):
    """A paid service that nobody has begun, promised within ten minutes; words are terms of its policy."""

    def build(**terms) -> Order:
        return buy(stock=0, delivery_promise_minutes=10, **terms)

    return build


def look(order: Order, at) -> Order:
    watch.sweep(at=at)
    order.refresh_from_db()
    return order


# --- the promise


def test_nothing_happens_before_the_promise_is_over(undelivered):
    order = undelivered()
    assert watch.sweep(at=order.promised_at - TICK) == 0
    order.refresh_from_db()
    assert order.overdue_since is None


def test_once_the_promise_is_over_buyer_and_shop_are_told(undelivered, merchant):
    """P16: the offer to take the money back stands on the order from this moment."""
    order = undelivered()
    look(order, order.promised_at)
    assert order.overdue_since == order.promised_at
    assert order.next_due_at == order.paid_at + timedelta(minutes=20)
    assert order.status == OrderStatus.PAID
    told = set(Notice.objects.filter(source=f"order-overdue:{order.pk}").values_list("recipient", "kind"))
    assert told == {(order.buyer_id, "order_overdue"), (merchant.pk, "shop_order_overdue")}


def test_nobody_is_told_twice(undelivered, merchant):
    order = undelivered(late_refund_is_automatic=False)
    for minutes in (10, 20, 31, 45):
        look(order, order.paid_at + timedelta(minutes=minutes))
    assert Notice.objects.filter(source=f"order-overdue:{order.pk}").count() == 2


def test_at_twice_the_promise_the_money_goes_back_by_itself(undelivered):
    order = undelivered()
    look(order, order.promised_at)
    twice = order.paid_at + timedelta(minutes=20)
    assert watch.sweep(at=twice - TICK) == 0
    look(order, twice)
    canceled = Cancellation.objects.get(order=order)
    assert (canceled.cause, canceled.canceled_by, canceled.refund_fen) == (Cause.LATE, None, order.total_fen)
    assert (order.status, order.next_due_at) == (OrderStatus.CANCELED, None)


def test_a_watch_that_was_asleep_does_both_at_once(undelivered):
    order = undelivered()
    look(order, order.promised_at + timedelta(days=1))
    assert order.overdue_since is not None
    assert order.status == OrderStatus.CANCELED


def test_where_the_policy_leaves_it_to_the_buyer_the_order_stays_under_watch(undelivered):
    order = undelivered(late_refund_is_automatic=False)
    at = order.promised_at
    for _ in range(6):
        look(order, at)
        assert order.status == OrderStatus.PAID
        assert order.next_due_at > at
        assert order.next_due_at - at <= timedelta(hours=1)
        at = order.next_due_at
    assert not Cancellation.objects.exists()


def test_work_that_began_is_not_canceled_but_looked_at_again(undelivered, merchant):
    order = undelivered()
    service_jobs.start(ServiceJob.objects.get(line__order=order), by=merchant, at=clock.now())
    twice = order.paid_at + timedelta(minutes=20)
    look(order, twice)
    assert (order.status, order.next_due_at) == (OrderStatus.PAID, twice + timedelta(minutes=10))
    look(order, twice + timedelta(days=2))
    assert order.next_due_at == twice + timedelta(days=2, hours=1)
    assert not Cancellation.objects.exists()


def test_of_a_late_order_what_was_sent_stays_and_what_was_not_goes_back(buyer, supplier, make_product, pay, simulator):
    """A top-up at the supplier may still arrive; one that never left us is stopped."""
    product = make_product(
        5000, kind="top_up", fulfilment="top_up", recipient_kind="phone", supplier=supplier, supplier_sku="phone-50",
        delivery_promise_minutes=10,
    )  # fmt: skip
    wish = Wish(2, recipient=Recipient("phone", "13800009999"), again=True)
    order = pay(placing.place(product, wish, buyer=buyer, checkout_key=uuid.uuid4(), at=clock.now()))
    sent, kept = TopUp.objects.filter(line__order=order).order_by("line__position")
    simulator.faults("issuer_429", request_no=kept.topup_no)
    topups.sweep(at=clock.now())
    twice = order.paid_at + timedelta(minutes=20)
    look(order, twice)
    kept.refresh_from_db()
    assert (kept.status, order.status) == (TopUpStatus.STOPPED, OrderStatus.PAID)
    assert order.next_due_at == twice + timedelta(minutes=10)
    assert Cancellation.objects.get(order=order).lines.get().line_id == kept.line_id
    simulator.post("topup", reference=sent.topup_no, state="DONE")
    topups.sweep(at=order.next_due_at)
    order.refresh_from_db()
    assert order.status == OrderStatus.DELIVERED


# --- completion


def test_a_delivered_order_is_completed_when_its_days_are_over(buy):
    order = buy(complete_after_days=3)
    days = order.delivered_at + timedelta(days=3)
    assert watch.sweep(at=days - TICK) == 0
    look(order, days)
    assert (order.status, order.completed_at, order.next_due_at) == (OrderStatus.COMPLETED, days, None)


def test_what_its_buyer_has_confirmed_is_not_completed_again(undelivered, merchant):
    order = undelivered()
    job = ServiceJob.objects.get(line__order=order)
    service_jobs.start(job, by=merchant, at=clock.now())
    service_jobs.hand_over(job, by=merchant, at=clock.now(), text="已打到王者")
    delivery.confirm(order, by=order.buyer, at=clock.now())
    order.refresh_from_db()
    assert (order.status, order.next_due_at) == (OrderStatus.COMPLETED, None)
    assert watch.sweep(at=clock.now() + timedelta(days=30)) == 0


# --- many at once


def test_one_order_that_breaks_is_set_aside_and_stops_no_other(undelivered, monkeypatch):
    """F12, with growing pauses."""
    bad, good = undelivered(), undelivered()
    real = watch.cancellation.cancel

    def break_on_the_bad_one(order, **words):
        if order.pk == bad.pk:
            raise DatabaseError("no space left on device")
        return real(order, **words)

    monkeypatch.setattr(watch.cancellation, "cancel", break_on_the_bad_one)
    at = max(bad.promised_at, good.promised_at) + timedelta(days=1)
    pauses = []
    for _ in range(3):
        look(bad, at)
        assert bad.status == OrderStatus.PAID
        pauses.append(bad.next_due_at - at)
        at = bad.next_due_at
    assert pauses == sorted(set(pauses))
    good.refresh_from_db()
    assert good.status == OrderStatus.CANCELED
    monkeypatch.undo()
    look(bad, at)
    assert bad.status == OrderStatus.CANCELED


def test_a_batch_is_bounded(undelivered, monkeypatch):
    monkeypatch.setattr(watch, "BATCH", 2)
    at = max(undelivered().promised_at for _ in range(3)) + timedelta(days=1)
    assert [watch.sweep(at=at), watch.sweep(at=at), watch.sweep(at=at)] == [2, 1, 0]
