"""What a case does to the codes it is about: freeze while it runs, release or retire when it ends."""

from __future__ import annotations

from collections.abc import Sequence

from django.db.models import F, Q

from refunds.models import Refund, RefundLine
from shops import stock
from shops.models import CardCode


def of_lines(line_ids: Sequence[int]) -> list[CardCode]:
    """The codes delivered for these order lines, locked until the transaction ends."""
    return stock.lock(CardCode.objects.filter(delivery__line__in=line_ids))


def release(refunds: Sequence[Refund]) -> None:
    """解冻: the case came to nothing."""
    stock.unfreeze(_codes(Q(refund__in=refunds)))


def retire(refunds: Sequence[Refund]) -> None:
    """Money goes back: codes refunded in full are out of the buyer's reach; of a part refund the buyer keeps them."""
    in_full = Q(refund__in=refunds, amount_fen=F("order_line__price_fen"))
    stock.retire(_codes(in_full))
    stock.unfreeze(_codes(Q(refund__in=refunds) & ~in_full))


def _codes(lines: Q) -> list[CardCode]:
    return of_lines(RefundLine.objects.filter(lines).values_list("order_line_id", flat=True))  # type: ignore[arg-type]
