"""What the pipeline's bench gives back: paid orders, delivered and never looked at, with all that belongs to them.

    python -m bench.pipeline_rows REQUESTS ORDERS_IN_EACH

In the environment of the shop that is measured. Written in batches, by the functions of the house wherever they take
many; the channels' books are told the same. Prints one line a request, as JSON: session key and order numbers; the
first line says how many statements one needs, which is made for it.
"""

from __future__ import annotations

import json
import secrets
import sys
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from bench.pipeline_load import request_for

if TYPE_CHECKING:
    from accounts.models import User
    from orders.models import Order, OrderLine
    from payments.models import ChannelAccount, Payment
    from shops.models import CardCode, Product

SHOPS, PRICE_FEN = 10, 1000
ORDERS_A_BUYER = 4  # or those of one request, where it is for more
ACCOUNTS_A_CHANNEL = 8
CHANNELS = ("wechat", "alipay")
AT_ONCE = 1000


def main(requests: int, each: int) -> None:
    import django

    django.setup()

    import clock

    at = clock.now()
    products = _goods(at)
    most = max(1, AT_ONCE // each)
    asked = [
        line for done in range(0, requests, most) for line in _sold(products, min(most, requests - done), each, at)
    ]
    print(json.dumps({"statements": len(_statements(asked.pop()))}))
    for line in asked:
        print(json.dumps(line))


def _goods(at: datetime) -> list[Product]:
    """One product of each shop, all under the usual policy; put on sale and the lanes' caps lifted when first asked."""
    from shops.models import Category, Product, RefundPolicy, Shop

    if there := list(Product.objects.order_by("pk")):
        return there
    _lift_caps(at)
    opened = at - timedelta(days=30)
    policy = RefundPolicy.objects.create(code="bench", name="标准", name_en="Standard", version=1, window_days=15,
                                         published_at=opened)  # fmt: skip
    category = Category.objects.create(slug="bench", name="点卡", name_en="Cards", position=1)
    shops = [Shop.objects.create(name=f"店铺 {number}", created_at=opened) for number in range(SHOPS)]
    return [
        Product.objects.create(
            shop=shop, policy=policy, category=category, name="星海点卡 10 元", face_value="10 元", price_fen=PRICE_FEN,
            created_at=opened,
        )
        for shop in shops
    ]  # fmt: skip


def _lift_caps(at: datetime) -> None:
    """As an operator of a marketplace of this size would set them: what is measured is not one shop's quiet day."""
    from accounts.models import User
    from accounts.roles import Role
    from refunds import lanes
    from refunds.models import Lane

    operator = User.objects.create(username="bench-operator", role=Role.OPERATOR, is_staff=True, password="!")  # noqa: S106
    caps: dict[str, int | None] = {f"{of}_fen": None for of in lanes.CAPPED} | {"platform_fen": 10**9}
    lanes.set_limits(Lane.ONE_CLICK, by=operator, at=at, reason="压测", audit_percent=2, **caps)


def _sold(products: Sequence[Product], requests: int, each: int, at: datetime) -> list[tuple[str, list[str]]]:
    """(session key, order numbers) of so many requests, for ``each`` new orders every one. Each order was paid and
    delivered minutes ago."""
    from django.db import transaction

    placed_at = at - timedelta(minutes=10)
    count, of_one = requests * each, max(ORDERS_A_BUYER, each)
    buyers = _buyers(-(-count // of_one))
    of_orders = [buyers[number // of_one] for number in range(count)]
    with transaction.atomic():
        orders = _orders(products, of_orders, placed_at)
        lines = _lines(orders, products)
        codes = _codes(lines, products, placed_at)
        payments = _payments(orders, placed_at)
        _tell_channels(payments)
        _pay(orders, payments, placed_at + timedelta(minutes=1))
        _deliver(orders, lines, codes, placed_at + timedelta(minutes=1))
    sessions = _sessions(buyers)
    return [
        (sessions[some[0].buyer_id], [order.order_no for order in some])
        for first in range(0, len(orders), each)
        for some in [orders[first : first + each]]
    ]


def _buyers(count: int) -> list[User]:
    """Without an address for messages: what is told stands in the site alone."""
    from accounts.models import User

    return User.objects.bulk_create(
        User(username=f"bench-{secrets.token_hex(8)}", password="!" + secrets.token_urlsafe(24)) for _ in range(count)
    )


def _orders(products: Sequence[Product], buyers: Sequence[User], at: datetime) -> list[Order]:
    """One for each of these buyers."""
    from orders import history
    from orders.models import Order, OrderStep

    orders = Order.objects.bulk_create(
        Order(
            buyer=buyer, shop_id=product.shop_id, policy_id=product.policy_id,
            goods_fen=PRICE_FEN, total_fen=PRICE_FEN, placed_at=at, expires_at=at + timedelta(minutes=15),
            checkout_key=uuid4(),
        )
        for number, buyer in enumerate(buyers)
        for product in [products[number % len(products)]]
    )  # fmt: skip
    history.record(orders, OrderStep.PLACE, at=at)
    return orders


def _lines(orders: Sequence[Order], products: Sequence[Product]) -> list[OrderLine]:
    from orders import placing
    from orders.models import OrderLine

    pages = [placing.page_of(product) for product in products]
    return OrderLine.objects.bulk_create(
        OrderLine(order=order, position=1, product=products[number % len(products)], product_name="星海点卡 10 元",
                  product_page=pages[number % len(products)], list_price_fen=PRICE_FEN, price_fen=PRICE_FEN)
        for number, order in enumerate(orders)
    )  # fmt: skip


def _codes(lines: Sequence[OrderLine], products: Sequence[Product], at: datetime) -> list[CardCode]:
    """One for each line, put in stock and kept for it."""
    from orders.models import Reservation
    from shops import stock

    of_product: dict[int, list[CardCode]] = {}
    for product in products:
        wanted = sum(line.product_id == product.pk for line in lines)
        stock.add(product, [secrets.token_hex(8) for _ in range(wanted)], at=at)
        of_product[product.pk] = stock.reserve(product.pk, wanted, at=at)
    codes = [of_product[line.product_id].pop() for line in lines]
    Reservation.objects.bulk_create(
        Reservation(line=line, code=code, reserved_at=at) for line, code in zip(lines, codes, strict=True)
    )
    return codes


def _payments(orders: Sequence[Order], at: datetime) -> list[Payment]:
    """Through one account after the other. Their channels' numbers are made here, and told them."""
    from payments.models import Payment, PaymentStatus

    accounts = _accounts()
    paid_at = at + timedelta(minutes=1)
    return Payment.objects.bulk_create(
        Payment(
            order=order, account=accounts[number % len(accounts)], amount_fen=PRICE_FEN, status=PaymentStatus.PAID,
            channel_transaction_id=f"{paid_at:%Y%m%d}{secrets.randbelow(10**20):020d}", created_at=at,
            first_sent_at=at, expires_at=order.expires_at, paid_at=paid_at, payer_key=secrets.token_bytes(32),
        )
        for number, order in enumerate(orders)
    )  # fmt: skip


def _accounts() -> list[ChannelAccount]:
    """Of both channels in turn. A marketplace has several merchant numbers at each, for we call no account faster than
    its channel lets us; at the simulator they are one."""
    from payments import channels
    from payments.models import ChannelAccount

    rows = []
    for own in channels.platform_accounts():
        common = {"channel": own.channel, "name": own.name, "merchant_id": own.merchant_id}
        more = [
            ChannelAccount.objects.get_or_create(code=f"{own.code}-{number}", defaults=common)[0]
            for number in range(2, ACCOUNTS_A_CHANNEL + 1)
        ]
        rows.append([own, *more])
    return [account for pair in zip(*rows, strict=True) for account in pair]


def _tell_channels(payments: Sequence[Payment]) -> None:
    from cardshop.seeding import books

    for channel in CHANNELS:
        books.tell(
            books.address(),
            channel,
            payments=[
                books.past_payment(payment, paid_at=payment.created_at, funding="")
                | {"transaction_id": payment.channel_transaction_id}
                for payment in payments
                if payment.account.channel == channel
            ],
        )


def _pay(orders: Sequence[Order], payments: Sequence[Payment], at: datetime) -> None:
    """As ``settling`` and ``delivery.mark_paid`` do, for many."""
    from ledger import posting
    from ledger.posting import Transfer
    from orders import history
    from orders.models import Order, OrderStatus, OrderStep

    posting.post(
        [
            Transfer(f"payment:{payment.payment_no}", debit=posting.channel_account(payment.account.code),
                     credit=posting.shop_account(payment.order.shop_id), amount_fen=payment.amount_fen)
            for payment in payments
        ],
        at=at,
    )  # fmt: skip
    paid: dict[str, Any] = {"status": OrderStatus.PAID, "paid_at": at, "promised_at": at, "next_due_at": at}
    Order.objects.filter(pk__in=[order.pk for order in orders]).update(**paid)
    for order in orders:
        order.status, order.paid_at, order.promised_at, order.next_due_at = OrderStatus.PAID, at, at, at
    history.record(orders, OrderStep.PAY, at=at)


def _deliver(orders: Sequence[Order], lines: Sequence[OrderLine], codes: Sequence[CardCode], at: datetime) -> None:
    from orders import status
    from orders.models import Delivery
    from shops import stock

    stock.deliver(codes, at=at)
    Delivery.objects.bulk_create(
        Delivery(line=line, code=code, delivered_at=at) for line, code in zip(lines, codes, strict=True)
    )
    status.settle_all(orders, at=at)


def _sessions(buyers: Sequence[User]) -> dict[int, str]:
    """{buyer: the key of a session as logging in leaves it}: logging in is not what is measured."""
    from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
    from django.contrib.sessions.backends.db import SessionStore
    from django.contrib.sessions.models import Session
    from django.utils import timezone

    store, until = SessionStore(), timezone.now() + timedelta(days=1)
    rows = []
    for buyer in buyers:
        kept = {
            SESSION_KEY: str(buyer.pk),
            BACKEND_SESSION_KEY: "django.contrib.auth.backends.ModelBackend",
            HASH_SESSION_KEY: buyer.get_session_auth_hash(),
        }
        key = secrets.token_hex(16)
        rows.append(Session(session_key=key, session_data=store.encode(kept), expire_date=until))
    Session.objects.bulk_create(rows)
    return {buyer.pk: row.session_key for buyer, row in zip(buyers, rows, strict=True)}


def _statements(asked: tuple[str, list[str]]) -> list[str]:
    """What one request to ask for a refund says to the database, the session and the throttle with it."""
    from django.conf import settings
    from django.db import connection
    from django.test import Client
    from django.test.utils import CaptureQueriesContext

    session, order_nos = asked
    path, body = request_for(order_nos)
    client = Client(SERVER_NAME="127.0.0.1")
    client.cookies[settings.SESSION_COOKIE_NAME] = session
    with CaptureQueriesContext(connection) as seen:
        said = client.post(path, body, content_type="application/json")
    assert said.status_code in {200, 201}, said.content
    return [query["sql"] for query in seen.captured_queries]


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
