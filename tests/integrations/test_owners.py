"""Who owned a shop and saw its keys knows them still: those who stay are reminded, once, and only of what opens."""

from __future__ import annotations

import pytest
from django.test import Client

import clock
from integrations import endpoints, keys
from notices import wording
from notices.models import Notice
from shops.models import ShopMember, ShopRole
from tests.cast import person

pytestmark = pytest.mark.django_db


@pytest.fixture
def second(shop, merchant):
    user = person("second", "merchant")
    return ShopMember.objects.create(shop=shop, user=user, role=ShopRole.OWNER)


def reminders() -> list[tuple[str, dict]]:
    return [(row.recipient.username, row.params) for row in Notice.objects.filter(kind="owner_knew_keys")]


@pytest.mark.parametrize(("act", "body"), [("remove", {}), ("role", {"role": "clerk"})])
def test_whoever_stays_is_told_what_the_other_knew(shop, merchant, second, act, body):
    by = {"by": second.user, "at": clock.now()}
    keys.make(shop, "ERP", ["orders:read"], **by)
    keys.revoke(keys.make(shop, "Old", ["orders:read"], **by)[0], **by)
    keys.make(shop, "Mine", ["orders:read"], by=merchant, at=clock.now())
    endpoint, _secret = endpoints.add(
        shop, "https://example.com/hook", ["refund.approved"], by=merchant, at=clock.now()
    )
    endpoints.new_secret(endpoint, **by)
    browser = Client()
    browser.force_login(merchant, backend="django.contrib.auth.backends.ModelBackend")
    assert browser.post(f"/shop/people/{second.pk}/{act}/", body).status_code == 302
    known = {"shop": shop.name, "name": "second", "keys": 1, "secrets": 1}
    assert reminders() == [("merchant", known)]
    assert "1 个接口密钥和 1 个回调密钥仍然有效" in wording.text("owner_knew_keys", known)


def test_where_they_knew_nothing_nobody_is_told(shop, merchant, second):
    keys.make(shop, "Mine", ["orders:read"], by=merchant, at=clock.now())
    browser = Client()
    browser.force_login(merchant, backend="django.contrib.auth.backends.ModelBackend")
    browser.post(f"/shop/people/{second.pk}/remove/")
    assert not ShopMember.objects.filter(pk=second.pk).exists()
    assert reminders() == []
