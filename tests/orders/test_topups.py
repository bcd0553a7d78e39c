"""Top-ups: sent once under one number, ended by the supplier's own word, and never by time."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import DatabaseError, connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext

import clock
from cardshop import invariants
from notices.models import Notice
from orders import cancellation, placing, stopping, topups
from orders.models import Cancellation, CancellationLine, Cause, Delivery, IfMissing, Order, OrderStatus, TopUp
from orders.models import TopUpStatus as T
from orders.placing import Wish
from orders.recipients import Recipient
from refunds import cancellations, disbursement, lifecycle
from refunds.models import Refund
from shops.models import Product, Supplier, SupplierAnswer
from shops.suppliers import registry

pytestmark = pytest.mark.django_db
HELD = "13800009999"  # stays pending until the test settles it
DEAD = "13800010000"  # fails: 号码已停机
LONG = timedelta(hours=1)


@pytest.fixture
def buy_topup(buyer, supplier, make_product, pay) -> Callable[..., Order]:
    """A paid order of top-ups, nothing sent yet: ``buy_topup(account=HELD, quantity=1, supplier_sku="phone-50")``."""

    def buy(account: str = HELD, quantity: int = 1, **words) -> Order:
        words = {"supplier": supplier, "supplier_sku": "phone-50"} | words
        product = make_product(5000, kind="top_up", fulfilment="top_up", recipient_kind="phone", **words)
        wish = Wish(quantity, recipient=Recipient("phone", account), again=True)
        return pay(placing.place(product, wish, buyer=buyer, checkout_key=uuid.uuid4(), at=clock.now()))

    return buy


def topup_of(order: Order) -> TopUp:
    return TopUp.objects.get(line__order=order)


def ordered(simulator, topup: TopUp) -> list[dict]:
    return [row for row in simulator.ledger()["topups"] if row["reference"] == topup.topup_no]


# --- the plain path


def test_a_top_up_that_arrives_is_delivered_with_its_proof(buy_topup, simulator):
    order = buy_topup()
    topups.sweep(at=clock.now())
    topup = topup_of(order)
    assert (topup.status, order.status) == (T.ACCEPTED, OrderStatus.PAID)
    simulator.post("topup", reference=topup.topup_no, state="DONE")
    topups.sweep(at=clock.now() + LONG)
    topup.refresh_from_db()
    order.refresh_from_db()
    assert (topup.status, order.status) == (T.SUCCEEDED, OrderStatus.DELIVERED)
    assert topup.arrived_at is not None
    assert topup.answer.about == f"topup:{topup.topup_no}"
    assert registry.is_genuine(topup.answer)
    assert Delivery.objects.get(line__order=order).code is None
    assert Notice.objects.filter(kind="order_delivered", recipient=order.buyer).exists()


def test_it_goes_to_the_supplier_of_the_order_whatever_the_shop_writes_since(supplier, make_product, buyer, pay):
    product = make_product(
        5000, kind="top_up", fulfilment="top_up", recipient_kind="phone", supplier=supplier, supplier_sku="phone-50"
    )
    wish = Wish(1, recipient=Recipient("phone", HELD))
    order = placing.place(product, wish, buyer=buyer, checkout_key=uuid.uuid4(), at=clock.now())
    other = Supplier.objects.create(code="other", name="别家", created_at=clock.now())
    Product.objects.filter(pk=product.pk).update(supplier=other, supplier_sku="phone-1")
    topup = topup_of(pay(order))
    assert (topup.supplier, topup.sku) == (supplier, "phone-50")


def test_nobody_reads_the_number_in_the_row_or_its_proof(buy_topup, simulator):
    """I15: the order keeps it sealed, the supplier's answer masks it."""
    order = buy_topup("13812345678")
    simulator.post("topup", reference=topup_of(order).topup_no, state="DONE", account="13812345678")
    topups.sweep(at=clock.now())
    topup = topup_of(order)
    assert topup.status == T.SUCCEEDED
    assert "13812345678" not in topup.answer.body


# --- failing after the payment


def test_a_top_up_that_fails_is_canceled_within_the_sweep(buy_topup, simulator):
    """P16: the buyer has paid, the supplier fails: the money's way back begins at once, on record."""
    order = buy_topup()
    topups.sweep(at=clock.now())
    simulator.post("topup", reference=topup_of(order).topup_no, state="FAILED", reason="号码已停机")
    topups.sweep(at=clock.now() + LONG)
    canceled = Cancellation.objects.get(order=order)
    order.refresh_from_db()
    topup = topup_of(order)
    assert (canceled.cause, canceled.refund_fen) == (Cause.SUPPLIER_FAILED, 5000)
    assert canceled.next_due_at is not None
    assert (topup.status, topup.reason, order.status) == (T.FAILED, "号码已停机", OrderStatus.CANCELED)
    assert registry.is_genuine(topup.answer)


def test_the_money_of_a_failed_top_up_reaches_its_buyer(buy_topup, drain, simulator):
    """From the supplier's word to the channel's, nobody asked."""
    order = buy_topup(DEAD)
    topups.sweep(at=clock.now())
    simulator.clock(5)  # so long its network takes to find out
    clock.advance(LONG)
    topups.sweep(at=clock.now())
    topup = topup_of(order)
    assert (topup.status, topup.reason) == (T.FAILED, "号码已停机")
    cancellations.hear(at=clock.now())
    drain()
    refund = Refund.objects.get(order=order)
    assert (refund.status, refund.amount_fen) == ("arrived", order.total_fen)
    assert Cancellation.objects.get(order=order).heard_at is not None


def test_a_signed_refusal_ends_it_with_its_proof(buy_topup):
    order = buy_topup(supplier_sku="no-such-sku")
    topups.sweep(at=clock.now())
    topup = topup_of(order)
    assert (topup.status, topup.answer.state) == (T.FAILED, "refused")
    assert registry.is_genuine(topup.answer)
    assert Cancellation.objects.get(order=order).cause == Cause.SUPPLIER_FAILED


def test_of_three_lines_the_failed_one_alone_goes_back(buy_topup, simulator):
    order = buy_topup(quantity=3)
    topups.sweep(at=clock.now())
    numbers = list(
        TopUp.objects.filter(line__order=order).order_by("line__position").values_list("topup_no", flat=True)
    )
    for topup_no, state in zip(numbers, ["DONE", "FAILED", "DONE"], strict=True):
        simulator.post("topup", reference=topup_no, state=state)
    topups.sweep(at=clock.now() + LONG)
    order.refresh_from_db()
    assert order.status == OrderStatus.DELIVERED
    assert Cancellation.objects.get(order=order).lines.get().line.position == 2
    assert Delivery.objects.filter(line__order=order).count() == 2


# --- no answer is no failure


@pytest.mark.parametrize("fault", ["issuer_lost", "issuer_500", "issuer_bad_signature", "issuer_lost_after"])
def test_without_an_answer_the_same_number_is_asked_about(fault, buy_topup, simulator):
    """PM1: whether it got there or not, there is one top-up at the supplier, under one number."""
    order = buy_topup()
    topup = topup_of(order)
    simulator.faults(fault, request_no=topup.topup_no)
    topups.sweep(at=clock.now())
    topup.refresh_from_db()
    assert (topup.status, topup.first_sent_at is not None) == (T.UNKNOWN, True)
    assert not SupplierAnswer.objects.exists()
    topups.sweep(at=clock.now() + LONG)
    topup.refresh_from_db()
    assert topup.status == T.ACCEPTED
    assert len(ordered(simulator, topup)) == 1


def test_unknown_is_never_a_failure_however_long_it_lasts(buy_topup, simulator):
    order = buy_topup()
    topup = topup_of(order)
    simulator.faults("issuer_500", request_no=topup.topup_no, times=1000)
    at = clock.now()
    for _ in range(15):
        assert topups.sweep(at=at) == 1
        topup.refresh_from_db()
        assert topup.status == T.UNKNOWN
        at = topup.next_due_at
    assert topup.next_due_at - topup.first_sent_at > clock.scaled(3600)
    assert not Cancellation.objects.exists()
    with pytest.raises(cancellation.CannotCancel):
        cancellation.cancel(order, cause=Cause.BUYER, by=order.buyer, at=at)


def test_what_the_supplier_has_taken_on_is_never_sent_again(buy_topup, simulator, settings):
    """It says "not found" of what it had accepted: asked again, not ordered anew."""
    order = buy_topup()
    topups.sweep(at=clock.now())
    topup = topup_of(order)
    TopUp.objects.filter(pk=topup.pk).update(topup_no="TNEVERHEARDOF000")
    topups.sweep(at=clock.now() + LONG)
    topup.refresh_from_db()
    assert (topup.status, topup.last_error) == (T.ACCEPTED, "not_found")
    assert not ordered(simulator, topup)


def test_asked_ever_more_slowly(buy_topup):
    buy_topup()
    at, pauses = clock.now(), []
    for _ in range(5):
        topups.sweep(at=at)
        due = TopUp.objects.get().next_due_at
        pauses.append(due - at)
        at = due
    assert pauses == sorted(pauses)
    assert pauses[-1] > pauses[0]


# --- nothing left us: it may still be stopped


def test_a_busy_supplier_gets_it_later_and_until_then_it_can_be_stopped(buy_topup, simulator):
    order = buy_topup()
    topup = topup_of(order)
    simulator.faults("issuer_429", request_no=topup.topup_no)
    topups.sweep(at=clock.now())
    topup.refresh_from_db()
    assert (topup.status, topup.first_sent_at) == (T.PREPARED, None)
    topups.sweep(at=clock.now() + LONG)
    topup.refresh_from_db()
    assert topup.status == T.ACCEPTED


def test_a_supplier_that_is_down_has_nothing_to_stop(buy_topup, settings, free_port):
    order = buy_topup()
    keys = settings.SUPPLIERS["issuer"]
    settings.SUPPLIERS = {"issuer": keys | {"gateway": f"http://127.0.0.1:{free_port}/issuer"}}
    topups.sweep(at=clock.now())
    assert topup_of(order).status == T.PREPARED
    cancellation.cancel(order, cause=Cause.BUYER, by=order.buyer, at=clock.now())
    assert topup_of(order).status == T.STOPPED
    order.refresh_from_db()
    assert order.status == OrderStatus.CANCELED


@pytest.mark.parametrize("how", ["not active", "no keys"])
def test_a_supplier_that_cannot_be_asked_gets_nothing(how, buy_topup, supplier, settings):
    order = buy_topup()
    if how == "not active":
        supplier.is_active = False
        supplier.save()
    else:
        settings.SUPPLIERS = {}
    assert topups.sweep(at=clock.now()) == 1
    topup = topup_of(order)
    assert (topup.status, topup.first_sent_at) == (T.PREPARED, None)
    assert topup.last_error


def test_busy_after_it_was_sent_is_still_unknown(buy_topup, simulator):
    order = buy_topup()
    topup = topup_of(order)
    simulator.faults("issuer_lost", request_no=topup.topup_no)
    topups.sweep(at=clock.now())
    simulator.faults("issuer_429", request_no=topup.topup_no)
    topups.sweep(at=clock.now() + LONG)
    topup.refresh_from_db()
    assert (topup.status, topup.first_sent_at is not None) == (T.UNKNOWN, True)


@pytest.fixture
def free_port() -> int:
    from cardshop import embedded

    return embedded.free_ports(1)[0]


# --- many at once


def test_one_order_that_cannot_be_written_stops_no_other(buy_topup, simulator, monkeypatch):
    """F12."""
    bad, good = buy_topup(), buy_topup()
    topups.sweep(at=clock.now())
    for order in (bad, good):
        simulator.post("topup", reference=topup_of(order).topup_no, state="DONE")
    hand_over = topups.delivery.hand_over

    def break_on_the_bad_one(order, handed, *, at):
        if order.pk == bad.pk:
            raise DatabaseError("no space left on device")
        hand_over(order, handed, at=at)

    monkeypatch.setattr(topups.delivery, "hand_over", break_on_the_bad_one)
    topups.sweep(at=clock.now() + LONG)
    assert (topup_of(good).status, topup_of(bad).status) == (T.SUCCEEDED, T.ACCEPTED)
    monkeypatch.undo()
    topups.sweep(at=clock.now() + 2 * LONG)
    assert topup_of(bad).status == T.SUCCEEDED


def test_waiting_costs_the_same_number_of_queries_for_one_and_for_many(buy_topup):
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            topups.sweep(at=clock.now())
        return len(captured)

    buy_topup()
    one = queries()
    buy_topup(quantity=8)
    assert queries() == one


def test_an_answer_that_comes_twice_counts_once(buy_topup, simulator):
    """Two sweepers at a slow supplier: whoever writes first has written."""
    order = buy_topup()
    topups.sweep(at=clock.now())
    topup = topup_of(order)
    simulator.post("topup", reference=topup.topup_no, state="DONE")
    asked = TopUp.objects.select_related("supplier", "line__order").get(pk=topup.pk)
    answer = registry.of(asked.supplier).query(asked.topup_no)
    for _ in range(2):
        topups.record([(asked, answer)], at=clock.now())
    assert Delivery.objects.filter(line__order=order).count() == 1
    assert SupplierAnswer.objects.count() == 1


# --- a refund is asked for


def test_a_top_up_is_held_while_a_refund_is_weighed_and_goes_on_if_it_comes_to_nothing(buy_topup, apply, simulator):
    order = buy_topup()
    refund = apply(order, precheck=False)
    assert topup_of(order).status == T.STOPPED
    assert topups.sweep(at=clock.now() + LONG) == 0
    lifecycle.withdraw(refund, by=order.buyer, at=clock.now())
    topups.sweep(at=clock.now() + LONG)
    topup = topup_of(order)
    assert topup.status == T.ACCEPTED
    assert len(ordered(simulator, topup)) == 1


@pytest.fixture
def refunded_under_way(buy_topup, apply, reviewer, finance, drain) -> Callable[..., Order]:
    """The supplier has taken it on; meanwhile a reviewer gave all the money back, and the buyer has it."""

    def refund(quantity: int = 1) -> Order:
        order = buy_topup(quantity=quantity)
        topups.sweep(at=clock.now())
        case = apply(order)
        lifecycle.approve([case], by=reviewer, at=clock.now())
        disbursement.release([case], by=finance, at=clock.now())
        drain()
        case.refresh_from_db()
        assert case.status == "arrived"
        assert not Cancellation.objects.exists()
        return order

    return refund


@pytest.mark.parametrize(("state", "status", "cause"), [
    ("DONE", T.SUCCEEDED, Cause.BUYER), ("FAILED", T.FAILED, Cause.SUPPLIER_FAILED),
])  # fmt: skip
def test_what_ends_after_its_refund_is_no_delivery_and_owes_nothing(
    state, status, cause, refunded_under_way, simulator, operator, merchant, drain
):
    order = refunded_under_way()
    topup = topup_of(order)
    simulator.post("topup", reference=topup.topup_no, state=state)
    topups.sweep(at=clock.now() + LONG)
    drain()
    order.refresh_from_db()
    topup.refresh_from_db()
    assert (topup.status, topup.answer is not None) == (status, True)
    assert (order.status, Delivery.objects.count()) == (OrderStatus.CANCELED, 0)
    canceled = Cancellation.objects.get()
    assert (canceled.cause, canceled.heard_at is not None, canceled.next_due_at) == (cause, True, None)
    assert Refund.objects.count() == 1
    assert not Notice.objects.filter(kind__in=["order_delivered", "order_canceled"]).exists()
    assert invariants.broken() == []

    late = "供应商之后仍报告"
    readers = {order.buyer: f"/orders/{order.order_no}/", merchant: f"/shop/orders/{order.order_no}/",
               operator: f"/admin/orders/topup/{topup.pk}/change/"}  # fmt: skip
    for reader, path in readers.items():
        browser = Client()
        browser.force_login(reader)
        page = browser.get(path).content.decode()
        assert order.order_no in page
        assert (late in page) is (status == T.SUCCEEDED)
        assert "确认收货" not in page
        assert "充值已到账。请在手机" not in page


def test_the_other_of_two_is_delivered_and_told_of(buy_topup, apply, simulator, reviewer, finance, drain):
    """Only what was refunded in full ends as canceled."""
    order = buy_topup(quantity=2)
    topups.sweep(at=clock.now())
    first = order.lines.get(position=1)
    case = apply(order, line_ids=[first.pk])
    lifecycle.approve([case], by=reviewer, at=clock.now())
    disbursement.release([case], by=finance, at=clock.now())
    drain()
    for topup in TopUp.objects.filter(line__order=order):
        simulator.post("topup", reference=topup.topup_no, state="DONE")
    topups.sweep(at=clock.now() + LONG)
    order.refresh_from_db()
    assert order.status == OrderStatus.DELIVERED
    assert [row.line.position for row in Delivery.objects.all()] == [2]
    assert list(CancellationLine.objects.values_list("line", flat=True)) == [first.pk]
    assert Notice.objects.filter(kind="order_delivered", recipient=order.buyer).count() == 1
    assert invariants.broken() == []


def test_one_whose_refund_came_to_nothing_after_all_is_delivered(buy_topup, simulator):
    """The money had been on its way, and came back."""
    order = buy_topup()
    topups.sweep(at=clock.now())
    lines = list(order.lines.all())
    with transaction.atomic():
        assert stopping.give_up(lines) == []
        assert topup_of(order).if_missing == IfMissing.END
        stopping.go_on([line.pk for line in lines], at=clock.now())
    simulator.post("topup", reference=topup_of(order).topup_no, state="DONE")
    topups.sweep(at=clock.now() + LONG)
    order.refresh_from_db()
    assert order.status == OrderStatus.DELIVERED
    assert Notice.objects.filter(kind="order_delivered").count() == 1


# --- stop against send


@pytest.mark.django_db(transaction=True)
def test_whoever_sends_first_cannot_be_stopped(buy_topup):
    """The claim is not committed yet when the cancellation comes: it waits for the row, then leaves it alone."""
    order = buy_topup()
    refused: list[Exception] = []

    def cancel() -> None:
        try:
            cancellation.cancel(order, cause=Cause.BUYER, by=order.buyer, at=clock.now())
        except cancellation.CannotCancel as error:
            refused.append(error)
        finally:
            connection.close()

    with transaction.atomic():
        topups._claim(clock.now())
        canceling = threading.Thread(target=cancel)
        canceling.start()
        wait_until_it_waits(canceling)
    canceling.join()
    assert refused
    assert topup_of(order).status == T.UNKNOWN
    order.refresh_from_db()
    assert order.status == OrderStatus.PAID


@pytest.mark.django_db(transaction=True)
def test_what_was_stopped_first_is_never_sent(buy_topup, simulator):
    """The cancellation is not committed yet when the sweeper comes: it passes the row over, and finds it stopped."""
    order = buy_topup()
    found: list[int] = []

    def sweep() -> None:
        found.append(topups.sweep(at=clock.now()))
        connection.close()

    with transaction.atomic():
        cancellation.cancel(order, cause=Cause.BUYER, by=order.buyer, at=clock.now())
        sweeping = threading.Thread(target=sweep)
        sweeping.start()
        sweeping.join()
    assert found == [0]
    assert topups.sweep(at=clock.now() + LONG) == 0
    topup = topup_of(order)
    assert (topup.status, topup.first_sent_at) == (T.STOPPED, None)
    assert not ordered(simulator, topup)


def wait_until_it_waits(thread: threading.Thread) -> None:
    """Until another connection waits for a lock of ours; at once if the thread ends without waiting."""
    while thread.is_alive():
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
            if cursor.fetchone()[0]:
                return
