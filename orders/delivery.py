"""交付: a paid order is handed over, line by line, and completed; what is looked at is recorded.

Codes go out at once. A top-up is given to its supplier (``topups.py``), a service to the shop's people
(``service_jobs.py``); both say ``hand_over`` when they are done.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import transaction

import workqueue
from accounts.models import User
from orders import cancellation, history, status, stopping
from orders.models import (
    Cause,
    Delivery,
    Order,
    OrderLine,
    OrderStatus,
    OrderStep,
    Reservation,
    ServiceJob,
    ServiceStatus,
    TopUp,
)
from shops import stock
from shops.models import CardCode, CodeState, Fulfilment

SWEEP = stopping.DELIVER  # the bell of top-ups and of promises: orders/tasks.py


class NothingToReveal(Exception):
    """The line has no code yet."""


class NotTheBuyer(Exception):
    """It is not their order, or no longer: it was claimed."""


class StepUpNeeded(Exception):
    """The line is dear: its buyer must prove once more, moments before, who they are (B4)."""


def mark_paid(order: Order, *, at: datetime) -> None:
    """已付款, and on its way to the buyer. The order is locked by the caller, in a transaction."""
    lines = list(order.lines.order_by("position"))
    promise = timedelta(minutes=max(line.product_page["delivery_promise_minutes"] for line in lines))
    order.status, order.paid_at, order.promised_at = OrderStatus.PAID, at, at + promise
    order.next_due_at = order.promised_at
    order.save(update_fields=["status", "paid_at", "promised_at", "next_due_at"])
    history.record([order], OrderStep.PAY, at=at)
    fulfil(order, lines, at=at)


def fulfil(order: Order, lines: Sequence[OrderLine], *, at: datetime) -> None:
    """Hand over the codes, and begin what takes time. The order is locked by the caller."""
    _deliver_codes(order, [line for line in lines if line.fulfilment == Fulfilment.CODES], at)
    topups = [line for line in lines if line.fulfilment == Fulfilment.TOP_UP]
    if topups:
        TopUp.objects.bulk_create(_topup(line, at) for line in topups)
        workqueue.ring(SWEEP)
    services = [line for line in lines if line.fulfilment == Fulfilment.SERVICE]
    ServiceJob.objects.bulk_create(ServiceJob(line=line, created_at=at) for line in services)


def hand_over(order: Order, handed: Sequence[tuple[OrderLine, CardCode | None]], *, at: datetime) -> None:
    """交付 of these lines; with the last line that is to come the order is delivered. Locked by the caller."""
    Delivery.objects.bulk_create(Delivery(line=line, code=code, delivered_at=at) for line, code in handed)
    status.settle(order, at=at)


def needs_step_up(line: OrderLine) -> bool:
    """By its list price, which no discount lowers, and by the policy that the order was placed under."""
    return line.list_price_fen >= line.order.policy.step_up_from_fen


def reveal(line: OrderLine, *, viewer: stock.Viewer, at: datetime, verified_by: str = "") -> str:
    """查看卡密 by the order's buyer. Returns the code's text. ``verified_by``: how the buyer has just proved who they
    are ("password", "mfa" …), recorded where it was needed.

    Raises NothingToReveal, StepUpNeeded or stock.CodeIsFrozen.
    """
    with transaction.atomic():
        order = Order.objects.select_for_update(no_key=True).get(pk=line.order_id)
        if needs_step_up(line):
            if not verified_by:
                raise StepUpNeeded(f"reveal: {line.list_price_fen} fen")
            history.record([order], OrderStep.VERIFY, at=at, by=viewer.user, note=verified_by)
        delivery = Delivery.objects.filter(line=line, code__isnull=False).first()
        if delivery is None or delivery.code_id is None or viewer.user.pk != order.buyer_id:
            raise NothingToReveal("reveal: nothing was delivered for this line to this buyer")
        text = stock.reveal(delivery.code_id, viewer=viewer, at=at)
        if not _has_unseen(order):
            status.complete([order], at=at, by=viewer.user)
        return text


def confirm(order: Order, *, by: User, at: datetime) -> None:
    """确认收货 by the buyer, for what has no code to be seen. Raises NotTheBuyer."""
    with transaction.atomic():
        locked = Order.objects.select_for_update(no_key=True).filter(pk=order.pk, buyer=by).first()
        if locked is None:
            raise NotTheBuyer(f"confirm: order {order.order_no} is somebody else's")
        status.complete([locked], at=at, by=by)
        jobs = ServiceJob.objects.filter(line__order=locked, status=ServiceStatus.HANDED_OVER)
        jobs.update(status=ServiceStatus.CONFIRMED)


def _deliver_codes(order: Order, lines: Sequence[OrderLine], at: datetime) -> None:
    """What was reserved; an order from before reservations takes what is for sale, and is canceled if nothing is."""
    if not lines:
        return
    kept = {
        row.line_id: row.code
        for row in Reservation.objects.filter(line__in=lines, released_at=None).select_related("code")
    }
    without = [line for line in lines if line.pk not in kept]
    if without:
        try:
            kept |= {
                line.pk: code
                for line, code in zip(without, stock.reserve(without[0].product_id, len(without), at=at), strict=True)
            }
        except stock.SoldOut:
            lines = [line for line in lines if line.pk in kept]
            cancellation.cancel_lines(order, without, cause=Cause.OUT_OF_STOCK, at=at)
    locked = {code.pk: code for code in stock.lock(CardCode.objects.filter(pk__in=[code.pk for code in kept.values()]))}
    stock.deliver(list(locked.values()), at=at)
    hand_over(order, [(line, locked[kept[line.pk].pk]) for line in lines], at=at)


def _topup(line: OrderLine, at: datetime) -> TopUp:
    """By the supplier of the day of the order, whatever the shop has written on the product since."""
    page = line.product_page
    return TopUp(line=line, supplier_id=page["supplier"], sku=page["supplier_sku"], created_at=at, next_due_at=at)


def _has_unseen(order: Order) -> bool:
    """Whether anything is left to be seen or confirmed: an unseen code, a top-up or a service."""
    waiting = order.lines.filter(cancellation_line=None)
    return waiting.exclude(delivery__code__state__in=[CodeState.REVEALED, CodeState.VOID]).exists()
