"""发卡: a paid order gets its codes at once; what is looked at is recorded."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from notices.models import Notice
from orders.models import Delivery, Order, OrderLine, OrderStatus
from shops import stock
from shops.models import CodeState


class NothingToReveal(Exception):
    """The line has no code yet."""


def mark_paid(order: Order, *, at: datetime) -> None:
    """已付款, and delivered at once if the stock holds. The order is locked by the caller, in a transaction.

    An order that the stock cannot fill stays paid and undelivered: its buyer may take the money back at once (S0-4).
    """
    order.status, order.paid_at = OrderStatus.PAID, at
    order.save(update_fields=["status", "paid_at"])
    deliver(order, at=at)


def deliver(order: Order, *, at: datetime) -> None:
    """Hand a code over for each line that has none. The order is locked by the caller."""
    waiting = list(order.lines.filter(delivery=None).order_by("position"))
    codes = stock.take(waiting[0].product_id, len(waiting), at=at) if waiting else []
    Delivery.objects.bulk_create(
        Delivery(line=line, code=code, delivered_at=at) for line, code in zip(waiting, codes, strict=False)
    )
    if len(codes) == len(waiting):
        order.status, order.delivered_at = OrderStatus.DELIVERED, at
        order.save(update_fields=["status", "delivered_at"])
        _tell(order, at)


def reveal(line: OrderLine, *, viewer: stock.Viewer, at: datetime) -> str:
    """查看卡密 by the order's buyer. Returns the code's text; raises NothingToReveal or stock.CodeIsFrozen."""
    with transaction.atomic():
        order = Order.objects.select_for_update(no_key=True).get(pk=line.order_id)
        delivery = Delivery.objects.filter(line=line).first()
        if delivery is None or viewer.user.pk != order.buyer_id:
            raise NothingToReveal("reveal: nothing was delivered for this line to this buyer")
        text = stock.reveal(delivery.code_id, viewer=viewer, at=at)
        _complete_if_all_seen(order, at)
        return text


def _tell(order: Order, at: datetime) -> None:
    Notice.objects.create(
        recipient_id=order.buyer_id,
        kind="order_delivered",
        params={"order_no": order.order_no},
        path=f"/orders/{order.order_no}/",
        source=f"order-delivered:{order.pk}",
        created_at=at,
    )


def _complete_if_all_seen(order: Order, at: datetime) -> None:
    unseen = order.lines.exclude(delivery__code__state__in=[CodeState.REVEALED, CodeState.VOID]).exists()
    if order.status == OrderStatus.DELIVERED and not unseen:
        order.status, order.completed_at = OrderStatus.COMPLETED, at
        order.save(update_fields=["status", "completed_at"])
