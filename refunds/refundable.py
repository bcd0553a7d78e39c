"""可退: what of the price of order lines no case has taken yet, and which of it an application is about."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from django.db.models import F, QuerySet, Sum
from django.utils.translation import gettext as _

from money import share_out
from orders.models import Cancellation, Delivery, Order, OrderLine
from refunds import facts
from refunds.lifecycle import StepRefused
from refunds.models import Answer, Offer, OfferKind, RefundLine, Status
from refunds.reasons import Sold


@dataclass(frozen=True)
class Refundable:
    """An order line and what of its price is not promised to any case yet."""

    line: OrderLine
    amount_fen: int


def lines_of(order: Order) -> list[Refundable]:
    """The order's lines with what is left of each."""
    return of_orders([order.pk], touched=[order.pk]).get(order.pk, [])


def of_orders(order_ids: Collection[int], *, touched: Collection[int]) -> Mapping[int, list[Refundable]]:
    """{order: its lines with what is left of each}, in their order. ``touched``: those that had a case before; of the
    others nothing is taken."""
    taken = promised_fen(RefundLine.objects.filter(order_line__order__in=touched)) if touched else {}
    settled = _settled(touched) if touched else set()
    # Not ``order.lines``: prefetched, they may come without their pages.
    lines = facts.with_what_became(OrderLine.objects.filter(order__in=order_ids)).select_related("product")
    left: dict[int, list[Refundable]] = defaultdict(list)
    for line in lines.order_by("order_id", "position"):
        if line.pk not in settled and (amount_fen := line.price_fen - taken.get(line.pk, 0)) > 0:
            left[line.order_id].append(Refundable(line, amount_fen))
    return left


def of_cancellations(rows: Sequence[Cancellation]) -> dict[int, list[Refundable]]:
    """What of each cancellation's lines no case has taken yet; one of which all is taken is not there."""
    lines = OrderLine.objects.filter(cancellation_line__cancellation__in=rows).select_related("cancellation_line")
    taken = promised_fen(RefundLine.objects.filter(order_line__cancellation_line__cancellation__in=rows))
    left: dict[int, list[Refundable]] = defaultdict(list)
    for line in lines.defer("product_page").order_by("order_id", "position"):
        if (amount_fen := line.price_fen - taken.get(line.pk, 0)) > 0:
            left[line.cancellation_line.cancellation_id].append(Refundable(line, amount_fen))
    return left


def promised_fen(lines: QuerySet[RefundLine]) -> dict[int, int]:
    """What cases have taken, or will take, of each order line that ``lines`` are about."""
    holding = lines.filter(refund__status__in=Status.holding_money())
    return dict(holding.values_list("order_line").annotate(taken_fen=Sum(F("amount_fen") + F("fee_fen"))))


def chosen_of(refundable: Sequence[Refundable], line_ids: Sequence[int] | None) -> list[Refundable]:
    """What of the order is asked about; None: all of it. Raises StepRefused where something of it has nothing left."""
    if line_ids is None:
        return list(refundable)
    wanted = set(line_ids)
    chosen = [item for item in refundable if item.line.pk in wanted]
    if len(chosen) != len(wanted):
        raise StepRefused("unknown_line", _("您选的商品里有的已退款或正在退款，或不属于这张订单，请重新选择退哪几件。"))
    return chosen


def shares(amount_fen: int, chosen: Sequence[Refundable]) -> list[tuple[Refundable, int]]:
    """The lines that a refund takes of, and how much; a line whose share is no whole fen is left alone."""
    if amount_fen <= 0 or not chosen:
        return []
    parts = share_out(amount_fen, [item.amount_fen for item in chosen])
    return [(item, fen) for item, fen in zip(chosen, parts, strict=True) if fen]


def sold(lines: Sequence[Refundable]) -> list[Sold]:
    """What the reasons have to know of these lines."""
    return [
        Sold(str(item.line.product_page.get("kind", "")), delivery is not None, _is_seen(delivery))
        for item in lines
        for delivery in [getattr(item.line, "delivery", None)]
    ]


def _is_seen(delivery: Delivery | None) -> bool:
    return delivery is not None and (delivery.code is None or delivery.code.revealed_at is not None)


def _settled(order_ids: Collection[int]) -> set[int]:
    """协商一致: lines of which a part was given back, and accepted as all there is to it."""
    agreed = Offer.objects.filter(
        refund__order__in=order_ids,
        kind=OfferKind.PART,
        answer=Answer.ACCEPTED,
        refund__status__in=Status.holding_money(),
    )
    return set(RefundLine.objects.filter(refund__offers__in=agreed).values_list("order_line", flat=True))
