"""回调 (M5): told once committed, signed by the standard, sent again under the same number, given up for all to see."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import timedelta

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

import clock
from integrations import endpoints, feed, letters, sending
from integrations.models import DeliveryStatus, WebhookDelivery, WebhookEndpoint
from notices.models import Notice
from refunds import lifecycle
from shops import rights
from shops.models import ShopMember
from shops.rights import NotAllowed
from tests.cast import person

pytestmark = pytest.mark.django_db


def tell() -> None:
    """What the worker does until nothing is due."""
    while feed.read(at=clock.now()) + sending.sweep(at=clock.now()):
        pass


def test_a_refund_tells_its_shop_each_status_once(listen, receiver, buy, apply):
    _endpoint, secret = listen()
    refund = apply(buy(price_fen=3000, stock=1), reason="changed_mind")
    tell()
    tell()
    letters_heard = [Webhook(secret).verify(one.body, one.headers) for one in receiver.heard]
    told = [(letter["type"], letter["data"]["status"]) for letter in letters_heard]
    lived = [(f"refund.{event.to_status}", event.to_status) for event in refund.events.order_by("sequence")]
    assert sorted(told) == sorted(lived)
    assert len(lived) >= 2
    assert len({one.headers["webhook-id"] for one in receiver.heard}) == len(lived)
    data = letters_heard[0]["data"]
    assert set(data) == {"refund_no", "order_no", "status", "stage", "amount_fen"}
    assert (data["refund_no"], data["order_no"], data["amount_fen"]) == (refund.refund_no, refund.order.order_no, 3000)


def test_the_signature_is_the_standards_by_hand(listen, receiver, buy, apply):
    _endpoint, secret = listen("refund.submitted")
    apply(buy())
    tell()
    (one,) = receiver.heard
    signed = f"{one.headers['webhook-id']}.{one.headers['webhook-timestamp']}.".encode() + one.body
    key = base64.b64decode(secret.removeprefix("whsec_"))
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert one.headers["webhook-signature"] == f"v1,{expected}"
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(one.body.replace(b"submitted", b"approved"), one.headers)


def test_only_chosen_events_of_the_own_shop_since_it_listens(listen, receiver, buy, apply):
    before = apply(buy(), reason="changed_mind")
    listen("refund.submitted")
    after = apply(buy(), reason="changed_mind")
    tell()
    assert [json.loads(one.body)["data"]["refund_no"] for one in receiver.heard] == [after.refund_no]
    assert before.refund_no != after.refund_no


def test_another_shops_refunds_are_not_heard(receiver, buy, apply, db):
    from shops.models import Shop

    rival = person("rival", "merchant")
    other = Shop.objects.create(name="另一家店", created_at=clock.now())
    other.members.add(rival)
    endpoints.add(other, receiver.address, list(letters.EVENTS), by=rival, at=clock.now())
    apply(buy())
    tell()
    assert receiver.heard == []


def test_no_word_about_the_buyer_leaves_the_house(listen, receiver, buy, apply, buyer, reveal):
    listen()
    order = buy()
    (code,) = reveal(order)
    apply(order, description="我的手机 13912345678，卡密打不开", contact="wx-secret-contact")
    tell()
    everything = b"".join(one.body + repr(one.headers).encode() for one in receiver.heard).decode()
    assert everything
    for secret in (code, "13912345678", "wx-secret-contact", buyer.username, buyer.email, "打不开"):
        assert secret not in everything


def test_a_server_that_fails_is_asked_again_under_the_same_number(listen, receiver, buy, apply):
    listen("refund.submitted")
    apply(buy())
    receiver.status = 500
    tell()
    row = WebhookDelivery.objects.get()
    assert (row.status, row.tries, row.last_status_code, row.last_error) == ("waiting", 1, 500, "status")
    assert row.next_due_at > clock.now()
    receiver.status = 200
    clock.advance(sending.REST)
    tell()
    row.refresh_from_db()
    assert (row.status, row.tries, row.last_status_code, row.next_due_at) == ("delivered", 2, 200, None)
    assert [one.headers["webhook-id"] for one in receiver.heard] == [str(row)] * 2
    assert receiver.heard[0].body == receiver.heard[1].body


def test_after_three_days_it_is_given_up_and_the_address_switched_off(listen, receiver, buy, apply, merchant, shop):
    endpoint, _secret = listen("refund.submitted")
    clerk = person("clerk", "merchant")
    ShopMember.objects.create(shop=shop, user=clerk, role="clerk")
    apply(buy())
    receiver.status = 503
    tell()
    began_at = clock.now()
    for pause in sending.PAUSES:
        row = WebhookDelivery.objects.get()
        assert row.status == "waiting"
        clock.advance(max(pause, sending.REST))
        tell()
    row.refresh_from_db()
    assert (row.status, row.tries, row.next_due_at) == ("given_up", len(sending.PAUSES) + 1, None)
    assert timedelta(days=3) < clock.now() - began_at < timedelta(days=4)
    endpoint.refresh_from_db()
    assert (endpoint.is_on, endpoint.switched_off) == (False, "failures")
    (notice,) = Notice.objects.filter(kind="webhook_off")
    assert notice.recipient == merchant
    assert notice.params == {"shop": shop.name, "host": endpoint.host}
    assert shop.events.latest("pk").step == "webhook_off"
    assert shop.events.latest("pk").actor is None


def test_one_that_gets_through_now_and_then_is_not_switched_off(listen, receiver, buy, apply, merchant):
    endpoint, _secret = listen("refund.submitted")
    apply(buy())
    receiver.status = 503
    tell()
    for number, pause in enumerate(sending.PAUSES):
        clock.advance(max(pause, sending.REST))
        if number == 5:
            receiver.status = 200
            endpoints.ping(endpoint, by=merchant, at=clock.now())
            sending.record(sending.call(_only_pings()), at=clock.now())
            receiver.status = 503
        tell()
    assert WebhookDelivery.objects.get(kind="refund.submitted").status == "given_up"
    endpoint.refresh_from_db()
    assert endpoint.is_on


def _only_pings() -> list[WebhookDelivery]:
    claimed = sending.claim(clock.now())
    return [row for row in claimed if row.event_id is None]


def test_410_is_a_word(listen, receiver, buy, apply):
    endpoint, _secret = listen("refund.submitted")
    apply(buy())
    receiver.status = 410
    tell()
    endpoint.refresh_from_db()
    assert (endpoint.is_on, endpoint.switched_off) == (False, "gone")
    assert WebhookDelivery.objects.get().status == "given_up"


def test_a_redirect_is_not_followed(listen, receiver, buy, apply):
    listen("refund.submitted")
    apply(buy())
    receiver.status, receiver.location = 307, receiver.address + "/elsewhere"
    tell()
    assert [one.path for one in receiver.heard] == ["/hook"]
    assert WebhookDelivery.objects.get().last_status_code == 307
    assert WebhookDelivery.objects.get().status == "waiting"


def test_who_dies_between_the_phases_sends_it_once_more_under_the_same_number(listen, receiver, buy, apply):
    listen("refund.submitted")
    apply(buy())
    feed.read(at=clock.now())
    assert len(sending.claim(clock.now())) == 1  # … and dies before the call
    tell()
    assert receiver.heard == []  # the lease holds
    clock.advance(sending.LEASE)
    sending.call(sending.claim(clock.now()))  # … dies after the call
    assert WebhookDelivery.objects.get().status == "waiting"
    clock.advance(sending.LEASE)
    tell()
    row = WebhookDelivery.objects.get()
    assert (row.status, row.tries) == ("delivered", 3)
    assert [one.headers["webhook-id"] for one in receiver.heard] == [str(row)] * 2


def test_a_late_outcome_does_not_overwrite_a_newer_one(listen, receiver, buy, apply):
    listen("refund.submitted")
    apply(buy())
    feed.read(at=clock.now())
    receiver.status = 500
    late = sending.call(sending.claim(clock.now()))
    clock.advance(sending.LEASE)
    receiver.status = 200
    tell()
    sending.record(late, at=clock.now())
    assert WebhookDelivery.objects.get().status == "delivered"


def test_what_waits_when_it_is_switched_off_can_be_sent_again(listen, receiver, buy, apply, merchant):
    endpoint, _secret = listen("refund.submitted")
    apply(buy())
    feed.read(at=clock.now())
    endpoints.switch(endpoint, is_on=False, by=merchant, at=clock.now())
    row = WebhookDelivery.objects.get()
    assert (row.status, row.last_error) == ("given_up", "switched_off")
    apply(buy())
    tell()
    assert receiver.heard == []
    with pytest.raises(rights.CannotChange, match="请先启用"):
        endpoints.send_again(row, by=merchant, at=clock.now())
    endpoints.switch(endpoint, is_on=True, by=merchant, at=clock.now())
    endpoints.send_again(row, by=merchant, at=clock.now())
    tell()
    assert str(row) in {one.headers["webhook-id"] for one in receiver.heard}
    row.refresh_from_db()
    assert row.status == "delivered"


def test_a_ping_goes_out_also_while_it_is_off(listen, receiver, merchant):
    endpoint, secret = listen("refund.submitted")
    endpoints.switch(endpoint, is_on=False, by=merchant, at=clock.now())
    for _ in range(endpoints.MOST_PINGS_WAITING):
        endpoints.ping(endpoint, by=merchant, at=clock.now())
    with pytest.raises(rights.CannotChange):
        endpoints.ping(endpoint, by=merchant, at=clock.now())
    tell()
    assert [Webhook(secret).verify(one.body, one.headers)["type"] for one in receiver.heard] == ["ping"] * 3


def test_a_new_secret_signs_from_then_on(listen, receiver, merchant):
    endpoint, old = listen("refund.submitted")
    new = endpoints.new_secret(endpoint, by=merchant, at=clock.now())
    endpoints.ping(endpoint, by=merchant, at=clock.now())
    tell()
    (one,) = receiver.heard
    Webhook(new).verify(one.body, one.headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(old).verify(one.body, one.headers)


def test_a_failing_address_lets_the_others_go_first(listen, receiver, buy, apply, merchant, shop):
    failing, _secret = listen("refund.submitted")
    other, _ = endpoints.add(shop, receiver.address + "/two", ["refund.submitted"], by=merchant, at=clock.now())
    WebhookEndpoint.objects.filter(pk=failing.pk).update(rests_until=clock.now() + sending.REST)
    apply(buy())
    tell()
    assert [one.path for one in receiver.heard] == ["/hook/two"]
    clock.advance(sending.REST)
    tell()
    assert [one.path for one in receiver.heard] == ["/hook/two", "/hook"]
    assert other.deliveries.get().status == DeliveryStatus.DELIVERED


@pytest.mark.parametrize("role", ["manager", "clerk"])
def test_webhooks_are_the_owners_business(listen, shop, role, receiver):
    endpoint, _secret = listen("refund.submitted")
    other = person("other", "merchant")
    ShopMember.objects.create(shop=shop, user=other, role=role)
    delivery = WebhookDelivery.objects.create(
        endpoint=endpoint, kind="ping", created_at=clock.now(), next_due_at=clock.now()
    )
    words = {"by": other, "at": clock.now()}
    for act in (
        lambda: endpoints.add(shop, "https://example.com/", ["refund.approved"], **words),
        lambda: endpoints.change(endpoint, "https://example.com/", ["refund.approved"], **words),
        lambda: endpoints.switch(endpoint, is_on=False, **words),
        lambda: endpoints.ping(endpoint, **words),
        lambda: endpoints.new_secret(endpoint, **words),
        lambda: endpoints.send_again(delivery, **words),
    ):
        with pytest.raises(NotAllowed):
            act()


def test_five_addresses_at_most_and_each_once(shop, merchant):
    words = {"by": merchant, "at": clock.now()}
    for number in range(endpoints.MOST_ENDPOINTS):
        endpoints.add(shop, f"https://example.com/{number}", ["refund.approved"], **words)
    with pytest.raises(rights.CannotChange, match="最多 5 个"):
        endpoints.add(shop, "https://example.com/6", ["refund.approved"], **words)
    first = shop.webhooks.earliest("created_at")
    with pytest.raises(rights.CannotChange, match="已经添加过"):
        endpoints.change(first, "HTTPS://Example.com/1", ["refund.approved"], **words)
    with pytest.raises(rights.CannotChange, match="至少选一种"):
        endpoints.change(first, "https://example.com/0", ["refund.gone"], **words)


def test_a_step_that_changes_no_status_tells_nobody(listen, receiver, reviewed, apply):
    """Escalating is the house's own affair."""
    refund = reviewed()
    listen()
    clock.advance(timedelta(days=30))
    from refunds import sweeping

    while sweeping.sweep(at=clock.now()):
        pass
    assert refund.events.filter(step="escalate").exists()
    tell()
    assert receiver.heard == []
    assert lifecycle.STEPS["escalate"]


def test_the_worker_knows_the_task_and_works_until_nothing_is_due(listen, receiver, buy, apply):
    from cardshop.celery import app
    from integrations import tasks

    beat = {entry["task"] for entry in app.conf.beat_schedule.values()}
    assert tasks.sweep.name == endpoints.SWEEP in beat
    listen()
    refund = apply(buy())
    tasks.sweep()
    changed = [event for event in refund.events.all() if event.from_status != event.to_status]
    assert len(receiver.heard) == len(changed) >= 2
    assert set(WebhookDelivery.objects.values_list("status", flat=True)) == {"delivered"}


def test_one_answer_that_nobody_expected_stops_no_other(listen, receiver, buy, apply, merchant, shop, caplog):
    """F12: a secret that cannot be opened any more."""
    broken, _secret = listen("refund.submitted")
    endpoints.add(shop, receiver.address + "/two", ["refund.submitted"], by=merchant, at=clock.now())
    WebhookEndpoint.objects.filter(pk=broken.pk).update(secret_key_id="lost")
    apply(buy())
    tell()
    assert [one.path for one in receiver.heard] == ["/hook/two"]
    row = broken.deliveries.get()
    assert (row.status, row.last_error, row.tries) == ("waiting", "unexpected", 1)
    assert "whsec_" not in caplog.text
