"""Cases in every status, each reached by living through it; and everything that a refused step must leave alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

CARD = "招商银行借记卡0403"


@pytest.fixture
def buy_by_card(buyer, make_product, simulator) -> Callable[..., Any]:
    """A paid order whose money came from a bank card: paid out is not arrived then."""

    def buy_order(price_fen: int = 8800, **terms: Any) -> Any:
        import uuid

        import clock
        from orders.placing import Wish
        from payments import charging

        payment = charging.checkout(
            make_product(price_fen, **terms),
            Wish(again=True),
            buyer=buyer,
            checkout_key=uuid.uuid4(),
            at=clock.now(),
        )
        payment = charging.present(payment, at=clock.now())
        simulator.post("pay", out_trade_no=payment.payment_no, funding=CARD)
        charging.look([payment], at=clock.now())
        payment.order.refresh_from_db()
        return payment.order

    return buy_order


@pytest.fixture
def reviewed(buy, reveal, apply) -> Callable[..., Any]:
    """A case that a person must decide: ``reviewed(price_fen=8800)``; its code was looked at.

    ``destination="balance"``: its buyer wants it there.
    """

    def build(order: Any = None, destination: str = "original", line_ids: Any = None, **purchase: Any) -> Any:
        order = order or buy(**{"price_fen": 8800} | purchase)
        if not order.refunds.exists():
            reveal(order)
        return apply(order, destination=destination, line_ids=line_ids)

    return build


@pytest.fixture
def approved(reviewed, reviewer) -> Callable[..., Any]:
    """A case that waits for finance."""

    def build(order: Any = None, **purchase: Any) -> Any:
        import clock
        from refunds import lifecycle

        refund = reviewed(order, **purchase)
        lifecycle.approve([refund], by=reviewer, at=clock.now())
        refund.refresh_from_db()
        return refund

    return build


@pytest.fixture
def released(approved, finance, simulator) -> Callable[..., Any]:
    """A case whose money is on its way, nothing sent yet; the channel will hold it until it is told how it ends.

    ``released(channel="alipay")`` was paid there. Alipay knows no 受理: what it holds is UNKNOWN until it is done.
    """

    def build(order: Any = None, **purchase: Any) -> Any:
        import clock
        from refunds import disbursement

        refund = approved(order, **purchase)
        disbursement.release([refund], by=finance, at=clock.now())
        simulator.post("settle", request_no=attempt_of(refund).request_no, status="PROCESSING", in_advance=True)
        refund.refresh_from_db()
        return refund

    return build


@pytest.fixture
def ends_as(simulator) -> Callable[..., Any]:
    """The channel takes the case's refund on, ends it so, and the shop hears: ``ends_as(refund, "CLOSED")``."""

    def run(refund: Any, status: str) -> Any:
        import clock
        from payments import refunding
        from refunds import disbursement

        refunding.sweep(at=clock.now())
        simulator.settle(attempt_of(refund).request_no, status)
        hint(attempt_of(refund))
        refunding.sweep(at=clock.now())
        disbursement.hear(at=clock.now())
        refund.refresh_from_db()
        return refund

    return run


def hint(attempt: Any) -> None:
    """A notification about this attempt has come."""
    import clock
    from payments import refunding

    refunding.hint(attempt.payment.account, attempt.request_no, at=clock.now())


def attempt_of(refund: Any) -> Any:
    """The latest attempt of a case, as it is now."""
    return refund.disbursements.latest("pk").attempt


def everything() -> dict[str, list[tuple]]:
    """Every row that a refund could touch."""
    from ledger.models import Entry
    from notices.models import Notice
    from orders.models import Order
    from payments.models import Payment, RefundAttempt
    from refunds.models import BalanceCredit, Disbursement, Evidence, PreCheck, Refund, RefundEvent, RefundLine
    from shops.models import CardCode, CodeEvent

    models = [Refund, RefundEvent, RefundLine, Evidence, PreCheck, Disbursement, BalanceCredit, RefundAttempt, Payment,
              Order, CardCode, CodeEvent, Entry, Notice]  # fmt: skip
    return {model.__name__: sorted(model.objects.values_list(), key=repr) for model in models}


@contextmanager
def scripted_channel(credentials: Any, settings: Any) -> Iterator[None]:
    """Inside, the shop's channel is the one of these credentials: it answers as the test says."""
    from payments.models import ChannelAccount

    ChannelAccount.objects.filter(code="wechat").update(merchant_id=credentials.mchid)  # the very same merchant
    settings.WECHAT = {name: getattr(credentials, name) for name in credentials.__dataclass_fields__}
    yield
