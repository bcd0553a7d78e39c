"""Guests keep no more unpaid codes than an account does, and leave no order behind when they are claimed."""

from __future__ import annotations

import json
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection, connections, transaction
from django.test import Client

import clock
from accounts import guests
from accounts.models import User
from cardshop import invariants
from orders import placing, topups, topups_by_hand
from orders.models import Order, Reservation, TopUp, TopUpStatus
from orders.placing import MAX_QUANTITY, MOST_UNPAID_UNITS, CannotPlace, Wish
from orders.recipients import Recipient
from payments import charging
from payments.models import Payment
from refunds import applying, claiming, lifecycle, precheck
from refunds.models import Refund
from storefront.guests import PROOF, PROOF_LASTS, SLIP
from tests.cast import PASSWORD
from tests.storefront.conftest import words

pytestmark = pytest.mark.django_db
SECRET = "four plain words"
PHONE_CREDIT = {"kind": "top_up", "fulfilment": "top_up", "recipient_kind": "phone"}
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
    assert "您所在网络未付款的访客订单太多。请先付款或取消，或登录后购买，或 15 分钟后再试。" in words(answers[-1])
    assert Reservation.objects.count() == MOST_UNPAID_UNITS
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
    assert "访客订单太多" in words(buy(product, client=browser))
    buy(product, quantity=1, client=browser, address=ELSEWHERE)
    assert Reservation.objects.count() == MOST_UNPAID_UNITS + 1


def test_paid_or_lapsed_orders_hold_nobody_up(make_product, pay):
    product = make_product(stock=60)
    for _ in range(2):
        buy(product)
    paid, lapsed = Order.objects.order_by("pk")
    pay(paid)
    assert buy(product).status_code == 302
    assert "访客订单太多" in words(buy(product))
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
    assert Reservation.objects.count() == MOST_UNPAID_UNITS


# --- the query password, to be written down ---------------------------------------------------------------------------


def test_who_just_ordered_can_write_the_query_password_down_until_it_is_paid(make_product, pay):
    browser = Client()
    buy(make_product(price_fen=60000), quantity=1, client=browser)
    order = Order.objects.get()
    pay_page, order_page = f"/orders/{order.order_no}/pay/", f"/orders/{order.order_no}/"
    slip = f'id="slip">{SECRET}</span>'
    assert slip in words(browser.get(pay_page))
    assert SECRET not in words(browser.get(order_page))
    assert slip in words(browser.get(pay_page)), "to look at the order first loses nothing"
    pay(order)
    assert browser.get(pay_page).status_code == 302
    for page in (order_page, "/orders/", f"{order_page}lines/1/prove/", f"{order_page}voucher/"):
        assert SECRET not in words(browser.get(page)), page
    assert SLIP not in browser.session


@pytest.mark.parametrize("first_look", ["", "pay/"])
def test_nothing_of_it_is_left_once_there_is_a_code_to_look_at(first_look, make_product, pay):
    browser = Client()
    buy(make_product(), quantity=1, client=browser)
    assert SLIP in browser.session
    order = pay(Order.objects.get())
    browser.get(f"/orders/{order.order_no}/{first_look}")
    assert SLIP not in browser.session


def test_nobody_elses_session_shows_it_nor_does_any_store_in_clear(make_product):
    browser, finder = Client(), Client()
    buy(make_product(), quantity=1, client=browser)
    order = Order.objects.get()
    kept = browser.session
    assert SECRET not in json.dumps(dict(kept.items()))
    finder.post("/orders/find/", {"order_no": order.order_no, "query_password": SECRET})
    page = words(finder.get(f"/orders/{order.order_no}/pay/"))
    assert order.order_no in page
    assert SECRET not in page
    kept[SLIP] = kept[SLIP] | {"order_no": "0" * 20}
    kept.save()
    assert SECRET not in words(browser.get(f"/orders/{order.order_no}/pay/"))


def test_what_was_sealed_for_one_order_opens_for_no_other(make_product):
    """A forged name of the order in the session is no way around the binding."""
    browser, another = Client(), Client()
    buy(make_product(), quantity=1, client=browser)
    buy(make_product(), quantity=1, client=another)
    mine, theirs = Order.objects.order_by("pk")
    kept = another.session
    kept[SLIP] = browser.session[SLIP] | {"order_no": theirs.order_no}
    kept.save()
    page = words(another.get(f"/orders/{theirs.order_no}/pay/"))
    assert theirs.order_no in page
    assert 'id="slip"' not in page
    assert mine.order_no not in page


def test_an_account_has_no_query_password_to_write_down(make_product, buyer):
    account = Client()
    account.force_login(buyer)
    buy(make_product(), quantity=1, client=account)
    assert 'id="slip"' not in words(account.get(f"/orders/{Order.objects.get().order_no}/pay/"))


def test_who_forgot_the_query_password_reads_a_way_out(make_product, pay):
    browser = Client()
    buy(make_product(price_fen=60000), quantity=1, client=browser)
    order = pay(Order.objects.get())
    pages = [f"/orders/{order.order_no}/lines/1/prove/", "/orders/find/", "/orders/claim/"]
    for said in [words(browser.get(page)) for page in pages] + [words(Client().get("/orders/find/"))]:
        rest = said.split("忘了查询密码？")[1].split("</main>")[0]
        assert "用下单时的浏览器仍可查看订单、申请退款；认领和查看高额卡密须有查询密码" in rest
        assert 'href="/help/#contact"' in rest
    assert browser.get(f"/orders/{order.order_no}/refund/").status_code == 200, "as they were told"


# --- on the way to an account -----------------------------------------------------------------------------------------


@pytest.fixture
def on_the_way(make_product):
    """A guest with an order who pressed 去登录或注册."""
    browser = Client()
    buy(make_product(), quantity=1, client=browser)
    browser.post("/orders/claim/", {"query_password": SECRET})
    return browser


WAITS = "您的访客订单还没有认领"
NEWCOMER = {"username": "newcomer", "email": "new@example.com", "password1": PASSWORD, "password2": PASSWORD}


@pytest.mark.parametrize("way", ["signup", "login"])
def test_whichever_way_leads_to_the_account_the_order_is_not_lost(way, on_the_way, buyer):
    """The header's own 注册 and 登录 lead to the front page, not to the claim."""
    form = NEWCOMER if way == "signup" else {"login": buyer.username, "password": PASSWORD}
    assert WAITS in words(on_the_way.post(f"/accounts/{way}/", form, follow=True))
    page = words(on_the_way.get("/orders/"))
    assert WAITS in page
    assert 'href="/orders/claim/"' in page
    on_the_way.post("/orders/claim/")
    page = words(on_the_way.get("/orders/"))
    assert Order.objects.get().order_no in page
    assert WAITS not in page


def test_the_way_that_leads_to_the_claim_says_it_once(on_the_way):
    page = words(on_the_way.post("/accounts/signup/", NEWCOMER | {"next": "/orders/claim/"}, follow=True))
    assert "认领这些订单？" in page
    assert WAITS not in page


@pytest.mark.parametrize("job", ["reviewer", "senior", "finance", "operator"])
def test_staff_are_not_invited_to_what_they_would_be_refused(request, job, on_the_way):
    """They read why instead, before anything is asked of them."""
    colleague = request.getfixturevalue(job)
    form = {"login": colleague.username, "password": PASSWORD}
    assert WAITS not in words(on_the_way.post("/accounts/login/", form, follow=True))
    on_the_way.force_login(colleague)  # past the second factor that staff have
    _keep_proof_in(on_the_way, Order.objects.get().buyer)
    assert WAITS not in words(on_the_way.get("/orders/"))
    page = words(on_the_way.get("/orders/claim/", follow=True))
    assert "平台工作人员不能认领访客订单" in page
    assert "认领这些订单？" not in page


def _keep_proof_in(browser, guest):
    kept = browser.session
    kept[PROOF] = {"guest": guest.pk, "until": (clock.now() + PROOF_LASTS).timestamp()}
    kept.save()


def test_nothing_waits_for_who_proved_nothing(guest, buyer):
    browser = Client()
    browser.post("/accounts/login/", {"login": buyer.username, "password": PASSWORD})
    assert WAITS not in words(browser.get("/orders/"))


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


# --- who may claim ----------------------------------------------------------------------------------------------------


def test_staff_claim_nothing(guest, pay, reviewer, senior, finance, operator):
    """I10: else somebody approves a refund, and takes it over afterwards."""
    order = pay(Order.objects.get())
    case = applying.submit(order, applying.Application("changed_mind"), by=guest, at=clock.now())
    for colleague in (reviewer, senior, finance, operator):
        with pytest.raises(claiming.CannotClaim, match="工作人员"):
            claiming.claim(guest, by=colleague, at=clock.now())
    case.refresh_from_db()
    assert (case.buyer, Order.objects.get().buyer) == (guest, guest)


def test_who_has_acted_on_a_case_does_not_claim_it(make_product, pay, reviewer, apply):
    """I10, and they have left the staff since."""
    buy(make_product(9000), quantity=1)
    case = apply(pay(Order.objects.get()))
    assert case.status == "first_review"
    lifecycle.approve([case], by=reviewer, at=clock.now())
    reviewer.role, reviewer.is_staff = "buyer", False
    reviewer.save()
    with pytest.raises(claiming.CannotClaim, match="处理过"):
        claiming.claim(case.buyer, by=reviewer, at=clock.now())
    assert invariants.broken() == []


def test_who_decided_on_a_top_up_does_not_claim_its_order(make_product, pay, supplier, operator, buyer):
    """I10, and they have left the staff since; no case was ever filed."""
    product = make_product(4985, supplier=supplier, supplier_sku="phone-50", delivery_promise_minutes=5, **PHONE_CREDIT)
    wish = Wish(recipient=Recipient("phone", "13800009999"))  # the supplier says nothing until it is told to
    guest = guests.open_for(uuid.uuid4(), SECRET)
    pay(placing.place(product, wish, buyer=guest, checkout_key=uuid.uuid4(), at=clock.now()))
    topups.sweep(at=clock.now())
    topups.sweep(at=clock.now() + 2 * topups.LEAST_PATIENCE)
    topup = TopUp.objects.get(line__order__buyer=guest)
    topups_by_hand.decide(topup, TopUpStatus.SUCCEEDED, proof="书面答复 GD-1", by=operator, at=clock.now())
    operator.role, operator.is_staff = "buyer", False
    operator.save()
    with pytest.raises(claiming.CannotClaim, match="处理过"):
        claiming.claim(guest, by=operator, at=clock.now())
    assert len(claiming.claim(guest, by=buyer, at=clock.now())) == 1


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
