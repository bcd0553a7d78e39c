"""Where a visitor comes from: what our proxy says counts behind our proxy alone, and nothing else ever does."""

from __future__ import annotations

import pytest

from accounts.visitors import address_of
from shops.models import CodeEvent

BROWSER = "203.0.113.9"


@pytest.mark.parametrize(
    ("proxies", "forwarded", "expected"),
    [
        (0, "198.51.100.1", BROWSER),  # anybody can write that header
        (1, "198.51.100.1, 203.0.113.77", "203.0.113.77"),
        (1, "2001:db8::7", "2001:db8::7"),
        (1, "", BROWSER),
        (1, "nonsense", BROWSER),
    ],
)
def test_the_address_is_the_one_that_our_proxy_saw(rf, settings, proxies, forwarded, expected):
    settings.ALLAUTH_TRUSTED_PROXY_COUNT = proxies
    assert address_of(rf.get("/", REMOTE_ADDR=BROWSER, headers={"X-Forwarded-For": forwarded})) == expected


def test_a_connection_without_an_address_has_none(rf):
    assert address_of(rf.get("/", REMOTE_ADDR="")) is None


@pytest.mark.django_db
def test_an_address_that_cannot_be_read_keeps_no_buyer_from_a_code(buy, buyer, client, settings):
    settings.ALLAUTH_TRUSTED_PROXY_COUNT = 1
    client.force_login(buyer)
    place = f"/orders/{buy().order_no}/lines/1/reveal/"
    answer = client.post(place, REMOTE_ADDR=BROWSER, headers={"X-Forwarded-For": "unknown"})
    assert "CODE-" in answer.content.decode()
    assert CodeEvent.objects.get(kind="reveal").ip == BROWSER
