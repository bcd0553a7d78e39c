"""取消: who may cancel what and why, what follows from each cause, and what can still be stopped (S4-1, S4-2, S4-6)."""

from __future__ import annotations

import pytest
from django.db import IntegrityError, InternalError, transaction
from django.utils.translation import override

import clock
from notices import wording
from notices.models import Notice
from orders import cancellation, service_jobs, stopping
from orders.cancellation import CONSEQUENCES, CannotCancel, Cost
from orders.models import Cancellation, CancellationLine, Cause, OrderEvent, OrderStatus, ServiceJob, TopUp
from payments import charging
from payments.models import PaymentStatus
from refunds.reasons import REASONS

pytestmark = pytest.mark.django_db


def cancel(order, cause=Cause.BUYER, by=None):
    return cancellation.cancel(order, cause=cause, by=by, at=clock.now())


# --- the table --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cause", Cause)
def test_every_cause_has_its_consequences(cause):
    row = CONSEQUENCES[cause]
    assert row.refund_reason in REASONS
    assert row.has_penalty == (row.at_fault == "shop")
    assert 1 <= row.priority <= 5


def test_what_the_shop_or_the_platform_broke_goes_before_what_a_buyer_changed_his_mind_about():
    urgent = max(row.priority for row in CONSEQUENCES.values() if row.at_fault in {"shop", "platform"})
    assert urgent < min(row.priority for row in CONSEQUENCES.values() if row.at_fault in {"buyer", "nobody"})


@pytest.mark.parametrize(("cause", "penalty_fen"), [(Cause.OUT_OF_STOCK, 500), (Cause.BUYER, 0), (Cause.OUTAGE, 0)])
def test_only_the_shops_fault_costs_it_a_penalty(cause, penalty_fen, buy):
    """S4-16: five percent of what was not delivered, rounded down; no fee, for nothing was delivered (S4-5)."""
    order = buy(9999, stock=0, shop_cancel_penalty_percent=5)
    assert cancellation.cost(order, cause) == Cost(9999, penalty_fen)
    row = cancel(order, cause)
    assert (row.refund_fen, row.penalty_fen, row.fee_fen) == (9999, penalty_fen, 0)
    order.refresh_from_db()
    assert (cancellation.can_cancel(order), cancellation.cost(order, cause)) == (False, Cost(0, 0))


def test_what_has_begun_costs_nothing_to_cancel_for_it_cannot_be(buy, merchant):
    order = buy(stock=0)
    service_jobs.start(ServiceJob.objects.get(line__order=order), by=merchant, at=clock.now())
    assert (cancellation.can_cancel(order), cancellation.cost(order, Cause.OUT_OF_STOCK)) == (False, Cost(0, 0))


def test_what_is_kept_does_not_depend_on_who_cancels_in_which_language(buy, merchant):
    """The record keeps the cause's key; the notice is read in its reader's language."""
    order = buy(stock=0)
    with override("en"):
        cancellation.cancel(order, cause=Cause.OUT_OF_STOCK, by=merchant, at=clock.now(), reason="sold out")
    assert OrderEvent.objects.get(order=order, step="cancel_lines").note == "out_of_stock sold out"
    told = Notice.objects.get(kind="order_canceled")
    for language, cause in (("zh-hans", "商家缺货"), ("en", "Out of stock")):
        with override(language):
            assert cause in wording.text(told.kind, told.params)


# --- who and when -----------------------------------------------------------------------------------------------------


def test_who_may_give_which_cause(buy, buyer, stranger, merchant, operator, reviewer):
    order = buy(stock=0)
    told = {each.username: set(cancellation.causes_for(order, each)) for each in
            (buyer, stranger, merchant, operator, reviewer)}  # fmt: skip
    assert told == {
        "buyer": {Cause.BUYER, Cause.DUPLICATE},
        "stranger": set(),
        "merchant": {Cause.OUT_OF_STOCK},
        "operator": set(cancellation.STAFFS_CAUSES),
        "reviewer": set(),
    }
    for by, cause in [
        (stranger, Cause.BUYER),
        (buyer, Cause.OUT_OF_STOCK),
        (merchant, Cause.RISK),
        (buyer, Cause.LATE),
    ]:
        with pytest.raises(CannotCancel):
            cancel(order, cause, by)
    order.refresh_from_db()
    assert order.status == OrderStatus.PAID


def test_an_operator_who_bought_is_a_buyer_and_nothing_else(buy, operator):
    assert cancellation.causes_for(buy(stock=0, by=operator), operator) == [Cause.BUYER, Cause.DUPLICATE]


def test_a_buyer_cancels_what_nobody_has_begun(buy, buyer):
    order = buy(stock=0, quantity=2)
    assert cancellation.offer(order) == [Cause.BUYER, Cause.DUPLICATE]
    row = cancel(order, Cause.BUYER, buyer)
    order.refresh_from_db()
    assert (order.status, order.next_due_at, order.canceled_at is not None) == (OrderStatus.CANCELED, None, True)
    assert (row.canceled_by, row.refund_fen, row.lines.count()) == (buyer, order.total_fen, 2)
    assert set(ServiceJob.objects.values_list("status", flat=True)) == {"stopped"}
    assert list(order.events.order_by("sequence").values_list("step", flat=True))[-2:] == ["cancel_lines", "cancel"]
    assert Notice.objects.filter(recipient=buyer, kind="order_canceled").count() == 1
    assert cancellation.offer(order) == []


def test_what_is_late_may_be_canceled_as_late(buy, buyer):
    order = buy(stock=0, shop_cancel_penalty_percent=10)
    order.overdue_since = order.promised_at
    order.save(update_fields=["overdue_since"])
    assert cancellation.offer(order)[0] == Cause.LATE
    assert cancel(order, Cause.LATE, buyer).penalty_fen == 300


def test_what_was_delivered_is_not_canceled(buy, buyer):
    order = buy()
    assert cancellation.offer(order) == []
    with pytest.raises(CannotCancel, match="不能取消"):
        cancel(order, Cause.BUYER, buyer)


def test_work_that_has_begun_is_not_canceled(buy, buyer):
    order = buy(stock=0)
    ServiceJob.objects.update(status="working", started_at=clock.now())
    assert cancellation.offer(order) == []
    with pytest.raises(CannotCancel, match="申请退款"):
        cancel(order, Cause.BUYER, buyer)


def test_of_an_order_that_was_begun_in_part_the_rest_is_canceled(buy, buyer, drain):
    order = buy(stock=0, quantity=3)
    begun = ServiceJob.objects.order_by("line__position").first()
    ServiceJob.objects.filter(pk=begun.pk).update(status="working", started_at=clock.now())
    row = cancel(order, Cause.BUYER, buyer)
    order.refresh_from_db()
    assert (row.refund_fen, order.status) == (6000, OrderStatus.PAID)
    assert order.next_due_at is not None


def test_twice_is_once(buy, buyer):
    order = buy(stock=0)
    cancel(order, Cause.BUYER, buyer)
    with pytest.raises(CannotCancel):
        cancel(order, Cause.BUYER, buyer)
    assert CancellationLine.objects.count() == 1


def test_what_was_stopped_goes_on_unless_it_is_canceled(buy, buyer):
    """Unless: of two lines one was canceled meanwhile."""
    order = buy(stock=0, quantity=2)
    lines = list(order.lines.order_by("position"))
    with transaction.atomic():
        stopping.stop(lines)
        cancellation.cancel_lines(order, lines[:1], cause=Cause.BUYER, at=clock.now())
        stopping.go_on([line.pk for line in lines], at=clock.now())
    assert list(ServiceJob.objects.order_by("line__position").values_list("status", flat=True)) == [
        "stopped",
        "waiting",
    ]


# --- unpaid -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def unpaid(buyer, make_product):
    import uuid

    from orders.placing import Wish

    payment = charging.checkout(
        make_product(), Wish(again=True), buyer=buyer, checkout_key=uuid.uuid4(), at=clock.now()
    )
    return charging.present(payment, at=clock.now())


def test_an_unpaid_order_is_called_off_at_the_channel_first(unpaid, simulator, buyer):
    order = charging.call_off(unpaid.order, at=clock.now(), by=buyer)
    unpaid.refresh_from_db()
    assert (order.status, unpaid.status) == (OrderStatus.CANCELED, PaymentStatus.CLOSED)
    assert next(row["state"] for row in simulator.ledger()["payments"] if row["out_trade_no"] == unpaid.payment_no) == (
        "CLOSED"
    )
    with pytest.raises(charging.OrderIsNotPayable):
        charging.call_off(order, at=clock.now())
    with pytest.raises(charging.OrderIsNotPayable):
        charging.prepare(order, at=clock.now())


def test_what_is_paid_while_it_is_called_off_goes_back(unpaid, simulator, drain):
    simulator.pay(unpaid.payment_no)
    order = charging.call_off(unpaid.order, at=clock.now())
    unpaid.refresh_from_db()
    assert (order.status, unpaid.status, unpaid.is_surplus) == (OrderStatus.CANCELED, PaymentStatus.PAID, True)
    drain()
    row = next(row for row in simulator.ledger()["payments"] if row["out_trade_no"] == unpaid.payment_no)
    assert row["refunded_fen"] == unpaid.amount_fen


def test_an_order_whose_channel_does_not_answer_ends_as_soon_as_it_does(unpaid, simulator):
    simulator.faults("request_lost", request_no=unpaid.payment_no, times=5)
    with pytest.raises(charging.StillOpenElsewhere):
        charging.call_off(unpaid.order, at=clock.now())
    unpaid.order.refresh_from_db()
    with pytest.raises(charging.OrderIsNotPayable):
        charging.prepare(unpaid.order, at=clock.now())
    simulator.post("faults", clear=True)
    charging.look([unpaid], at=clock.now())
    unpaid.order.refresh_from_db()
    assert unpaid.order.status == OrderStatus.CANCELED


def test_what_was_never_sent_is_called_off_too(buyer, make_product):
    import uuid

    from orders.placing import Wish

    payment = charging.checkout(
        make_product(), Wish(again=True), buyer=buyer, checkout_key=uuid.uuid4(), at=clock.now()
    )
    assert charging.call_off(payment.order, at=clock.now()).status == OrderStatus.CANCELED
    assert payment.order.lines.get().product.codes.filter(state="in_stock").count() == 5


# --- the database keeps it so -----------------------------------------------------------------------------------------


def test_the_terms_of_a_cancellation_never_change(buy):
    row = cancel(buy(stock=0))
    for change in ({"refund_fen": 1}, {"penalty_fen": 9}, {"fee_fen": 9}, {"cause": Cause.LATE}, {"reason": "x"}):
        with pytest.raises(InternalError), transaction.atomic():
            Cancellation.objects.filter(pk=row.pk).update(**change)
    with pytest.raises(InternalError), transaction.atomic():
        CancellationLine.objects.all().delete()
    with pytest.raises(InternalError), transaction.atomic():
        Cancellation.objects.all()._raw_delete("default")


def test_a_line_is_canceled_once_and_a_cancellation_waits_for_somebody(buy):
    row = cancel(buy(stock=0))
    with pytest.raises(IntegrityError), transaction.atomic():
        CancellationLine.objects.create(cancellation=row, line=row.lines.get().line)
    with pytest.raises(IntegrityError), transaction.atomic():
        Cancellation.objects.filter(pk=row.pk).update(next_due_at=None)
    with pytest.raises(IntegrityError), transaction.atomic():
        Cancellation.objects.filter(pk=row.pk).update(heard_at=clock.now())


def test_a_top_up_that_was_sent_is_never_stopped(buy):
    """Also by whoever writes past the code: ``stopped`` is for what was never sent."""
    order = buy(stock=0)
    from shops.models import Supplier

    supplier = Supplier.objects.create(name="卡商", code="probe", created_at=clock.now())
    topup = TopUp.objects.create(line=order.lines.get(), supplier=supplier, created_at=clock.now(),
                                 next_due_at=clock.now(), first_sent_at=clock.now(), status="unknown")  # fmt: skip
    stopping.stop(list(order.lines.all()))
    topup.refresh_from_db()
    assert topup.status == "unknown"
    with pytest.raises(IntegrityError), transaction.atomic():
        TopUp.objects.filter(pk=topup.pk).update(status="stopped")
