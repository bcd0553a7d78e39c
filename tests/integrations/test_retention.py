"""What was delivered goes after 90 days, and nothing else does; nothing is told again because of it."""

from __future__ import annotations

from datetime import timedelta

import pytest

import clock
from integrations import feed, retention, sending
from integrations.models import DeliveryStatus, FeedMark, WebhookDelivery
from integrations.tasks import prune
from refunds.models import RefundEvent
from tests.demo_stack import eventually

pytestmark = pytest.mark.django_db


def tell() -> None:
    while feed.read(at=clock.now()) + sending.sweep(at=clock.now()):
        pass


def is_all_settled() -> bool:
    """What other tests have under way on this server counts, too."""
    feed.read(at=clock.now())
    return FeedMark.objects.get().settled_id == RefundEvent.objects.latest("pk").pk


@pytest.mark.django_db(transaction=True)
def test_what_was_delivered_goes_after_90_days_and_is_not_told_again(listen, receiver, buy, apply, monkeypatch):
    monkeypatch.setattr(retention, "BATCH", 1)  # more than one batch
    listen("refund.submitted", "refund.approved")
    for _ in range(2):
        apply(buy(price_fen=3000), reason="changed_mind")
    tell()
    told = len(receiver.heard)
    receiver.status = 500
    apply(buy(price_fen=3000), reason="changed_mind")
    tell()
    waiting = set(WebhookDelivery.objects.exclude(status=DeliveryStatus.DELIVERED).values_list("pk", flat=True))
    assert (WebhookDelivery.objects.count(), bool(waiting)) == (told + len(waiting), True)
    eventually(is_all_settled, 60)
    clock.advance(retention.KEPT - timedelta(minutes=1))
    prune()
    assert WebhookDelivery.objects.count() == told + len(waiting)
    clock.advance(timedelta(minutes=2))
    prune()
    assert set(WebhookDelivery.objects.values_list("pk", flat=True)) == waiting
    feed.read(at=clock.now())
    assert set(WebhookDelivery.objects.values_list("pk", flat=True)) == waiting


def test_what_may_be_read_again_stays(listen, buy, apply):
    """The mark has not passed the event yet: without its delivery it would be told once more."""
    listen("refund.submitted")
    apply(buy(price_fen=3000), reason="changed_mind")
    feed.read(at=clock.now())  # made, and not settled
    sending.sweep(at=clock.now())
    row = WebhookDelivery.objects.get()
    assert row.status == DeliveryStatus.DELIVERED
    assert retention.prune(at=clock.now() + retention.KEPT * 2) == 0
