"""A database of the first version, with its orders, payments and refunds, becomes one of this version."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection

import clock
from orders import placing
from orders.placing import PAY_WITHIN, Wish
from payments import charging, settling
from payments.charging import Way
from payments.gateways.base import PayMethod
from payments.models import Payment, PaymentStatus
from tests.one_by_one import OneByOneExecutor

# Minutes, for what no longer changes: nobody edits a migration that has landed.
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.nightly]
BEFORE, AFTER = [("payments", "0001_initial")], [("payments", "0002_channels_complete")]


@pytest.fixture
def first_version(buyer, make_product):
    """Rows as the first version left them, migrated: what it had sent of each is not in its columns."""
    product = make_product()
    orders = [order_of(product, buyer) for _ in range(5)]
    latest = OneByOneExecutor(connection).loader.graph.leaf_nodes()  # other apps went back with it
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM payments_channelaccount")
    apps = migrated(BEFORE)
    at = clock.now()
    account = apps.get_model("payments", "ChannelAccount").objects.create(code="wechat", name="微信支付")
    old = apps.get_model("payments", "Payment").objects
    common: dict[str, Any] = {"account": account, "amount_fen": 3000, "created_at": at, "expires_at": at + PAY_WITHIN}
    rows: dict[str, dict[str, Any]] = {
        "prepared": {"status": "prepared", "next_due_at": at},
        "asked in vain": {"status": "prepared", "next_due_at": at, "tries": 2},
        "open": {"status": "open", "next_due_at": at, "code_url": "weixin://wxpay/bizpayurl?pr=old"},
        "paid": {"status": "paid", "paid_at": at, "channel_transaction_id": "420000", "reserved_fen": 1000},
        "closed": {"status": "closed"},
    }
    made = {
        name: old.create(payment_no=f"POLDPAYMENT{order.pk}", order_id=order.pk, **common, **columns).pk
        for order, (name, columns) in zip(orders, rows.items(), strict=True)
    }
    apps.get_model("payments", "RefundAttempt").objects.create(
        request_no="POLDPAYMENTR01", payment_id=made["paid"], amount_fen=1000, notify_url="https://shop.example/notify",
        status="unknown", created_at=at, next_due_at=at, first_sent_at=at,
    )  # fmt: skip
    migrated(AFTER)
    migrated(latest)
    return {name: Payment.objects.get(pk=pk) for name, pk in made.items()}


def order_of(product, buyer):
    return placing.place(product, Wish(again=True), buyer=buyer, checkout_key=uuid.uuid4(), at=clock.now())


def migrated(to):
    executor = OneByOneExecutor(connection)
    executor.migrate(to)
    return OneByOneExecutor(connection).loader.project_state(to).apps


def test_old_payments_keep_their_way(first_version):
    """What may be known to the channel can only be closed there, and not taken to another way under the same number."""
    for name, payment in first_version.items():
        assert payment.first_sent_at == payment.created_at, name
        assert (payment.method, payment.account.channel) == ("scan", "wechat")
    assert first_version["open"].till == "weixin://wxpay/bizpayurl?pr=old"
    assert first_version["paid"].attempts.get().refused_at is None
    begun = first_version["prepared"]
    charging.start(begun.order, Way("alipay", PayMethod.COMPUTER, return_url="https://a.example/"), at=clock.now())
    begun.refresh_from_db()
    assert (begun.status, begun.account.code) == (PaymentStatus.CLOSED, "wechat")
    assert begun.next_due_at == begun.expires_at + timedelta(seconds=settling.LOOK_AGAIN_SECONDS)
