"""P12: what the automatic lanes may give holds against a ring of 200 accounts, and costs honest buyers nothing."""

from __future__ import annotations

import threading
import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connections

import clock
from accounts.guests import origin_of
from accounts.models import User
from cardshop import invariants
from orders import cancellation, placing
from orders.models import Cause
from orders.placing import Wish
from refunds import applying, lanes, sweeping
from refunds.models import ExpressOptIn, Lane, LaneLimits, PreCheck, Refund, Status
from shops.models import Shop
from shops.stock import add
from tests.cast import person
from tests.refunds.test_races import while_open

PRICE = 4900
RING, GUESTS, HONEST = 200, 40, 12
PAYERS, DEVICES, ADDRESSES = 8, 6, 2
PAYER_CAP = DEVICE_CAP = 30_000
SHOP_CAP, BUYER_CAP = 200_000, 20_000
SUBMITTERS, SWEEPERS = 3, 3


def device(name: object) -> bytes:
    return str(name).encode().rjust(32, b"-")


@pytest.fixture
def goods(make_product):
    """``goods("店名", stock=5)``: a product at ¥49 in a shop of its own."""

    def make(name: str, stock: int, price_fen: int = PRICE):
        shop = Shop.objects.create(name=name, created_at=clock.now())
        product = make_product(price_fen, stock=0, shop=shop)
        add(product, [f"CODE-{uuid.uuid4()}" for _ in range(stock)], at=clock.now())
        return product

    return make


@pytest.fixture
def bought(pay):
    def buy_one(product, buyer, payer: str, address: str = ""):
        wish = Wish(again=True, guest_origin=origin_of(address) if address else None)
        order = placing.place(product, wish, buyer=buyer, checkout_key=uuid.uuid4(), at=clock.now())
        return pay(order, payer=payer)

    return buy_one


def ask(order, of_device: bytes | None) -> Refund:
    application = applying.Application(reason="invalid_code", description="提示已使用", device_key=of_device)
    return applying.submit(order, application, by=order.buyer, at=clock.now())


@pytest.mark.django_db(transaction=True)
def test_a_ring_gets_what_the_caps_say_and_honest_buyers_get_theirs(goods, bought):
    """200 accounts and guests with ¥49 codes never viewed, on few devices, payers and addresses, in two shops that may
    be their own; several at once ask and are decided on. Beside them buyers of other shops, who share nothing."""
    shops = [goods("串通的店甲", RING // 2), goods("串通的店乙", RING // 2)]
    honest_shops = [goods(f"正经店 {number}", 4) for number in range(3)]
    wanted = []  # (order, device, who)
    for number in range(RING):
        is_guest = number < GUESTS
        name = f"ring{number}"
        buyer = User.objects.create(username=name, is_guest=True) if is_guest else person(name, "buyer")
        address = f"198.51.100.{number % ADDRESSES}" if is_guest else ""
        order = bought(shops[number % 2], buyer, f"mule{number % PAYERS}", address)
        wanted.append((order, device(f"farm{number % DEVICES}"), "ring"))
    for number in range(HONEST):
        order = bought(honest_shops[number % 3], person(f"honest{number}", "buyer"), f"honest{number}")
        wanted.append((order, device(f"home{number}"), "honest"))

    _at_once(wanted)

    cases = list(Refund.objects.select_related("order").order_by("pk"))
    assert len(cases) == RING + HONEST
    who = {order.pk: name for order, _, name in wanted}
    honest = [case for case in cases if who[case.order_id] == "honest"]
    ring = [case for case in cases if who[case.order_id] == "ring"]
    assert {case.lane for case in honest} == {Lane.ONE_CLICK}, "the ring costs nobody else anything"

    given = [case for case in ring if case.lane in Lane.automatic()]
    for of, cap in {"payer": PAYER_CAP, "device": DEVICE_CAP, "shop_id": SHOP_CAP, "buyer_id": BUYER_CAP}.items():
        sums: Counter = Counter()
        for case in given:
            sums[_key(case, of)] += case.amount_fen
        assert max(sums.values()) <= cap, of
    addresses: Counter = Counter()
    for case in given:
        if case.order.guest_origin:
            addresses[bytes(case.order.guest_origin)] += case.amount_fen
    assert all(fen <= BUYER_CAP for fen in addresses.values()), "guests of one address are one buyer"

    loss = sum(case.amount_fen for case in given)
    assert loss <= min(PAYERS * PAYER_CAP, DEVICES * DEVICE_CAP, 2 * SHOP_CAP)
    assert loss >= DEVICES * (DEVICE_CAP - PRICE) // 2, "caps are no ban: they are what is given"
    rest = [case for case in ring if case.lane == Lane.STANDARD]
    assert {case.status for case in rest} == {Status.FIRST_REVIEW}, "beyond the caps people decide; nobody is refused"
    told = {row["rule"]: row for row in PreCheck.objects.get(refund=rest[-1]).results}
    assert not (told["one_click_room"]["passed"] and told["daily_cap"]["passed"])
    assert lanes.used_today(at=clock.now())[Lane.ONE_CLICK] == loss + HONEST * PRICE
    assert invariants.broken() == []


def _key(case: Refund, of: str):
    return bytes(getattr(case, f"{of}_key")) if of in {"payer", "device"} else getattr(case, of)


def _at_once(wanted) -> None:
    """Some submit, some decide, until everything is decided."""
    queue, all_in = iter(list(wanted)), threading.Event()
    lock = threading.Lock()

    def submit() -> None:
        while True:
            with lock:
                row = next(queue, None)
            if row is None:
                return
            ask(row[0], row[1])

    def decide() -> None:
        while True:
            was_all = all_in.is_set()
            if not sweeping.sweep(at=clock.now()) and was_all:
                return

    def run(work) -> None:
        try:
            work()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(SUBMITTERS + SWEEPERS) as pool:
        deciding = [pool.submit(run, decide) for _ in range(SWEEPERS)]
        try:
            for asking in [pool.submit(run, submit) for _ in range(SUBMITTERS)]:
                asking.result(timeout=300)
        finally:
            all_in.set()
        for each in deciding:
            each.result(timeout=300)


# --- the edges --------------------------------------------------------------------------------------------------------


def caps(operator, lane: Lane, **fen: int) -> None:
    every = dict.fromkeys(f"{of}_fen" for of in lanes.CAPPED) | fen
    lanes.set_limits(lane, by=operator, at=clock.now(), reason="测试", audit_percent=2, **every)


@pytest.mark.django_db
@pytest.mark.parametrize("is_one_run", [True, False])
@pytest.mark.parametrize("of", ["buyer", "payer", "device", "shop", "platform"])
def test_a_cap_is_met_exactly_and_never_passed(of, is_one_run, goods, bought, operator, buyer):
    """Two of ¥49 fit into ¥98; a third does not, in one run of the pre-check as in three; a day later it would."""
    caps(operator, Lane.ONE_CLICK, **{f"{of}_fen": 2 * PRICE})
    product, at, cases = goods("店", 3), clock.now(), []
    for _ in range(3):
        cases.append(ask(bought(product, buyer, "one payer"), device("one")))
        if not is_one_run:
            sweeping.sweep(at=clock.now())
    sweeping.sweep(at=clock.now())
    assert [Refund.objects.get(pk=case.pk).lane for case in cases] == [Lane.ONE_CLICK, Lane.ONE_CLICK, Lane.STANDARD]
    told = {row["rule"]: row for row in PreCheck.objects.get(refund=cases[2]).results}
    assert told["one_click_room"]["passed"] is False
    assert f"{of}_fen=9800, {of}_most_fen=9800" in told["one_click_room"]["input"]
    assert "不影响您的退款" in told["one_click_room"]["sentence"]
    purses = lanes.purses_of(cases[0].order, cases[0].payment, device("one"))
    assert lanes.given([purses], at=at + timedelta(hours=24)).to(Lane.ONE_CLICK, of, purses) == 2 * PRICE
    assert lanes.given([purses], at=clock.now() + timedelta(hours=24)).to(Lane.ONE_CLICK, of, purses) == 0


@pytest.mark.django_db
@pytest.mark.parametrize("of", ["payer", "device", "shop", "platform"])
def test_one_purse_leaves_the_others_alone(of, goods, bought, operator, buyer, stranger):
    """Whoever shares nothing with it is decided by the machine as before; all share the platform's."""
    caps(operator, Lane.ONE_CLICK, **{f"{of}_fen": PRICE})
    first = ask(bought(goods("甲", 1), buyer, "first"), device("first"))
    second = ask(bought(goods("乙", 1), stranger, "second"), device("second"))
    sweeping.sweep(at=clock.now())
    found = [Refund.objects.get(pk=case.pk).lane for case in (first, second)]
    assert found == [Lane.ONE_CLICK, Lane.STANDARD if of == "platform" else Lane.ONE_CLICK]


@pytest.mark.django_db
def test_switched_off_all_goes_to_people(operator, buyer, buy, apply):
    """P12: the kill switch, lane by lane; nothing is refused by it."""
    ExpressOptIn.objects.create(user=buyer, since=clock.now())
    User.objects.filter(pk=buyer.pk).update(verified_at=clock.now())
    for lane in Lane.automatic():
        lanes.switch(lane, is_on=False, by=operator, at=clock.now(), reason="测试")
    cases = [apply(buy(price_fen=3000)), apply(buy(price_fen=30_000)), apply(buy(stock=0))]
    assert [(case.lane, case.status) for case in cases] == [(Lane.STANDARD, Status.FIRST_REVIEW)] * 3
    for lane in Lane.automatic():
        lanes.switch(lane, is_on=True, by=operator, at=clock.now(), reason="测试")
    again = [apply(buy(price_fen=3000)), apply(buy(price_fen=30_000)), apply(buy(stock=0))]
    assert [case.lane for case in again] == [Lane.ONE_CLICK, Lane.EXPRESS, Lane.UNDELIVERED]


@pytest.mark.django_db
def test_what_was_never_delivered_is_not_capped_by_its_shop(operator, buy, apply, drain):
    """A shop that fails many buyers at once: its orders go back however many they are, and so does what was canceled
    while its lane stands still."""
    dear = [buy(price_fen=150_000, stock=0) for _ in range(3)]
    assert lanes.DEFAULTS[Lane.ONE_CLICK]["shop_fen"] < sum(order.total_fen for order in dear)
    assert {apply(order).lane for order in dear} == {Lane.UNDELIVERED}
    caps(operator, Lane.UNDELIVERED, platform_fen=1, shop_fen=1, buyer_fen=1)
    lanes.switch(Lane.UNDELIVERED, is_on=False, by=operator, at=clock.now(), reason="测试")
    order = buy(stock=0)
    cancellation.cancel(order, cause=Cause.RISK, by=operator, at=clock.now(), reason="停业")
    drain()
    refund = Refund.objects.get(order=order)
    assert (refund.lane, refund.cancellation_id is not None) == (Lane.UNDELIVERED, True)
    assert refund.status not in (Status.FIRST_REVIEW, Status.REJECTED)


@pytest.mark.django_db(transaction=True)
def test_two_sweepers_share_one_cap(goods, bought, operator, buyer, monkeypatch):
    """P12: each holds three cases of one payer, whose cap takes three. The second waits until the first has committed,
    and counts what it gave."""
    caps(operator, Lane.ONE_CLICK, payer_fen=3 * PRICE)
    monkeypatch.setattr(sweeping, "BATCH", 3)
    product = goods("店", 6)
    for number in range(6):
        ask(bought(product, person(f"p{number}", "buyer"), "one payer"), None)
    at = clock.now()
    assert while_open(lambda: sweeping.sweep(at=at), lambda: sweeping.sweep(at=at)) == 3
    assert Counter(Refund.objects.values_list("lane", flat=True)) == {Lane.ONE_CLICK: 3, Lane.STANDARD: 3}


def test_whoever_has_no_key_of_a_kind_is_not_counted_there():
    """A browser without a cookie, a payer that the channel does not tell: unknown is nobody's purse."""
    given = lanes.Given()
    nobody = lanes.Purses(buyer=1, payer=None, device=None, address=None, shop=2)
    given.add(Lane.ONE_CLICK, nobody, 100)
    other = lanes.Purses(buyer=3, payer=None, device=None, address=None, shop=4)
    found = {cap.of: cap.given_fen for cap in lanes.caps(lanes_of_the_house(), given, other) if cap.lane == "one_click"}
    assert found == {"platform": 100, "shop": 0}


def lanes_of_the_house() -> dict[Lane, LaneLimits]:
    return {lane: LaneLimits(lane=lane, **words) for lane, words in lanes.DEFAULTS.items()}
