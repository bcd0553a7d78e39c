"""Where a paid order stands: delivered or canceled once nothing more is to come; completed when its buyer has all."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from accounts.models import User
from notices.models import Notice
from orders import history
from orders.models import Order, OrderStatus


def settle(order: Order, *, at: datetime) -> None:
    """Where an order stands once a line was handed over or canceled: nothing to come means delivered, or canceled."""
    if order.status != OrderStatus.PAID or order.lines.filter(delivery=None, cancellation_line=None).exists():
        return
    if order.lines.filter(delivery__isnull=False).exists():
        order.status, order.delivered_at = OrderStatus.DELIVERED, at
        order.next_due_at = at + timedelta(days=order.policy.complete_after_days)
        _tell(order, at)
        step = "deliver"
    else:
        order.status, order.canceled_at, order.next_due_at = OrderStatus.CANCELED, at, None
        step = "cancel"
    order.leased_until, order.tries = None, 0
    order.save(update_fields=["status", "delivered_at", "canceled_at", "next_due_at", "leased_until", "tries"])
    history.record([order], step, at=at)


def complete(orders: Sequence[Order], *, at: datetime, by: User | None = None) -> None:
    """完成: seen, confirmed by the buyer, or the days for it are over. Locked by the caller."""
    done = [order for order in orders if order.status == OrderStatus.DELIVERED]
    Order.objects.filter(pk__in=[order.pk for order in done]).update(
        status=OrderStatus.COMPLETED, completed_at=at, next_due_at=None, leased_until=None
    )
    for order in done:
        order.status, order.completed_at, order.next_due_at = OrderStatus.COMPLETED, at, None
    history.record(done, "complete", at=at, by=by)


def _tell(order: Order, at: datetime) -> None:
    Notice.objects.create(
        recipient_id=order.buyer_id,
        kind="order_delivered",
        params={"order_no": order.order_no},
        path=f"/orders/{order.order_no}/",
        source=f"order-delivered:{order.pk}",
        created_at=at,
    )
