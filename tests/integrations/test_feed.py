"""Numbers are drawn before they are committed: an event that appears late, under a low number, is told all the same."""

from __future__ import annotations

import threading

import pytest
from django.db import connection, transaction
from django.db.models import Max

import clock
from integrations import feed
from integrations.models import FeedMark, WebhookDelivery, WebhookEndpoint
from refunds import lifecycle
from refunds.models import RefundEvent
from shops.models import Shop
from tests.demo_stack import eventually


@pytest.mark.django_db(transaction=True)
def test_an_event_that_is_committed_late_is_told(listen, reviewed, buyer):
    """One step stays open while another, begun later, is committed and read. A mark by number alone would lose it."""
    first, second = reviewed(), reviewed()
    listen("refund.withdrawn")
    settle()
    written, may_commit = threading.Event(), threading.Event()

    def slow_step() -> None:
        try:
            with transaction.atomic():
                lifecycle.withdraw(first, by=buyer, at=clock.now())
                written.set()
                may_commit.wait(30)
        finally:
            connection.close()

    thread = threading.Thread(target=slow_step)
    thread.start()
    assert written.wait(30)
    lifecycle.withdraw(second, by=buyer, at=clock.now())
    for _ in range(5):
        feed.read(at=clock.now())
    assert told() == [second.refund_no]
    may_commit.set()
    thread.join()
    late = RefundEvent.objects.get(refund=first, to_status="withdrawn")
    assert late.pk < RefundEvent.objects.get(refund=second, to_status="withdrawn").pk
    settle()
    assert told() == [second.refund_no, first.refund_no]
    assert FeedMark.objects.get().settled_id == RefundEvent.objects.latest("pk").pk


@pytest.mark.django_db(transaction=True)
def test_when_all_is_settled_reading_writes_nothing(listen, buy, apply, django_assert_num_queries):
    listen()
    apply(buy())
    settle()
    before = FeedMark.objects.values().get()
    at = clock.now()
    with django_assert_num_queries(2):  # where we are, and the last there is
        assert feed.read(at=at) == 0
    assert FeedMark.objects.values().get() == before


@pytest.mark.django_db(transaction=True)
def test_two_that_read_at_once_make_each_delivery_once(listen, buy, apply):
    listen()
    apply(buy())
    gate = threading.Barrier(4)

    def read() -> None:
        try:
            gate.wait(30)
            feed.read(at=clock.now())
        finally:
            connection.close()

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    settle()
    events = list(WebhookDelivery.objects.values_list("event_id", flat=True))
    assert sorted(events) == sorted(set(events))
    assert len(events) >= 2


@pytest.mark.django_db
def test_more_than_a_batch_is_made_in_turns(listen, buy, apply, monkeypatch):
    monkeypatch.setattr(feed, "BATCH", 1)
    listen()
    refund = apply(buy())
    told_each_time = []
    while made := feed.read(at=clock.now()):
        told_each_time.append(made)
    changed = [event for event in refund.events.all() if event.from_status != event.to_status]
    assert told_each_time == [1] * len(changed)


def settle() -> None:
    """Read until there is nothing more to find out. What other tests have under way on this server counts, too."""
    eventually(is_settled, 60)


def is_settled() -> bool:
    feed.read(at=clock.now())
    return FeedMark.objects.get().settled_id == (RefundEvent.objects.aggregate(last=Max("pk"))["last"] or 0)


def told() -> list[str]:
    rows = WebhookDelivery.objects.filter(endpoint=WebhookEndpoint.objects.get()).order_by("created_at", "pk")
    return list(rows.values_list("event__refund__refund_no", flat=True))


@pytest.mark.django_db(transaction=True)
def test_a_suspended_shop_is_told_nothing(listen, reviewed, buyer):
    """As its keys are not served: what happens meanwhile is read once it is open again."""
    refund = reviewed()
    listen("refund.withdrawn")
    settle()
    Shop.objects.filter(pk=refund.shop_id).update(status="suspended")
    lifecycle.withdraw(refund, by=buyer, at=clock.now())
    settle()
    assert told() == []
