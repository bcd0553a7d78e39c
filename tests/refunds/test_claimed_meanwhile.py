"""An order that changed hands between the page and the button: whoever had it asks for nothing any more (PM17, I13)."""

from __future__ import annotations

import uuid

import pytest

import clock
from accounts import guests
from orders.models import Order
from refunds import applying, claiming, drafts
from refunds.applying import Application
from refunds.lifecycle import StepRefused
from refunds.models import Refund

pytestmark = pytest.mark.django_db


@pytest.fixture
def guest():
    return guests.open_for(uuid.uuid4(), "a-query-password-1")


@pytest.mark.parametrize("destination", ["original", "balance"])
def test_the_guest_of_before_is_refused(guest, buy, buyer, destination):
    looked_at = Order.objects.select_related("buyer").get(pk=buy(price_fen=8800, by=guest).pk)
    claiming.claim(guest, by=buyer, at=clock.now())
    wish = Application("other", "昨晚兑换，提示无效", destination=destination)
    with pytest.raises(StepRefused) as refusal:
        applying.submit(looked_at, wish, by=guest, at=clock.now())
    assert refusal.value.code == "not_yours"
    assert not Refund.objects.exists()


def test_so_with_the_draft_which_the_account_goes_on_with(guest, buy, buyer):
    looked_at = Order.objects.select_related("buyer").get(pk=buy(price_fen=8800, by=guest).pk)
    said = {"reason": "other", "description": "昨晚兑换，提示无效"}
    drafts.keep(looked_at, said, at=clock.now())
    claiming.claim(guest, by=buyer, at=clock.now())
    with pytest.raises(StepRefused):
        drafts.submit(looked_at, by=guest, at=clock.now())
    order = Order.objects.get(pk=looked_at.pk)
    refund = drafts.submit(order, by=buyer, at=clock.now())
    assert (refund.buyer, refund.asked_by, refund.description) == (buyer, buyer, said["description"])
