"""Cases whose money goes through either channel, a record of what the shop says to it, and what it tells the shop."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.faults.letters import Letters
from tests.faults.recorder import Recorder

CHANNELS = ["wechat", "alipay"]
CARD = {"wechat": "招商银行借记卡0403", "alipay": "招商银行储蓄卡0403"}


@pytest.fixture(params=CHANNELS)
def channel(request: pytest.FixtureRequest) -> str:
    """Each story is told of both channels."""
    return str(request.param)


@pytest.fixture
def recorder(simulator: Any, settings: Any) -> Iterator[Recorder]:
    """All that the shop says to its channels from here on."""
    with Recorder(simulator.address) as running:
        for name in ("WECHAT", "ALIPAY"):
            credentials = getattr(settings, name)
            gateway = credentials["gateway"].replace(simulator.address, running.address)
            assert gateway != credentials["gateway"]
            setattr(settings, name, credentials | {"gateway": gateway})
        yield running


@pytest.fixture
def letters(settings: Any) -> Iterator[Letters]:
    """Genuine notifications, caught on their way: what is opened from here on is announced to this address."""
    with Letters() as caught:
        settings.SITE_URL = caught.address
        yield caught


@pytest.fixture
def shown(buyer: Any, make_product: Any) -> Callable[..., Any]:
    """An order whose code is on the buyer's screen: ``shown("alipay", price_fen=3000)``. Returns its payment."""

    def build(channel: str, **product: Any) -> Any:
        import clock
        from orders.placing import Wish
        from payments import charging
        from payments.charging import Way

        goods, at = make_product(**product), clock.now()
        way = Way(account_code=channel)
        payment = charging.checkout(goods, Wish(again=True), buyer=buyer, checkout_key=uuid.uuid4(), at=at, way=way)
        return charging.present(payment, at=clock.now())

    return build


@pytest.fixture
def sent(buy: Any, sent_for: Any) -> Callable[..., Any]:
    """A case whose refund is committed and not sent yet: ``sent("alipay", price_fen=3000, amount_fen=1000)``.

    WeChat holds it as PROCESSING until told how it ends; Alipay, which knows no such thing, will do it at once.
    """

    def build(channel: str, *, amount_fen: int | None = None, **purchase: Any) -> Any:
        return sent_for(buy(channel=channel, **purchase), amount_fen)

    return build


@pytest.fixture
def sent_for(apply: Any, reviewer: Any, finance: Any, simulator: Any) -> Callable[..., Any]:
    """The same of an order that is there: ``sent_for(order, 1000)``. A part is approved and released by people."""

    def build(order: Any, amount_fen: int | None = None) -> Any:
        import clock
        from refunds import disbursement, lifecycle, sweeping
        from tests.cases import attempt_of

        refund = apply(order, reason="changed_mind", amount_fen=amount_fen)
        if refund.status == "first_review":
            lifecycle.approve([refund], by=reviewer, at=clock.now())
            disbursement.release([refund], by=finance, at=clock.now())
        else:
            sweeping.sweep(at=clock.now())
        refund.refresh_from_db()
        assert refund.status == "processing", refund.status
        if order.payments.get(is_surplus=False, status="paid").account.channel == "wechat":
            simulator.post("settle", request_no=attempt_of(refund).request_no, status="PROCESSING", in_advance=True)
        return refund

    return build


@pytest.fixture
def many_sent(buyer: Any, make_product: Any, simulator: Any) -> Callable[..., list[Any]]:
    """So many cases at once, each of an order of its own: ``many_sent("wechat", 60)``. WeChat does not hold them."""

    def build(channel: str, count: int, price_fen: int = 300) -> list[Any]:
        import clock
        from orders.placing import MOST_UNPAID_UNITS, Wish
        from payments import charging
        from payments.charging import Way
        from refunds import applying, sweeping
        from refunds.models import Refund

        product, at = make_product(price_fen, stock=count, one_click_daily_cap_fen=10**8), clock.now()
        way = Way(account_code=channel)
        payments: list[Any] = []
        while len(payments) < count:  # so many at once as one buyer may leave unpaid
            some = [
                charging.checkout(product, Wish(again=True), buyer=buyer, checkout_key=uuid.uuid4(), at=at, way=way)
                for _ in range(min(MOST_UNPAID_UNITS, count - len(payments)))
            ]
            charging.look(some, at=at)  # all tills
            for payment in some:
                simulator.pay(payment.payment_no)
                payment.refresh_from_db()
            charging.look(some, at=clock.now())
            payments += some
        asked = applying.Application("changed_mind")
        cases = [applying.submit(payment.order, asked, by=buyer, at=clock.now()).pk for payment in payments]
        while sweeping.sweep(at=clock.now()):
            pass
        refunds = list(Refund.objects.filter(pk__in=cases).order_by("pk"))
        assert {refund.status for refund in refunds} == {"processing"}
        return refunds

    return build


@pytest.fixture(autouse=True)
def _channels_are_well_again(simulator: Any) -> Iterator[None]:
    """What a test broke at the channels is mended for the next."""
    yield
    simulator.post("faults", clear=True)
    simulator.post("signing", certificate_share=0)
    for channel in CHANNELS:
        simulator.post("funds", channel=channel, amount_fen=None)
