"""A shop of before becomes a marketplace: its people, prices, codes, orders and cases are all there, with a record."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest
from django.db import DatabaseError, connection

import clock
from orders.models import Order, OrderEvent
from records import chain
from refunds.models import Refund, RefundEvent
from shops.models import CardCode, CodeEvent, Shop, ShopMember
from tests.one_by_one import OneByOneExecutor

# Minutes, for what no longer changes: nobody edits a migration that has landed.
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.nightly]
BEFORE = [
    ("payments", "0002_channels_complete"),
    ("accounts", "0001_initial"),
    ("shops", "0001_initial"),
    ("orders", "0001_initial"),
    ("refunds", "0001_initial"),
]
PAGE = {"delivery_promise_minutes": 5}


def migrated(to):
    executor = OneByOneExecutor(connection)
    executor.migrate(to)
    return OneByOneExecutor(connection).loader.project_state(to).apps


@pytest.fixture
def before():
    """One shop with its owner, three codes (one seen twice), an order delivered, one waiting, and a case."""
    latest = OneByOneExecutor(connection).loader.graph.leaf_nodes()
    apps, at = migrated(BEFORE), clock.now() - timedelta(days=1)

    def make(model, **columns):
        return apps.get_model(model).objects.create(**columns)

    owner = make("accounts.User", username="owner", role="merchant")
    buyer = make("accounts.User", username="buyer", role="buyer")
    shop = make("shops.Shop", name="旧店", created_at=at)
    shop.members.add(owner)
    policy = make("shops.RefundPolicy", code="p", version=1, name="旧", name_en="Old", window_days=15, published_at=at)
    product = make("shops.Product", shop=shop, policy=policy, name="星海 点卡", price_fen=3000, created_at=at)
    states = {"in_stock": {}, "revealed": {"delivered_at": at, "revealed_at": at}, "delivered": {"delivered_at": at}}
    codes = {
        state: make("shops.CardCode", product=product, sealed=b"x", key_id="k1", fingerprint=uuid.uuid4().bytes * 2,
                    state=state, created_at=at, **times)
        for state, times in states.items()
    }  # fmt: skip
    for minutes in (0, 1):
        make("shops.CodeEvent", code=codes["revealed"], kind="reveal", actor=buyer, at=at + timedelta(minutes=minutes))
    common = {"buyer": buyer, "shop": shop, "policy": policy, "total_fen": 3000, "placed_at": at, "paid_at": at}
    orders = {
        status: make("orders.Order", status=status, order_no=f"DOLD{status.upper()[:9]}", expires_at=at,
                     checkout_key=uuid.uuid4(), **common)
        for status in ("completed", "paid")
    }  # fmt: skip
    for order in orders.values():
        make(
            "orders.OrderLine",
            order=order,
            position=1,
            product=product,
            product_name="x",
            product_page=PAGE,
            price_fen=3000,
        )
    case(make, orders["completed"], buyer, at)
    migrated(latest)


def case(make, order, buyer, at):
    account = make("payments.ChannelAccount", code="old", name="旧账户", channel="wechat")
    payment = make("payments.Payment", order_id=order.pk, account_id=account.pk, payment_no="POLD1", amount_fen=3000,
                   status="paid", paid_at=at, created_at=at, expires_at=at, channel_transaction_id="42")  # fmt: skip
    with connection.cursor() as cursor:  # a case's lines are demanded at commit: both rows in one statement
        cursor.execute(
            """WITH made AS (INSERT INTO refunds_refund (refund_no, order_id, payment_id, buyer_id, asked_by_id, reason,
                 description, contact, amount_fen, lane, status, queue, evidence_request, decision_note, submitted_at,
                 arrival_is_estimate, received_account, tries) VALUES ('ROLD1', %s, %s, %s, %s, 'other', '', '', 3000,
                 'standard', 'rejected', 'nobody', '', '', %s, false, '', 0) RETURNING id)
               INSERT INTO refunds_refundline (refund_id, order_line_id, amount_fen)
               SELECT made.id, line.id, 3000 FROM made, orders_orderline AS line WHERE line.order_id = %s""",
            [order.pk, payment.pk, buyer.pk, buyer.pk, at, order.pk],
        )
    refund = Refund.objects.only("pk").get(refund_no="ROLD1")
    for sequence, (step, status) in enumerate([("submit", "submitted"), ("turn_down", "rejected")], start=1):
        make("refunds.RefundEvent", refund_id=refund.pk, sequence=sequence, step=step, to_status=status,
             role="system", note="为什么", at=at)  # fmt: skip


def test_a_shop_of_before_is_whole_and_on_record(before):
    """One test: the way back to the first version and forth again takes a while."""
    nothing_is_lost()
    every_chain_begins_and_verifies()
    what_was_adopted_cannot_be_changed()


def nothing_is_lost():
    assert ShopMember.objects.get().role == "owner"
    assert Shop.objects.get().members.get().username == "owner"
    for order in Order.objects.all():
        line = order.lines.get()
        assert (order.goods_fen, order.discount_fen, line.list_price_fen, line.price_fen) == (3000, 0, 3000, 3000)
    waiting = Order.objects.get(status="paid")
    assert waiting.next_due_at is not None, "somebody comes back to what was not delivered"


def every_chain_begins_and_verifies():
    """I7, I8: the state of each code, order and case is what its last event says."""
    for kind in (CodeEvent, OrderEvent, RefundEvent):
        rows = list(kind.objects.order_by(f"{kind.SUBJECT}_id", "sequence"))
        assert rows
        assert list(chain.broken(rows)) == []
    looks = CodeEvent.objects.filter(code__state="revealed").order_by("sequence").values_list("kind", flat=True)
    assert list(looks) == ["reveal", "reveal", "adopt"]
    for code in CardCode.objects.all():
        assert code.events.latest("sequence").to_state == code.state
    for order in Order.objects.all():
        assert order.events.latest("sequence").to_status == order.status
    assert RefundEvent.objects.latest("sequence").to_status == "rejected"


def what_was_adopted_cannot_be_changed():
    for kind in (CodeEvent, OrderEvent, RefundEvent):
        with pytest.raises(DatabaseError, match="annot update or delete"):
            kind.objects.update(at=clock.now())
