"""取消: lines of a paid order that will not be delivered, why, whose fault that is, and what follows (S4-1, S4-2).

The money is not moved here: a ``Cancellation`` is a row that ``refunds/cancellations.py`` hears of, and each sends a
case of its own through the automatic lane of undelivered goods.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext as _

import workqueue
from accounts.models import User
from notices.models import Notice
from orders import history, placing, status
from orders.models import (
    BulkCancellation,
    Cancellation,
    CancellationLine,
    Cause,
    Order,
    OrderLine,
    OrderStatus,
    ServiceJob,
    ServiceStatus,
    TopUp,
    TopUpStatus,
)

HEAR = "refunds.sweep"  # the bell of whoever gives the money back


@dataclass(frozen=True)
class Consequence:
    """What a cause means: who is at fault, who decides, how urgent it is, and the reason its refund is filed under."""

    at_fault: str  # "shop", "platform", "buyer", "nobody"
    route: str  # "self_service": at once, by the buyer; "platform": the shop is not asked (S4-2)
    priority: int  # smaller is served first
    refund_reason: str  # a key of refunds/reasons.py

    @property
    def has_penalty(self) -> bool:
        """S4-16: what the shop did not deliver costs it a share of the order."""
        return self.at_fault == "shop"


CONSEQUENCES: dict[Cause, Consequence] = {
    Cause.OUT_OF_STOCK: Consequence("shop", "platform", 2, "out_of_stock"),
    Cause.SUPPLIER_FAILED: Consequence("shop", "platform", 2, "undelivered"),
    Cause.LATE: Consequence("shop", "platform", 2, "late"),
    Cause.SHOP_SUSPENDED: Consequence("shop", "platform", 3, "undelivered"),
    Cause.SHOP_LEAVING: Consequence("shop", "platform", 3, "undelivered"),
    Cause.BUYER: Consequence("buyer", "self_service", 5, "changed_mind"),
    Cause.DUPLICATE: Consequence("buyer", "self_service", 4, "duplicate"),
    Cause.RISK: Consequence("nobody", "platform", 4, "platform_fault"),
    Cause.DELISTED: Consequence("platform", "platform", 3, "platform_fault"),
    Cause.OUTAGE: Consequence("platform", "platform", 1, "platform_fault"),
}


class CannotCancel(Exception):
    """Nothing of the order can be canceled any more. The message says why, and what to do instead."""


def cancel(
    order: Order, *, cause: Cause, by: User | None, at: datetime, reason: str = "", bulk: BulkCancellation | None = None
) -> Cancellation:
    """取消 everything of a paid order that nobody can deliver any more. Raises CannotCancel."""
    with transaction.atomic():
        locked = Order.objects.select_for_update(no_key=True, of=("self",)).select_related("policy").get(pk=order.pk)
        if locked.status != OrderStatus.PAID:
            raise CannotCancel(_("订单现在是“%(status)s”，不能取消。") % {"status": locked.get_status_display()})
        undelivered = stop(list(locked.lines.all()))
        if not undelivered:
            raise CannotCancel(_("充值已提交或服务已开始，不能直接取消；可以申请退款。"))
        return cancel_lines(locked, undelivered, cause=cause, by=by, at=at, reason=reason, bulk=bulk)


def cancel_lines(
    order: Order, lines: Sequence[OrderLine], *, cause: Cause, at: datetime, by: User | None = None, reason: str = "",
    bulk: BulkCancellation | None = None,
) -> Cancellation:  # fmt: skip
    """These lines will not be delivered: recorded, told, and due to be given back. Locked by the caller."""
    refund_fen = sum(line.price_fen for line in lines)
    consequence = CONSEQUENCES[cause]
    percent = order.policy.shop_cancel_penalty_percent if consequence.has_penalty else 0
    canceled = Cancellation.objects.create(
        order=order,
        cause=cause,
        reason=reason,
        bulk=bulk,
        canceled_by=by,
        refund_fen=refund_fen,
        penalty_fen=refund_fen * percent // 100,
        priority=consequence.priority,
        at=at,
        next_due_at=at,
    )
    CancellationLine.objects.bulk_create(CancellationLine(cancellation=canceled, line=line) for line in lines)
    placing.let_go(lines, at=at)
    history.record([order], "cancel_lines", at=at, by=by, note=f"{Cause(cause).label} {reason}".strip())
    status.settle(order, at=at)
    _tell(order, canceled, at)
    workqueue.ring(HEAR)
    return canceled


def stop(lines: Sequence[OrderLine]) -> list[OrderLine]:
    """Stop what has not begun, and say which of these lines can no longer be delivered by anybody.

    A top-up that left us may still arrive, and work that began is work: they are not stopped. The order is locked.
    """
    TopUp.objects.filter(line__in=lines, status=TopUpStatus.PREPARED, first_sent_at=None).update(
        status=TopUpStatus.STOPPED, next_due_at=None, leased_until=None
    )
    ServiceJob.objects.filter(line__in=lines, status=ServiceStatus.WAITING).update(status=ServiceStatus.STOPPED)
    open_topups = [TopUpStatus.PREPARED, TopUpStatus.UNKNOWN, TopUpStatus.ACCEPTED, TopUpStatus.SUCCEEDED]
    begun = [ServiceStatus.WORKING, ServiceStatus.HANDED_OVER, ServiceStatus.CONFIRMED]
    fresh = OrderLine.objects.filter(pk__in=[line.pk for line in lines], delivery=None, cancellation_line=None)
    return list(fresh.exclude(topup__status__in=open_topups).exclude(service__status__in=begun).order_by("position"))


def _tell(order: Order, canceled: Cancellation, at: datetime) -> None:
    Notice.objects.create(
        recipient_id=order.buyer_id,
        kind="order_canceled",
        params={"order_no": order.order_no, "cause": str(Cause(canceled.cause).label)},
        path=f"/orders/{order.order_no}/",
        source=f"order-canceled:{canceled.pk}",
        created_at=at,
    )
