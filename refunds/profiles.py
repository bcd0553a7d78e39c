"""档案: what the record says of a buyer and of a shop beside the case at hand (K5, S4-24).

It tells a reviewer where to look, and decides nothing. Frequent buyers stand further ahead in the queue; the rules are
the same for everybody.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, Q, Sum

from accounts.models import User
from accounts.roles import Role
from orders.models import Order, OrderStatus
from refunds.models import Refund, RefundEvent
from refunds.models import Status as S
from shops import figures
from shops.models import Shop

FREQUENT_ORDERS = 10  # completed ones; more make a frequent buyer
RECENT = timedelta(days=90)
MOST_SHOWN = 50
SILENCE = {"agree", "agree_above_limit", "contest"}  # by the machine: the shop did not answer in time


@dataclass(frozen=True)
class BuyerRecord:
    """Of one buyer, without the case at hand where one is."""

    orders: int
    completed: int
    refunds: int
    recent: int
    rejected: int
    paid_back_fen: int

    @property
    def is_frequent(self) -> bool:
        return self.completed > FREQUENT_ORDERS

    @property
    def tier(self) -> str:
        return "常客" if self.is_frequent else "普通买家"


@dataclass(frozen=True)
class ShopRecord:
    """Of one shop, in the last 90 days."""

    orders: int
    refunds: int
    given_back: int
    silences: int
    contested: int
    objections: int
    upheld_complaints: int

    @property
    def refund_percent(self) -> float | None:
        return round(100 * self.given_back / self.orders, 1) if self.orders else None


def frequent(buyer_ids: Collection[int]) -> set[int]:
    """Which of these are frequent buyers."""
    rows = Order.objects.filter(buyer__in=buyer_ids, status=OrderStatus.COMPLETED).values("buyer").order_by()
    return set(rows.annotate(n=Count("pk")).filter(n__gt=FREQUENT_ORDERS).values_list("buyer", flat=True))


def of_buyer(buyer_id: int, *, at: datetime, apart_from: Refund | None = None) -> BuyerRecord:
    """Two queries."""
    others = Refund.objects.filter(buyer=buyer_id)
    if apart_from is not None:
        others = others.exclude(pk=apart_from.pk)
    found = others.aggregate(
        refunds=Count("pk"),
        recent=Count("pk", filter=Q(submitted_at__gt=at - RECENT)),
        rejected=Count("pk", filter=Q(status=S.REJECTED)),
        paid_back=Sum("amount_fen", filter=Q(status__in=[S.PAID_OUT, S.ARRIVED])),
    )
    bought = Order.objects.filter(buyer=buyer_id).aggregate(
        orders=Count("pk", filter=~Q(status=OrderStatus.CANCELED)),
        completed=Count("pk", filter=Q(status=OrderStatus.COMPLETED)),
    )
    return BuyerRecord(
        bought["orders"], bought["completed"], found["refunds"], found["recent"], found["rejected"],
        found["paid_back"] or 0,
    )  # fmt: skip


def of_shop(shop_id: int, *, at: datetime) -> ShopRecord:
    """Four queries."""
    since = at - RECENT
    cases = Refund.objects.filter(shop=shop_id, submitted_at__gt=since)
    found = cases.aggregate(
        refunds=Count("pk"),
        given_back=Count("pk", filter=Q(status__in=[S.APPROVED, S.PROCESSING, S.PAID_OUT, S.ARRIVED, S.RETURNED])),
        objections=Count("pk", filter=Q(objection__isnull=False)),
    )
    answers = RefundEvent.objects.filter(refund__shop=shop_id, refund__submitted_at__gt=since, step__in=SILENCE)
    said = answers.aggregate(
        silences=Count("pk", filter=Q(role=Role.SYSTEM)),
        contested=Count("pk", filter=Q(step="contest", role=Role.MERCHANT)),
    )
    orders = Order.objects.filter(shop=shop_id, placed_at__gt=since, paid_at__isnull=False).count()
    return ShopRecord(
        orders,
        found["refunds"],
        found["given_back"],
        said["silences"],
        said["contested"],
        found["objections"],
        figures.upheld_complaints(shop_id, at=at),
    )


def cases_of_buyer(buyer: User) -> Sequence[Refund]:
    """The latest first."""
    rows = Refund.objects.filter(buyer=buyer).select_related("shop", "order")
    return list(rows.order_by("-submitted_at", "-pk")[:MOST_SHOWN])


def cases_of_shop(shop: Shop) -> Sequence[Refund]:
    """The latest first."""
    rows = Refund.objects.filter(shop=shop).select_related("buyer", "order")
    return list(rows.order_by("-submitted_at", "-pk")[:MOST_SHOWN])
