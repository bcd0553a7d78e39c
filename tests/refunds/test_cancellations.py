"""取消之后的钱: each cancellation gives all its money back by cases of the machine; a case holds what it is about."""

from __future__ import annotations

import pytest

import clock
from cardshop import invariants
from orders import cancellation, stopping
from orders.models import Cancellation, Cause, OrderStatus, ServiceJob
from refunds import applying, cancellations, disbursement, lifecycle, sweeping
from refunds.lifecycle import StepRefused
from refunds.models import Lane, Refund, Status

pytestmark = pytest.mark.django_db


def cancel(order, cause=Cause.BUYER):
    return cancellation.cancel(order, cause=cause, by=None, at=clock.now(), reason="测试")


def cancel_line(order, position, cause=Cause.OUT_OF_STOCK):
    lines = [order.lines.get(position=position)]
    order = type(order).objects.select_for_update().get(pk=order.pk)
    assert stopping.stop(lines) == lines
    return cancellation.cancel_lines(order, lines, cause=cause, at=clock.now())


def refused_with(code):
    return pytest.raises(StepRefused, check=lambda error: error.code == code)


def begin(order, position=1):
    """The shop's people begin one line."""
    jobs = ServiceJob.objects.filter(line__order=order, line__position=position)
    assert jobs.update(status="working", started_at=clock.now()) == 1


def hand_over(order, position=1):
    from orders import delivery

    delivery.hand_over(order, [(order.lines.get(position=position), None)], at=clock.now())


@pytest.mark.parametrize("cause", Cause)
def test_whatever_the_cause_all_of_it_goes_back_by_itself(cause, buy, drain, simulator):
    """S4-1, S4-15: any amount, no person, the reason that the cause stands for."""
    order = buy(88_000, stock=0)
    row = cancel(order, cause)
    drain()
    row.refresh_from_db()
    refund = Refund.objects.get()
    assert (refund.asked_by, refund.cancellation, refund.lane) == (None, row, Lane.UNDELIVERED)
    assert (refund.reason, refund.amount_fen) == (cancellation.CONSEQUENCES[cause].refund_reason, 88_000)
    assert (refund.status, row.heard_at is not None, row.next_due_at) == (Status.ARRIVED, True, None)
    assert refund.events.order_by("sequence").first().role == "system"
    assert invariants.broken(simulator.ledger()) == []


def test_the_urgent_ones_are_heard_first(buy, monkeypatch):
    monkeypatch.setattr(cancellations, "BATCH", 1)
    mine, outage = buy(stock=0), buy(stock=0)
    cancel(mine, Cause.BUYER)
    cancel(outage, Cause.OUTAGE)
    cancellations.hear(at=clock.now())
    assert Refund.objects.get().order == outage


def test_two_cancellations_of_an_order_are_two_cases_one_after_the_other(buy, drain, simulator):
    order = buy(3000, quantity=2, stock=0)
    cancel_line(order, 1)
    cancel_line(order, 2)
    drain()
    for _ in range(3):
        clock.advance(clock.scaled(60))
        simulator.clock(2)
        drain()
    assert list(Refund.objects.values_list("amount_fen", "status")) == [(3000, "arrived")] * 2
    assert not Cancellation.objects.filter(heard_at=None).exists()


def test_an_order_that_was_refused_three_times_still_gets_its_money_back(buy, reviewer, drain):
    """The limit on applications is for people who ask, not for what is owed."""
    order = buy(3000, stock=0)
    for _ in range(3):
        begin(order)
        refund = applying.submit(order, applying.Application("changed_mind"), by=order.buyer, at=clock.now())
        sweeping.sweep(at=clock.now())
        lifecycle.reject([refund], by=reviewer, at=clock.now(), note="服务已开始")
        ServiceJob.objects.update(status="waiting", started_at=None)
    cancel(order, Cause.OUTAGE)
    drain()
    assert Refund.objects.latest("pk").status == Status.ARRIVED


# --- the order has a case already -------------------------------------------------------------------------------------


@pytest.fixture
def in_review(buy, apply):
    """A case about work that had begun, so that people look at it: ``in_review(quantity=1)``."""

    def build(**purchase):
        order = buy(3000, stock=0, **purchase)
        for line in order.lines.all():
            begin(order, line.position)
        refund = apply(order, reason="changed_mind")
        assert refund.status == Status.FIRST_REVIEW
        ServiceJob.objects.update(status="waiting", started_at=None)  # the shop's people give it back
        return refund

    return build


@pytest.mark.parametrize("waits_for_evidence", [False, True])
def test_a_case_about_what_is_canceled_is_approved_where_it_stands(waits_for_evidence, in_review, reviewer, drain):
    refund = in_review()
    if waits_for_evidence:
        lifecycle.request_evidence([refund], by=reviewer, at=clock.now(), note="请补截图")
    row = cancel(refund.order, Cause.SHOP_SUSPENDED)
    drain()
    refund.refresh_from_db()
    row.refresh_from_db()
    assert Refund.objects.count() == 1
    assert (refund.status, refund.lane) == (Status.ARRIVED, Lane.UNDELIVERED)
    assert refund.events.filter(step="approve_canceled", role="system").count() == 1
    assert row.heard_at is not None


def test_what_people_stopped_on_suspicion_is_not_approved_by_a_cancellation(in_review, reviewer, finance, drain):
    refund = in_review()
    lifecycle.approve([refund], by=reviewer, at=clock.now())
    lifecycle.halt([refund], by=finance, at=clock.now(), note="可疑")
    row = cancel(refund.order, Cause.RISK)
    looked_at = clock.now()
    drain()
    refund.refresh_from_db()
    row.refresh_from_db()
    assert (refund.status, row.heard_at) == (Status.FIRST_REVIEW, None)
    assert row.tries > 0
    assert row.next_due_at > looked_at
    with refused_with("halted"):
        lifecycle.approve_canceled([refund], at=clock.now())


def test_a_case_that_also_takes_of_what_was_delivered_goes_its_own_way_first(in_review, reviewer, drain):
    refund = in_review(quantity=2)
    hand_over(refund.order, 1)
    row = cancel_line(refund.order, 2)
    drain()
    refund.refresh_from_db()
    row.refresh_from_db()
    assert (refund.status, row.heard_at, Refund.objects.count()) == (Status.FIRST_REVIEW, None, 1)
    lifecycle.reject([refund], by=reviewer, at=clock.now(), note="已交付")
    clock.advance(clock.scaled(600))
    drain()
    other = Refund.objects.latest("pk")
    assert (other.cancellation, other.amount_fen, other.status) == (row, 3000, Status.ARRIVED)
    row.refresh_from_db()
    assert row.heard_at is not None


def test_what_a_rejected_case_had_promised_is_due_again(in_review, senior, finance, drain):
    """Approved, heard, halted, rejected: the canceled part must not be lost on the way."""
    refund = in_review(quantity=2)
    hand_over(refund.order, 1)
    row = cancel_line(refund.order, 2)
    lifecycle.approve([refund], by=senior, at=clock.now())
    cancellations.hear(at=clock.now())
    row.refresh_from_db()
    assert row.heard_at is not None
    lifecycle.halt([refund], by=finance, at=clock.now(), note="可疑")
    lifecycle.reject([refund], by=senior, at=clock.now(), note="已交付")
    row.refresh_from_db()
    assert row.heard_at is None
    drain()
    assert Refund.objects.filter(cancellation=row).get().status == Status.ARRIVED


def test_what_is_canceled_is_neither_withdrawn_nor_refused(in_review, buyer, reviewer):
    refund = in_review()
    cancel(refund.order)
    with refused_with("canceled"):
        lifecycle.withdraw(refund, by=buyer, at=clock.now())
    with refused_with("canceled"):
        lifecycle.reject([refund], by=reviewer, at=clock.now(), note="不退")
    cancellations.hear(at=clock.now())


def test_the_machines_own_case_is_not_offered_to_be_withdrawn(buy, buyer):
    cancel(buy(stock=0))
    cancellations.hear(at=clock.now())
    refund = Refund.objects.get()
    assert "withdraw" not in lifecycle.allowed_steps(refund, buyer)
    with refused_with("canceled"):
        lifecycle.withdraw(refund, by=buyer, at=clock.now())


# --- what a case does to goods that were not delivered ----------------------------------------------------------------


def test_what_has_not_begun_is_held_while_a_case_runs_and_goes_on_after_it(buy, apply, buyer):
    """S4-4: nothing is carried out behind a refund."""
    order = buy(3000, stock=0)
    refund = apply(order, reason="changed_mind", precheck=False)
    assert ServiceJob.objects.get().status == "stopped"
    lifecycle.withdraw(refund, by=buyer, at=clock.now())
    assert ServiceJob.objects.get().status == "waiting"
    order.refresh_from_db()
    assert order.status == OrderStatus.PAID


@pytest.mark.parametrize(
    ("reason", "is_late", "cause", "penalty_fen"),
    [
        ("changed_mind", False, Cause.BUYER, 0), ("duplicate", False, Cause.DUPLICATE, 0),
        ("out_of_stock", False, Cause.BUYER, 0), ("changed_mind", True, Cause.LATE, 150),
    ],
)  # fmt: skip
def test_undelivered_and_refunded_in_full_is_canceled(reason, is_late, cause, penalty_fen, buy, apply, drain):
    """By our own records: a reason that the buyer picked costs no shop a penalty."""
    order = buy(3000, stock=0, shop_cancel_penalty_percent=5)
    if is_late:
        type(order).objects.filter(pk=order.pk).update(overdue_since=order.promised_at)
    apply(order, reason=reason)
    drain()
    order.refresh_from_db()
    row = Cancellation.objects.get()
    assert (order.status, order.next_due_at) == (OrderStatus.CANCELED, None)
    assert (row.cause, row.penalty_fen, row.heard_at is not None) == (cause, penalty_fen, True)
    assert ServiceJob.objects.get().status == "stopped"
    assert Refund.objects.get().status == Status.ARRIVED


def test_refunded_in_part_it_is_still_delivered(buy, apply, drain, reviewer, finance):
    """A person agrees to that: by itself nearly all of the price would go back, and the goods come all the same."""
    order = buy(3000, stock=0)
    refund = apply(order, reason="changed_mind", amount_fen=1000)
    assert refund.status == Status.FIRST_REVIEW
    lifecycle.approve([refund], by=reviewer, at=clock.now(), note="双方同意")
    disbursement.release([refund], by=finance, at=clock.now())
    drain()
    order.refresh_from_db()
    assert (order.status, ServiceJob.objects.get().status) == (OrderStatus.PAID, "waiting")
    assert not Cancellation.objects.exists()


def test_one_line_of_two_refunded_the_other_delivered_makes_a_delivered_order(buy, apply, drain):
    order = buy(3000, quantity=2, stock=0)
    apply(order, reason="changed_mind", line_ids=[order.lines.get(position=2).pk])
    drain()
    order.refresh_from_db()
    assert order.status == OrderStatus.PAID
    hand_over(order, 1)
    order.refresh_from_db()
    assert order.status == OrderStatus.DELIVERED


# --- many -------------------------------------------------------------------------------------------------------------


def test_one_that_cannot_be_heard_stops_no_other(buy, drain, monkeypatch, caplog):
    orders = [buy(3000, stock=0) for _ in range(3)]
    rows = [cancel(order) for order in orders]
    real = cancellations.give_back

    def breaks(due, *, at):
        if rows[1] in due:
            raise RuntimeError("broken row")
        return real(due, at=at)

    monkeypatch.setattr(cancellations, "give_back", breaks)
    drain()
    assert set(Refund.objects.values_list("order", flat=True)) == {orders[0].pk, orders[2].pk}
    rows[1].refresh_from_db()
    assert (rows[1].heard_at, rows[1].tries > 0) == (None, True)
    monkeypatch.undo()
    clock.advance(clock.scaled(3600))
    drain()
    assert Refund.objects.filter(status=Status.ARRIVED).count() == 3


def test_the_number_of_queries_does_not_grow_with_the_cancellations(buy):
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    counts = []
    for many in (1, 1, 4):  # the first opens the shop's accounts
        for _ in range(many):
            cancel(buy(3000, stock=0))
        with CaptureQueriesContext(connection) as caught:
            assert cancellations.hear(at=clock.now()) == many
        counts.append(len(caught))
    assert counts[1] == counts[2]
