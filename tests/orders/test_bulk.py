"""批量取消: previewed in full, started once by an operator, each open order canceled once, told and counted."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

import clock
from accounts.models import User
from notices.models import Notice
from orders import bulk, placing
from orders.models import BulkCancellation, Cancellation, Cause, Order, OrderEvent, OrderStatus, ServiceJob
from orders.placing import Wish
from payments import charging
from shops import stock
from shops.models import ShopMember, ShopRole
from tests.cast import person

pytestmark = pytest.mark.django_db

SERVICE = {"kind": "service", "fulfilment": "service"}


@pytest.fixture
def order_of(buyer, pay):
    """Orders of one product: ``order_of(product, paid=True)``."""

    def place(product, paid=True, quantity=1):
        wish = Wish(quantity, again=True)
        if not paid:
            return charging.checkout(product, wish, buyer=buyer, checkout_key=uuid.uuid4(), at=clock.now()).order
        return pay(placing.place(product, wish, buyer=buyer, checkout_key=uuid.uuid4(), at=clock.now()))

    return place


@pytest.fixture
def waiting(order_of, make_product):
    """A shop's afternoon: two paid orders that wait, one delivered, one unpaid, and one of another product."""
    product = make_product(9999, shop_cancel_penalty_percent=5, **SERVICE)
    other = make_product(3000, shop_cancel_penalty_percent=5, **SERVICE)
    return {
        "product": product,
        "first": order_of(product),
        "second": order_of(product, quantity=2),
        "delivered": order_of(make_product(1000)),
        "unpaid": order_of(product, paid=False),
        "other": order_of(other),
    }


def preview(about, by, cause=Cause.SHOP_SUSPENDED):
    return bulk.preview(about, cause=cause, reason="店铺涉嫌违规，已停业", by=by, at=clock.now())


def run(row):
    """Sweep until it is done; answers how many batches it took."""
    for batches in range(1, 100):
        bulk.sweep(at=clock.now())
        row.refresh_from_db()
        if row.status == "done":
            return batches
    raise AssertionError("never done")


def test_a_preview_counts_and_changes_nothing(waiting, shop, operator):
    row = preview(shop, operator)
    assert (row.order_count, row.unpaid_count) == (3, 1)
    assert row.refund_fen == 9999 * 3 + 3000
    assert row.penalty_fen == 500 + 1000 + 150  # of each order, rounded up
    assert not Cancellation.objects.exists()
    assert bulk.sweep(at=clock.now()) == 0


def test_no_fault_of_the_shop_no_penalty(waiting, shop, operator):
    assert preview(shop, operator, Cause.OUTAGE).penalty_fen == 0


def test_of_a_product_only_its_orders(waiting, operator):
    row = preview(waiting["product"], operator, Cause.DELISTED)
    assert (row.order_count, row.unpaid_count, row.refund_fen) == (2, 1, 9999 * 3)
    bulk.start(row, by=operator, at=clock.now())
    run(row)
    waiting["other"].refresh_from_db()
    assert (row.canceled_count, waiting["other"].status) == (2, OrderStatus.PAID)


def test_everything_open_is_canceled_once_and_told(waiting, shop, operator, drain, simulator):
    row = preview(shop, operator)
    bulk.start(row, by=operator, at=clock.now())
    run(row)
    assert (row.canceled_count, row.called_off_count, row.skipped_count) == (3, 1, 0)
    sums = Cancellation.objects.values_list("refund_fen", "penalty_fen", "bulk", "cause")
    assert sorted(sums) == sorted(
        [(9999, 500, row.pk, "shop_suspended"), (19998, 1000, row.pk, "shop_suspended"),
         (3000, 150, row.pk, "shop_suspended")]
    )  # fmt: skip
    assert (sum(each[0] for each in sums), sum(each[1] for each in sums)) == (row.refund_fen, row.penalty_fen)
    assert Notice.objects.filter(kind="order_canceled").count() == 3
    clock.advance(timedelta(minutes=1))  # the unpaid one ends when its payment is looked at again
    drain()
    states = dict(Order.objects.values_list("pk", "status"))
    assert states.pop(waiting["delivered"].pk) == OrderStatus.DELIVERED
    assert set(states.values()) == {OrderStatus.CANCELED}
    money = {each["out_trade_no"]: each["refunded_fen"] for each in simulator.ledger()["payments"]}
    for name in ("first", "second", "other"):
        assert money[waiting[name].payments.get().payment_no] == waiting[name].total_fen


def test_what_has_begun_is_left_alone_counted_and_named(waiting, shop, operator):
    ServiceJob.objects.filter(line__order=waiting["first"]).update(status="working", started_at=clock.now())
    row = preview(shop, operator)
    assert row.order_count == 2
    bulk.start(row, by=operator, at=clock.now())
    run(row)
    assert (row.canceled_count, row.skipped_count, row.skipped) == (2, 1, {"begun": 1})


def test_in_batches_that_go_on_behind_each_other(waiting, shop, operator, monkeypatch):
    monkeypatch.setattr(bulk, "BATCH", 2)
    row = preview(shop, operator)
    bulk.start(row, by=operator, at=clock.now())
    assert run(row) == 3  # two, two, and nothing left
    assert row.canceled_count == Cancellation.objects.count() == 3


def test_an_order_that_cannot_be_canceled_stops_no_other(waiting, shop, operator, monkeypatch, caplog):
    real = bulk.cancellation.cancel_paid

    def breaks(orders, **how):
        if waiting["first"] in orders:
            raise RuntimeError("broken row")
        return real(orders, **how)

    monkeypatch.setattr(bulk.cancellation, "cancel_paid", breaks)
    row = preview(shop, operator)
    bulk.start(row, by=operator, at=clock.now())
    run(row)
    assert (row.canceled_count, row.skipped) == (2, {"failed": 1})
    assert "left behind" in caplog.text


@pytest.mark.parametrize("who", ["buyer", "merchant", "reviewer", "senior", "finance"])
def test_only_operators_cancel_in_bulk(who, request, shop, operator):
    person = request.getfixturevalue(who)
    with pytest.raises(bulk.CannotStart):
        preview(shop, person)
    row = preview(shop, operator)
    with pytest.raises(bulk.CannotStart):
        bulk.start(row, by=person, at=clock.now())
    with pytest.raises(bulk.CannotStart):
        bulk.abandon(row, by=person, at=clock.now())


def test_nobody_cancels_their_own_shop_in_bulk(shop, operator, order_of, make_product):
    """I10: no penalty is waived by who would have to pay it, neither for the shop nor for one of its products."""
    product = make_product(3000, **SERVICE)
    order_of(product)
    row = preview(shop, operator)
    ShopMember.objects.create(shop=shop, user=operator, role=ShopRole.CLERK)
    for about in (shop, product):
        with pytest.raises(bulk.CannotStart, match="自己店铺"):
            preview(about, operator, Cause.RISK)
    for act in (bulk.start, bulk.abandon):
        with pytest.raises(bulk.CannotStart, match="自己店铺"):
            act(row, by=operator, at=clock.now())


def test_who_may_not_enter_the_desk_cancels_nothing(shop, operator):
    User.objects.filter(pk=operator.pk).update(is_staff=False)
    with pytest.raises(bulk.CannotStart, match="只有运营"):
        preview(shop, operator)


def test_nobody_cancels_their_own_order_in_bulk(shop, operator, make_product, order_of, pay):
    """I10: it is neither counted nor canceled, and named for somebody else to look at."""
    product = make_product(3000, **SERVICE)
    theirs = order_of(product)
    own = placing.place(product, Wish(), buyer=operator, checkout_key=uuid.uuid4(), at=clock.now())
    pay(own)
    row = preview(shop, operator, Cause.OUTAGE)
    assert row.order_count == 1
    bulk.start(row, by=operator, at=clock.now())
    run(row)
    assert Cancellation.objects.get().order == theirs
    assert (row.canceled_count, row.skipped) == (1, {"own": 1})


def test_the_record_names_who_started_it_not_who_only_looked(waiting, shop, operator):
    other = person("operator2", "operator")
    row = preview(shop, operator)
    bulk.start(row, by=other, at=clock.now())
    run(row)
    assert (row.created_by, row.started_by) == (operator, other)
    assert {each.canceled_by for each in Cancellation.objects.all()} == {other}
    steps = OrderEvent.objects.filter(step__in=["cancel_lines", "call_off"])
    assert {(event.step, event.actor) for event in steps} == {("cancel_lines", other), ("call_off", other)}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("act", ["preview", "start", "abandon"])
def test_rights_are_read_inside_the_transaction_that_needs_them(act, shop, operator):
    """I10."""
    row, asked = preview(shop, operator), []

    def watch(execute, sql, *how):
        if f'FROM "{User._meta.db_table}"' in sql:
            asked.append(connection.in_atomic_block)
        return execute(sql, *how)

    with connection.execute_wrapper(watch):
        if act == "preview":
            preview(shop, operator)
        else:
            getattr(bulk, act)(row, by=operator, at=clock.now())
    assert asked == [True]


def test_a_reason_that_every_buyer_reads_names_no_code(order_of, make_product, shop, operator):
    """PM16: neither one that was delivered long ago, nor one in stock that nobody has bought."""
    product = make_product(stock=0, kind="code", fulfilment="codes")
    stock.add(product, ["KQ7Z-WM3P-8RTX", "BV5N-2HJD-LC9F"], at=clock.now())
    assert order_of(product).status == OrderStatus.DELIVERED
    said = "卡密 KQ7ZWM3P8RTX 和 bv5n-2hjd-lc9f 已失效，工单 2024-0101-7777"
    row = bulk.preview(shop, cause=Cause.OUTAGE, reason=said, by=operator, at=clock.now())
    assert row.reason == "卡密 ••••TX 和 ••••9f 已失效，工单 2024-0101-7777"


def test_a_buyers_cause_or_no_words_is_refused(shop, operator):
    for cause, reason in [(Cause.BUYER, "x"), (Cause.LATE, "x"), (Cause.OUTAGE, " ")]:
        with pytest.raises(bulk.CannotStart):
            bulk.preview(shop, cause=cause, reason=reason, by=operator, at=clock.now())
    assert not BulkCancellation.objects.exists()


def test_it_starts_once_and_an_abandoned_one_never(shop, operator):
    row = preview(shop, operator)
    bulk.start(row, by=operator, at=clock.now())
    for act in (bulk.start, bulk.abandon):
        with pytest.raises(bulk.CannotStart):
            act(row, by=operator, at=clock.now())
    left = preview(shop, operator)
    bulk.abandon(left, by=operator, at=clock.now())
    with pytest.raises(bulk.CannotStart):
        bulk.start(left, by=operator, at=clock.now())
    assert run(row) == 1


def test_the_number_of_queries_does_not_grow_with_the_orders(order_of, make_product, shop, operator):
    product = make_product(3000, **SERVICE)
    counts = []
    for many in (1, 5):
        for _ in range(many):
            order_of(product)
        bulk.start(preview(shop, operator), by=operator, at=clock.now())
        with CaptureQueriesContext(connection) as caught:
            bulk.sweep(at=clock.now())
        counts.append(len(caught))
        bulk.sweep(at=clock.now())
    assert counts[1] <= counts[0]
    assert Order.objects.filter(status=OrderStatus.CANCELED).count() == 6
