"""看守: no promise is broken in silence (S1-4, S1-28), and no delivered order stays open for ever.

A paid order is looked at when its promise is over: buyer and shop are told, and the buyer may take the money back with
one tap. At twice the promise it is canceled by itself where its policy says so. What a supplier already has, or what
the shop's people have begun, cannot be canceled: it is looked at again and again until it ends. A delivered order is
completed once its days for objections are over.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import transaction

import workqueue
from notices import telling
from notices.models import Notice
from orders import cancellation, delivery, status
from orders.models import Cause, Order, OrderStatus
from shops.models import Fulfilment, ShopMember

log = logging.getLogger(__name__)

BATCH = 50
LOOK_AGAIN_AFTER = timedelta(minutes=10)  # at first; ever more slowly, up to
LOOK_AGAIN_AT_MOST = timedelta(hours=1)


def sweep(*, at: datetime) -> int:
    """Look at the orders whose time has come, up to a batch. Returns how many."""
    with transaction.atomic():
        due = workqueue.claim(Order.objects.all(), at=at, limit=BATCH)
    completed = _complete([order.pk for order in due if order.status == OrderStatus.DELIVERED], at)
    for order in due:
        if order.pk in completed:
            continue
        try:
            _look(order.pk, at)
        except Exception:  # one order that cannot be dealt with stops no other (F12)
            log.exception("order %s cannot be dealt with, and is set aside", order.order_no)
            _set_aside(order, at)
    return len(due)


def automatic_from(order: Order) -> datetime:
    """When twice the promise is over: where its policy says so, the money goes back by itself from then on."""
    paid_at = order.paid_at or order.placed_at
    promised_at = order.promised_at or paid_at
    return promised_at + (promised_at - paid_at)


def _complete(keys: Sequence[int], at: datetime) -> set[int]:
    """Complete in one go the delivered orders whose days are over. Where that fails, each is looked at by itself."""
    try:
        with transaction.atomic():
            due = Order.objects.filter(pk__in=keys, status=OrderStatus.DELIVERED, next_due_at__lte=at)
            orders = list(due.select_for_update(no_key=True).order_by("pk"))
            status.complete(orders, at=at)
    except Exception:
        log.exception("%d delivered orders cannot be completed together", len(keys))
        return set()
    return {order.pk for order in orders}


def _look(order_id: int, at: datetime) -> None:
    with transaction.atomic():
        orders = Order.objects.select_for_update(no_key=True, of=("self",)).select_related("policy", "shop")
        order = orders.get(pk=order_id)
        if order.next_due_at is None or order.next_due_at > at:  # somebody was faster: delivered, canceled
            return
        if order.status == OrderStatus.DELIVERED:
            status.complete([order], at=at)
        elif order.status == OrderStatus.PAID:
            _late(order, at)
        else:
            _come_back(order, None)


def _late(order: Order, at: datetime) -> None:
    """A paid order past its time. Locked."""
    _hand_over_what_is_in_stock(order, at)
    if order.status != OrderStatus.PAID:
        return None
    promised_at = order.promised_at or order.paid_at or order.placed_at
    twice_at = automatic_from(order)
    if at < promised_at:
        return _come_back(order, promised_at)
    if order.overdue_since is None:
        _tell(order, promised_at, at)
    if at < twice_at:
        return _come_back(order, twice_at)
    if order.policy.late_refund_is_automatic and _cancel(order, at):
        return None
    return _come_back(order, at + min(max(LOOK_AGAIN_AFTER, (at - twice_at) / 4), LOOK_AGAIN_AT_MOST))


def _cancel(order: Order, at: datetime) -> bool:
    """Cancel what nobody can deliver any more. True once nothing of the order is left to come."""
    try:
        cancellation.cancel(order, cause=Cause.LATE, by=None, at=at)
    except cancellation.CannotCancel:  # sent, or begun: it ends by the supplier's word or the shop's
        return False
    order.refresh_from_db(fields=["status", "next_due_at"])
    return order.status != OrderStatus.PAID


def _hand_over_what_is_in_stock(order: Order, at: datetime) -> None:
    """An order from before reservations waits for codes: it gets those of today, or its money back."""
    waiting = list(
        order.lines.filter(fulfilment=Fulfilment.CODES, delivery=None, cancellation_line=None).order_by("position")
    )
    if waiting:
        delivery.fulfil(order, waiting, at=at)


def _tell(order: Order, promised_at: datetime, at: datetime) -> None:
    """承诺未交付: the buyer reads what can be done, the shop's people what is about to happen (P16)."""
    order.overdue_since = promised_at
    order.save(update_fields=["overdue_since"])
    members = ShopMember.objects.filter(shop=order.shop_id).values_list("user_id", flat=True)
    path = f"/orders/{order.order_no}/"
    told = [(order.buyer_id, "order_overdue", path)]
    told += [(member, "shop_order_overdue", f"/shop{path}") for member in members if member != order.buyer_id]
    telling.tell(
        Notice(
            recipient_id=person,
            kind=kind,
            params={"order_no": order.order_no},
            path=path,
            source=f"order-overdue:{order.pk}",
            created_at=at,
        )
        for person, kind, path in told
    )


def _come_back(order: Order, due_at: datetime | None) -> None:
    order.next_due_at, order.leased_until, order.tries = due_at, None, 0
    order.save(update_fields=["next_due_at", "leased_until", "tries"])


def _set_aside(order: Order, at: datetime) -> None:
    """It comes back, ever more slowly. Never to nobody."""
    pause = min(LOOK_AGAIN_AFTER * (order.tries + 1), LOOK_AGAIN_AT_MOST)
    still = Order.objects.filter(pk=order.pk, next_due_at=order.next_due_at)
    still.update(next_due_at=at + pause, leased_until=None, tries=order.tries + 1)
