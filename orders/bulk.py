"""批量取消: everything of a shop, or of a product, that nobody has delivered is canceled, whatever crashes meanwhile.

    previewed → running → done
        ↓
    abandoned

A preview counts in the database and changes nothing. Once started, a worker goes through the open orders by their key,
a batch a transaction, and writes where it is in that very transaction: killed anywhere, it goes on behind the last
batch, and each order is canceled once. Paid orders get a ``Cancellation``; unpaid ones are called off, and end when the
channel has closed their payments.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import OperationalError, transaction
from django.db.models import Exists, F, OuterRef, QuerySet, Sum

import workqueue
from accounts.models import User
from accounts.roles import Role
from orders import cancellation, masking, placing, stopping
from orders.models import BulkCancellation, Cause, Order, OrderLine, OrderStatus
from orders.models import BulkCancellationStatus as B
from shops.models import Product, Shop

log = logging.getLogger(__name__)

BATCH = 50
CAUSES = (Cause.SHOP_SUSPENDED, Cause.SHOP_LEAVING, Cause.OUT_OF_STOCK, Cause.DELISTED, Cause.RISK, Cause.OUTAGE)
OPEN = [OrderStatus.PLACED, OrderStatus.PAID]
SKIPPED: dict[str, str] = {  # why an open order was left alone
    "own": "操作人自己的订单，请由别的运营处理",
    "begun": "充值已提交或服务已开始",
    "failed": "处理出错，见日志",
}


class CannotStart(Exception):
    """Not by this person, not for this reason, or it is under way already. The message says what to do."""


@dataclass(frozen=True)
class Totals:
    """What a bulk cancellation would do now. ``refund_fen`` and ``penalty_fen`` are of the paid orders."""

    order_count: int
    unpaid_count: int
    refund_fen: int
    penalty_fen: int


def preview(about: Shop | Product, *, cause: Cause, reason: str, by: User, at: datetime) -> BulkCancellation:
    """预览: what would be canceled, and what that costs. Kept, so that what is started is what was looked at.

    Raises CannotStart.
    """
    if cause not in CAUSES:
        raise CannotStart("请选择一个适用于整店或整个商品的取消原因。")
    words = masking.mask_any(masking.tidy(reason))[:300]  # every buyer reads it (PM16)
    if not words:
        raise CannotStart("请写明原因，买家会看到这段话。")
    with transaction.atomic():
        _demand_right(by, about if isinstance(about, Shop) else about.shop)
        found = BulkCancellation(
            shop=about if isinstance(about, Shop) else None,
            product=about if isinstance(about, Product) else None,
            cause=cause,
            reason=words,
            created_by=by,
            created_at=at,
        )
        _write(found, totals(found, by=by))
        found.save()
    return found


def start(bulk: BulkCancellation, *, by: User, at: datetime) -> None:
    """开始: from now on a worker goes through the orders. Started once, by whoever. Raises CannotStart."""
    with transaction.atomic():
        locked = _locked(bulk, by)
        if locked.status != B.PREVIEWED:
            raise CannotStart("这一批已经开始、完成或放弃。")
        _write(locked, totals(locked, by=by))
        locked.status, locked.started_at, locked.started_by, locked.next_due_at = B.RUNNING, at, by, at
        locked.save()
        workqueue.ring(stopping.DELIVER)


def abandon(bulk: BulkCancellation, *, by: User, at: datetime) -> None:
    """放弃 a preview that nobody started. Raises CannotStart."""
    with transaction.atomic():
        locked = _locked(bulk, by)
        if locked.status != B.PREVIEWED:
            raise CannotStart("这一批已经开始，不能放弃。")
        locked.status, locked.finished_at = B.ABANDONED, at
        locked.save(update_fields=["status", "finished_at"])


def totals(bulk: BulkCancellation, *, by: User) -> Totals:
    """Counted by the database: the penalty of each order is rounded up, as when it is canceled. Without the orders
    of ``by``, who cancels none of their own.
    """
    orders = _open_orders(bulk).exclude(buyer=by)
    lines = _within(bulk, stopping.undelivered_lines())
    paid = (
        lines.filter(order__in=orders.filter(status=OrderStatus.PAID).values("pk"))
        .values("order_id", percent=F("order__policy__shop_cancel_penalty_percent"))
        .annotate(refund_fen=Sum("price_fen"))
        .annotate(penalty_fen=(F("refund_fen") * F("percent") + 99) / 100)
    )
    sums = paid.aggregate(refund=Sum("refund_fen"), penalty=Sum("penalty_fen"))
    has_penalty = cancellation.CONSEQUENCES[Cause(bulk.cause)].has_penalty
    return Totals(
        order_count=paid.count(),
        unpaid_count=orders.filter(status=OrderStatus.PLACED).count(),
        refund_fen=sums["refund"] or 0,
        penalty_fen=(sums["penalty"] or 0) if has_penalty else 0,
    )


def sweep(*, at: datetime) -> int:
    """One batch of one bulk cancellation that is under way; returns how many orders were looked at."""
    try:
        return _go_on(at, BATCH)
    except OperationalError:
        raise  # the database is away: it goes on where it was
    except Exception:
        log.exception("bulk cancellation: a batch failed, its orders are done one by one")
        return _one(at)


# --- one batch --------------------------------------------------------------------------------------------------------


def _go_on(at: datetime, limit: int) -> int:
    with transaction.atomic():
        running = BulkCancellation.objects.filter(status=B.RUNNING)
        claimed = workqueue.claim(running, at=at, limit=1)
        return _batch(claimed[0], at, limit) if claimed else 0


def _batch(bulk: BulkCancellation, at: datetime, limit: int) -> int:
    orders = _next_orders(bulk, limit)
    if not orders:
        bulk.status, bulk.finished_at, bulk.next_due_at = B.DONE, at, None
        bulk.leased_until = None
        bulk.save()
        return 1
    others = [order for order in orders if order.buyer_id != bulk.started_by_id]
    _skip(bulk, "own", len(orders) - len(others))
    _cancel(bulk, others, at)
    _call_off(bulk, others, at)
    _past(bulk, orders[-1], at)
    return len(orders)


def _next_orders(bulk: BulkCancellation, limit: int) -> list[Order]:
    rows = Order.objects.select_for_update(no_key=True, of=("self",)).select_related("policy")
    keys = list(
        _open_orders(bulk).filter(pk__gt=bulk.last_order_id).order_by("pk").values_list("pk", flat=True)[:limit]
    )
    return list(rows.filter(pk__in=keys).order_by("pk"))


def _cancel(bulk: BulkCancellation, orders: Sequence[Order], at: datetime) -> None:
    paid = [order for order in orders if order.status == OrderStatus.PAID]
    canceled = cancellation.cancel_paid(
        paid,
        cause=Cause(bulk.cause),
        by=bulk.started_by,
        at=at,
        reason=bulk.reason,
        bulk=bulk,
        lines=_within(bulk, OrderLine.objects.all()),
    )
    bulk.canceled_count += len(canceled)
    _skip(bulk, "begun", len(paid) - len(canceled))


def _call_off(bulk: BulkCancellation, orders: Sequence[Order], at: datetime) -> None:
    unpaid = [order for order in orders if order.status == OrderStatus.PLACED]
    placing.call_off(unpaid, at=at, by=bulk.started_by, note=bulk.reason)
    bulk.called_off_count += len(unpaid)


def _skip(bulk: BulkCancellation, why: str, count: int) -> None:
    if count:
        bulk.skipped_count += count
        bulk.skipped = dict(Counter(bulk.skipped) + Counter({why: count}))


def _past(bulk: BulkCancellation, last: Order, at: datetime) -> None:
    bulk.last_order_id, bulk.next_due_at, bulk.leased_until = last.pk, at, None
    bulk.save()


def _one(at: datetime) -> int:
    """The next order alone; one that fails is left behind, counted and logged, and the others go on (F12)."""
    try:
        return _go_on(at, 1)
    except OperationalError:
        raise
    except Exception:
        log.exception("bulk cancellation: an order cannot be canceled, and is left behind")
    with transaction.atomic():
        claimed = workqueue.claim(BulkCancellation.objects.filter(status=B.RUNNING), at=at, limit=1)
        for bulk in claimed:
            last = _open_orders(bulk).filter(pk__gt=bulk.last_order_id).order_by("pk").first()
            if last is not None:
                _skip(bulk, "failed", 1)
                _past(bulk, last, at)
        return len(claimed)


# --- which orders -----------------------------------------------------------------------------------------------------


def _open_orders(bulk: BulkCancellation) -> QuerySet[Order]:
    """What is neither delivered nor ended, by the index of a shop's open orders."""
    if bulk.product is None:
        return Order.objects.filter(shop=bulk.shop, status__in=OPEN)
    lines = OrderLine.objects.filter(order=OuterRef("pk"), product=bulk.product)
    return Order.objects.filter(Exists(lines), shop_id=bulk.product.shop_id, status__in=OPEN)


def _within(bulk: BulkCancellation, lines: QuerySet[OrderLine]) -> QuerySet[OrderLine]:
    return lines if bulk.product_id is None else lines.filter(product=bulk.product_id)


def _write(bulk: BulkCancellation, found: Totals) -> None:
    bulk.order_count, bulk.unpaid_count = found.order_count, found.unpaid_count
    bulk.refund_fen, bulk.penalty_fen = found.refund_fen, found.penalty_fen


def _locked(bulk: BulkCancellation, by: User) -> BulkCancellation:
    """The batch as it is now, before somebody who may decide about it now."""
    rows = BulkCancellation.objects.select_for_update(no_key=True, of=("self",)).select_related("shop", "product__shop")
    locked = rows.get(pk=bulk.pk)
    about = locked.shop or locked.product.shop  # type: ignore[union-attr]  # one of them, says the constraint
    _demand_right(by, about)
    return locked


def _demand_right(by: User, shop: Shop) -> None:
    """Only operators, as the database says it now, and nobody about an own shop (I10)."""
    if not User.objects.filter(pk=by.pk, is_active=True, is_staff=True, role=Role.OPERATOR).exists():
        raise CannotStart("只有运营可以批量取消。")
    if shop.memberships.filter(user=by).exists():
        raise CannotStart("不能批量取消自己店铺的订单，请由别的运营处理。")
