"""A marketplace of any size, written by set-based SQL: shops, goods, a year of orders, 98 % of them at rest, and a
refund of each; and beside them so many open cases, as many in every size: a backlog does not grow with the years.

Triggers are off while it is written: the rows are for reading alone. Row ``i`` of a table is made the same way in every
size, so that a larger world is a smaller one continued.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection, models

from accounts.models import User
from orders.models import Cancellation, Delivery, Order, OrderLine, Review, TopUp
from payments.models import ChannelAccount, Payment
from refunds.models import Refund, RefundEvent
from shops.models import (
    CardCode,
    Category,
    Product,
    ProductTerm,
    RefundPolicy,
    Shop,
    ShopFigures,
    ShopMember,
    StockImport,
    Supplier,
)

SHOPS, CATEGORIES = 50, 12
ORDERS_A_PRODUCT, ORDERS_A_BUYER = 5, 20
FIRST = 900_000_001  # key of the first row of what does not grow
MEMBER, BUYER = 800_000_000, 1  # who looks: the owner of the first shop, and a buyer with a thousandth of all orders
REVIEWER, SENIOR, FINANCE, OPERATOR = 800_000_001, 800_000_002, 800_000_003, 800_000_004  # … and the desk
CLOSED = 100_000_000  # key of the first case at rest, and of its events: the open ones begin with 1
BIG = [User, Product, ProductTerm, StockImport, CardCode, Order, OrderLine, Payment, Delivery, TopUp, Cancellation,
       Review, Refund, RefundEvent]  # fmt: skip

JOINED = [Shop, RefundPolicy, ChannelAccount]

NOT_SEALED = dict.fromkeys(["salt", "personal_digest", "previous_hash", "hash"], "''::bytea")
NO_LOGIN = {"password": "'!'"}
BEGAN = "timestamptz '2025-12-01 00:00:00+08'"
AT = f"{BEGAN} + i * interval '25 seconds'"
NAME = """CASE WHEN i IN (77, 177) THEN '孤舟' ELSE '' END || CASE WHEN mod(i, 100) = 50 THEN '限定' ELSE '' END ||
 (ARRAY['Steam','腾讯','网易','暴雪战网','任天堂','京东','中国移动','爱奇艺','优酷','百度网盘','Xbox','原神','王者荣耀',
 '英雄联盟','完美世界'])[1 + mod(i, 15)] || (ARRAY['充值卡','点卡','会员','月卡','年卡','激活码','话费','点券','礼品卡',
 'Q币'])[1 + mod(i / 15, 10)] || ' ' || mod(i, 997) || ' ' || (ARRAY['元','点','个月','天'])[1 + mod(i / 7, 4)] ||
 chr((19968 + mod(i::bigint * 7919, 5000))::int) || chr((19968 + mod(i::bigint * 104729, 6000))::int)"""
STATUS = """CASE WHEN mod(i, 200) = 0 THEN 'placed' WHEN mod(i, 200) < 3 THEN 'paid' WHEN mod(i, 200) = 3 THEN
 'delivered' WHEN mod(i, 200) < 14 THEN 'canceled' ELSE 'completed' END"""
#: Of twenty open cases: (how many, status, with whom).
OPEN = [
    (6, "first_review", "reviewer"), (1, "first_review", "senior"), (2, "second_review", "senior"),
    (1, "appeal_review", "senior"), (4, "merchant_review", "merchant"), (1, "offered", "buyer"),
    (1, "awaiting_evidence", "buyer"), (3, "approved", "finance"), (1, "processing", "machine"),
]  # fmt: skip
RETURNED = 500  # one open case in so many waits for finance to send it anew
AT_REST = """CASE WHEN mod(i, 10) = 3 THEN 'rejected' WHEN mod(i, 20) = 7 THEN 'withdrawn'
 WHEN mod(i, 20) = 9 THEN 'paid_out' ELSE 'arrived' END"""
DUE = "now() - interval '12 hours' + mod(i * 37, 5760) * interval '1 minute'"  # four days, an eighth of it past
NOW_AND_THEN = f"CASE WHEN mod(i, 100) = 0 THEN {AT} END"


def write(*, orders: int, after: int = 0, open_cases: int = 400) -> None:
    """Grow the world from ``after`` to ``orders`` orders, with the goods, buyers, codes and cases that go with them.
    ``open_cases``: of the first orders, one each; at most as many as there are orders."""
    _execute("SET statement_timeout = 0")
    with without_triggers():
        if not after:
            _write_the_house()
        world = World(orders, after)
        _write_goods(world)
        _write_codes(world)
        _write_orders(world)
        _write_what_follows(world)
        if not after:
            _write_open_cases(world, open_cases)
        _write_cases_at_rest(world)
    # What autovacuum does on a running system; small tables too: the lists join them, and what was there before counts.
    for model in [*BIG, *JOINED]:
        _execute(f"{'' if connection.in_atomic_block else 'VACUUM'} ANALYZE {model._meta.db_table}")
    _execute("RESET statement_timeout")


def write_cases(count: int) -> None:
    """So many cases more, from ``FIRST`` on, over the first hundred orders."""
    order = "20 * (1 + mod(i, 100))"
    with without_triggers():
        _insert(Refund, (0, count - 1), id=f"{FIRST} + i", refund_no=_number("W"), order_id=order, payment_id=order,
                buyer_id=str(BUYER), reason="'changed_mind'", amount_fen="3000", status="'withdrawn'", queue="'nobody'",
                submitted_at=AT, shop_id=str(FIRST))  # fmt: skip


@contextmanager
def without_triggers() -> Iterator[None]:
    _execute("SET session_replication_role = replica")
    try:
        yield
    finally:
        _execute("RESET session_replication_role")


class World:
    """How many rows there are of each thing, and which thing goes with order ``i``."""

    def __init__(self, orders: int, after: int) -> None:
        self.orders, self.after = orders, after
        self.products, self.buyers = orders // ORDERS_A_PRODUCT, orders // ORDERS_A_BUYER

    def one_in(self, share: int) -> tuple[int, int]:
        """The rows to write of what there is one of for every ``share`` orders: first and last."""
        return self.after // share + 1, self.orders // share

    def product(self, order: str = "i") -> str:
        """One order in fifty is about product 1."""
        other = f"1 + mod({order}::bigint * 7919, {self.products})"
        return f"(CASE WHEN mod({order}, 50) = 0 THEN 1 ELSE {other} END)"

    def shop(self, order: str = "i") -> str:
        return f"{FIRST} + mod({self.product(order)}, {SHOPS})"

    def buyer(self, order: str = "i") -> str:
        """One order in a thousand is the first buyer's."""
        other = f"2 + mod({order}::bigint * 104729, {self.buyers - 1})"
        return f"(CASE WHEN mod({order}, 1000) = 0 THEN {BUYER} ELSE {other} END)"


def _write_the_house() -> None:
    """What does not grow: shops, one owner, categories, one policy, one supplier, one account."""
    key = f"{FIRST - 1} + i"
    _insert(RefundPolicy, (1, 1), id=key, code="'scale'", version="1", name="'标准'", name_en="'Standard'",
            window_days="15", published_at=BEGAN)  # fmt: skip
    _insert(Category, (1, CATEGORIES), id=key, slug="'c' || i", name="'分类' || i", name_en="'C' || i")
    _insert(Shop, (1, SHOPS), id=key, name="'规模店' || i", created_at=BEGAN)
    _insert(ShopFigures, (1, SHOPS), id=key, shop_id=key, paid_orders="100", computed_at=BEGAN)
    _insert(Supplier, (1, 1), id=key, code="'scale'", name="'规模供应商'", created_at=BEGAN)
    _insert(ChannelAccount, (1, 1), id=key, code="'scale'", name="'规模'", channel="'wechat'")
    _insert(User, (1, 1), id=str(MEMBER), username="'scale-member'", **NO_LOGIN, role="'merchant'",
            is_active="TRUE", date_joined=BEGAN)  # fmt: skip
    for person, role in ((REVIEWER, "reviewer"), (SENIOR, "senior"), (FINANCE, "finance"), (OPERATOR, "operator")):
        _insert(User, (1, 1), id=str(person), username=f"'scale-{role}'", **NO_LOGIN, role=f"'{role}'",
                is_active="TRUE", is_staff="TRUE", date_joined=BEGAN)  # fmt: skip
    _insert(ShopMember, (1, 1), id=key, shop_id=key, user_id=str(MEMBER), role="'owner'")


def _write_goods(world: World) -> None:
    rows = world.one_in(ORDERS_A_PRODUCT)
    _insert(User, world.one_in(ORDERS_A_BUYER), id="i", username="'scale-' || i", **NO_LOGIN, role="'buyer'",
            is_active="TRUE", date_joined=BEGAN)  # fmt: skip
    _insert(Product, rows, id="i", shop_id=f"{FIRST} + mod(i, {SHOPS})", policy_id=f"{FIRST}",
            category_id=f"{FIRST} + mod(i, {CATEGORIES})", name=NAME,
            face_value="mod(i, 997) || ' 元'", price_fen="100 + mod(i, 60000)",
            created_at=f"{BEGAN} + i * interval '125 seconds'", is_listed="mod(i, 20) <> 13")  # fmt: skip
    _execute(
        "INSERT INTO shops_productterm (term, product_id)"
        " SELECT unnest(shops_search_terms(name)), id FROM shops_product WHERE is_listed AND id BETWEEN %s AND %s",
        rows,
    )
    working = f"CASE WHEN mod(i, 1000) = 0 THEN {AT} END"
    _insert(StockImport, rows, id="i", product_id="i", uploaded_by_id=str(MEMBER), file_name="'codes.csv'",
            status="CASE WHEN mod(i, 1000) = 0 THEN 'checking' ELSE 'imported' END", uploaded_at=AT,
            next_due_at=working)  # fmt: skip


def _write_codes(world: World) -> None:
    """One in stock for two products in three, a heap of product 1's, and one sold with every second order."""
    stocked = world.products * 2 // 3
    common = {"sealed": "decode(md5(i::text), 'hex')", "key_id": "'k1'", "created_at": BEGAN}
    _insert(CardCode, world.one_in(ORDERS_A_PRODUCT), id=_uuid("a"), product_id=f"1 + mod(i, {stocked})",
            fingerprint=_fingerprint("a"), state="'in_stock'", **common)  # fmt: skip
    _insert(CardCode, world.one_in(100), id=_uuid("b"), product_id="1", fingerprint=_fingerprint("b"),
            state="CASE WHEN mod(i, 10) = 0 THEN 'quarantined' ELSE 'in_stock' END", **common)  # fmt: skip
    _insert(CardCode, world.one_in(2), id=_uuid("c"), product_id=world.product("(i * 2)"),
            fingerprint=_fingerprint("c"), state="'revealed'", delivered_at=BEGAN, revealed_at=BEGAN,
            **common)  # fmt: skip


def _write_orders(world: World) -> None:
    rows = world.one_in(1)
    _insert(Order, rows, id="i", order_no=_number("D"), buyer_id=world.buyer(), shop_id=world.shop(),
            policy_id=str(FIRST), status=STATUS, goods_fen="3000", total_fen="3000", placed_at=AT, expires_at=AT,
            paid_at=f"CASE WHEN mod(i, 200) <> 0 THEN {AT} END", promised_at=AT, checkout_key=_uuid("d"),
            next_due_at=f"CASE WHEN mod(i, 200) IN (1, 2, 3) THEN {AT} END")  # fmt: skip
    _insert(OrderLine, rows, id="i", order_id="i", position="1", product_id=world.product(), product_name="'点卡'",
            product_page="'{}'", list_price_fen="3000", price_fen="3000")  # fmt: skip
    _insert(Payment, rows, id="i", payment_no=_number("P"), order_id="i", account_id=str(FIRST), amount_fen="3000",
            status="CASE WHEN mod(i, 200) = 0 THEN 'open' ELSE 'paid' END", created_at=AT, expires_at=AT, paid_at=AT,
            channel_transaction_id="'4200' || i",
            next_due_at=f"CASE WHEN mod(i, 200) = 0 THEN {AT} END")  # fmt: skip


def _write_what_follows(world: World) -> None:
    """Deliveries, top-ups, cancellations and reviews."""
    _insert(Delivery, world.one_in(2), id="i", line_id="i * 2", code_id=_uuid("c"), delivered_at=AT)
    _insert(TopUp, world.one_in(20), id="i", line_id="i * 20 - 1", supplier_id=str(FIRST), topup_no=_number("T"),
            status="CASE WHEN mod(i, 100) = 0 THEN 'prepared' ELSE 'stopped' END", created_at=AT,
            next_due_at=NOW_AND_THEN)  # fmt: skip
    _insert(Cancellation, world.one_in(20), id="i", order_id="i * 20 - 3", cause="'out_of_stock'", refund_fen="3000",
            at=AT, heard_at=f"CASE WHEN mod(i, 100) <> 0 THEN {AT} END", next_due_at=NOW_AND_THEN)  # fmt: skip
    _insert(Review, world.one_in(10), id="i", order_id="i * 10", product_id=world.product("(i * 10)"),
            shop_id=world.shop("(i * 10)"), author_id=f"1 + mod(i, {world.buyers})", stars="1 + mod(i, 5)",
            text="'很好'", about_refund="mod(i, 700) = 5", is_hidden="mod(i, 500) = 1",
            hidden_reason="'广告'", hidden_by_id=str(MEMBER), at=AT)  # fmt: skip


def _write_open_cases(world: World, count: int) -> None:
    """With everybody who may have one, each due within days; and what was decided of late, for the desk's figures."""
    shares = [state for how_many, *state in OPEN for _ in range(how_many)]
    status, queue = (_by_twentieth([state[column] for state in shares]) for column in (0, 1))
    is_returned = f"mod(i, {RETURNED}) = 0"
    _insert(Refund, (1, count), id="i", refund_no=_number("R"), order_id="i", payment_id="i", buyer_id=world.buyer(),
            reason="'invalid_code'", amount_fen="3000", held_fen="3000",
            status=f"CASE WHEN {is_returned} THEN 'returned' ELSE {status} END",
            queue=f"CASE WHEN {is_returned} THEN 'finance' ELSE {queue} END", lane="'standard'", shop_id=world.shop(),
            submitted_at="now() - interval '2 days'", entered_at="now() - interval '1 day'", promised_by=DUE,
            next_due_at=DUE, is_complete="mod(i, 3) = 0", is_frequent="mod(i, 7) = 0",
            urged_at="CASE WHEN mod(i, 40) = 1 THEN now() - interval '1 hour' END")  # fmt: skip
    for sequence, step, before, became, role in (
        (1, "submit", "", "submitted", "buyer"), (2, "send_to_review", "submitted", "first_review", "system"),
        (3, "approve", "first_review", "approved", "reviewer"),
    ):  # fmt: skip
        _write_events((1, count), f"i * 4 + {sequence}", "i", sequence, (step, before, became, role),
                      f"now() - interval '{4 - sequence} days'")  # fmt: skip


def _write_cases_at_rest(world: World) -> None:
    """One of every order, long ago; a second one of the orders that have an open one."""
    rows = world.one_in(1)
    key = f"i + {CLOSED}"
    _insert(Refund, rows, id=key, refund_no=_number("S"), order_id="i", payment_id="i", buyer_id=world.buyer(),
            reason="'changed_mind'", amount_fen="3000", status=AT_REST, queue="'nobody'", submitted_at=AT,
            lane="'standard'", arrived_at=AT, decided_at=AT, promised_by=AT, shop_id=world.shop())  # fmt: skip
    for sequence, event in enumerate([("submit", "", "submitted", "buyer"),
                                      ("approve", "first_review", "approved", "reviewer")], start=1):  # fmt: skip
        _write_events(rows, f"(i + {CLOSED})::bigint * 4 + {sequence}", key, sequence, event,
                      "now() - interval '60 days' - mod(i, 9999) * interval '1 minute'")  # fmt: skip


def _write_events(
    rows: tuple[int, int], key: str, refund: str, sequence: int, event: tuple[str, str, str, str], at: str
) -> None:
    step, before, became, role = event
    actor = {"system": "NULL", "buyer": str(BUYER)}.get(role, str(REVIEWER))
    _insert(RefundEvent, rows, id=key, refund_id=refund, sequence=str(sequence), step=f"'{step}'",
            from_status=f"'{before}'", to_status=f"'{became}'", role=f"'{role}'", actor_id=actor, at=at,
            recorded_at=at, **NOT_SEALED)  # fmt: skip


def _by_twentieth(words: list[str]) -> str:
    listed = ",".join(f"'{word}'" for word in words)
    return f"(ARRAY[{listed}])[1 + mod(i, {len(words)})]"


def _insert(model: type[models.Model], rows: tuple[int, int], **columns: str) -> None:
    """Rows ``i`` from the first to the last. What is not named gets the field's default, NULL, or an empty text."""
    names, values, defaults = [], [], []
    for field in model._meta.concrete_fields:
        if field.attname in columns:
            values.append(columns[field.attname])
        elif field.db_default is not models.NOT_PROVIDED:
            continue
        else:
            values.append("%s")
            defaults.append(_default(field))
        names.append(connection.ops.quote_name(str(field.column)))
    sql = f"INSERT INTO {model._meta.db_table} ({', '.join(names)}) SELECT {', '.join(values)}"  # noqa: S608
    _execute(f"{sql} FROM generate_series(%s::int, %s::int) AS i", (*defaults, *rows))


def _default(field: Any) -> Any:
    if field.has_default():
        return field.get_db_prep_save(field.get_default(), connection)
    return None if field.null else ""


def _uuid(kind: str) -> str:
    return f"('0000000{kind}-0000-7000-8000-' || lpad(to_hex(i), 12, '0'))::uuid"


def _fingerprint(kind: str) -> str:
    return f"decode(md5('{kind}' || i) || md5(i || '{kind}'), 'hex')"


def _number(letter: str) -> str:
    return f"'{letter}' || lpad(i::text, 14, '0')"


def _execute(sql: str, parameters: Any = None) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
