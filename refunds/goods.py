"""What a case does to the goods it is about: hold them while it runs, give them back or take them when it ends.

A code is frozen; a top-up that was not sent and work that was not begun are stopped, so that nothing is carried out
behind a refund. A line that was never delivered and is refunded in full is canceled, so that nobody delivers it later.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime

from django.db.models import F, Sum
from django.utils.translation import gettext_lazy as _

import workqueue
from accounts.models import User
from orders import cancellation, replacing, stopping
from orders.models import Cancellation, Cause, Order, OrderLine, TopUp, TopUpStatus
from refunds.models import Refund, RefundLine, Status
from shops import stock
from shops.models import CardCode, CodeState, Fulfilment


def of_lines(line_ids: Iterable[int]) -> list[CardCode]:
    """The codes delivered for these order lines, each with its ``delivery``, locked until the transaction ends."""
    return stock.lock(CardCode.objects.select_related("delivery").filter(delivery__line__in=list(line_ids)))


def hold(lines: Sequence[OrderLine], *, at: datetime, by: User | None) -> None:
    """冻结: a refund is asked for these lines. What was sent or begun goes on. The order is locked by the caller."""
    if carried_out := [line for line in lines if line.fulfilment != Fulfilment.CODES]:
        stopping.stop(carried_out)
        stopping.hold_sent(carried_out)
    stock.freeze(of_lines([line.pk for line in lines]), at=at, by=by)


def release(refunds: Sequence[Refund], *, at: datetime, by: User | None) -> None:
    """解冻: the case came to nothing, also if money had been on its way and came back.

    What was canceled meanwhile is not delivered: its money is due again, by a case of its own.
    """
    lock_orders(refunds)
    lines, waiting = _lines(refunds)
    if waiting:
        stopping.go_on(sorted(waiting), at=at)
    stock.give_back(of_lines(lines), at=at, by=by)
    heard = Cancellation.objects.filter(lines__line__in=lines, heard_at__isnull=False)
    if heard.update(heard_at=None, next_due_at=at, tries=0):
        workqueue.ring(cancellation.HEAR)


def are_resold(refunds: Sequence[Refund]) -> bool:
    """Whether a code of these cases was restocked by its shop, once it was refunded."""
    codes = CardCode.objects.filter(delivery__line__refund_lines__refund__in=refunds)
    return codes.filter(restocked_as__isnull=False).exists()


def are_taken_by_others(refunds: Sequence[Refund]) -> bool:
    """Whether the shop has a code of these cases back, and another case gave money for it."""
    taken = CardCode.objects.filter(
        delivery__line__refund_lines__refund__in=refunds, state__in=[CodeState.QUARANTINED, CodeState.VOID]
    )
    others = RefundLine.objects.filter(order_line__delivery__code__in=taken, refund__status__in=Status.holding_money())
    return others.exclude(refund__in=refunds).exists()


def retire(refunds: Sequence[Refund], *, at: datetime, by: User | None) -> None:
    """Money goes back. A line refunded in full, at once or bit by bit, loses its code; else the buyer keeps it.

    So with what was never delivered: refunded in full it is canceled, else it goes on.
    """
    lock_orders(refunds)
    lines, waiting = _lines(refunds)
    in_full = _refunded_in_full(lines)
    if waiting:
        _cancel(in_full & waiting, refunds, at)
        stopping.go_on(sorted(waiting - in_full), at=at)
    locked = of_lines(lines)
    stock.retire([code for code in locked if code.delivery.line_id in in_full], at=at, by=by)
    stock.give_back([code for code in locked if code.delivery.line_id not in in_full], at=at, by=by)


class CannotReplace(Exception):
    """No code of that kind is left, or these goods are no codes. The message says what else can be done."""


def why_not_replaceable(refund: Refund) -> str:
    """Why a new code cannot be offered for each one asked about; empty if it can (补发)."""
    return "" if replacing.is_possible(_order_lines(refund)) else str(_("没有可补发的库存，或商品不是卡密，请选退款。"))


def replace(refund: Refund, *, at: datetime, by: User | None) -> None:
    """补发: a new code from stock for each line; the old ones go back to the shop. Raises CannotReplace."""
    orders = hold_orders([refund])
    lines = _order_lines(refund)
    if not replacing.is_possible(lines):
        raise CannotReplace(_("库存刚刚售完，暂时不能补发。您可以不接受，由平台审核退款。"))
    try:
        replacing.replace(orders[0], lines, at=at, by=by)
    except stock.SoldOut:
        raise CannotReplace(_("库存刚刚售完，暂时不能补发。您可以不接受，由平台审核退款。")) from None


def _order_lines(refund: Refund) -> list[OrderLine]:
    rows = OrderLine.objects.filter(refund_lines__refund=refund).select_related("delivery")
    return list(rows.defer("product_page").order_by("pk"))


def hold_orders(refunds: Sequence[Refund]) -> list[Order]:
    """Whoever delivers, stops or cancels waits until the case has done with the goods. Before their codes, always."""
    rows = Order.objects.select_for_update(no_key=True).filter(pk__in=[refund.order_id for refund in refunds])
    return list(rows.order_by("pk"))


def lock_orders(refunds: Sequence[Refund]) -> None:
    """The same, where nothing of them is looked at."""
    rows = Order.objects.select_for_update(no_key=True).filter(pk__in=[refund.order_id for refund in refunds])
    list(rows.order_by("pk").values_list("pk"))


def _lines(refunds: Sequence[Refund]) -> tuple[list[int], set[int]]:
    """The lines that these cases are about; and those among them that still wait to be delivered."""
    rows = RefundLine.objects.filter(refund__in=refunds)
    ends = ("order_line__delivery", "order_line__cancellation_line")
    found = {line: end for line, *end in rows.values_list("order_line_id", *ends)}
    return list(found), {line for line, end in found.items() if not any(end)}


def _refunded_in_full(line_ids: Sequence[int]) -> set[int]:
    """Those of which nothing is left to the shop, over all cases that took of them."""
    promised = RefundLine.objects.filter(order_line__in=line_ids, refund__status__in=Status.holding_money())
    lines = promised.values("order_line_id", price_fen=F("order_line__price_fen"))
    sums = lines.annotate(taken_fen=Sum(F("amount_fen") + F("fee_fen")))
    return {row["order_line_id"] for row in sums if row["taken_fen"] >= row["price_fen"]}


# --- what was never delivered -----------------------------------------------------------------------------------------


def _cancel(line_ids: Collection[int], refunds: Sequence[Refund], at: datetime) -> None:
    """取消 of these undelivered lines, heard already: this very case gives their money back. The orders are locked."""
    lost: dict[int, list[OrderLine]] = defaultdict(list)
    for line in stopping.give_up(list(OrderLine.objects.filter(pk__in=line_ids))):
        lost[line.order_id].append(line)
    reasons = {refund.order_id: refund.reason for refund in refunds}
    failed = TopUp.objects.filter(line__in=line_ids, status=TopUpStatus.FAILED)
    by_supplier = set(failed.values_list("line__order_id", flat=True))
    alike: dict[Cause, list[cancellation.Loss]] = defaultdict(list)
    for order in Order.objects.filter(pk__in=lost).select_related("policy").order_by("pk"):
        cause = _cause(order, reasons[order.pk], is_suppliers=order.pk in by_supplier)
        alike[cause].append((order, lost[order.pk]))
    for cause, losses in alike.items():
        cancellation.cancel_many(losses, cause=cause, at=at, is_heard=True)


def _cause(order: Order, reason: str, *, is_suppliers: bool) -> Cause:
    """Whose fault it is, by our own records: a reason that a buyer picked costs no shop a penalty (S4-2, S4-16)."""
    if is_suppliers:
        return Cause.SUPPLIER_FAILED
    if order.overdue_since is not None:
        return Cause.LATE
    return Cause.DUPLICATE if reason == "duplicate" else Cause.BUYER
