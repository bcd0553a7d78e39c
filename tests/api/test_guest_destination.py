"""A guest hears before applying, in the same word as afterwards, that there is no balance to refund to (S1-14)."""

from __future__ import annotations

import uuid

import pytest
from django.test import Client

from accounts import guests

pytestmark = pytest.mark.django_db


def test_eligibility_and_application_refuse_alike(buy):
    guest = guests.open_for(uuid.uuid4(), "a-query-password-1")
    order = buy(price_fen=3000, by=guest)
    client = Client()
    client.force_login(guest, backend=guests.BACKEND)
    wish = {"reason": "changed_mind", "destination": "balance"}
    asked = client.get(f"/api/orders/{order.order_no}/eligibility/", wish)
    sent = client.post("/api/refunds/", {"order_no": order.order_no, **wish}, content_type="application/json")
    assert asked.status_code == sent.status_code == 409
    assert asked.json()["code"] == sent.json()["code"] == "guest_has_no_balance"
    there = client.get(f"/api/orders/{order.order_no}/eligibility/", wish | {"destination": "original"})
    assert there.json()["eligible"] is True
