"""I4, I9: where each code is and how it got there, and what a paid order is still waiting for."""

from __future__ import annotations

from django.db.models import F, Q, QuerySet, Value, Window
from django.db.models.functions import Coalesce, Lag

from orders import topups
from orders.models import (
    Delivery,
    Order,
    OrderLine,
    OrderStatus,
    Replacement,
    Reservation,
    ServiceStatus,
    TopUp,
    TopUpStatus,
)
from refunds.models import Lane, RefundLine, Status
from shops.models import CardCode, CodeEvent, CodeEventKind, CodeState, Fulfilment
from shops.stock import MOVES, STAYS

Broken = list[str]
FIRST = {CodeEventKind.STOCK, CodeEventKind.ADOPT, CodeEventKind.RESTOCK}


def codes_are_where_they_say() -> Broken:
    """I9: handed over once, looks recorded, and none looked at after its freeze and refunded as unused."""
    in_stock = [CodeState.IN_STOCK, CodeState.RESERVED]
    lost = CardCode.objects.exclude(state__in=in_stock).filter(delivery=None, replaced=None)
    taken_out = Q(state=CodeState.QUARANTINED, delivered_at__isnull=True)  # by its shop, before anybody had it
    early = Delivery.objects.filter(code__state__in=in_stock)
    unrecorded = CardCode.objects.filter(revealed_at__isnull=False).exclude(
        pk__in=CodeEvent.objects.filter(kind=CodeEventKind.REVEAL).values("code")
    )
    unseen = RefundLine.objects.filter(
        refund__status__in=Status.holding_money(), refund__lane__in=[Lane.ONE_CLICK, Lane.UNDELIVERED]
    )
    fooled = unseen.filter(order_line__delivery__code__revealed_at__isnull=False).select_related("refund")
    gone = [Status.PROCESSING, Status.PAID_OUT, Status.ARRIVED]
    kept = RefundLine.objects.filter(refund__status__in=gone, amount_fen=F("order_line__price_fen")).filter(
        order_line__delivery__code__state__in=[CodeState.DELIVERED, CodeState.REVEALED, CodeState.FROZEN]
    )
    return [
        *(f"code {code.pk}: {code.state}, but handed to nobody" for code in lost.exclude(taken_out)),
        *(f"code {row.code_id}: handed over, but still in stock" for row in early),
        *(f"code {code.pk}: revealed without a record" for code in unrecorded),
        *(f"code {row.old_code_id}: replaced, yet {row.old_code.state}" for row in _kept_though_replaced()),
        *(f"{line.refund}: refunded as unused, yet its code was looked at" for line in fooled),
        *(f"{line.refund}: refunded in full, yet the buyer has the code" for line in kept.select_related("refund")),
    ]


def _kept_though_replaced() -> QuerySet[Replacement]:
    taken_back = [CodeState.QUARANTINED, CodeState.VOID]
    return (
        Replacement.objects.exclude(old_code__state__in=taken_back).select_related("old_code").defer("old_code__sealed")
    )


def codes_moved_by_the_table() -> Broken:
    """I9, I5 for goods: each event of a code is a move of ``shops/stock.py`` from where the one before left it.

    So no code was ever looked at while it was frozen, nor sold again once it was seen.
    """
    before = Window(Lag("to_state"), partition_by="code", order_by="sequence")
    rows = CodeEvent.objects.annotate(before=before)
    moves = Q(pk__in=[])
    for kind, (sources, target) in MOVES.items():
        moves |= Q(kind=kind, to_state=target, before__in=sources)
    stays = Q(kind__in=STAYS - FIRST, to_state=F("before")) | Q(kind__in=FIRST, before__isnull=True)
    return [
        f"code {event.code_id}: event {event.sequence} {event.kind}: {event.before or 'nothing'} → {event.to_state}"
        for event in rows.exclude(moves | stays).order_by("code", "sequence")
    ]


def reservations_agree() -> Broken:
    """I9, P16: a code is reserved exactly as long as a line keeps it and has not got it; it gets that very code."""
    kept = Reservation.objects.filter(released_at=None, line__delivery=None)
    handed = Reservation.objects.filter(released_at=None, line__delivery__isnull=False, code__replaced=None)
    return [
        *(f"code {code.pk}: reserved for nobody"
          for code in CardCode.objects.filter(state=CodeState.RESERVED).exclude(pk__in=kept.values("code"))),
        *(f"code {row.code_id}: kept for order line {row.line_id}, but {row.code.state}"
          for row in kept.exclude(code__state=CodeState.RESERVED).select_related("code").defer("code__sealed")),
        *(f"order line {row.line_id}: code {row.code_id} was kept for it, it got {row.line.delivery.code_id}"
          for row in handed.exclude(line__delivery__code=F("code")).select_related("line__delivery")),
    ]  # fmt: skip


def paid_orders_go_on() -> Broken:
    """I4 for orders: a paid one is due; each line of it is delivered, canceled, or somebody is at it."""
    undue = Order.objects.filter(status=OrderStatus.PAID, next_due_at=None)
    over = Q(order__status__in=[OrderStatus.DELIVERED, OrderStatus.COMPLETED])
    waiting = OrderLine.objects.filter(delivery=None, cancellation_line=None).select_related("order")
    both = OrderLine.objects.filter(delivery__isnull=False, cancellation_line__isnull=False).select_related("order")
    still = waiting.filter(order__status=OrderStatus.PAID).exclude(pk__in=_moving(waiting).values("pk"))
    lines = [
        *((line, "nobody is at it") for line in still),
        *((line, f"not delivered, yet the order is {line.order.status}") for line in waiting.filter(over)),
        *((line, "delivered and canceled") for line in both),
    ]
    return [
        *(f"{order}: paid, and nobody comes back to it" for order in undue),
        *(f"{line.order}: line {line.position}: {problem}" for line, problem in lines),
    ]


def late_topups_lie_with_people() -> Broken:
    """I4 for top-ups: one that was still open when it was asked about behind our patience has a person and a time."""
    since = Coalesce("first_sent_at", "created_at")
    rows = TopUp.objects.filter(person_due_at=None, tries__gt=0, next_due_at__gte=since + Value(topups.LEAST_PATIENCE))
    return [
        f"{row}: {row.status}, our patience was over at {over_at}, yet it lies with nobody"
        for row in rows.select_related("line").order_by("pk")
        if (asked_at := topups.last_asked_at(row)) and asked_at >= (over_at := topups.patience_ends(row, row.line))
    ]


def _moving(waiting: QuerySet[OrderLine]) -> QuerySet[OrderLine]:
    """Lines with a supplier, with the shop's people, or in a case that is not decided; and those of orders from before
    reservations, which wait for stock."""
    topup = Q(topup__status__in=[TopUpStatus.PREPARED, TopUpStatus.UNKNOWN, TopUpStatus.ACCEPTED])
    service = Q(service__status__in=[ServiceStatus.WAITING, ServiceStatus.WORKING])
    case = Q(refund_lines__refund__status__in=Status.active())
    old = Q(fulfilment=Fulfilment.CODES, reservation=None)
    return waiting.filter(topup | service | case | old)
