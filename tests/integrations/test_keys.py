"""接口密钥: ten at most, shown once, revoked for good; the owner's alone."""

from __future__ import annotations

import hashlib
import threading
from datetime import timedelta

import pytest
from django.db import connection

import clock
from integrations import keys
from integrations.models import ShopKey
from shops import rights
from shops.models import ShopMember
from shops.rights import NotAllowed
from tests.cast import person

pytestmark = pytest.mark.django_db


def test_a_key_is_known_again_and_what_is_kept_is_its_digest(make_key):
    row, text = make_key("orders:read")
    assert keys.known(text) == row
    assert bytes(row.digest) == hashlib.sha256(text.encode()).digest()
    assert text.startswith(row.prefix)
    assert len(text) - len(row.prefix) > 30
    assert row.scopes == ["orders:read"]


@pytest.mark.parametrize("change", [lambda t: t[:-1], lambda t: t + "A", str.upper, lambda t: t[:12], lambda t: ""])
def test_nothing_else_is_a_key(make_key, change):
    _row, text = make_key()
    assert keys.known(change(text)) is None


def test_nobody_makes_the_eleventh(make_key, merchant):
    rows = [make_key(name=f"k{number}")[0] for number in range(keys.MOST_LIVE)]
    with pytest.raises(rights.CannotChange, match="最多 10 个"):
        make_key()
    keys.revoke(rows[0], by=merchant, at=clock.now())
    make_key()


@pytest.mark.parametrize(("name", "scopes"), [("", ("orders:read",)), ("ERP", ("orders:write",)), ("   ", ())])
def test_a_key_says_what_it_is_for(shop, merchant, name, scopes):
    with pytest.raises(rights.CannotChange):
        keys.make(shop, name, scopes, by=merchant, at=clock.now())


@pytest.mark.parametrize("role", ["manager", "clerk"])
def test_keys_are_the_owners_business(shop, merchant, make_key, role):
    other = person("other", "merchant")
    ShopMember.objects.create(shop=shop, user=other, role=role)
    row, _text = make_key()
    with pytest.raises(NotAllowed):
        keys.make(shop, "ERP", ["orders:read"], by=other, at=clock.now())
    with pytest.raises(NotAllowed):
        keys.revoke(row, by=other, at=clock.now())
    assert ShopKey.objects.get().revoked_at is None


def test_the_shops_record_names_who_made_and_who_revoked_and_never_the_key(make_key, merchant, shop):
    row, text = make_key()
    keys.revoke(row, by=merchant, at=clock.now())
    keys.revoke(row, by=merchant, at=clock.now())  # once more says nothing more
    events = list(shop.events.order_by("pk").values_list("step", "actor__username", "reason"))
    assert events == [(step, "merchant", f"ERP {text[:12]}…") for step in ("make_key", "revoke_key")]


def test_the_last_use_is_written_once_a_minute(make_key, django_assert_num_queries):
    row, text = make_key()
    at = clock.now()
    keys.used(row, at=at)
    stale = ShopKey.objects.get()
    stale.last_used_at = None  # as another process still believes
    keys.used(stale, at=at + timedelta(seconds=59))
    assert ShopKey.objects.get().last_used_at == at
    known = keys.known(text)
    with django_assert_num_queries(0):
        keys.used(known, at=at + timedelta(seconds=59))
    keys.used(known, at=at + timedelta(seconds=60))
    assert ShopKey.objects.get().last_used_at == at + timedelta(seconds=60)


@pytest.mark.django_db(transaction=True)
def test_two_owners_at_once_do_not_make_the_eleventh(make_key, shop, merchant):
    """Five at the same time, where there is room for one."""
    for number in range(keys.MOST_LIVE - 1):
        make_key(name=f"k{number}")
    gate, refused = threading.Barrier(5), []

    def make() -> None:
        try:
            gate.wait(30)
            keys.make(shop, "ERP", ["orders:read"], by=merchant, at=clock.now())
        except rights.CannotChange as refusal:
            refused.append(refusal)
        finally:
            connection.close()

    threads = [threading.Thread(target=make) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refused) == 4
    assert keys.live(shop).count() == keys.MOST_LIVE
