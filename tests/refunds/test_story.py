"""The whole life of a refund, lived through with the simulator on the other side."""

from __future__ import annotations

import pytest

import clock
from cardshop import invariants
from ledger.models import Entry
from orders.models import OrderStatus
from payments.models import AttemptStatus
from refunds import disbursement, lifecycle
from refunds.models import Lane, Queue, Status
from shops.models import CodeState

pytestmark = pytest.mark.django_db


def test_a_reviewed_refund_arrives(buy, reveal, apply, reviewer, finance, drain, simulator):
    """S0-3, S2-4, S2-9: looked at by the system, then by people; paid back by the channel that took the money."""
    order = buy(price_fen=8800)
    assert order.status == OrderStatus.DELIVERED
    reveal(order)
    refund = apply(order)
    assert (refund.status, refund.queue) == (Status.FIRST_REVIEW, Queue.REVIEWER)

    lifecycle.approve([refund], by=reviewer, at=clock.now())
    disbursement.release([refund], by=finance, at=clock.now())
    drain()

    refund.refresh_from_db()
    assert refund.status == Status.ARRIVED
    assert refund.received_account == "支付用户零钱"
    attempt = refund.disbursements.get().attempt
    assert attempt.status == AttemptStatus.SUCCEEDED
    assert attempt.accepted_at <= attempt.finished_at  # as its receipt tells it, whosever clocks they are
    (theirs,) = [r for r in simulator.ledger()["refunds"] if r["out_refund_no"] == attempt.request_no]
    assert (theirs["status"], theirs["amount_fen"], theirs["effects"]) == ("SUCCESS", 8800, 1)
    assert [event.step for event in refund.events.order_by("sequence")] == [
        "submit", "send_to_review", "approve", "disburse", "mark_paid_out", "confirm_arrival",
    ]  # fmt: skip
    assert order.lines.get().delivery.code.state == CodeState.VOID
    assert Entry.objects.count() == 6  # paid, held for the case, refunded
    refund.payment.refresh_from_db()
    assert (refund.payment.reserved_fen, refund.payment.refunded_fen) == (0, 8800)


def test_an_unseen_small_code_is_refunded_in_one_click(buy, apply, drain):
    refund = apply(buy(price_fen=3000), reason="changed_mind")
    drain()
    refund.refresh_from_db()
    assert (refund.status, refund.lane) == (Status.ARRIVED, Lane.ONE_CLICK)


def test_what_was_never_delivered_is_refunded_at_any_amount(buy, apply, drain):
    refund = apply(buy(price_fen=250_000, stock=0), reason="undelivered")
    drain()
    refund.refresh_from_db()
    assert (refund.status, refund.lane) == (Status.ARRIVED, Lane.UNDELIVERED)


def test_after_the_window_the_case_is_turned_down_with_the_reason(buy, apply):
    refund = apply(buy(price_fen=3000, window_days=0))
    assert refund.status == Status.REJECTED
    assert "交付后不支持退款" in refund.decision_note


def test_a_contested_refund_above_the_limit_arrives(house, drain, simulator):
    """The shop says no, a reviewer says no, an appeal is heard, two seniors say yes, and finance pays."""
    refund = house.with_shop(
        "merchant contest", "reviewer claim", "reviewer request_evidence", "buyer provide_evidence", "reviewer reject",
        "buyer appeal", "senior uphold_appeal", "other_senior approve_second", price_fen=66_600,
    )  # fmt: skip
    disbursement.release([refund], by=house.finance, at=clock.now())
    drain()
    refund.refresh_from_db()
    assert (refund.status, refund.received_account) == (Status.ARRIVED, "支付用户零钱")
    assert [event.step for event in refund.events.order_by("sequence")] == [
        "submit", "ask_merchant", "contest", "claim", "request_evidence", "provide_evidence", "reject", "appeal",
        "uphold_appeal", "approve_second", "disburse", "mark_paid_out", "confirm_arrival",
    ]  # fmt: skip
    assert invariants.broken(simulator.ledger()) == []
