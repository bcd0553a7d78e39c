"""换钥: every sealed text ends under the new key, opened by nobody on the way; the old key can then go (X20)."""

from __future__ import annotations

import io
import json
import stat
import uuid
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.core.management import CommandError, call_command
from django.db.models import BinaryField

import clock
from cardshop.management.commands.rotate_keys import COLUMNS
from orders import placing, recipients
from orders.models import Order
from orders.recipients import Recipient
from payments.models import ChannelAccount, RefundAttempt
from shops import importing, rotation, stock, vault
from shops.models import CardCode, CodeEvent, RecipientKind, Supplier

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def keys(tmp_path: Path, settings: Any) -> Path:
    """A key file of this test's own."""
    path = tmp_path / "card_keys"
    vault.generate_key_file(path)
    settings.CARD_KEYS_FILE = str(path)
    return path


def run(*words: str) -> str:
    out = io.StringIO()
    call_command("rotate_keys", *words, stdout=out)
    return out.getvalue()


def forget(keys: Path, key_id: str) -> None:
    """Take an old key out of the file."""
    content = json.loads(keys.read_text())
    del content["keys"][key_id]
    keys.chmod(0o600)
    keys.write_text(json.dumps(content))


def texts(codes: Any, by: Any) -> list[str]:
    return [stock.open_to_check(code.pk, at=clock.now(), by=by) for code in codes]


def test_every_sealed_column_of_the_house_is_listed():
    """A table that says under which key something is sealed is rotated; the signing key of the roots is another."""
    sealed = {
        (model._meta.label, field.name)
        for model in apps.get_models() if not model._meta.proxy
        for field in model._meta.get_fields()
        if field.name.endswith("key_id") and model._meta.label != "records.DailyRoot"
        and any(isinstance(other, BinaryField) for other in model._meta.get_fields())
    }  # fmt: skip
    assert {(column.model._meta.label, column.key_column) for column in COLUMNS} == sealed


@pytest.fixture
def one_of_each(make_product, merchant, buyer, shop, buy, reveal, apply, reviewer, finance) -> dict[str, Any]:
    """A code, an uploaded file, a staged line, a top-up's recipient, a shop's own account and a card to pay to."""
    at = clock.now()
    product = make_product(stock=3)
    staged = importing.upload(product, b"STAGED-1", file_name="a.csv", by=merchant, at=at)
    importing.sweep(at=clock.now())
    waiting = importing.upload(product, b"WAITING-1", file_name="b.csv", by=merchant, at=at)
    supplier = Supplier.objects.get_or_create(code="issuer", defaults={"name": "发卡方", "created_at": at})[0]
    top_up = make_product(
        kind="top_up", fulfilment="top_up", recipient_kind="phone", supplier=supplier, supplier_sku="phone-50"
    )
    wish = placing.Wish(recipient=Recipient(RecipientKind.PHONE, "13800001234"))
    order = placing.place(top_up, wish, buyer=buyer, checkout_key=uuid.uuid4(), at=at)
    own = vault.keyring(_path()).seal("{}", bound_to="payments_channelaccount|credentials|wechat-1")
    ChannelAccount.objects.create(
        code="wechat-1", channel="wechat", shop=shop, name="自带", merchant_id="1", credentials=own.ciphertext,
        credentials_key_id=own.key_id,
    )  # fmt: skip
    return {"product": product, "staged": staged, "waiting": waiting, "order": order}


def _path() -> str:
    from django.conf import settings

    return str(settings.CARD_KEYS_FILE)


def test_after_a_rotation_the_old_key_can_go(keys, one_of_each, merchant):
    product = one_of_each["product"]
    before = texts(product.codes.order_by("pk"), merchant)
    events = CodeEvent.objects.count()
    said = run("--new-key")
    assert "全部密文都在 k2 之下" in said
    assert "k1 不再使用" in said
    assert CodeEvent.objects.count() == events  # nothing was opened
    assert {column.title: rotation.left(column) for column in COLUMNS if rotation.left(column)} == {}
    forget(keys, "k1")
    assert texts(product.codes.order_by("pk"), merchant) == before
    assert recipients.of(Order.objects.get(pk=one_of_each["order"].pk)).account == "13800001234"
    account = ChannelAccount.objects.get(code="wechat-1")
    sealed = vault.Sealed(bytes(account.credentials), account.credentials_key_id)
    assert vault.keyring(keys).open(sealed, bound_to="payments_channelaccount|credentials|wechat-1") == "{}"
    importing.sweep(at=clock.now())
    for name in ("staged", "waiting"):
        row = one_of_each[name]
        importing.confirm(row, good=1, is_part=False, by=merchant, at=clock.now())
        importing.sweep(at=clock.now())
    assert {"STAGED-1", "WAITING-1"} < set(texts(product.codes.all(), merchant))


def test_a_card_to_pay_to_is_rewrapped_where_it_stands(keys, released, finance):
    from payments import cards
    from payments.gateways.base import BankCard
    from payments.models import Redirect
    from tests.cases import attempt_of

    attempt = attempt_of(released())
    card = BankCard("CMB", "6225880000000403", "张三")
    sealed = cards.seal(card, attempt)
    RefundAttempt.objects.filter(pk=attempt.pk).update(redirect_card=sealed.ciphertext, redirect_key_id=sealed.key_id)
    run("--new-key")
    forget(keys, "k1")
    attempt.refresh_from_db()
    attempt.redirect_to = Redirect.BUYER_CARD
    assert cards.of(attempt) == card


def test_only_the_head_of_a_text_changes(make_product):
    make_product(stock=1)
    before = CardCode.objects.get()
    run("--new-key")
    after = CardCode.objects.get()
    assert bytes(after.sealed)[vault.HEAD_BYTES :] == bytes(before.sealed)[vault.HEAD_BYTES :]
    assert bytes(after.sealed)[: vault.HEAD_BYTES] != bytes(before.sealed)[: vault.HEAD_BYTES]
    assert (before.key_id, after.key_id, before.fingerprint) == ("k1", "k2", after.fingerprint)


def test_stopped_half_way_it_goes_on_with_what_is_left(make_product, merchant, monkeypatch, keys):
    monkeypatch.setattr(rotation, "BATCH", 2)
    make_product(stock=5)
    vault.add_key(keys)
    steps = rotation.rotate(rotation.COLUMNS[0])
    assert next(steps).done == 2
    steps.close()
    assert rotation.left(rotation.COLUMNS[0]) == {"k1": 3}
    assert len(texts(CardCode.objects.all(), merchant)) == 5  # both keys open, at any moment
    said = run()
    assert [line for line in said.splitlines() if line.startswith("卡密")] == ["卡密: 2 → k2", "卡密: 3 → k2"]
    assert rotation.left(rotation.COLUMNS[0]) == {}
    assert "卡密" not in run()  # nothing is left to do


def test_what_was_sealed_anew_meanwhile_is_left_alone(make_product, keys, monkeypatch):
    """The row is read again under its lock."""
    make_product(stock=1)
    code = CardCode.objects.select_related("product").get()
    vault.add_key(keys)
    find = rotation._next

    def sealed_meanwhile(column, key_id, last):
        found = find(column, key_id, last)
        if found:
            stock.seal(code, "NEW-TEXT")
            code.save()
        return found

    monkeypatch.setattr(rotation, "_next", sealed_meanwhile)
    (progress,) = rotation.rotate(rotation.COLUMNS[0])
    assert progress.done == 0
    assert stock.open_to_check(code.pk, at=clock.now()) == "NEW-TEXT"


def test_a_damaged_text_is_told_and_stops_nobody(make_product, keys):
    make_product(stock=3)
    damaged = CardCode.objects.order_by("pk").first()
    CardCode.objects.filter(pk=damaged.pk).update(sealed=bytes(damaged.sealed)[:20] + b"x" * 60)
    with pytest.raises(CommandError, match="1 条密文没有换钥"):
        run("--new-key")
    assert CardCode.objects.filter(key_id="k2").count() == 2


def test_a_text_under_a_key_that_is_lost_is_told(make_product, keys):
    make_product(stock=1)
    vault.add_key(keys)
    forget(keys, "k1")
    with pytest.raises(CommandError, match="k1"):
        run()


def test_a_key_can_be_spread_before_it_is_used(make_product, keys):
    make_product(stock=1)
    assert "k2" in run("--add-key")
    assert vault.keyring(keys).active == "k1"
    assert set(CardCode.objects.values_list("key_id", flat=True)) == {"k1"}
    run("--activate", "k2")
    assert set(CardCode.objects.values_list("key_id", flat=True)) == {"k2"}
    with pytest.raises(CommandError, match="k7"):
        run("--activate", "k7")
    assert vault.keyring(keys).active == "k2"


def test_a_key_added_while_the_shop_runs_is_known_at_once_and_the_file_stays_its_owners(keys):
    sealed = vault.keyring(keys).seal("text", bound_to="place")
    assert vault.add_key(keys) == "k2"
    assert stat.S_IMODE(keys.stat().st_mode) == 0o400
    assert [path.name for path in keys.parent.iterdir()] == ["card_keys"]
    ring = vault.keyring(keys)
    assert (ring.active, ring.key_ids) == ("k2", ["k1", "k2"])
    assert ring.open(sealed, bound_to="place") == "text"
    assert vault.add_key(keys, is_active=False) == "k3"
    assert vault.keyring(keys).active == "k2"


def test_rewrapping_checks_the_place_and_a_file_is_sealed_as_it_is(keys):
    ring = vault.keyring(keys)
    data = bytes(range(256)) * 1000
    sealed = ring.seal_file(data, bound_to="place")
    assert ring.open_file(sealed, bound_to="place") == data
    with pytest.raises(vault.VaultError, match="another row"):
        ring.rewrap(sealed, bound_to="elsewhere")
    with pytest.raises(vault.VaultError):
        ring.open_file(ring.rewrap(sealed, bound_to="place"), bound_to="elsewhere")


def test_a_seen_code_is_seen_after_a_rotation_too(buy, reveal):
    order = buy()
    (text,) = reveal(order)
    run("--new-key")
    assert reveal(order) == [text]
