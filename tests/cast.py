"""The cast and the stage of the tests: people by role, a shop with goods, orders really paid at the simulator.

A story gets its state by living through it: no fixture writes a status by hand.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from functools import cache, partial
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from accounts.models import User
    from orders.models import Order
    from refunds.models import Refund
    from shops.models import Product, Shop, Supplier

PASSWORD = "correct horse battery"  # noqa: S105


def person(username: str, role: str) -> User:
    from accounts.models import User
    from accounts.roles import Role

    return User.objects.create(
        username=username,
        role=role,
        email=f"{username}@example.com",
        is_staff=role in Role.staff(),
        password=hashed_password(),
    )


@cache
def hashed_password() -> str:
    """A good hash is slow on purpose; one serves the whole cast."""
    from django.contrib.auth.hashers import make_password

    return make_password(PASSWORD)


@pytest.fixture
def buyer(db: None) -> User:
    return person("buyer", "buyer")


@pytest.fixture
def stranger(db: None) -> User:
    """Another buyer, who has nothing to do with it."""
    return person("stranger", "buyer")


@pytest.fixture
def merchant(db: None, shop: Shop) -> User:
    user = person("merchant", "merchant")
    shop.members.add(user)
    return user


@pytest.fixture
def reviewer(db: None) -> User:
    return person("reviewer", "reviewer")


@pytest.fixture
def senior(db: None) -> User:
    return person("senior", "senior")


@pytest.fixture
def finance(db: None) -> User:
    return person("finance", "finance")


@pytest.fixture
def operator(db: None) -> User:
    return person("operator", "operator")


@pytest.fixture
def shop(db: None) -> Shop:
    import clock
    from shops.models import Shop

    return Shop.objects.create(name="测试点卡店", created_at=clock.now())


@pytest.fixture
def supplier(db: None) -> Supplier:
    """The card issuer that the simulator plays: it tops up, and knows what became of a code."""
    import clock
    from shops.models import Supplier

    row, _made = Supplier.objects.get_or_create(code="issuer", defaults={"name": "星海发卡", "created_at": clock.now()})
    return row


@pytest.fixture
def make_product(shop: Shop) -> Callable[..., Product]:
    """A product with stock: ``make_product(price_fen=3000, stock=5, window_days=15, kind="service", …)``.

    Words that a product has are its own, all others are terms of its policy. Only what is sold as codes has stock.
    """

    def make(price_fen: int = 3000, stock: int = 5, **words: Any) -> Product:
        import clock
        from shops.models import Product, RefundPolicy
        from shops.stock import add

        at = clock.now()
        columns = {field.name for field in Product._meta.get_fields()} - {"policy"}
        own = {name: value for name, value in words.items() if name in columns}
        terms = {name: value for name, value in words.items() if name not in columns}
        version = RefundPolicy.objects.count() + 1
        policy = RefundPolicy.objects.create(
            **{"code": "standard", "version": version, "name": "标准", "name_en": "Standard", "window_days": 15}
            | {"published_at": at, "merchant_hours": 0}  # straight to the reviewers, unless a test asks the shop
            | terms
        )
        product = Product.objects.create(
            **{"shop": shop, "policy": policy, "name": f"点卡 {price_fen}", "price_fen": price_fen, "created_at": at}
            | own
        )
        if product.fulfilment == "codes":
            add(product, [f"CODE-{uuid.uuid4()}" for _ in range(stock)], at=at)
        return product

    return make


@pytest.fixture
def pay(simulator: Any) -> Callable[..., Order]:
    """The buyer pays an order by scanning, and the shop asks the channel about it: ``pay(order, channel="alipay")``.

    ``channel`` is the code of an account; ``funding`` what the buyer pays from, e.g. 招商银行借记卡0403; ``payer``
    names who pays (else somebody new).
    """

    def pay_order(order: Order, channel: str = "wechat", funding: str | None = None, payer: str | None = None) -> Order:
        import clock
        from payments import charging

        prepared = charging.prepare(order, at=clock.now(), way=charging.Way(account_code=channel))
        payment = charging.present(prepared, at=clock.now())
        said = {name: words for name, words in {"funding": funding, "payer": payer}.items() if words}
        simulator.post("pay", out_trade_no=payment.payment_no, **said)
        charging.look([payment], at=clock.now())
        order.refresh_from_db()
        return order

    return pay_order


@pytest.fixture
def buy(buyer: User, make_product: Callable[..., Product], pay: Callable[..., Order]) -> Callable[..., Order]:
    """A paid order: ``buy(price_fen=3000, quantity=1, stock=5)``. ``stock=0`` is paid and not delivered yet."""

    def buy_order(
        price_fen: int = 3000,
        quantity: int = 1,
        stock: int = 5,
        by: User | None = None,
        channel: str = "wechat",
        funding: str | None = None,
        payer: str | None = None,
        **terms: Any,
    ) -> Order:
        import clock
        from orders import placing
        from orders.placing import Wish

        if stock == 0:  # work that the shop has not begun
            terms |= {"kind": "service", "fulfilment": "service"}
        product = make_product(price_fen, stock=max(stock, quantity), **terms)
        order = placing.place(
            product, Wish(quantity, again=True), buyer=by or buyer, checkout_key=uuid.uuid4(), at=clock.now()
        )
        return pay(order, channel, funding, payer)

    return buy_order


@pytest.fixture
def apply(buyer: User) -> Callable[..., Refund]:
    """The buyer asks for a refund, and the pre-check runs: ``apply(order, reason="invalid_code", …)``; of what is
    no delivered code the reason is "other"."""

    def apply_for(order: Order, *, precheck: bool = True, **application: Any) -> Refund:
        import clock
        from refunds import applying, sweeping
        from refunds.refundable import lines_of, sold

        is_code = all(item.kind == "card_code" and item.is_delivered for item in sold(lines_of(order)))
        words = {
            "reason": "invalid_code" if is_code else "other",
            "description": "11月20日兑换，提示卡密已使用",
        } | application
        refund = applying.submit(order, applying.Application(**words), by=order.buyer, at=clock.now())
        if precheck:
            sweeping.sweep(at=clock.now())
            refund.refresh_from_db()
        return refund

    return apply_for


@pytest.fixture
def reveal() -> Callable[[Order], list[str]]:
    """The buyer looks at every code of an order."""

    def reveal_all(order: Order) -> list[str]:
        import clock
        from orders import delivery
        from shops.stock import Viewer

        viewer = Viewer(order.buyer, "203.0.113.7", "Mozilla/5.0 (iPhone) MicroMessenger")
        look = partial(delivery.reveal, viewer=viewer, at=clock.now(), verified_by="password")
        return [look(line) for line in order.lines.all()]

    return reveal_all


@pytest.fixture
def drain(simulator: Any) -> Callable[[], None]:
    """Let the machine work, without Celery, until nothing is due; the channel pays out what it accepted."""

    def run() -> None:
        import clock
        from payments import charging, refunding
        from payments.models import AttemptStatus, RefundAttempt
        from refunds import cancellations, disbursement, penalties, sweeping

        for _ in range(50):
            at = clock.now()
            busy = cancellations.hear(at=at) + penalties.sweep(at=at)
            busy += sweeping.sweep(at=at) + refunding.sweep(at=at) + charging.sweep(at=at) + disbursement.hear(at=at)
            for attempt in RefundAttempt.objects.filter(status=AttemptStatus.ACCEPTED):
                simulator.settle(attempt.request_no, "SUCCESS")
                refunding.hint(attempt.payment.account, attempt.request_no, at=at)
                busy += 1
            if not busy:
                return
        raise AssertionError("drain: still busy after 50 rounds")

    return run


@pytest.fixture(autouse=True)
def _clock_stands_right() -> Iterator[None]:
    """A test that moves the clock moves it for itself alone."""
    import clock

    before = clock._offset
    yield
    clock._offset = before
