"""The daily root: every chain that grew that day is in it, it is signed, and it comes once, when the day is over."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, date, datetime, timedelta

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.db import connection
from hypothesis import given
from hypothesis import strategies as st

from orders.models import OrderEvent
from records import chain, merkle, roots, signing
from records.models import DailyRoot
from shops.models import CodeEvent

leaves_of = st.lists(st.binary(min_size=32, max_size=32), min_size=1, max_size=40, unique=True)


# --- the tree ---------------------------------------------------------------------------------------------------------


def test_the_tree_is_that_of_rfc_6962():
    """The RFC's own examples of hashes: certificate-transparency's test vectors."""
    inputs = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
    leaves = [merkle.leaf_hash(bytes.fromhex(text)) for text in inputs]
    assert merkle.root_of([]).hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert merkle.root_of(leaves[:1]).hex() == "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
    assert merkle.root_of(leaves[:3]).hex() == "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77"
    assert merkle.root_of(leaves).hex() == "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"


@given(leaves_of)
def test_every_leaf_has_a_path_to_the_root(leaves):
    root = merkle.root_of(leaves)
    for index, leaf in enumerate(leaves):
        node = leaf
        for side, neighbor in merkle.path_to(index, b"".join(leaves)):
            node = merkle.node_hash(neighbor, node) if side == "left" else merkle.node_hash(node, neighbor)
        assert node == root
        assert merkle.index_of(leaf, b"".join(leaves)) == index


@given(leaves_of, st.data())
def test_another_leaf_gives_another_root(leaves, data):
    changed = list(leaves)
    changed[data.draw(st.integers(0, len(leaves) - 1))] = bytes(32)
    assert (merkle.root_of(changed) == merkle.root_of(leaves)) == (changed == leaves)


def test_what_lies_across_two_leaves_is_no_leaf():
    first, second = hashlib.sha256(b"1").digest(), hashlib.sha256(b"2").digest()
    assert merkle.index_of(first[16:] + second[:16], first + second) is None
    with pytest.raises(IndexError):
        merkle.path_to(2, first + second)


# --- the root ---------------------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_a_day_that_is_not_over_has_no_root(buy):
    buy()
    assert roots.publish(at=roots.now()) == []


@pytest.mark.django_db
def test_every_chain_of_the_day_is_in_it(buy, reveal, apply, days_ago):
    """I7, S4-23: orders, codes and cases; of each the last event of the day."""
    order = buy()
    reveal(order)
    refund = apply(order)
    day = days_ago(1)
    (root,) = roots.publish(at=roots.now())
    assert root.day == day
    code = order.lines.get().delivery.code
    subjects = {"code": code.events, "order": order.events, "refund": refund.events}
    for stream, events in subjects.items():
        last = events.latest("sequence")
        content = {"stream": stream, "subject": str(getattr(last, f"{last.SUBJECT}_id")), "sequence": last.sequence,
                   "hash": bytes(last.hash).hex()}  # fmt: skip
        text = json.dumps(content, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()
        assert merkle.index_of(hashlib.sha256(b"\x00" + text).digest(), bytes(root.leaves)) is not None
    chains = CodeEvent.objects.values("code").distinct().count() + OrderEvent.objects.values("order").distinct().count()
    assert root.leaf_count == chains + 1
    assert bytes(root.root) == merkle.root_of(merkle.split(bytes(root.leaves)))


@pytest.mark.django_db
def test_anybody_can_check_the_signature(buy, days_ago):
    buy()
    days_ago(1)
    (root,) = roots.publish(at=roots.now())
    statement = {"day": root.day.isoformat(), "leaf_count": root.leaf_count, "root": bytes(root.root).hex(),
                 "previous_root": "00" * 32, "key_id": root.key_id}  # fmt: skip
    key = signing.signer().public_keys[root.key_id]
    key.verify(bytes(root.signature), chain.canonical(statement))
    with pytest.raises(InvalidSignature):
        key.verify(bytes(root.signature), chain.canonical(statement | {"leaf_count": root.leaf_count + 1}))
    assert roots.is_signed(root)


@pytest.mark.django_db
def test_missed_days_are_caught_up_and_each_comes_once(buy, days_ago):
    """Four days without beat: four roots, each naming the one before; a day on which nothing happened has one too."""
    buy()
    first = days_ago(4)
    published = roots.publish(at=roots.now())
    assert [root.day for root in published] == [first + timedelta(days=n) for n in range(4)]
    assert [root.leaf_count for root in published][1:] == [0, 0, 0]
    assert bytes(published[1].root) == hashlib.sha256(b"").digest()
    assert [bytes(root.previous_root) for root in published] == [bytes(32), *(bytes(r.root) for r in published[:3])]
    assert roots.publish(at=roots.now()) == []
    assert DailyRoot.objects.count() == 4


@pytest.mark.django_db
def test_a_day_is_a_day_in_shanghai():
    start, end = roots.bounds(date(2026, 11, 21))
    assert start == datetime(2026, 11, 20, 16, tzinfo=UTC)
    assert end == datetime(2026, 11, 21, 16, tzinfo=UTC)


@pytest.mark.django_db(transaction=True)
def test_it_waits_for_what_began_before_midnight(buy, days_ago):
    """A transaction of yesterday may still commit into yesterday's root."""
    from tests.refunds.test_races import at_once

    buy()
    day = days_ago(1)
    tomorrow = roots.now() + timedelta(days=1)
    with connection.cursor() as cursor, roots.transaction.atomic():
        cursor.execute("SELECT pg_current_xact_id()")  # writes: began today, and today is over tomorrow
        (found,) = at_once(lambda: roots.publish(at=tomorrow))
        assert [root.day for root in found] == [day]
    assert [root.day for root in roots.publish(at=tomorrow)] == [day + timedelta(days=1)]


@pytest.mark.django_db(transaction=True)
def test_published_by_many_at_once_it_is_there_once(buy, days_ago):
    from tests.refunds.test_races import at_once

    buy()
    days_ago(2)
    results = at_once(*[lambda: roots.publish(at=roots.now())] * 4)
    assert all(isinstance(result, list) for result in results), results
    assert DailyRoot.objects.count() == 2


def test_no_day_is_published_twice_by_two_beats(buy, days_ago):
    """The statement is the same whoever makes it: nothing in it depends on when it was made."""
    buy()
    days_ago(1)
    (root,) = roots.publish(at=roots.now())
    assert b"".join(head.leaf for head in roots.heads(root.day)) == bytes(root.leaves)


# --- the key ----------------------------------------------------------------------------------------------------------


def test_a_retired_key_still_proves_its_roots(tmp_path, settings, buy, days_ago):
    buy()
    days_ago(1)
    (root,) = roots.publish(at=roots.now())
    old = signing.signer().public_keys[root.key_id]
    pem = old.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    rotated = tmp_path / "record_key"
    rotated.write_text(signing.fresh_key() + pem)
    settings.RECORD_KEY_FILE = str(rotated)
    assert signing.signer().key_id != root.key_id
    assert roots.is_signed(root)
    stranger = tmp_path / "stranger"
    stranger.write_text(signing.fresh_key())
    settings.RECORD_KEY_FILE = str(stranger)
    assert not roots.is_signed(root)


PEM = "-----{} PRIVATE KEY-----"
NO_KEY = "\n".join([PEM.format("BEGIN"), "AAAA", PEM.format("END"), ""])


@pytest.mark.parametrize("content", ["", "no key", NO_KEY, 2])
def test_a_bad_key_file_is_named_and_shows_no_key(tmp_path, settings, content):
    path = tmp_path / "record_key"
    path.write_text(signing.fresh_key() * content if isinstance(content, int) else content)
    settings.RECORD_KEY_FILE = str(path)
    with pytest.raises(signing.CannotSign) as caught:
        signing.signer()
    assert "BEGIN" not in str(caught.value)
    settings.RECORD_KEY_FILE = ""
    with pytest.raises(signing.CannotSign, match="not set"):
        signing.signer()


def test_the_signer_shows_no_key():
    assert "PrivateKey" not in repr(signing.signer())
