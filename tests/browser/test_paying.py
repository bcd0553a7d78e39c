"""A buyer pays by each of the six ways, in the browser that it is for, and gets it back: a part, then the rest."""

from __future__ import annotations

import re
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from playwright.sync_api import Page, expect

import clock
from payments import charging
from payments.models import Payment, PaymentStatus
from refunds import applying, disbursement, lifecycle
from refunds.models import Status
from tests.browser.conftest import DESKTOP, PHONE
from tests.browser.test_pages import _accessibility
from tests.user_agents import USER_AGENTS

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@dataclass(frozen=True)
class Way:
    """One way to pay: in which browser, whether the buyer must choose it, and what the buyer then does."""

    account: str
    method: str
    browser: str
    size: dict[str, int]
    choose: str = ""
    leave: str = ""


WAYS = {
    "WeChat Native": Way("wechat", "scan", "Chrome on Windows", DESKTOP, leave="在模拟手机上付款"),
    "WeChat JSAPI": Way("wechat", "in_app", "WeChat on an iPhone", PHONE, leave="微信支付 ¥"),
    "WeChat H5": Way("wechat", "phone", "Chrome on Android", PHONE, leave="去微信支付"),
    "Alipay page": Way(
        "alipay", "computer", "Chrome on Windows", DESKTOP, choose="支付宝网页付款", leave="去支付宝付款"
    ),
    "Alipay wap": Way("alipay", "phone", "Safari on an iPhone", PHONE, choose="支付宝付款", leave="去支付宝付款"),
    "Alipay QR": Way("alipay", "scan", "Chrome on Windows", DESKTOP, choose="支付宝扫码付款", leave="在模拟手机上付款"),
}


@pytest.fixture
def shop_address(live_server: Any, settings: Any) -> str:
    """Channels return here."""
    settings.SITE_URL = live_server.url
    return str(live_server.url)


@pytest.fixture
def open_in(chromium: Any, enter: Any, buyer: Any, shop_address: str, simulator: Any) -> Any:
    """``open_in(way)``: a page of the buyer's, logged in; inside WeChat the app's bridge is there."""
    contexts = []

    def open_page(way: Way, scheme: str = "light") -> Page:
        context = chromium.new_context(
            viewport=way.size, locale="zh-CN", base_url=shop_address, color_scheme=scheme,
            user_agent=USER_AGENTS[way.browser], has_touch=way.size is PHONE,
        )  # fmt: skip
        context.set_default_timeout(15_000)
        contexts.append(context)
        enter(context, buyer)
        page = context.new_page()
        if way.method == "in_app":
            page.add_init_script(bridge_of(simulator))
        return page

    yield open_page
    for context in contexts:
        context.close()


def bridge_of(simulator: Any) -> str:
    """What WeChat puts into every page that it opens. Our content policy lets no page load it from elsewhere."""
    with urllib.request.urlopen(f"{simulator.address}/bridge.js", timeout=10) as answer:
        return str(answer.read().decode())


@pytest.fixture
def buys(open_in: Any, make_product: Any) -> Callable[[str], tuple[Page, Payment]]:
    """The buyer orders, and stands before the till of that way."""

    def buy(name: str, scheme: str = "light") -> tuple[Page, Payment]:
        way = WAYS[name]
        page = open_in(way, scheme)
        product = make_product(price_fen=8800)
        page.goto(f"/p/{product.pk}/")
        page.get_by_label("我已阅读并同意").check()
        page.get_by_role("button", name="去付款").click()
        page.wait_for_url(re.compile(r"/pay/$"))
        if way.method == "in_app":
            page.get_by_role("link", name="用微信支付").click()  # to WeChat, which asks for nothing, and back
            expect(page.locator("[data-bridge]")).to_be_visible()
        if way.choose:
            page.get_by_role("button", name=way.choose).click()
            expect(page.get_by_role("heading", name=way.choose)).to_be_visible()
        payment = product.order_lines.get().order.payments.get(status__in=charging.OPEN)
        assert (payment.account.code, payment.method) == (way.account, way.method)
        return page, payment

    return buy


def pays(page: Page, way: Way) -> None:
    """Leave for the till, confirm there, come back."""
    leave = page.locator("[data-bridge], a.button").filter(has_text=way.leave).first
    if way.method == "scan":
        with page.context.expect_page() as opened:
            leave.click()
        confirm(opened.value)
        opened.value.close()
        return
    leave.click()
    confirm(page)


def confirm(till: Page) -> None:
    till.get_by_role("button", name=re.compile("确认(支付|付款)")).click()
    expect(till.locator("main")).to_contain_text(re.compile("(支付|付款)成功|已交付"))  # some lead back at once


@pytest.mark.parametrize("name", WAYS)
def test_paid_this_way_and_refunded_in_part_and_in_full(name, buys, refunded, simulator):
    page, payment = buys(name)
    pays(page, WAYS[name])
    if WAYS[name].method != "scan":  # the till leads back by itself, or by its link
        page.goto(f"/orders/{payment.order.order_no}/pay/back/")
    expect(page.get_by_role("heading", name="已交付")).to_be_visible()
    payment.refresh_from_db()
    assert (payment.status, payment.amount_fen) == (PaymentStatus.PAID, 8800)

    first = refunded(payment.order, 3000)
    page.goto(f"/refunds/{first.refund_no}/")
    expect(page.get_by_role("heading", name="退款已到账")).to_be_visible()
    refunded(payment.order, 5800)
    payment.refresh_from_db()
    assert payment.refunded_fen == 8800
    page.goto(f"/orders/{payment.order.order_no}/")
    expect(page.get_by_role("heading", name="已全额退款")).to_be_visible()


@pytest.fixture
def refunded(reviewer: Any, finance: Any, buyer: Any, drain: Any, simulator: Any) -> Callable[..., Any]:
    """The buyer asks for so much of the order; approved, released, paid out, arrived."""

    def run(order: Any, amount_fen: int) -> Any:
        words = applying.Application(reason="invalid_code", description="兑换时提示无效", amount_fen=amount_fen)
        refund = applying.submit(order, words, by=buyer, at=clock.now())
        drain()
        refund.refresh_from_db()
        if refund.status == Status.FIRST_REVIEW:
            lifecycle.approve([refund], by=reviewer, at=clock.now())
            disbursement.release([refund], by=finance, at=clock.now())
        clock.advance(timedelta(seconds=5))  # channels want a pause between two refunds of one payment
        simulator.clock(5)
        drain()
        refund.refresh_from_db()
        if refund.status == Status.PAID_OUT:
            lifecycle.confirm_arrival([refund], by=buyer, at=clock.now())
            refund.refresh_from_db()
        assert refund.status == Status.ARRIVED
        return refund

    return run


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", WAYS)
def test_every_till_is_accessible(name, scheme, buys, keep):
    page, _ = buys(name, scheme)
    keep(page, f"till-{name.replace(' ', '-')}-{scheme}")
    assert _accessibility(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= WAYS[name].size["width"]
    page.evaluate("document.documentElement.style.setProperty('font-size', '200%')")  # WeChat's own setting
    assert page.evaluate("document.documentElement.scrollWidth") <= WAYS[name].size["width"]
    if scheme == "light":
        page.context.add_cookies([{"name": "cardshop_language", "value": "en", "url": page.url}])
        page.goto(page.url.split("#")[0])
        keep(page, f"till-{name.replace(' ', '-')}-english")
        assert re.findall(r"[\u4e00-\u9fff]+", page.inner_text("main").replace("点卡", "")) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= WAYS[name].size["width"]


def test_wechats_word_is_a_hint_only(buys):
    """What the bridge calls back with makes the page ask; it never says paid."""
    page, payment = buys("WeChat JSAPI")
    page.evaluate("""() => { window.WeixinJSBridge = { invoke: (name, parameters, back) =>
        back({ err_msg: "get_brand_wcpay_request:" + window.answers.shift() }) };
        window.answers = ["cancel", "fail:no rights", "ok"]; }""")
    button = page.locator("[data-bridge]")
    button.click()
    expect(page.get_by_role("status")).to_have_text("您取消了付款，没有扣款。可以再点一次。")
    button.click()
    expect(page.get_by_role("status")).to_contain_text("微信没有完成付款")
    button.click()
    expect(page.get_by_text("还没有收到付款")).to_be_visible()
    payment.refresh_from_db()
    assert payment.status == PaymentStatus.OPEN


def test_without_scripts_a_code_can_be_chosen_and_paid(chromium, enter, buyer, shop_address, make_product, simulator):
    context = chromium.new_context(
        viewport=PHONE, locale="zh-CN", base_url=shop_address, java_script_enabled=False,
        user_agent=USER_AGENTS["Chrome on Android"],
    )  # fmt: skip
    enter(context, buyer)
    page = context.new_page()
    product = make_product(price_fen=3000)
    page.goto(f"/p/{product.pk}/")
    page.get_by_label("我已阅读并同意").check()
    page.get_by_role("button", name="去付款").click()
    page.get_by_role("button", name="微信扫码付款").click()
    expect(page.get_by_text("请用另一部手机打开微信“扫一扫”。")).to_be_visible()
    order = product.order_lines.get().order
    simulator.pay(order.payments.get(status__in=charging.OPEN).payment_no)
    page.get_by_role("button", name="我已支付，刷新").click()
    expect(page.get_by_role("heading", name="已交付")).to_be_visible()
    context.close()
