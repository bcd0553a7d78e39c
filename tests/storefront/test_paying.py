"""付款: the ways that fit the browser, one open at a time, and never "paid" by anybody's word but the channel's."""

from __future__ import annotations

import json
import re
import urllib.request
import uuid
from collections.abc import Callable
from contextlib import ExitStack
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.core.cache import cache
from django.test import Client

import clock
from orders import placing
from orders.models import Order, OrderStatus
from orders.placing import Wish
from orders.recipients import Recipient
from payments import charging
from payments.models import Payment, PaymentStatus
from storefront.paying import PAGES_THAT_ASK
from tests.storefront.conftest import agrees_at, words
from tests.user_agents import USER_AGENTS

pytestmark = pytest.mark.django_db

WECHAT = "WeChat on an iPhone"
ALIPAY = "Alipay on Android"
PHONE = "Chrome on Android"
COMPUTER = "Chrome on Windows"


@pytest.fixture
def at(buyer: Any) -> Callable[[str], Client]:
    """``at("WeChat on an iPhone")``: the buyer, logged in, in that browser."""

    def open_browser(browser: str) -> Client:
        client = Client(headers={"User-Agent": USER_AGENTS[browser]})
        client.force_login(buyer)
        return client

    return open_browser


@pytest.fixture
def order_in(at: Any, make_product: Any) -> Callable[[str], tuple[Client, Order]]:
    """The buyer has just pressed 去付款 in that browser."""

    def press(browser: str) -> tuple[Client, Order]:
        client = at(browser)
        product = make_product(price_fen=3000)
        fields = {"quantity": "1", "consent": "on", "checkout_key": str(uuid.uuid4())}
        answer = client.post(f"/p/{product.pk}/buy/", fields)
        order = product.order_lines.get().order
        assert answer.headers["Location"] == pay_page(order)
        return client, order

    return press


def pay_page(order: Order) -> str:
    return f"/orders/{order.order_no}/pay/"


def open_payment(order: Order) -> Payment:
    return order.payments.get(status__in=charging.OPEN)


# --- which way opens --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("where", "account", "method", "shown"),
    [
        (COMPUTER, "wechat", "scan", ["<svg", "微信扫码付款", "打开微信“扫一扫”。", "在模拟手机上付款"]),
        (PHONE, "wechat", "phone", ["去微信支付", "换一部手机扫码", "支付宝付款"]),
        (ALIPAY, "alipay", "phone", ["去支付宝付款", "换一部手机扫码"]),
    ],
)
def test_the_first_way_that_fits_opens_by_itself(order_in, where, account, method, shown):
    """B2."""
    client, order = order_in(where)
    payment = open_payment(order)
    assert (payment.account.code, payment.method, payment.status) == (account, method, PaymentStatus.OPEN)
    page = words(client.get(pay_page(order)))
    for said in [*shown, "¥30.00", "点卡 3000", "前付款", "仍未付款，订单自动取消", order.order_no, "我已支付，刷新"]:
        assert said in page, said


def test_the_channel_that_was_paid_through_last_comes_first(order_in, buy):
    """S0-35."""
    buy(channel="alipay")
    _, order = order_in(PHONE)
    assert order.payments.get().account.code == "alipay"


def test_a_phone_tells_wechat_its_address_and_where_to_return(order_in, settings):
    _, order = order_in(PHONE)
    payment = open_payment(order)
    assert payment.payer_ip == "127.0.0.1"
    assert payment.return_url == f"{settings.SITE_URL}{pay_page(order)}back/"


def test_inside_wechat_neither_alipay_nor_another_way_is_offered(order_in):
    client, order = order_in(WECHAT)
    page = words(client.get(pay_page(order)))
    assert "用微信支付" in page
    assert "支付宝付款" not in page
    assert "换一种方式付款" not in page
    assert open_payment(order).status == PaymentStatus.PREPARED  # nothing was asked for: WeChat has not said who pays


def test_without_the_app_secret_wechat_shows_a_code_to_press(order_in, settings):
    settings.WECHAT = settings.WECHAT | {"app_secret": ""}
    client, order = order_in(WECHAT)
    page = words(client.get(pay_page(order)))
    assert open_payment(order).method == "scan"
    assert "长按二维码" in page


def test_a_page_that_is_only_looked_at_opens_nothing(order_in, at):
    """The same order on another device: the code on the computer stays the one that is open."""
    _, order = order_in(COMPUTER)
    before = Payment.objects.values().get()
    page = words(at(PHONE).get(pay_page(order)))
    assert 'value="wechat.phone"' in page
    assert Payment.objects.values().get() == before


def test_what_leads_away_is_a_plain_link_with_a_referer(order_in):
    """The content policy lets no form lead elsewhere, and H5 wants to see where the buyer came from."""
    client, order = order_in(PHONE)
    answer = client.get(pay_page(order))
    assert answer.headers["Referrer-Policy"] == "strict-origin-when-cross-origin"
    assert "form-action 'self'" in answer.headers["Content-Security-Policy"]
    links = re.findall(r'<a class="button" href="([^"]+)">去微信支付</a>', words(answer))
    assert [link.replace("&amp;", "&") for link in links] == [open_payment(order).till]


# --- another way ------------------------------------------------------------------------------------------------------


def test_switching_closes_what_was_open_before_the_next_opens(order_in, simulator):
    client, order = order_in(COMPUTER)
    code = open_payment(order)
    answer = client.post(pay_page(order), {"way": "alipay.computer"})
    assert answer.headers["Location"] == pay_page(order)
    code.refresh_from_db()
    assert code.status == PaymentStatus.CLOSED
    assert [row["state"] for row in simulator.ledger()["payments"] if row["out_trade_no"] == code.payment_no] == [
        "CLOSED"
    ]
    assert (open_payment(order).account.code, open_payment(order).method) == ("alipay", "computer")
    page = words(client.get(pay_page(order)))
    assert "去支付宝付款" in page
    assert 'value="wechat.scan"' in page


def test_what_cannot_be_closed_yet_stays_the_only_one(order_in, simulator):
    client, order = order_in(COMPUTER)
    code = open_payment(order)
    simulator.faults("http_500_before", request_no=code.payment_no, times=9)
    page = words(client.post(pay_page(order), {"way": "alipay.computer"}, follow=True))
    assert "请稍候再换一种方式" in page
    assert open_payment(order) == code


def test_who_was_faster_than_the_switch_has_paid(order_in, simulator):
    client, order = order_in(COMPUTER)
    simulator.pay(open_payment(order).payment_no)
    answer = client.post(pay_page(order), {"way": "alipay.computer"}, follow=True)
    assert "已不能付款" in words(answer)
    assert answer.redirect_chain[-1][0] == f"/orders/{order.order_no}/"
    assert Order.objects.get().status == OrderStatus.DELIVERED
    assert Payment.objects.count() == 1


@pytest.mark.parametrize("way", ["wechat.in_app", "wechat.phone", "wechat", "stripe.scan", "x" * 5000, "\0"])
def test_a_way_that_was_not_offered_here_is_none(order_in, way):
    client, order = order_in(COMPUTER)
    before = Payment.objects.values().get()
    page = words(client.post(pay_page(order), {"way": way}, follow=True))
    assert "请先选择付款方式" in page
    assert Payment.objects.values().get() == before


# --- coming back ------------------------------------------------------------------------------------------------------


def test_coming_back_is_no_proof(order_in):
    """What the address says of success is not even read."""
    client, order = order_in(PHONE)
    said = {"trade_status": "TRADE_SUCCESS", "out_trade_no": open_payment(order).payment_no, "total_amount": "30.00"}
    answer = client.get(f"{pay_page(order)}back/", said)
    assert answer.headers["Location"] == pay_page(order)
    assert "还没有收到付款" in words(client.get(pay_page(order)))
    assert Order.objects.get().status == OrderStatus.PLACED


def test_coming_back_asks_the_channel(order_in, simulator):
    client, order = order_in(PHONE)
    simulator.pay(open_payment(order).payment_no)
    answer = client.get(f"{pay_page(order)}back/")
    assert answer.headers["Location"] == f"/orders/{order.order_no}/"
    assert Order.objects.get().status == OrderStatus.DELIVERED


def test_coming_back_asks_at_most_every_two_seconds(order_in):
    client, order = order_in(PHONE)
    before = open_payment(order).next_due_at
    looked = []
    for _ in range(5):
        client.get(f"{pay_page(order)}back/")
        looked.append(open_payment(order).next_due_at)
    assert looked[0] > before
    assert set(looked) == {looked[0]}


def test_a_till_that_has_closed_is_opened_again(order_in):
    """H5 closes after five minutes: the dead link is not shown, the button opens a new one."""
    client, order = order_in(PHONE)
    first = open_payment(order)
    Payment.objects.update(till_opened_at=first.till_opened_at - charging.TILL_LASTS[charging.PayMethod.PHONE])
    page = words(client.get(pay_page(order)))
    assert "收银台已过期" in page
    assert "去微信支付</a>" not in page
    client.post(pay_page(order), {"way": "wechat.phone"})
    assert open_payment(order).pk == first.pk
    assert open_payment(order).till_opened_at > first.till_opened_at - charging.TILL_LASTS[charging.PayMethod.PHONE]
    assert "去微信支付</a>" in words(client.get(pay_page(order)))


# --- inside WeChat ----------------------------------------------------------------------------------------------------


def to_wechat(client: Client, order: Order) -> str:
    """Press 用微信支付: the address at WeChat that the browser is sent to."""
    return str(client.get(f"{pay_page(order)}wechat-login/").headers["Location"])


def test_wechat_says_who_pays_and_the_page_hands_over_signed_parameters(order_in, settings, simulator):
    client, order = order_in(WECHAT)
    address = to_wechat(client, order)
    asked = parse_qs(urlsplit(address).query)
    assert asked["redirect_uri"] == [f"{settings.SITE_URL}{pay_page(order)}wechat/"]
    assert asked["scope"] == ["snsapi_base"]
    answer = client.get(agrees_at(address))
    assert answer.headers["Location"] == pay_page(order)

    payment = open_payment(order)
    assert (payment.method, payment.status) == ("in_app", PaymentStatus.OPEN)
    page = words(client.get(pay_page(order)))
    parameters = json.loads(re.findall(r'<script id="bridge" type="application/json">(.*?)</script>', page)[0])
    assert parameters["package"] == f"prepay_id={payment.till}"
    assert set(parameters) == {"appId", "timeStamp", "nonceStr", "package", "signType", "paySign"}
    assert payment.payer_id not in page
    assert "用微信支付" not in page
    simulator.pay(payment.payment_no)
    cache.clear()
    assert client.post(f"/orders/{order.order_no}/check/").headers["Location"] == f"/orders/{order.order_no}/"


def test_who_is_known_is_not_asked_again(order_in, make_product):
    client, order = order_in(WECHAT)
    client.get(agrees_at(to_wechat(client, order)))
    fields = {"quantity": "1", "consent": "on", "checkout_key": str(uuid.uuid4())}
    answer = client.post(f"/p/{make_product().pk}/buy/", fields)
    assert 'id="bridge"' in words(client.get(answer.headers["Location"]))


def test_another_phones_wechat_is_asked_anew(order_in, at):
    """The handle is for one payer: in another session nobody can pay with it."""
    client, order = order_in(WECHAT)
    client.get(agrees_at(to_wechat(client, order)))
    page = words(at("WeChat on Android").get(pay_page(order)))
    assert "用微信支付" in page
    assert 'id="bridge"' not in page


@pytest.mark.parametrize("change", ["another state", "no state", "of another order", "used before", "of nobody"])
def test_an_answer_that_this_session_did_not_ask_for_is_nobodys(order_in, at, change):
    client, order = order_in(WECHAT)
    place = agrees_at(to_wechat(client, order))
    if change == "another state":
        place = re.sub("state=[^&]+", "state=" + "0" * 48, place)
    elif change == "no state":
        place = re.sub("&?state=[^&]+", "", place)
    elif change == "of another order":
        session = client.session
        session["wechat_login"] = session["wechat_login"] | {"order_no": "DXXXXXXXXXXXXXX"}
        session.save()
    elif change == "used before":
        client.get(re.sub("code=[^&]+", "code=used", place))
    else:
        client = at(WECHAT)
    page = words(client.get(place, follow=True))
    assert "已失效，没有扣款" in page
    assert "wechat_payer" not in client.session
    assert "用微信支付" in page  # the way on


def test_a_code_serves_once(order_in):
    client, order = order_in(WECHAT)
    first = agrees_at(to_wechat(client, order))
    client.get(first)
    code = parse_qs(urlsplit(first).query)["code"][0]
    session = client.session
    del session["wechat_payer"]
    session.save()
    second = agrees_at(to_wechat(client, order))
    page = words(client.get(re.sub("code=[^&]+", f"code={code}", second), follow=True))
    assert "已失效，没有扣款" in page
    assert "wechat_payer" not in client.session


@pytest.mark.parametrize("code", ["", "a b", "%00", "x" * 4000, "&lt;"])
def test_a_code_that_is_none_is_said_to_be_none(order_in, code):
    client, order = order_in(WECHAT)
    to_wechat(client, order)
    state = client.session["wechat_login"]["state"]
    page = words(client.get(f"{pay_page(order)}wechat/?code={code}&state={state}", follow=True))
    assert "已失效，没有扣款" in page


@pytest.fixture
def nobodys_port() -> int:
    from cardshop import embedded

    return embedded.free_ports(1)[0]


def test_wechat_away_is_said_with_a_way_on(order_in, settings, nobodys_port):
    client, order = order_in(WECHAT)
    place = agrees_at(to_wechat(client, order))
    settings.WECHAT = settings.WECHAT | {"oauth_gateway": f"http://127.0.0.1:{nobodys_port}"}
    page = words(client.get(place, follow=True))
    assert "微信暂时没有回应" in page
    assert "用微信支付" in page


def test_outside_wechat_there_is_nothing_to_log_in_for(order_in):
    client, order = order_in(COMPUTER)
    for place in ["wechat-login/", "wechat/?code=1&state=2"]:
        assert client.get(pay_page(order) + place).headers["Location"] == pay_page(order)
    assert "wechat_login" not in client.session


# --- what was too much, or too late -----------------------------------------------------------------------------------


def test_money_paid_twice_is_told_on_the_orders_page(order_in, simulator, drain):
    """PM13: it has no case, so this page says where the money is: before it is back, and after."""
    client, order = order_in(COMPUTER)
    client.post(pay_page(order), {"way": "alipay.scan"})
    left = order.payments.get(status=PaymentStatus.OPEN)
    client.post(pay_page(order), {"way": "wechat.scan"})
    simulator.pay(order.payments.get(status=PaymentStatus.OPEN).payment_no)
    client.get(f"{pay_page(order)}back/")
    assert "多付" not in words(client.get(f"/orders/{order.order_no}/"))
    paid_at_an_old_till(left, simulator)
    page = words(client.get(f"/orders/{order.order_no}/"))
    assert "支付宝多付或迟付的 ¥30.00 由系统自动原路退回" in page
    assert "已交付" in page
    drain()
    assert "支付宝多付或迟付的 ¥30.00 已原路退回" in words(client.get(f"/orders/{order.order_no}/"))


def test_money_paid_too_late_is_told_where_the_order_says_canceled(order_in, simulator):
    """PM13: not "no money was taken" when it was."""
    client, order = order_in(COMPUTER)
    client.post(pay_page(order), {"way": "alipay.scan"})
    left = order.payments.get(status=PaymentStatus.OPEN)
    clock.advance(timedelta(minutes=16))
    charging.look([left], at=clock.now())
    assert "没有扣款" in words(client.get(f"/orders/{order.order_no}/"))
    paid_at_an_old_till(left, simulator)
    page = words(client.get(f"/orders/{order.order_no}/"))
    assert "没有扣款" not in page
    assert "没有成功的付款" not in page
    assert "支付宝多付或迟付的 ¥30.00 由系统自动原路退回" in page


def paid_at_an_old_till(payment, simulator):
    """The buyer scans a code that was left open, pays, and we hear of it."""
    urllib.request.urlopen(payment.till, timeout=10).close()  # noqa: S310
    simulator.pay(payment.payment_no)
    payment.refresh_from_db()
    charging.look([payment], at=clock.now())


def test_a_page_that_asks_all_the_time_keeps_nobody_who_comes_back_waiting(order_in, simulator):
    """The order stands open on a computer, and is paid on a phone: coming back shows it paid at once."""
    client, order = order_in(COMPUTER)
    polled = client.post(f"/orders/{order.order_no}/check/", headers={"HX-Request": "true"})
    assert polled.status_code == 204
    simulator.pay(order.payments.get().payment_no)
    assert client.get(f"{pay_page(order)}back/").headers["Location"] == f"/orders/{order.order_no}/"


def test_pages_that_ask_while_the_channel_hangs_leave_the_threads_to_buyers(order_in, simulator):
    """F9: sixteen open pages and a channel that takes fifteen seconds would stop the whole shop."""
    client, order = order_in(COMPUTER)
    simulator.pay(order.payments.get().payment_no)
    with ExitStack() as hanging:
        while PAGES_THAT_ASK.acquire(blocking=False):  # as many pages as may wait for a channel do
            hanging.callback(PAGES_THAT_ASK.release)
        polled = client.post(f"/orders/{order.order_no}/check/", headers={"HX-Request": "true"})
        assert (polled.status_code, Order.objects.get().status) == (204, OrderStatus.PLACED)  # not asked, at once
    cache.clear()
    client.post(f"/orders/{order.order_no}/check/", headers={"HX-Request": "true"})
    assert Order.objects.get().status == OrderStatus.DELIVERED


def test_the_same_form_from_another_browser_says_what_stands(purchase, shopper, make_product, simulator, buyer):
    """The first browser's way cannot be closed just now: the second is told so, and gets no error page."""
    product, key = make_product(price_fen=3000), str(uuid.uuid4())
    assert purchase(product, checkout_key=key).status_code == 302
    (payment,) = buyer.orders.get().payments.all()
    simulator.faults("http_500_before", request_no=payment.payment_no, times=9)
    form = {"quantity": "1", "consent": "on", "checkout_key": key}
    answer = shopper.post(f"/p/{product.pk}/buy/", form, headers={"user-agent": USER_AGENTS["Alipay on Android"]})
    assert (answer.status_code, answer.url) == (302, f"/orders/{payment.order.order_no}/pay/")
    assert "上一种付款方式还没有关闭" in words(shopper.get(answer.url))
    assert buyer.orders.get().payments.count() == 1


# --- what comes after paying ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("goods", "said"),
    [
        ({}, "卡密发到订单页，通常几秒内。"),
        (
            {"kind": "service", "fulfilment": "service", "stock": 0, "delivery_promise_minutes": 2880},
            "商家人工完成，承诺 2 天内交付，进度和凭证在订单页；没有卡密。",
        ),
        (
            {"kind": "top_up", "fulfilment": "top_up", "recipient_kind": "phone", "delivery_promise_minutes": 30},
            "自动提交充值，承诺 30 分钟内到账，进度在订单页；没有卡密。",
        ),
    ],
)
def test_the_pay_page_says_what_comes_for_the_money_and_by_when(goods, said, shopper, make_product, supplier, buyer):
    if goods.get("kind") == "top_up":
        goods = goods | {"supplier": supplier, "supplier_sku": "phone-50"}
    recipient = Recipient("phone", "13800001234") if "recipient_kind" in goods else None
    wish = Wish(recipient=recipient)
    order = placing.place(make_product(**goods), wish, buyer=buyer, checkout_key=uuid.uuid4(), at=clock.now())
    page = words(shopper.get(pay_page(order)))
    assert said in page
    assert ("卡密发到订单页" in page) is (goods == {})
