"""关店: a shop that leaves closes by itself, once no order and no refund of it is open."""

from __future__ import annotations

from datetime import datetime

from django.db.models import Exists, OuterRef, QuerySet

from orders.models import Cancellation, Order, OrderStatus
from refunds.lifecycle import AT_REST
from refunds.models import Refund, Status
from shops import life
from shops.models import Shop, ShopStatus

OPEN_ORDERS = [OrderStatus.PLACED, OrderStatus.PAID, OrderStatus.DELIVERED]
BATCH = 100


def close(*, at: datetime) -> int:
    """Close up to ``BATCH`` shops that have nothing left to do. Returns how many."""
    done = list(_done_with()[:BATCH])
    closed = 0
    for shop in done:
        try:
            life.close(shop, at=at)
            closed += 1
        except life.StepRefused:
            continue  # suspended meanwhile
    return closed


def _done_with() -> QuerySet[Shop]:
    """A leaving shop takes no order, so what is done with stays done with; a refund paid out counts as done."""
    its = {"shop": OuterRef("pk")}
    orders = Order.objects.filter(**its, status__in=OPEN_ORDERS)
    unheard = Cancellation.objects.filter(order__shop=OuterRef("pk"), heard_at=None)
    refunds = Refund.objects.filter(**its).exclude(status__in=[*AT_REST, Status.PAID_OUT])
    leaving = Shop.objects.filter(status=ShopStatus.LEAVING).order_by("pk")
    return leaving.exclude(Exists(orders)).exclude(Exists(unheard)).exclude(Exists(refunds))
