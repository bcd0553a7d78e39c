"""Every list and search of the shop, asked for as people and machines ask, and what each cost the database.

A page is fetched through its own view; the SQL that it really sent is then explained and run again by itself.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from urllib.parse import quote

from django.conf import settings
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

import paging
import workqueue
from accounts.models import User
from bench.scale_rows import BIG, BUYER, FINANCE, FIRST, MEMBER, OPERATOR, REVIEWER, SENIOR
from orders.models import Cancellation, Order, Review, TopUp
from payments.models import Payment
from refunds import forecast, pace, worklist
from refunds.models import Refund
from shops.models import Product, StockImport

CASES = "/admin/refunds/refund/"  # the desk's queues: an urgent end, a tail, and every page between them by its mark
#: Name, who looks, address. ``{deep}`` is a mark nine tenths down the list.
PAGES = [
    ("首页 / home", None, "/"),
    ("首页深页 / home, deep", None, "/?after={products}"),
    ("分类 / category", None, "/?category=c5"),
    ("分类深页 / category, deep", None, "/?category=c5&after={products}"),
    ("搜索：一个字，常见 / 1 character, common", None, "/?q=卡"),
    ("搜索：两个字，常见 / 2 characters, common", None, "/?q=点卡"),
    ("搜索：三个字 / 3 characters", None, "/?q=充值卡"),
    ("搜索：百里挑一 / middling", None, "/?q=限定"),
    ("搜索：罕见 / rare", None, "/?q=孤舟"),
    ("搜索：没有 / absent", None, "/?q=鱻龘"),
    ("搜索：两个常见词 / two common words", None, "/?q=steam 月卡"),
    ("搜索：英文与数字 / Latin and digits", None, "/?q=xbox 100"),
    ("搜索加分类 / search in a category", None, "/?q=点卡&category=c5"),
    ("店铺 / shop", None, "/s/{shop}/"),
    ("店铺深页 / shop, deep", None, "/s/{shop}/?after={products}"),
    ("商品页 / product", None, "/p/1/"),
    ("商品评价 / product's reviews", None, "/p/1/reviews/"),
    ("商品评价深页 / product's reviews, deep", None, "/p/1/reviews/?after={reviews}"),
    ("商品评价：退款相关 / … about refunds", None, "/p/1/reviews/?about=refund"),
    ("店铺评价 / shop's reviews", None, "/s/{shop}/reviews/"),
    ("店铺评价：退款相关 / … about refunds", None, "/s/{shop}/reviews/?about=refund"),
    ("我的订单 / buyer's orders", BUYER, "/orders/"),
    ("我的订单深页 / buyer's orders, deep", BUYER, "/orders/?after={orders}"),
    ("我的退款 / buyer's refunds", BUYER, "/refunds/"),
    ("店铺订单 / shop's orders", MEMBER, "/shop/?show=all"),
    ("店铺订单深页 / shop's orders, deep", MEMBER, "/shop/?after={orders}"),
    ("店铺待交付 / shop's orders to deliver", MEMBER, "/shop/?show=waiting"),
    ("店铺退款 / shop's refunds", MEMBER, "/shop/refunds/"),
    ("店铺商品 / shop's products", MEMBER, "/shop/products/"),
    ("店铺回评 / shop's reviews to answer", MEMBER, "/shop/reviews/"),
    ("客服台：首页 / desk: start page", OPERATOR, "/admin/"),
    ("客服台：待审核 / desk: to review", REVIEWER, f"{CASES}?queue=review"),
    ("客服台：待审核深页 / desk: to review, deep", REVIEWER, f"{CASES}?queue=review&p={{deep_review}}"),
    ("客服台：待审核末页 / desk: to review, last page", REVIEWER, f"{CASES}?queue=review&p=last"),
    ("客服台：审核员待办 / desk: a reviewer's", REVIEWER, CASES),
    ("客服台：审核员待办末页 / desk: a reviewer's, last page", REVIEWER, f"{CASES}?p=last"),
    ("客服台：高级审核员待办 / desk: a senior's", SENIOR, CASES),
    ("客服台：高级审核员待办末页 / desk: a senior's, last page", SENIOR, f"{CASES}?p=last"),
    ("客服台：财务待办 / desk: finance's", FINANCE, CASES),
    ("客服台：财务待办末页 / desk: finance's, last page", FINANCE, f"{CASES}?p=last"),
    ("客服台：待复核 / desk: second review", SENIOR, f"{CASES}?queue=second"),
    ("客服台：申诉 / desk: appeals", SENIOR, f"{CASES}?queue=appeals"),
    ("客服台：已升级 / desk: went up", SENIOR, f"{CASES}?queue=escalated"),
    ("客服台：商家处理中 / desk: with shops", OPERATOR, f"{CASES}?queue=merchant"),
    ("客服台：等待答复 / desk: waiting for answers", OPERATOR, f"{CASES}?queue=evidence"),
    ("客服台：待放款 / desk: to release", FINANCE, f"{CASES}?queue=release"),
    ("客服台：待放款深页 / desk: to release, deep", FINANCE, f"{CASES}?queue=release&p={{deep_release}}"),
    ("客服台：待放款末页 / desk: to release, last page", FINANCE, f"{CASES}?queue=release&p=last"),
    ("客服台：退款异常 / desk: returned", FINANCE, f"{CASES}?queue=returned"),
    ("客服台：渠道处理中 / desk: at the channel", FINANCE, f"{CASES}?queue=processing"),
    ("客服台：全部 / desk: all", OPERATOR, f"{CASES}?queue=all"),
    ("客服台：全部末页 / desk: all, last page", OPERATOR, f"{CASES}?queue=all&p=last"),
    ("接口：商品 / API: products", None, "/api/products/"),
    ("接口：搜索 / API: search", None, "/api/products/?q=点卡"),
]
SWEEPS = {"订单 / orders": Order, "直充 / top-ups": TopUp, "取消 / cancellations": Cancellation,
          "退款 / refunds": Refund, "收款 / payments": Payment, "入库 / imports": StockImport}  # fmt: skip
FIGURES: dict[str, Callable[[datetime], object]] = {
    "预测 / forecast": forecast.forecast,
    "各环节用时 / how long stages take": pace.count,
}
ROUNDS = 31
WHOLE_TABLE = 1000  # rows: whoever reads so many, and nearly all there are, scans the table, by whatever index


@dataclass
class Cost:
    """What one list cost: milliseconds of database time, rows that were looked at, and how they were found."""

    name: str
    p50_ms: float = 0.0
    p95_ms: float = 0.0
    rows: int = 0
    queries: int = 0
    nodes: list[str] = field(default_factory=list)
    scans: list[str] = field(default_factory=list)  # big tables read from end to end

    def start_anew(self) -> None:
        """Only the last plan counts: the first ones are made before the caches are warm."""
        self.rows, self.nodes, self.scans = 0, [], []

    def settle(self, measured_ms: Sequence[float]) -> None:
        self.p50_ms = statistics.median(measured_ms)
        self.p95_ms = sorted(measured_ms)[max(0, round(0.95 * len(measured_ms)) - 1)]


def measure(*, rounds: int = ROUNDS, may_scan: bool = True) -> list[Cost]:
    """Every list of the database that Django is connected to.

    ``may_scan`` False: a plan scans only what no index serves, however small it is. And it takes what an index holds
    one after the other, as from a large table, and joins row by row: all of it at once is cheaper of a small one, and
    reads more as it grows.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        if not may_scan:
            for way in ("seqscan", "bitmapscan", "mergejoin", "hashjoin"):
                cursor.execute(f"SET LOCAL enable_{way} = off")
        found = [cost for (cost,) in side_by_side([(cursor, asked())], rounds=rounds)]
        transaction.set_rollback(True)
    return found


def side_by_side(places: Sequence[tuple[Any, list[Asked]]], *, rounds: int = ROUNDS) -> Iterator[list[Cost]]:
    """The cost of each list in each of these databases. They take turns, so that whatever else the machine is doing
    weighs on all of them alike."""
    sizes = []
    for cursor, _ in places:
        cursor.execute("SET jit = off")
        sizes.append(_sizes(cursor))
    for lists in zip(*(lists for _, lists in places), strict=True):
        costs = [Cost(asked.name, queries=len(asked.sent)) for asked in lists]
        times: list[list[float]] = [[] for _ in places]
        for _ in range(rounds + 1):
            for place, (cursor, _) in enumerate(places):
                plans = [_explain(cursor, sql) for sql in lists[place].sent]
                times[place].append(sum(plan["Planning Time"] + plan["Execution Time"] for plan in plans))
                costs[place].start_anew()
                for plan in plans:
                    _look_at(plan["Plan"], costs[place], sizes[place])
        for cost, measured in zip(costs, times, strict=True):
            cost.settle(measured[1:])  # the first round warms the caches
        yield costs


@dataclass(frozen=True)
class Asked:
    """A list, and the SQL that it sends."""

    name: str
    sent: list[str]


def asked() -> list[Asked]:
    """Every list, asked for once through its own view, and every sweep."""
    marks = {
        "shop": FIRST,
        "products": _deep(Product, "created_at"),
        "orders": _deep(Order, "placed_at"),
        "reviews": _deep(Review, "at"),
        "deep_review": _deep_in("review"),
        "deep_release": _deep_in("release"),
    }
    lists = [Asked(name, _sent(_visit(who, address.format(**marks)))) for name, who, address in PAGES]
    lists += [Asked(f"待办：{name} due", _sent(_claim(model))) for name, model in SWEEPS.items()]
    return lists + [Asked(name, _sent(partial(figures, timezone.now()))) for name, figures in FIGURES.items()]


def _visit(who: int | None, address: str) -> Callable[[], None]:
    client = Client(SERVER_NAME=settings.ALLOWED_HOSTS[0] if settings.ALLOWED_HOSTS else "localhost")
    if who:
        client.force_login(User.objects.get(pk=who), backend="django.contrib.auth.backends.ModelBackend")

    def get() -> None:
        answer = client.get(address, secure=True)
        if answer.status_code != 200:
            raise RuntimeError(f"{address}: {answer.status_code}")

    return get


def _claim(model: Any) -> Callable[[], None]:
    def run() -> None:
        with transaction.atomic():
            workqueue.claim(model.objects.all(), at=timezone.now(), limit=50)
            transaction.set_rollback(True)

    return run


def _sent(act: Callable[[], object]) -> list[str]:
    with CaptureQueriesContext(connection) as queries:
        act()
    sent = [str(query["sql"]) for query in queries.captured_queries]
    return [sql for sql in sent if sql.lstrip(" (\n").startswith(("SELECT", "WITH")) and " FROM " in sql]


def _deep(model: Any, column: str) -> str:
    """The mark of a row that nine tenths of the table are newer than."""
    row = model.objects.filter(pk=max(model.objects.count() // 10, 1)).get()
    moment: datetime = getattr(row, column)
    return f"{(moment - datetime(1970, 1, 1, tzinfo=moment.tzinfo)) // timedelta(microseconds=1)}-{row.pk}"


def _deep_in(queue: str) -> str:
    """The mark nine tenths down this queue of the desk."""
    rows = Refund.objects.filter(worklist.QUEUES[queue].rows)
    tail = paging.leaf(rows, worklist.QUEUES[queue].order, asked=paging.LAST, size=max(rows.count() // 10, 1))
    return quote(tail.earlier)


def _explain(cursor: Any, sql: str) -> dict[str, Any]:
    cursor.execute("EXPLAIN (ANALYZE, BUFFERS OFF, TIMING OFF, FORMAT JSON) " + sql)
    (answer,) = cursor.fetchone()
    plans: list[dict[str, Any]] = json.loads(answer) if isinstance(answer, str) else answer
    return plans[0]


def _look_at(node: dict[str, Any], cost: Cost, sizes: dict[str, int]) -> None:
    """Adds a plan's tables and rows: what it gave, and what it read and threw away."""
    if table := node.get("Relation Name"):
        looked_at = node["Actual Rows"] + node.get("Rows Removed by Filter", 0)
        rows = round((looked_at + node.get("Rows Removed by Index Recheck", 0)) * node["Actual Loops"])
        cost.rows += rows
        told = f"{node['Node Type']} {node.get('Index Name', table)}"
        if told not in cost.nodes:
            cost.nodes.append(told)
        size = sizes.get(table, 0)
        if rows and size and (node["Node Type"] == "Seq Scan" or rows >= max(0.9 * size, WHOLE_TABLE)):
            cost.scans.append(table)
    for below in node.get("Plans", []):
        _look_at(below, cost, sizes)


def _sizes(cursor: Any) -> dict[str, int]:
    """The rows of each big table, as the last ANALYZE found them."""
    tables = [model._meta.db_table for model in BIG]
    cursor.execute("SELECT relname, reltuples::bigint FROM pg_class WHERE relname = ANY(%s)", [tables])
    return dict(cursor.fetchall())
