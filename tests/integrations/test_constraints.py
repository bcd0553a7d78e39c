"""SQL against every rule about keys and webhooks: the database itself refuses, whoever asks."""

from __future__ import annotations

import pytest

import clock
from integrations import feed, keys
from integrations.models import FeedMark, WebhookDelivery
from tests import attacks
from tests.attacks import another

pytestmark = pytest.mark.django_db


@pytest.fixture
def books(make_key, listen, buy, apply, merchant):
    """A live key and a revoked one, an address with a delivery that waits."""
    live, _text = make_key()
    revoked, _text = make_key()
    keys.revoke(revoked, by=merchant, at=clock.now())
    endpoint, _secret = listen("refund.submitted")
    apply(buy())
    feed.read(at=clock.now())
    from shops.models import Shop

    other = Shop.objects.create(name="另一家店", created_at=clock.now())
    return {
        "live": live.pk,
        "revoked": revoked.pk,
        "other": other.pk,
        "endpoint": f"'{endpoint.pk}'",
        "delivery": f"'{WebhookDelivery.objects.get().pk}'",
    }


KEY = "UPDATE integrations_shopkey SET"
HOOK = "UPDATE integrations_webhookendpoint SET"
TOLD = "UPDATE integrations_webhookdelivery SET"
ATTACKS = {
    "a scope that there is not": (
        another("integrations.ShopKey", digest="'\\xaa'::bytea", scopes="ARRAY['orders:write']"),
        "key_scopes_are_listed",
    ),
    "a key without a scope": (
        another("integrations.ShopKey", digest="'\\xaa'::bytea", scopes="ARRAY[]::varchar[]"),
        "key_scopes_are_listed",
    ),
    "a key twice": (another("integrations.ShopKey"), "digest"),
    "revoked by nobody": (f"{KEY} revoked_at = now() WHERE id = {{live}}", "revoked_key_says_by_whom"),
    "revoked at no time": (f"{KEY} revoked_by_id = created_by_id WHERE id = {{live}}", "revoked_key_says_by_whom"),
    "a revoked key that lives again": (
        f"{KEY} revoked_at = NULL, revoked_by_id = NULL WHERE id = {{revoked}}",
        "revoked_at",
    ),
    "a key that opens more": (f"{KEY} scopes = ARRAY['orders:read'] WHERE id = {{live}}", "Cannot update of"),
    "a key for another shop": (f"{KEY} shop_id = {{other}} WHERE id = {{live}}", "Cannot update of"),
    "another key under its name": (f"{KEY} digest = '\\xbb'::bytea WHERE id = {{live}}", "Cannot update of"),
    "a key that never was": ("DELETE FROM integrations_shopkey WHERE id = {live}", "Cannot delete"),
    "an address twice": (another("integrations.WebhookEndpoint"), "one_webhook_per_shop_and_address"),
    "an address without TLS": (f"{HOOK} url = 'http://example.com/'", "webhook_address_is_one"),
    "a file": (f"{HOOK} url = 'file:///etc/passwd'", "webhook_address_is_one"),
    "an address that hears nothing": (f"{HOOK} events = ARRAY[]::varchar[]", "webhook_has_events"),
    "a secret that is not sealed": (f"{HOOK} secret_key_id = ''", "webhook_secret_is_sealed"),
    "off for no reason": (f"{HOOK} is_on = false", "webhook_that_is_off_says_why"),
    "on and off": (f"{HOOK} switched_off = 'owner'", "webhook_that_is_off_says_why"),
    "another shop's address": (f"{HOOK} shop_id = {{other}}", "Cannot update of"),
    "an address that never was": ("DELETE FROM integrations_webhookendpoint", "Cannot delete"),
    "told twice": (another("integrations.WebhookDelivery"), "one_delivery_per_endpoint_and_event"),
    "an invented status": (f"{TOLD} status = 'lost', next_due_at = NULL", "delivery_status_is_listed"),
    "waiting for nothing": (f"{TOLD} next_due_at = NULL", "waiting_delivery_is_due"),
    "given up and due": (f"{TOLD} status = 'given_up'", "waiting_delivery_is_due"),
    "delivered at no time": (
        f"{TOLD} status = 'delivered', next_due_at = NULL",
        "delivered_delivery_has_its_time",
    ),
    "delivered and waiting": (f"{TOLD} delivered_at = now()", "delivered_delivery_has_its_time"),
    "an event about nothing": (
        another("integrations.WebhookDelivery", event_id="NULL"),
        "only_pings_are_about_nothing",
    ),
    "a ping about a refund": (
        another("integrations.WebhookDelivery", kind="'ping'", endpoint_id="endpoint_id"),
        "only_pings_are_about_nothing",
    ),
    "another event in its place": (f"{TOLD} kind = 'refund.arrived' WHERE id = {{delivery}}", "Cannot update of"),
    "two readings": ("INSERT INTO integrations_feedmark VALUES (2, 0, 0, 0)", "one_reading"),
}


def test_the_database_refuses_every_attack(books):
    assert FeedMark.objects.count() == 1
    attacks.check(ATTACKS, books)


def test_every_rule_is_attacked():
    attacks.check_all_are_tried(ATTACKS, "integrations")


def test_keys_and_addresses_are_never_deleted(books):
    attacks.check_never_deleted("integrations")
