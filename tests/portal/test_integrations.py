"""接口: the owner's pages of keys and webhooks, over HTTP and without JavaScript."""

from __future__ import annotations

import html
import re
from typing import Any

import pytest
from django.urls import reverse

import clock
from integrations import endpoints, keys, letters, sending
from integrations.models import ShopKey, WebhookDelivery, WebhookEndpoint
from tests.portal.conftest import browser, text

pytestmark = pytest.mark.django_db
KEYS, WEBHOOKS = "/shop/keys/", "/shop/webhooks/"


def secret_in(answer: Any) -> str:
    (found,) = re.findall(r'id="secret">([^<]+)<', text(answer))
    return html.unescape(found)


def test_a_key_is_made_shown_once_and_revoked(keeper):
    answer = keeper.post(KEYS, {"name": "ERP 对账", "scopes": ["orders:read"]})
    assert answer["Location"] == reverse("portal:shown_once")
    shown = keeper.get(answer["Location"])
    assert "no-store" in shown["Cache-Control"]
    key = secret_in(shown)
    row = ShopKey.objects.get()
    assert keys.known(key) == row
    again = keeper.get(answer["Location"], follow=True)
    assert key not in text(again)
    page = text(keeper.get(KEYS))
    assert key not in page
    assert row.prefix in page
    assert "还没有用过" in page
    keeper.post(f"{KEYS}{row.pk}/revoke/")
    row.refresh_from_db()
    assert row.revoked_at is not None
    assert f"{KEYS}{row.pk}/revoke/" not in text(keeper.get(KEYS))


def test_a_form_without_what_it_needs_says_so(keeper):
    page = text(keeper.post(KEYS, {"name": "", "scopes": ["orders:write"]}))
    assert 'id="errors"' in page
    assert not ShopKey.objects.exists()
    for url in ("http://example.com/", "https://user@example.com/", "https://example.com:22/"):
        page = text(keeper.post(WEBHOOKS, {"url": url, "events": ["refund.approved"]}))
        assert 'id="errors"' in page
    assert not WebhookEndpoint.objects.exists()


def test_a_webhook_is_added_tried_switched_and_changed(keeper):
    answer = keeper.post(WEBHOOKS, {"url": "https://example.com/hook?x=1", "events": list(letters.EVENTS)})
    secret = secret_in(keeper.get(answer["Location"]))
    row = WebhookEndpoint.objects.get()
    assert letters.secret_of(row) == secret
    assert set(row.events) == set(letters.EVENTS)
    here = f"{WEBHOOKS}{row.pk}/"
    assert "example.com" in text(keeper.get(WEBHOOKS))
    keeper.post(f"{here}ping/")
    assert WebhookDelivery.objects.get().kind == "ping"
    assert "等待发送" in text(keeper.get(here))
    keeper.post(f"{here}switch/")
    row.refresh_from_db()
    assert not row.is_on
    keeper.post(f"{here}switch/", {"on": "on"})
    row.refresh_from_db()
    assert row.is_on
    keeper.post(here, {"url": "https://example.com/other", "events": ["refund.arrived"]})
    row.refresh_from_db()
    assert (row.url, row.events) == ("https://example.com/other", ["refund.arrived"])
    new = secret_in(keeper.post(f"{here}secret/", follow=True))
    row.refresh_from_db()
    assert letters.secret_of(row) == new != secret


def test_the_log_says_what_went_wrong_and_sends_again(keeper, shop, merchant):
    words = {"by": merchant, "at": clock.now()}
    webhook, _secret = endpoints.add(shop, "https://example.com/", ["refund.approved"], **words)
    endpoints.ping(webhook, **words)
    (row,) = sending.claim(clock.now())
    sending.record([(row, 500)], at=clock.now())
    page = text(keeper.get(f"{WEBHOOKS}{webhook.pk}/"))
    assert "HTTP 500" in page
    assert "对方没有回答 2xx" in page
    assert "已放弃" in page
    keeper.post(f"{WEBHOOKS}deliveries/{row.pk}/again/")
    row.refresh_from_db()
    assert (row.status, row.tries) == ("waiting", 0)


def test_the_shown_secret_is_for_who_made_it(keeper, merchant, shop):
    """Another owner's session has none, nor has another browser of the same person."""
    answer = keeper.post(KEYS, {"name": "ERP", "scopes": ["orders:read"]})
    elsewhere = browser(merchant).get(answer["Location"])
    assert elsewhere.status_code == 302
    assert secret_in(keeper.get(answer["Location"])).startswith("csk_")


@pytest.mark.parametrize("role", ["manager", "clerk"])
def test_only_the_owner_has_these_pages(staffed, role, keeper):
    other = staffed(role)
    for path in (KEYS, WEBHOOKS, reverse("portal:shown_once")):
        assert other.get(path).status_code == 403
    assert KEYS not in text(other.get("/shop/"))
    assert KEYS in text(keeper.get("/shop/"))


def test_another_shops_are_not_there(keeper, rival, shop, merchant):
    words = {"by": merchant, "at": clock.now()}
    key, _text = keys.make(shop, "ERP", ["orders:read"], **words)
    webhook, _secret = endpoints.add(shop, "https://example.com/", ["refund.approved"], **words)
    ping = endpoints.ping(webhook, **words)
    here = f"{WEBHOOKS}{webhook.pk}/"
    assert rival.get(here).status_code == 404
    for path in (f"{KEYS}{key.pk}/revoke/", f"{here}switch/", f"{here}ping/", f"{here}secret/",
                 f"{WEBHOOKS}deliveries/{ping.pk}/again/"):  # fmt: skip
        assert rival.post(path).status_code == 404
    key.refresh_from_db()
    webhook.refresh_from_db()
    assert key.revoked_at is None
    assert webhook.is_on
    assert "example.com" not in text(rival.get(WEBHOOKS))


def test_in_english_too(keeper):
    keeper.cookies["cardshop_language"] = "en"
    assert "New key" in text(keeper.get(KEYS))
    assert "Add an address" in text(keeper.get(WEBHOOKS))
