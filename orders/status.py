"""Where a paid order stands: delivered or canceled once nothing more is to come; completed when its buyer has all."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from accounts.models import User
from notices import telling
from notices.models import Notice
from orders import history
from orders.models import Order, OrderLine, OrderStatus, OrderStep


def settle(order: Order, *, at: datetime) -> None:
    """Where an order stands once a line was handed over or canceled. Locked by the caller."""
    settle_all([order], at=at)


def settle_all(orders: Sequence[Order], *, at: datetime) -> None:
    """Where these orders stand now: nothing to come means delivered, or canceled. Locked by the caller."""
    paid = [order for order in orders if order.status == OrderStatus.PAID]
    waiting = _having(paid, delivery=None, cancellation_line=None)
    settled = [order for order in paid if order.pk not in waiting]
    handed_over = _having(settled, delivery__isnull=False)
    delivered = [order for order in settled if order.pk in handed_over]
    canceled = [order for order in settled if order.pk not in handed_over]
    for order in delivered:
        order.status, order.delivered_at = OrderStatus.DELIVERED, at
        order.next_due_at = at + timedelta(days=order.policy.complete_after_days)
    for order in canceled:
        order.status, order.canceled_at, order.next_due_at = OrderStatus.CANCELED, at, None
    for order in settled:
        order.leased_until, order.tries = None, 0
    columns = ["status", "delivered_at", "canceled_at", "next_due_at", "leased_until", "tries"]
    Order.objects.bulk_update(settled, columns)
    _tell(delivered, at)
    history.record(delivered, OrderStep.DELIVER, at=at)
    history.record(canceled, OrderStep.CANCEL, at=at)


def _having(orders: Sequence[Order], **lines: object) -> set[int]:
    """Those of the orders that have such a line."""
    rows = OrderLine.objects.filter(order__in=orders, **lines)
    return set(rows.values_list("order_id", flat=True))


def complete(orders: Sequence[Order], *, at: datetime, by: User | None = None) -> None:
    """完成: seen, confirmed by the buyer, or the days for it are over. Locked by the caller."""
    done = [order for order in orders if order.status == OrderStatus.DELIVERED]
    Order.objects.filter(pk__in=[order.pk for order in done]).update(
        status=OrderStatus.COMPLETED, completed_at=at, next_due_at=None, leased_until=None
    )
    for order in done:
        order.status, order.completed_at, order.next_due_at = OrderStatus.COMPLETED, at, None
    history.record(done, OrderStep.COMPLETE, at=at, by=by)


def _tell(orders: Sequence[Order], at: datetime) -> None:
    telling.tell(
        Notice(
            recipient_id=order.buyer_id,
            kind="order_delivered",
            params={"order_no": order.order_no},
            path=f"/orders/{order.order_no}/",
            source=f"order-delivered:{order.pk}",
            created_at=at,
        )
        for order in orders
    )
