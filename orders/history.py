"""订单记录: every step of an order, linked to its chain in the step's own transaction."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from accounts.models import User
from orders.models import Order, OrderEvent, OrderStep
from records import chain


def record(orders: Sequence[Order], step: OrderStep, *, at: datetime, by: User | None = None, note: str = "") -> None:
    """What was just done to these orders. They are locked by the caller, and bear their new status."""
    chain.append(
        [
            OrderEvent(order=each, step=OrderStep(step), to_status=each.status, actor=by, note=note[:500], at=at)
            for each in orders
        ]
    )
