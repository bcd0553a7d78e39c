"""听取取消: every cancellation gives its money back by a case, opened by the machine and released by itself (S4-1).

A ``Cancellation`` is due until all the money of its lines is promised to cases. An order has one active case at a time:
one that is about canceled lines alone is approved where it stands; any other goes first, and we come back.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime

import workqueue
from clock import scaled
from orders.cancellation import CONSEQUENCES
from orders.models import Cancellation, Cause, Order
from payments import refunding
from payments.models import COUNTED, Payment
from refunds import lifecycle, refundable
from refunds.lifecycle import StepRefused
from refunds.models import Refund, RefundLine
from refunds.models import Status as S

log = logging.getLogger(__name__)
BATCH = 50
LONGEST_PAUSE_SECONDS = 600


def hear(*, at: datetime) -> int:
    """Act on a batch of cancellations, the urgent ones first; returns how many. A failing one stops no other (F12)."""
    return workqueue.together_or_alone(
        lambda limit: _due(at, limit), lambda due: _act(due, at), lambda row: _later([row], at), limit=BATCH
    )


def _due(at: datetime, limit: int) -> list[Cancellation]:
    rows = Cancellation.objects.select_related("order")
    return workqueue.claim(rows, at=at, limit=limit, first=["priority"])


def _act(due: Sequence[Cancellation], at: datetime) -> None:
    """Cases before payments before orders: the order in which everybody locks."""
    if not due:
        return
    _approve_where_they_stand(due, at)
    one_an_order = {row.order_id: row for row in reversed(due)}  # of several the most urgent
    give_back(sorted(one_an_order.values(), key=lambda row: row.order_id), at=at)
    _settle(due, at)


def give_back(rows: Sequence[Cancellation], *, at: datetime) -> list[Refund]:
    """取消引起的退款: the machine asks for all that is left of the canceled lines (S4-1). One row an order.

    A row gets no case while its order has an active one, or when nothing is left to give back. In a transaction; the
    number of queries does not grow with the rows.
    """
    payments = refunding.locked_of_orders([row.order_id for row in rows])
    orders = Order.objects.select_for_update(no_key=True, of=("self",)).select_related("policy")
    held = {order.pk: order for order in orders.filter(pk__in=payments).order_by("pk")}
    busy = set(Refund.objects.filter(order__in=held, status__in=S.active()).values_list("order_id", flat=True))
    left = refundable.of_cancellations([row for row in rows if row.order_id in held and row.order_id not in busy])
    refunds, shares = [], []
    for row in rows:
        lines = left.get(row.pk, [])
        most_fen = min(sum(item.amount_fen for item in lines), payments[row.order_id].refundable_fen) if lines else 0
        if most_fen > 0:
            refunds.append(_case(row, held[row.order_id], payments[row.order_id], most_fen, at))
            shares.append(refundable.shares(most_fen, lines))
    lifecycle.open_cases(refunds, by=None, at=at)
    RefundLine.objects.bulk_create(
        RefundLine(refund=refund, order_line=item.line, amount_fen=fen)
        for refund, parts in zip(refunds, shares, strict=True)
        for item, fen in parts
    )
    return refunds


def _case(row: Cancellation, order: Order, payment: Payment, amount_fen: int, at: datetime) -> Refund:
    return Refund(
        order=order,
        payment=payment,
        buyer_id=order.buyer_id,
        cancellation=row,
        reason=CONSEQUENCES[Cause(row.cause)].refund_reason,
        description=row.reason,
        amount_fen=amount_fen,
        submitted_at=at,
    )


def _approve_where_they_stand(due: Sequence[Cancellation], at: datetime) -> None:
    """Cases that people look at, and of which nothing is left to decide. Few: each by itself."""
    orders = [row.order_id for row in due]
    for refund in Refund.objects.filter(order__in=orders, status__in=lifecycle.STEPS["approve_canceled"].sources):
        try:
            lifecycle.approve_canceled([refund], at=at)
        except StepRefused as refusal:
            log.info("cancellation: refund %s goes its own way: %s", refund.refund_no, refusal.code)


def _settle(due: Sequence[Cancellation], at: datetime) -> None:
    """Heard is what needs us no more: all its money is promised by cases that nobody weighs any more."""
    left = refundable.of_cancellations(due)
    orders = [row.order_id for row in due]
    weighed = set(
        Refund.objects.filter(order__in=orders, status__in=S.undecided())
        .filter(cancellation=None)
        .values_list("order_id", flat=True)
    )
    given_back = _without_money(orders)
    heard = [row for row in due if row.order_id in given_back or not (row.pk in left or row.order_id in weighed)]
    Cancellation.objects.filter(pk__in=[row.pk for row in heard]).update(
        heard_at=at, next_due_at=None, leased_until=None, tries=0
    )
    _later([row for row in due if row not in heard], at)


def _without_money(order_ids: Sequence[int]) -> set[int]:
    """Orders whose payment has nothing left, refunds by other hands included: there is nothing to wait for."""
    rows = Payment.objects.filter(COUNTED, order__in=order_ids)
    return {payment.order_id for payment in rows if payment.refundable_fen <= 0}


def _later(rows: Sequence[Cancellation], at: datetime) -> None:
    for row in rows:
        row.tries += 1
        row.leased_until = None
        row.next_due_at = at + scaled(min(5 * 2 ** min(row.tries, 10), LONGEST_PAUSE_SECONDS))
    Cancellation.objects.bulk_update(rows, ["tries", "leased_until", "next_due_at"])
