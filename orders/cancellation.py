"""取消: lines of a paid order that will not be delivered, why, whose fault that is, and what follows (S4-1, S4-2).

The money is not moved here: a ``Cancellation`` is a row that ``refunds/cancellations.py`` hears of, and each sends a
case of its own through the automatic lane of undelivered goods.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import override

import workqueue
from accounts.models import User
from accounts.roles import Role
from notices import telling
from notices.models import Notice
from orders import history, masking, placing, status, stopping
from orders.models import (
    BulkCancellation,
    Cancellation,
    CancellationLine,
    Cause,
    Order,
    OrderLine,
    OrderStatus,
    OrderStep,
)
from shops import rights

HEAR = "refunds.sweep"  # the bell of whoever gives the money back


@dataclass(frozen=True)
class Consequence:
    """What a cause means: who is at fault, how urgent it is, and the reason its refund is filed under."""

    at_fault: str  # "shop", "platform", "buyer", "nobody"
    priority: int  # smaller is served first
    refund_reason: str  # a key of refunds/reasons.py

    @property
    def has_penalty(self) -> bool:
        """S4-16: what the shop did not deliver costs it a share of the order."""
        return self.at_fault == "shop"


@dataclass(frozen=True)
class Cost:
    """What a cancellation gives back to the buyer, and what it costs the shop besides (S4-16).

    No fee: that is for what was delivered, and nothing was (S4-5).
    """

    refund_fen: int
    penalty_fen: int


CONSEQUENCES: dict[Cause, Consequence] = {
    Cause.OUT_OF_STOCK: Consequence("shop", 2, "out_of_stock"),
    Cause.SUPPLIER_FAILED: Consequence("shop", 2, "undelivered"),
    Cause.LATE: Consequence("shop", 2, "late"),
    Cause.SHOP_SUSPENDED: Consequence("shop", 3, "undelivered"),
    Cause.SHOP_LEAVING: Consequence("shop", 3, "undelivered"),
    Cause.BUYER: Consequence("buyer", 5, "changed_mind"),
    Cause.DUPLICATE: Consequence("buyer", 4, "duplicate"),
    Cause.RISK: Consequence("nobody", 4, "platform_fault"),
    Cause.DELISTED: Consequence("platform", 3, "platform_fault"),
    Cause.OUTAGE: Consequence("platform", 1, "platform_fault"),
}


BUYERS_CAUSES = (Cause.LATE, Cause.BUYER, Cause.DUPLICATE)  # the first only where it is late
SHOPS_CAUSES = (Cause.OUT_OF_STOCK,)
STAFFS_CAUSES = (
    Cause.OUT_OF_STOCK, Cause.RISK, Cause.DELISTED, Cause.OUTAGE, Cause.SHOP_SUSPENDED, Cause.SHOP_LEAVING,
)  # fmt: skip

Loss = tuple[Order, Sequence[OrderLine]]  # an order, and those of its lines that will not be delivered


class CannotCancel(Exception):
    """Nothing of the order can be canceled any more, or not by this person. The message says why, and what to do."""


def cancel(order: Order, *, cause: Cause, by: User | None, at: datetime, reason: str = "") -> Cancellation:
    """取消 everything of a paid order that nobody has begun to deliver. ``by`` None: the machine.

    Raises CannotCancel.
    """
    with transaction.atomic():
        locked = Order.objects.select_for_update(no_key=True, of=("self",)).select_related("policy").get(pk=order.pk)
        if by is not None and cause not in causes_for(locked, by):
            raise CannotCancel(_("您不能以这个原因取消这张订单。"))
        if locked.status != OrderStatus.PAID:
            raise CannotCancel(_("订单现在是“%(status)s”，不能取消。") % {"status": locked.get_status_display()})
        words = masking.mask_own([locked.pk], reason)  # the buyer reads it, and so does everybody's record (PM16)
        canceled = cancel_paid([locked], cause=cause, by=by, at=at, reason=words)
        if not canceled:
            raise CannotCancel(_("充值已提交或服务已开始，不能直接取消；可以申请退款。"))
        return canceled[0]


def offer(order: Order) -> list[Cause]:
    """What its buyer may pick as the reason for canceling it now (S4-6); empty if nothing can be canceled."""
    return _buyers_causes(order) if can_cancel(order) else []


def can_cancel(order: Order) -> bool:
    """Whether anything of this order can be canceled now; by whom, and why, is for ``causes_for``."""
    return order.status == OrderStatus.PAID and _undelivered(order).exists()


def cost(order: Order, cause: Cause) -> Cost:
    """What canceling it now for this cause would cost; ``Cost(0, 0)`` where nothing can be canceled."""
    return _cost(order, list(_undelivered(order)) if order.status == OrderStatus.PAID else [], cause)


def causes_for(order: Order, by: User) -> list[Cause]:
    """取消原因 that this person may give for this order. A buyer is a buyer and nothing else, whatever their job."""
    if by.pk == order.buyer_id:
        return _buyers_causes(order)
    if rights.may(by, order.shop, "orders"):
        return list(SHOPS_CAUSES)
    return list(STAFFS_CAUSES) if by.is_active and by.role == Role.OPERATOR else []


def cancel_paid(
    orders: Sequence[Order], *, cause: Cause, at: datetime, by: User | None = None, reason: str = "",
    bulk: BulkCancellation | None = None, lines: QuerySet[OrderLine] | None = None,
) -> list[Cancellation]:  # fmt: skip
    """取消 of each of these locked, paid orders what nobody has begun to deliver, among ``lines`` (default: all).

    An order of which nothing can be canceled has none among the answers. The number of queries does not grow.
    """
    rows = OrderLine.objects.all() if lines is None else lines
    fresh: dict[int, list[OrderLine]] = defaultdict(list)
    for line in stopping.stop(list(rows.filter(order__in=orders))):
        fresh[line.order_id].append(line)
    losses = [(order, fresh[order.pk]) for order in orders if order.pk in fresh]
    return cancel_many(losses, cause=cause, at=at, by=by, reason=reason, bulk=bulk)


def cancel_lines(
    order: Order, lines: Sequence[OrderLine], *, cause: Cause, at: datetime, reason: str = ""
) -> Cancellation:
    """These lines will not be delivered: recorded, told, and due to be given back. Locked by the caller."""
    return cancel_many([(order, lines)], cause=cause, at=at, reason=reason)[0]


def cancel_many(
    losses: Sequence[Loss], *, cause: Cause, at: datetime, by: User | None = None, reason: str = "",
    bulk: BulkCancellation | None = None, is_heard: bool = False,
) -> list[Cancellation]:  # fmt: skip
    """One cancellation for each of these orders. ``is_heard``: a case has taken their money already, and told so.

    The orders are locked by the caller; the number of queries does not grow with them.
    """
    if not losses:
        return []
    canceled = Cancellation.objects.bulk_create(
        _row(order, lines, cause, at=at, by=by, reason=reason, bulk=bulk, is_heard=is_heard) for order, lines in losses
    )
    CancellationLine.objects.bulk_create(
        CancellationLine(cancellation=row, line=line)
        for row, (_order, lines) in zip(canceled, losses, strict=True)
        for line in lines
    )
    orders = [order for order, _lines in losses]
    placing.let_go([line for _order, lines in losses for line in lines], at=at)
    history.record(orders, OrderStep.CANCEL_LINES, at=at, by=by, note=f"{Cause(cause).value} {reason}".strip())
    status.settle_all(orders, at=at)
    if not is_heard:
        _tell(canceled, at)
        workqueue.ring(HEAR)
    return canceled


# --- one cancellation -------------------------------------------------------------------------------------------------


def _row(
    order: Order, lines: Sequence[OrderLine], cause: Cause, *, at: datetime, by: User | None, reason: str,
    bulk: BulkCancellation | None, is_heard: bool,
) -> Cancellation:  # fmt: skip
    consequence = CONSEQUENCES[cause]
    costs = _cost(order, lines, cause)
    return Cancellation(
        order=order,
        cause=cause,
        reason=reason[:300],
        bulk=bulk,
        canceled_by=by,
        refund_fen=costs.refund_fen,
        penalty_fen=costs.penalty_fen,
        penalty_due_at=at if costs.penalty_fen else None,
        priority=consequence.priority,
        at=at,
        heard_at=at if is_heard else None,
        next_due_at=None if is_heard else at,
    )


def _undelivered(order: Order) -> QuerySet[OrderLine]:
    return stopping.undelivered_lines().filter(order=order)


def _cost(order: Order, lines: Sequence[OrderLine], cause: Cause) -> Cost:
    """The penalty is the buyer's, so it is rounded up; ``bulk.totals`` has the database count it so."""
    refund_fen = sum(line.price_fen for line in lines)
    percent = order.policy.shop_cancel_penalty_percent if CONSEQUENCES[cause].has_penalty else 0
    return Cost(refund_fen, -(-refund_fen * percent // 100))


def _buyers_causes(order: Order) -> list[Cause]:
    return [cause for cause in BUYERS_CAUSES if cause != Cause.LATE or order.overdue_since is not None]


def _tell(canceled: Sequence[Cancellation], at: datetime) -> None:
    """In Chinese, whoever cancels: ``notices/wording.py`` says the cause in the reader's language."""
    with override("zh-hans"):
        causes = {row.pk: str(Cause(row.cause).label) for row in canceled}
    telling.tell(
        Notice(
            recipient_id=row.order.buyer_id,
            kind="order_canceled",
            params={"order_no": row.order.order_no, "cause": causes[row.pk]},
            path=f"/orders/{row.order.order_no}/",
            source=f"order-canceled:{row.pk}",
            created_at=at,
        )
        for row in canceled
    )
