"""Every kind of goods in a phone's browser: bought, handed over, late, failed, refunded; by a guest too.

The simulator plays the channel and the supplier; what a worker would do when its bell rings is called by ``drain``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from playwright.sync_api import Page, expect

import clock
from orders import topups, watch
from orders.models import Order, OrderStatus, TopUp, TopUpStatus
from refunds.models import Refund, Status
from tests.applicant import asks_for_a_refund
from tests.browser.conftest import PHONE
from tests.user_agents import USER_AGENTS

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

CODES = {"card_code": "点卡", "membership": "会员月卡", "activation_code": "激活码", "account": "成品号"}
TOP_UP = {"kind": "top_up", "fulfilment": "top_up", "supplier_sku": "phone-50", "recipient_kind": "phone"}
SERVICE = {"kind": "service", "fulfilment": "service", "recipient_kind": "game", "delivery_promise_minutes": 60}


@pytest.fixture
def phone(chromium: Any, live_server: Any, settings: Any) -> Any:
    """``phone(user=None)``: a page of a phone's browser without JavaScript; logged in as ``user``, or nobody."""
    settings.SITE_URL = live_server.url
    contexts = []

    def take(enter: Callable[..., None] | None = None, user: Any = None) -> Page:
        context = chromium.new_context(
            viewport=PHONE, locale="zh-CN", base_url=live_server.url, java_script_enabled=False,
            user_agent=USER_AGENTS["Chrome on Android"],
        )  # fmt: skip
        context.set_default_timeout(15_000)
        contexts.append(context)
        if enter and user:
            enter(context, user)
        return context.new_page()

    yield take
    for context in contexts:
        context.close()


@pytest.fixture
def buyers_phone(phone: Any, enter: Any, buyer: Any) -> Page:
    return phone(enter, buyer)


def orders_it(page: Page, product: Any, *, account: str = "", server: str = "", password: str = "") -> Order:
    """Fill the form on the product's page, read the recipient once more, and stand before the till."""
    page.goto(f"/p/{product.pk}/")
    if account:
        page.locator("input[name=account]").fill(account)
    if server:
        page.locator("input[name=server]").fill(server)
    if password:
        page.locator("input[name=query_password]").fill(password)
    page.get_by_label("我已阅读并同意").check()
    page.get_by_role("button", name="下一步" if account else "去付款").click()
    if account:
        expect(page.get_by_role("heading", name="核对充值对象")).to_be_visible()
        assert account in page.inner_text("main").replace(" ", "")
        page.get_by_role("button", name="号码无误，去付款").click()
    page.wait_for_url(re.compile(r"/pay/$"))
    return product.order_lines.get().order


def pays_and_returns(page: Page, order: Order) -> None:
    page.get_by_role("link", name="去微信支付").click()
    page.get_by_role("button", name=re.compile("确认(支付|付款)")).click()
    page.goto(f"/orders/{order.order_no}/pay/back/")
    order.refresh_from_db()
    assert order.paid_at is not None


def asks_for_all(page: Page, order: Order, reason: str) -> Refund:
    asks_for_a_refund(page, f"/orders/{order.order_no}/", reason)
    return order.refunds.get()


def arrived(page: Page, refund: Refund) -> None:
    refund.refresh_from_db()
    assert refund.status == Status.ARRIVED
    page.goto(f"/refunds/{refund.refund_no}/")
    expect(page.get_by_role("heading", name="退款已到账")).to_be_visible()


def top_up_ends(order: Order, status: str) -> None:
    """The supplier is asked until it says how it ended; it needs a moment."""
    for _ in range(200):
        topups.sweep(at=clock.now())
        if TopUp.objects.get(line__order=order).status == status:
            return
        clock.advance(timedelta(seconds=2))
    raise AssertionError(TopUp.objects.get(line__order=order).status)


@pytest.mark.parametrize("kind", CODES)
def test_codes_are_bought_seen_and_refunded(kind, buyers_phone, make_product, drain, keep):
    """S0-1: cards, memberships, activation codes and accounts come from stock; unseen and small goes back at once."""
    page, product = buyers_phone, make_product(price_fen=3000, kind=kind, name=CODES[kind])
    order = orders_it(page, product)
    pays_and_returns(page, order)
    expect(page.get_by_role("heading", name="已交付")).to_be_visible()
    keep(page, f"kind-{kind}")
    arrived(page, _drained(drain, asks_for_all(page, order, "不想要了")))
    code = order.lines.get().delivery.code
    assert code.state == "quarantined"


def test_a_top_up_arrives(buyers_phone, make_product, supplier, keep):
    page, product = buyers_phone, make_product(price_fen=4985, supplier=supplier, **TOP_UP)
    order = orders_it(page, product, account="13800001234")
    pays_and_returns(page, order)
    expect(page.get_by_role("heading", name="充值中")).to_be_visible()
    keep(page, "top-up-under-way")
    top_up_ends(order, TopUpStatus.SUCCEEDED)
    page.goto(f"/orders/{order.order_no}/")
    expect(page.get_by_text("138****1234").first).to_be_visible()
    keep(page, "top-up-arrived")
    page.get_by_role("button", name="确认收货").click()
    expect(page.get_by_role("heading", name="已完成")).to_be_visible()


def test_a_top_up_that_fails_gives_the_money_back(buyers_phone, make_product, supplier, drain, keep):
    """P16: nobody asks for anything."""
    page, product = buyers_phone, make_product(price_fen=4985, supplier=supplier, **TOP_UP)
    order = orders_it(page, product, account="13800000000")
    pays_and_returns(page, order)
    top_up_ends(order, TopUpStatus.FAILED)
    drain()
    page.goto(f"/orders/{order.order_no}/")
    expect(page.get_by_role("heading", name=re.compile("已取消 · 充值失败"))).to_be_visible()
    keep(page, "top-up-failed")
    arrived(page, order.refunds.get())


def test_a_service_is_begun_shown_and_handed_over(buyers_phone, phone, enter, merchant, make_product, keep):
    """S2-16: progress and proof from both sides."""
    page, product = buyers_phone, make_product(price_fen=8800, **SERVICE)
    order = orders_it(page, product, account="starplayer", server="星海一区")
    pays_and_returns(page, order)
    expect(page.get_by_role("heading", name="等待商家开始")).to_be_visible()
    shop = phone(enter, merchant)
    shop.goto(f"/shop/orders/{order.order_no}/")
    shop.get_by_role("button", name="开始服务").click()
    shop.locator("[name=report-1-text]").fill("已打到铂金五，截图见下次。")
    shop.locator("[name=report-1-percent]").fill("60")
    shop.get_by_role("button", name="提交进度").click()
    page.goto(f"/orders/{order.order_no}/")
    expect(page.get_by_text("已打到铂金五")).to_be_visible()
    keep(page, "service-under-way")
    shop.locator("[name=report-1-text]").fill("全部完成。")
    shop.get_by_role("button", name="完成并交付").click()
    page.goto(f"/orders/{order.order_no}/")
    page.get_by_role("button", name="确认收货").click()
    expect(page.get_by_role("heading", name="已完成")).to_be_visible()


def test_a_broken_promise_is_taken_back_with_one_tap(buyers_phone, make_product, drain, keep):
    page, product = buyers_phone, make_product(price_fen=8800, **SERVICE)
    order = orders_it(page, product, account="starplayer", server="星海一区")
    pays_and_returns(page, order)
    watch.sweep(at=order.paid_at + timedelta(minutes=61))
    clock.advance(timedelta(minutes=61))
    page.goto(f"/orders/{order.order_no}/")
    keep(page, "service-late")
    page.get_by_role("button", name="一键退款 ¥88.00").click()
    arrived(page, _drained(drain, order.refunds.get()))
    order.refresh_from_db()
    assert order.status == OrderStatus.CANCELED


def test_a_guest_buys_finds_and_gives_back(phone, make_product, drain, keep):
    """PM17: no account; the order number and the query password do."""
    page, product = phone(), make_product(price_fen=3000)
    password = "harbour-lantern-7"  # noqa: S105
    order = orders_it(page, product, password=password)
    pays_and_returns(page, order)
    later = phone()  # another day, another browser
    later.goto("/orders/find/")
    later.locator("input[name=order_no]").fill(order.order_no)
    later.locator("input[name=query_password]").fill(password)
    later.get_by_role("button", name="查询").click()
    expect(later.get_by_role("heading", name="已交付")).to_be_visible()
    keep(later, "guest-order")
    arrived(later, _drained(drain, asks_for_all(later, order, "不想要了")))


def _drained(drain: Callable[[], None], refund: Refund) -> Refund:
    drain()
    return refund
