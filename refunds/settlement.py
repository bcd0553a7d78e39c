"""结算: an order's money becomes its shop's own once nobody can ask for it back (docs/decisions/0023-settlement.md).

``Order.settle_from`` is when to look: empty for an order delivered or canceled a moment ago, or before there was any
settling; the sweep works out when its refund window, its completion and its appeals are over, and writes that. When
that time has come, everything is looked at anew under the order's lock. What still has an open case is looked at again
and again. Cases are read, not locked: whoever opens or ends one holds the order's lock, too (``holding``).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db.models import Exists, F, Max, OuterRef, Q, QuerySet, Subquery, Sum
from django.db.models.fields.json import KT
from django.db.models.functions import Coalesce, Greatest

import workqueue
from ledger import balances, posting
from ledger.models import Entry, Posting
from orders.models import Cancellation, Delivery, Order, OrderLine, OrderStatus
from orders.models.order import TO_SETTLE
from payments.models import COUNTED, AttemptStatus, Payment, RefundAttempt
from refunds.models import Refund
from refunds.models import Status as S
from shops import money
from shops.money import Move
from writing import write

BATCH = 100
LOOK_AGAIN_AFTER = timedelta(hours=1)  # at what a case, or whoever delivers, still holds up
TRY_AGAIN_AFTER = timedelta(hours=6)  # what could not be settled, and should have been
NEVER = datetime(2200, 1, 1, tzinfo=UTC)  # 自带商户号: what a shop's own account took, the shop has
OVER = [OrderStatus.COMPLETED, OrderStatus.CANCELED]


@dataclass(frozen=True)
class Standing:
    """What is known of one locked order. ``until``: when the last of its times is over; ``fen``: what is left of it."""

    until: datetime
    is_held_up: bool
    fen: int


def sweep(*, at: datetime) -> int:
    """Settle a batch of orders whose time has come, and say of new ones when that will be; returns how many were
    looked at."""
    return workqueue.together_or_alone(
        lambda limit: _due(at, limit),
        lambda orders: _settle(orders, at),
        lambda order: _put_off(order, at),
        limit=BATCH,
    )


def _due(at: datetime, limit: int) -> list[Order]:
    """New ones before those whose time has come; what somebody else holds is left for the next sweep. By the index
    ``order_to_settle``: one range each."""
    new = _locked(Order.objects.filter(TO_SETTLE, settle_from=None), limit)
    left = limit - len(new)
    return [*new, *(_locked(Order.objects.filter(TO_SETTLE, settle_from__lte=at), left) if left else [])]


def _locked(rows: QuerySet[Order], limit: int) -> list[Order]:
    held = rows.select_for_update(no_key=True, skip_locked=True).prefetch_related("policy")
    return list(held.order_by("settle_from", "pk")[:limit])


def _settle(orders: Sequence[Order], at: datetime) -> None:
    known = _standings(orders, at)
    done, later = [], []
    for order in orders:
        standing = known[order.pk]
        if standing.until > at or standing.is_held_up:
            order.settle_from = max(standing.until, at + LOOK_AGAIN_AFTER) if standing.is_held_up else standing.until
            later.append(order)
        else:
            order.settled_at, order.settled_fen = at, standing.fen
            done.append(order)
    write(later, ["settle_from"])
    moves = [_move(order) for order in done if order.settled_fen]
    posting.post(money.pay_in(moves) if moves else [], at=at)
    write(done, ["settled_at", "settled_fen"])  # the database looks at all of it once more


def _move(order: Order) -> Move:
    assert order.settled_fen is not None
    return Move(f"settle:{order.order_no}", order.shop_id, order.settled_fen, posting.shop_account(order.shop_id))


def _put_off(order: Order, at: datetime) -> None:
    Order.objects.filter(pk=order.pk, settled_at=None).update(settle_from=at + TRY_AGAIN_AFTER)


def unsettled_fen(order: Order) -> int:
    """待结算 of one order, by the ledger: what was paid for it, less what was settled, its cases hold or took, and was
    booked as refunded outside us. The order is locked."""
    attempts = RefundAttempt.objects.filter(payment__order=order, status=AttemptStatus.EXTERNAL)
    refs = [f"settle:{order.order_no}"]
    refs += [f"payment:{number}" for number in order.payments.values_list("payment_no", flat=True)]
    refs += [f"external_borne:{number}" for number in attempts.values_list("request_no", flat=True)]
    of_it = Q(ref__in=refs)
    for number in order.refunds.values_list("refund_no", flat=True):
        of_it |= Q(ref__startswith=f"hold:{number}:") | Q(ref__startswith=f"fee_kept:{number}:")
    shop = posting.shop_account(order.shop_id)
    entries = Entry.objects.filter(posting__in=Posting.objects.filter(of_it), account__code=shop)
    return int(entries.aggregate(fen=balances.OWED)["fen"] or 0)


# --- what is known of them --------------------------------------------------------------------------------------------


def _standings(orders: Sequence[Order], at: datetime) -> dict[int, Standing]:
    """Everything is read after the lock, in a fixed number of queries."""
    if not orders:
        return {}
    windows = _windows(orders)
    rows = _annotated(Order.objects.filter(pk__in=[order.pk for order in orders]))
    facts = {row["pk"]: row for row in rows}
    return {order.pk: _standing(order, facts[order.pk], windows.get(order.pk, 0), at) for order in orders}


def _standing(order: Order, facts: dict[str, Any], window_days: int, at: datetime) -> Standing:
    if facts["is_the_shops"]:
        return Standing(NEVER, False, 0)
    times = [facts["appeal_until"] or at]
    if handed_over := facts["handed_over_at"]:
        days = max(window_days, order.policy.complete_after_days if order.status not in OVER else 0)
        times.append(handed_over + timedelta(days=days))
    is_held_up = order.status not in OVER or facts["has_case"] or facts["is_undelivered"] or facts["is_unheard"]
    return Standing(max(times), is_held_up, facts["left_fen"])


def _windows(orders: Sequence[Order]) -> dict[int, int]:
    """{order: the longest 售后期 among its goods, in days}."""
    policies = {order.pk: order.policy for order in orders}
    lines = OrderLine.objects.filter(order__in=orders, cancellation_line=None)
    found: defaultdict[int, int] = defaultdict(int)
    for order, kind in lines.values_list("order", KT("product_page__kind")).distinct().order_by():
        found[order] = max(found[order], policies[order].window_of(kind or ""))
    return found


def _annotated(rows: QuerySet[Order]) -> Any:
    mine = {"order": OuterRef("pk")}
    cases = Refund.objects.filter(**mine).order_by()
    paid = Payment.objects.filter(COUNTED, **mine).order_by()
    taken = cases.filter(status__in=[S.PAID_OUT, S.ARRIVED]).values("order")
    undelivered = OrderLine.objects.filter(delivery=None, cancellation_line=None, **mine)
    appeals = cases.filter(status=S.REJECTED, appeal_until__isnull=False).values("order")
    handed_over = Delivery.objects.filter(line__order=OuterRef("pk")).order_by().values("line__order")
    return rows.annotate(
        has_case=Exists(cases.filter(held_fen__gt=0)),
        is_the_shops=Exists(paid.filter(account__shop__isnull=False)),
        is_undelivered=Exists(undelivered),
        is_unheard=Exists(Cancellation.objects.filter(heard_at=None, **mine)),
        appeal_until=Subquery(appeals.values(last=Max("appeal_until"))),
        handed_over_at=Subquery(handed_over.values(last=Max("delivered_at"))),
        left_fen=Greatest(
            Coalesce(Subquery(paid.values("order").values(fen=Sum(F("amount_fen") - F("external_fen")))), 0)
            - Coalesce(Subquery(taken.values(fen=Sum(F("amount_fen") + F("fee_fen")))), 0),
            0,
        ),
    ).values(
        "pk", "is_the_shops", "has_case", "is_undelivered", "is_unheard", "appeal_until", "handed_over_at", "left_fen"
    )  # fmt: skip
