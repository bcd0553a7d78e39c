"""What a case does to the codes it is about: freeze while it runs, release or retire when it ends."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from django.db.models import F, Sum

from accounts.models import User
from refunds.models import Refund, RefundLine, Status
from shops import stock
from shops.models import CardCode


def of_lines(line_ids: Iterable[int]) -> list[CardCode]:
    """The codes delivered for these order lines, each with its ``delivery``, locked until the transaction ends."""
    return stock.lock(CardCode.objects.select_related("delivery").filter(delivery__line__in=list(line_ids)))


def release(refunds: Sequence[Refund], *, at: datetime, by: User | None) -> None:
    """解冻: the case came to nothing, also if money had been on its way and came back."""
    stock.give_back(of_lines(_lines(refunds)), at=at, by=by)


def retire(refunds: Sequence[Refund], *, at: datetime, by: User | None) -> None:
    """Money goes back. A line refunded in full, at once or bit by bit, loses its code; else the buyer keeps it."""
    lines = _lines(refunds)
    in_full = _refunded_in_full(lines)
    locked = of_lines(lines)
    stock.retire([code for code in locked if code.delivery.line_id in in_full], at=at, by=by)
    stock.give_back([code for code in locked if code.delivery.line_id not in in_full], at=at, by=by)


def _lines(refunds: Sequence[Refund]) -> list[int]:
    return list(RefundLine.objects.filter(refund__in=refunds).values_list("order_line_id", flat=True))


def _refunded_in_full(line_ids: Sequence[int]) -> set[int]:
    """Those of which nothing is left to the shop, over all cases that took of them."""
    promised = RefundLine.objects.filter(order_line__in=line_ids, refund__status__in=Status.holding_money())
    sums = promised.values("order_line_id", price_fen=F("order_line__price_fen")).annotate(taken_fen=Sum("amount_fen"))
    return {row["order_line_id"] for row in sums if row["taken_fen"] >= row["price_fen"]}
