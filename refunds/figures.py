"""店铺数据: every hour, how each shop has done with the orders of 30 days, and whether it has earned its badge.

All due shops are counted together: the number of queries is fixed, however many shops there are (S1-21). Any number of
workers may run this: each shop is counted by one of them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import Max, Q

from orders.cancellation import CONSEQUENCES
from refunds.models import Status
from shops import badge, guarantee, money
from shops import figures as counted
from shops.badge import Demands, Facts, RuleResult
from shops.models import Shop, ShopEvent, ShopFigures, ShopStatus

WINDOW = timedelta(days=30)
EVERY = timedelta(hours=1)
BATCH = 500

COLUMNS = [
    "paid_orders", "delivered_in_time", "delivered_late", "refunded_orders", "rejected_refunds", "canceled_by_shop",
    "median_handling_minutes", "reply_minutes", "review_count", "stars_total",
]  # fmt: skip
GIVEN_BACK = [
    Status.APPROVED, Status.PROCESSING, Status.PAID_OUT, Status.ARRIVED, Status.RETURNED, Status.REDIRECT_SIGNED,
]  # fmt: skip
SHOPS_FAULT = [cause.value for cause, consequence in CONSEQUENCES.items() if consequence.has_penalty]


def compute(*, at: datetime, limit: int = BATCH) -> int:
    """Count up to ``limit`` shops whose figures are an hour old, and give or take their badges. Returns how many."""
    with transaction.atomic():
        shops = _due(at, limit)
        if not shops:
            return 0
        found = _count([shop.pk for shop in shops], at)
        rows = [ShopFigures(shop=shop, computed_at=at, **found[shop.pk]) for shop in shops]
        ShopFigures.objects.bulk_create(
            rows, update_conflicts=True, unique_fields=["shop"], update_fields=[*COLUMNS, "computed_at"]
        )
        _keep_badges(shops, {row.shop_id: row for row in rows}, at)
    return len(shops)


def standing_of(shop: Shop, *, at: datetime) -> list[RuleResult]:
    """What the badge of one shop rests on now, by its latest figures: for the shop's own page."""
    row = counted.of(shop) or ShopFigures(shop=shop)
    return _judge([shop], {shop.pk: row}, at)[shop.pk]


def _due(at: datetime, limit: int) -> list[Shop]:
    """Shops never counted, or an hour ago; held until the transaction ends, past those that others hold."""
    old = Q(figures=None) | Q(figures__computed_at__lte=at - EVERY)
    rows = Shop.objects.exclude(status=ShopStatus.CLOSED).filter(old)
    keys = list(rows.order_by("figures__computed_at", "pk").values_list("pk", flat=True)[:limit])
    held = Shop.objects.filter(pk__in=keys).select_for_update(no_key=True, skip_locked=True)
    return list(held.order_by("pk"))


# --- the badge --------------------------------------------------------------------------------------------------------


def _keep_badges(shops: Sequence[Shop], figures: dict[int, ShopFigures], at: datetime) -> None:
    """Given and taken by rule alone, each with its event. A shop whose badge stays as it is costs nothing."""
    results = _judge(shops, figures, at)
    earned = [shop for shop in shops if shop.guarantee_since is None and badge.has_badge(results[shop.pk])]
    lost = [shop for shop in shops if shop.guarantee_since is not None and not badge.has_badge(results[shop.pk])]
    Shop.objects.filter(pk__in=[shop.pk for shop in earned]).update(guarantee_since=at)
    Shop.objects.filter(pk__in=[shop.pk for shop in lost]).update(guarantee_since=None)
    reasons = {shop.pk: "；".join(rule.sentence for rule in results[shop.pk] if not rule.passed) for shop in lost}
    ShopEvent.objects.bulk_create(
        ShopEvent(
            shop=shop, step=step, from_status=shop.status, to_status=shop.status, at=at,
            reason=reasons.get(shop.pk, "")[:500],
        )
        for step, changed in (("earn_badge", earned), ("lose_badge", lost))
        for shop in changed
    )  # fmt: skip


def _judge(shops: Sequence[Shop], figures: dict[int, ShopFigures], at: datetime) -> dict[int, list[RuleResult]]:
    terms = guarantee.terms()
    demands = Demands(
        terms.deposit_fen, terms.open_days, terms.in_time_percent, terms.least_deliveries, terms.most_canceled_percent,
        terms.unsuspended_days,
    )  # fmt: skip
    keys = [shop.pk for shop in shops]
    purses = money.purses(keys)  # what is there: of what was laid down, refunds may have drawn all
    suspensions = ShopEvent.objects.filter(shop__in=keys, step="suspend").values_list("shop").annotate(Max("at"))
    suspended = dict(suspensions.order_by())
    return {
        shop.pk: badge.judge(
            Facts(
                at=at,
                is_open=shop.status == ShopStatus.OPEN,
                opened_at=shop.created_at,
                deposit_fen=purses[shop.pk].returnable_fen,
                paid_orders=figures[shop.pk].paid_orders,
                delivered_in_time=figures[shop.pk].delivered_in_time,
                delivered_late=figures[shop.pk].delivered_late,
                canceled_by_shop=figures[shop.pk].canceled_by_shop,
                suspended_at=suspended.get(shop.pk),
            ),
            demands,
        )
        for shop in shops
    }


# --- counting ---------------------------------------------------------------------------------------------------------


def _count(keys: Sequence[int], at: datetime) -> dict[int, dict[str, Any]]:
    """Every column for each of these shops, over the orders placed in the window."""
    asked: dict[str, Any] = {
        "shops": list(keys), "since": at - WINDOW, "at": at, "given_back": [str(status) for status in GIVEN_BACK],
        "rejected": str(Status.REJECTED), "causes": SHOPS_FAULT,
    }  # fmt: skip
    found: dict[int, dict[str, Any]] = {key: _nothing() for key in keys}
    with connection.cursor() as cursor:
        for sql in (ORDERS, REFUNDS, CANCELED, REPLIES, REVIEWS):
            cursor.execute(sql, asked)
            names = [column.name for column in cursor.description][1:]
            _take(found, names, cursor.fetchall())
    return found


def _nothing() -> dict[str, Any]:
    return defaultdict(int, median_handling_minutes=None, reply_minutes=None)


def _take(found: dict[int, dict[str, Any]], names: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    for key, *values in rows:
        found[key] |= dict(zip(names, values, strict=True))


# Late is what was handed over after its promise, and what is still owed behind it.
ORDERS = """
SELECT shop_id,
       count(*) AS paid_orders,
       count(*) FILTER (WHERE delivered_at <= promised_at) AS delivered_in_time,
       count(*) FILTER (WHERE delivered_at > promised_at OR (status = 'paid' AND promised_at < %(at)s))
           AS delivered_late
FROM orders_order
WHERE shop_id = ANY(%(shops)s) AND placed_at >= %(since)s AND paid_at IS NOT NULL
GROUP BY shop_id
"""

REFUNDS = """
SELECT o.shop_id,
       count(DISTINCT o.id) FILTER (WHERE r.status = ANY(%(given_back)s)) AS refunded_orders,
       count(*) FILTER (WHERE r.status = %(rejected)s) AS rejected_refunds,
       round(percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM r.decided_at - r.submitted_at) / 60)
             FILTER (WHERE r.decided_at IS NOT NULL))::int AS median_handling_minutes
FROM orders_order o JOIN refunds_refund r ON r.order_id = o.id
WHERE o.shop_id = ANY(%(shops)s) AND o.placed_at >= %(since)s
GROUP BY o.shop_id
"""

CANCELED = """
SELECT o.shop_id, count(DISTINCT o.id) AS canceled_by_shop
FROM orders_order o JOIN orders_cancellation c ON c.order_id = o.id
WHERE o.shop_id = ANY(%(shops)s) AND o.placed_at >= %(since)s AND c.cause = ANY(%(causes)s)
GROUP BY o.shop_id
"""

# From the first of the buyer's words in a row to the first of the shop's after them. What stands unanswered counts with
# the time it has waited until now.
REPLIES = """
WITH said AS (
    SELECT o.shop_id, m.order_id, m.id, m.side, m.at,
           lag(m.side) OVER (PARTITION BY m.order_id ORDER BY m.id) AS before
    FROM orders_order o JOIN orders_ordermessage m ON m.order_id = o.id
    WHERE o.shop_id = ANY(%(shops)s) AND o.placed_at >= %(since)s AND m.side <> 'platform'
), turns AS (
    SELECT shop_id, side, at, lead(at, 1, %(at)s) OVER (PARTITION BY order_id ORDER BY id) AS answered_at
    FROM said WHERE before IS DISTINCT FROM side
)
SELECT shop_id,
       round(percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM answered_at - at) / 60))::int
           AS reply_minutes
FROM turns WHERE side = 'buyer'
GROUP BY shop_id
"""

REVIEWS = """
SELECT shop_id, count(*) AS review_count, sum(stars) AS stars_total
FROM orders_review
WHERE shop_id = ANY(%(shops)s) AND at >= %(since)s AND NOT is_hidden
GROUP BY shop_id
"""
