"""Guests keep no more unpaid codes than an account does, and leave no order behind when they are claimed."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection, connections, transaction
from django.test import Client

import clock
from accounts import guests
from accounts.models import User
from orders.models import Order, Reservation
from orders.placing import MAX_QUANTITY, MOST_UNPAID_CODES, CannotPlace, Wish
from payments import charging
from payments.models import Payment
from refunds import applying, claiming, precheck
from refunds.models import Refund
from tests.storefront.conftest import words

pytestmark = pytest.mark.django_db
SECRET = "four plain words"
GOODS = {"codes": {}, "service": {"kind": "service", "fulfilment": "service", "stock": 0}}
HOME, ELSEWHERE = "203.0.113.7", "198.51.100.9"


def buy(product, *, quantity=MAX_QUANTITY, address=HOME, client=None):
    """A guest checks out, each time without a cookie unless ``client`` keeps them."""
    form = {
        "quantity": str(quantity), "consent": "on", "checkout_key": str(uuid.uuid4()), "query_password": SECRET,
        "again": "on",
    }  # fmt: skip
    return (client or Client()).post(f"/p/{product.pk}/buy/", form, REMOTE_ADDR=address)


# --- unpaid codes -----------------------------------------------------------------------------------------------------


def test_guests_of_one_address_keep_no_more_unpaid_codes_than_one_account(make_product):
    product = make_product(stock=60)
    answers = [buy(product) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [302, 302, 200, 200]
    assert "您所在网络有未付款的访客订单占着库存。请先付款或取消，或登录后购买，或 15 分钟后再试。" in words(
        answers[-1]
    )
    assert Reservation.objects.count() == MOST_UNPAID_CODES
    assert User.objects.filter(is_guest=True).count() == 2, "nothing of the refused ones is left"


def test_another_address_and_an_account_are_not_held_up(make_product, buyer):
    product = make_product(stock=60)
    for _ in range(3):
        buy(product)
    assert buy(product, address=ELSEWHERE).status_code == 302
    account = Client()
    account.force_login(buyer)
    assert buy(product, client=account).status_code == 302


def test_a_guest_who_stays_signed_in_counts_with_the_others_of_the_address(make_product):
    product, browser = make_product(stock=60), Client()
    assert buy(product, client=browser).status_code == 302
    assert buy(product).status_code == 302
    assert "占着库存" in words(buy(product, client=browser))
    buy(product, quantity=1, client=browser, address=ELSEWHERE)
    assert Reservation.objects.count() == MOST_UNPAID_CODES + 1


def test_paid_or_lapsed_orders_hold_nobody_up(make_product, pay):
    product = make_product(stock=60)
    for _ in range(2):
        buy(product)
    paid, lapsed = Order.objects.order_by("pk")
    pay(paid)
    assert buy(product).status_code == 302
    assert "占着库存" in words(buy(product))
    charging.call_off(lapsed, at=clock.now())
    assert buy(product).status_code == 302


def test_the_neighbors_of_an_ipv6_network_are_one_address():
    same = {guests.origin_of(each) for each in ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", "2001:0db8:0001:0002::7")}
    assert len(same) == 1
    assert guests.origin_of("2001:db8:1:3::1") not in same
    assert guests.origin_of("::ffff:203.0.113.7") == guests.origin_of(HOME) != guests.origin_of(ELSEWHERE)
    assert len(guests.origin_of("nonsense")) == 32


def test_no_address_stands_in_the_order(make_product):
    buy(make_product(), quantity=1)
    origin = bytes(Order.objects.get().guest_origin)
    assert len(origin) == 32
    assert HOME.encode() not in origin


@pytest.mark.django_db(transaction=True)
def test_guests_of_one_address_at_once_are_counted_one_after_the_other(make_product):
    product, wish = make_product(stock=60), Wish(MAX_QUANTITY, again=True, guest_origin=guests.origin_of(HOME))

    def check_out():
        try:
            key = uuid.uuid4()
            with transaction.atomic():
                guest = guests.open_for(key, SECRET)
                return charging.checkout(product, wish, buyer=guest, checkout_key=key, at=clock.now())
        except CannotPlace as refusal:
            return refusal.code
        finally:
            connections.close_all()

    with ThreadPoolExecutor(5) as pool:
        placed = [work.result(timeout=60) for work in [pool.submit(check_out) for _ in range(5)]]
    assert sum(isinstance(each, Payment) for each in placed) == 2
    assert placed.count("unpaid_guests") == 3
    assert Reservation.objects.count() == MOST_UNPAID_CODES


# --- claimed while a checkout is under way ----------------------------------------------------------------------------


@pytest.fixture
def guest(make_product, pay):
    """A guest with an order."""
    buy(make_product(), quantity=1)
    return Order.objects.get().buyer


def checkout(guest, product):
    return charging.checkout(product, Wish(again=True), buyer=guest, checkout_key=uuid.uuid4(), at=clock.now())


@pytest.mark.parametrize("fulfilment", ["codes", "service"])
def test_a_guest_who_was_claimed_meanwhile_places_nothing(fulfilment, guest, make_product, buyer):
    """``guest`` was read before: as in a request that is under way."""
    product = make_product(**GOODS[fulfilment])
    claiming.claim(User.objects.get(pk=guest.pk), by=buyer, at=clock.now())
    with pytest.raises(CannotPlace, match="刚刚被认领") as refusal:
        checkout(guest, product)
    assert refusal.value.code == "claimed"
    assert not Order.objects.filter(buyer=guest).exists()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("fulfilment", ["codes", "service"])
def test_an_order_that_is_being_placed_goes_with_its_guest(fulfilment, guest, make_product, buyer):
    product = make_product(**GOODS[fulfilment])
    claimed = while_open(lambda: checkout(guest, product), lambda: claiming.claim(guest, by=buyer, at=clock.now()))
    assert len(claimed) == 2
    assert set(Order.objects.values_list("buyer", flat=True)) == {buyer.pk}


@pytest.mark.django_db(transaction=True)
def test_a_checkout_that_waits_for_the_claim_places_nothing(guest, make_product, buyer):
    product = make_product()

    def late():
        try:
            return checkout(guest, product)
        except CannotPlace as refusal:
            return refusal.code

    assert while_open(lambda: claiming.claim(guest, by=buyer, at=clock.now()), late) == "claimed"
    assert set(Order.objects.values_list("buyer", flat=True)) == {buyer.pk}


@pytest.mark.django_db(transaction=True)
def test_claiming_and_the_pre_check_never_wait_for_each_other(guest, pay, buyer):
    """The pre-check holds the case and comes for its buyer last: whoever claims must not hold that one already."""
    order = pay(Order.objects.get())
    case = applying.submit(order, applying.Application("changed_mind"), by=guest, at=clock.now())
    rows = Refund.objects.select_for_update(no_key=True, of=("self",)).select_related("order__policy", "payment")
    while_open(
        lambda: list(rows.filter(pk=case.pk)),
        lambda: claiming.claim(guest, by=buyer, at=clock.now()),
        then=lambda: precheck.run(list(rows.filter(pk=case.pk)), at=clock.now()),
    )
    case.refresh_from_db()
    assert case.buyer == buyer
    assert case.status != "submitted"


def while_open(first, second, then=lambda: None):
    """``second`` starts while ``first`` is done, not committed, and is seen to wait for it; the first one's transaction
    goes on with ``then``. What became of second.
    """

    def alone():
        try:
            return second()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            first()
            waiting = pool.submit(alone)
            wait_until_somebody_waits(waiting)
            then()
        return waiting.result(timeout=60)


def wait_until_somebody_waits(waiting):
    me = connection.connection.info.backend_pid
    with connection.cursor() as cursor:
        while not waiting.done():
            cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted AND %s = ANY (pg_blocking_pids(pid))", [me])
            if cursor.fetchone() != (0,):
                return
    raise AssertionError(f"it did not wait: {waiting.result()}")
