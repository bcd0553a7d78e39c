"""What the scripts add, what works without them, and that nothing stands in the way of a thumb or a keyboard."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.cache import cache
from playwright.sync_api import expect

import clock
from refunds import drafts, lifecycle
from refunds.models import Refund
from shops.models import Category, Product
from tests.browser.conftest import PHONE

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

SMALL_WORDS = """() => [...document.querySelectorAll("body *")]
  .filter(each => [...each.childNodes].some(part => part.nodeType === 3 && part.textContent.trim()))
  .filter(each => each.getClientRects().length && parseFloat(getComputedStyle(each).fontSize) < 14)
  .map(each => each.outerHTML.slice(0, 120))"""


@pytest.fixture
def phone(chromium: Any, enter: Any, buyer: Any, live_server: Any) -> Any:
    """The buyer's phone: a page, logged in."""
    context = chromium.new_context(viewport=PHONE, locale="zh-CN", base_url=live_server.url)
    enter(context, buyer)
    yield context.new_page()
    context.close()


def test_the_pay_page_notices_the_payment_by_itself(phone, make_product, simulator):
    product = make_product(price_fen=3000)
    phone.goto(f"/p/{product.pk}/")
    phone.get_by_label("我已阅读并同意").check()
    phone.get_by_role("button", name="去付款").click()
    expect(phone.get_by_text("剩余")).to_be_visible()
    simulator.pay(product.order_lines.get().order.payments.get().payment_no)
    phone.wait_for_url("**/orders/D*/")
    expect(phone.get_by_role("heading", name="已交付")).to_be_visible()


def test_a_code_can_be_copied(phone, buy):
    phone.context.grant_permissions(["clipboard-read", "clipboard-write"])
    order = buy(price_fen=3000)
    phone.goto(f"/orders/{order.order_no}/")
    phone.get_by_role("link", name="查看卡密").click()
    phone.get_by_role("button", name="确认查看").click()
    phone.get_by_role("button", name="复制卡密").click()
    expect(phone.get_by_role("button", name="已复制")).to_be_visible()
    assert phone.evaluate("navigator.clipboard.readText()") == phone.locator("#code").inner_text()


def test_the_progress_page_follows_the_case(phone, buy, apply, reviewer):
    refund = apply(buy(price_fen=8800))
    phone.goto(f"/refunds/{refund.refund_no}/")
    expect(phone.get_by_role("heading", name="客服正在审核")).to_be_visible()
    lifecycle.request_evidence([refund], by=reviewer, at=clock.now(), note="请上传报错截图")
    poll = phone.locator("#case").get_attribute("hx-get")
    phone.evaluate(f"htmx.ajax('GET', '{poll}', {{target: '#case', swap: 'outerHTML'}})")  # fifteen seconds later
    expect(phone.get_by_role("heading", name="需要您补充材料")).to_be_visible()
    phone.get_by_label("补充说明").fill("截图见附件")
    phone.get_by_role("button", name="提交补充材料").click()
    expect(phone.get_by_text("材料已收到")).to_be_visible()


def test_everything_works_without_scripts(chromium, enter, buyer, live_server, make_product, simulator):
    """Buy, pay, view, apply, withdraw: by plain links and buttons."""
    context = chromium.new_context(viewport=PHONE, locale="zh-CN", base_url=live_server.url, java_script_enabled=False)
    enter(context, buyer)
    page = context.new_page()
    product = make_product(price_fen=8800)
    page.goto(f"/p/{product.pk}/")
    page.get_by_label("我已阅读并同意").check()
    page.get_by_role("button", name="去付款").click()
    page.get_by_role("button", name="我已支付，刷新").click()
    expect(page.get_by_text("还没有收到付款")).to_be_visible()
    simulator.pay(product.order_lines.get().order.payments.get().payment_no)
    cache.clear()  # two seconds later
    page.get_by_role("button", name="我已支付，刷新").click()
    expect(page.get_by_role("heading", name="已交付")).to_be_visible()
    page.get_by_role("link", name="申请退款").click()
    page.get_by_label("卡密无效 / 已被使用").check()
    page.get_by_role("button", name="下一步").click()
    expect(page.get_by_text("预审：将由人工审核")).to_be_visible()
    page.get_by_label("问题描述").fill("今晚8点兑换，提示已使用")
    page.get_by_role("button", name="下一步").click()
    page.get_by_label("退款金额").fill("20")
    page.get_by_role("button", name="下一步").click()
    page.get_by_role("button", name="提交申请 ¥20.00").click()
    expect(page.get_by_text("已提交。单号")).to_be_visible()
    assert Refund.objects.get().amount_fen == 2000
    page.get_by_role("link", name="撤销申请").click()
    page.get_by_role("button", name="确认撤销").click()
    expect(page.get_by_role("heading", name="申请已撤销")).to_be_visible()
    context.close()


def test_the_bar_hides_neither_the_end_of_a_page_nor_the_focus(phone, buy):
    """WCAG 2.4.11: whatever the keyboard reaches can be seen; at the end of the page the bar lies over nothing."""
    order = buy(price_fen=3000, quantity=3)
    for path in [f"/orders/{order.order_no}/", f"/orders/{order.order_no}/refund/"]:
        phone.goto(path)
        phone.evaluate("window.scrollTo(0, document.body.scrollHeight)")
        over = phone.evaluate(COVERED_AT_THE_END)
        assert over == [], path
        phone.evaluate("window.scrollTo(0, 0)")
        phone.locator("main").focus()
        hidden = []
        for _ in range(30):
            phone.keyboard.press("Tab")
            hidden += phone.evaluate(FOCUS_IS_HIDDEN)
        assert hidden == [], path


def test_what_is_read_is_not_too_small_and_what_is_tapped_not_either(phone, buy, make_product, apply):
    """14 px for the smallest words, 44 px for a thumb; every category stands on the screen, none beyond its edge."""
    for number in range(8):
        category = Category.objects.create(slug=f"c{number}", name=f"游戏点卡{number}", name_en="", position=number)
    product = make_product(price_fen=8800)
    Product.objects.filter(pk=product.pk).update(category=category)
    refund = apply(buy(price_fen=8800))
    targets = {
        "/": ".chips a",
        f"/p/{product.pk}/": "a.quiet, .consent",
        f"/orders/{refund.order.order_no}/": "li.title > a",
        "/orders/": "a.cell",
    }
    for path, tapped in targets.items():
        phone.goto(path)
        assert phone.evaluate(SMALL_WORDS) == [], path
        boxes = [target.bounding_box() for target in phone.locator(tapped).all()]
        assert boxes, path
        assert min(box["height"] for box in boxes) >= 44, path
        assert max(box["x"] + box["width"] for box in boxes) <= PHONE["width"], path


def test_text_twice_as_large_still_fits(phone, buy, apply, keep):
    """WeChat's own setting enlarges the text: rem everywhere, no page grows wider than the screen."""
    refund = apply(buy(price_fen=8800))
    order_no = refund.order.order_no
    written = buy(price_fen=8800)
    drafts.keep(written, {"reason": "invalid_code"}, at=clock.now())
    fresh = f"/orders/{written.order_no}/"
    for path in [
        fresh,
        f"{fresh}refund/",
        f"{fresh}refund/material/",
        f"{fresh}refund/money/",
        f"{fresh}refund/check/",
        "/",
        "/orders/",
        f"/orders/{order_no}/",
        "/refunds/",
        f"/refunds/{refund.refund_no}/",
        "/notices/",
    ]:
        phone.goto(path)
        phone.evaluate("document.documentElement.style.setProperty('font-size', '200%')")
        assert phone.evaluate("document.documentElement.scrollWidth") <= PHONE["width"], path
        assert phone.evaluate(ROWS_OF_THE_MENU) == 1, path
        stuck = phone.locator(".bar").evaluate_all("bars => bars.map(bar => getComputedStyle(bar).position)")
        assert "sticky" not in stuck, path  # it would cover half of the screen
        keep(phone, f"large-text-{path.strip('/').replace('/', '-')}")


def test_buying_is_in_reach_on_the_first_screen(phone, make_product):
    phone.goto(f"/p/{make_product(price_fen=3000).pk}/")
    button = phone.get_by_role("button", name="去付款").bounding_box()
    assert button["y"] + button["height"] <= PHONE["height"]


def test_the_verdict_and_the_sum_turn_with_what_is_chosen(phone, buy):
    """Each choice is heard at once, and nothing is kept before the button is pressed."""
    order = buy(price_fen=8800, fee_percent=10)
    phone.goto(f"/orders/{order.order_no}/refund/")
    phone.get_by_label("卡密无效 / 已被使用").check()
    expect(phone.locator("#verdict")).to_contain_text("将由人工审核")
    expect(phone.locator("#verdict")).to_contain_text("需要：兑换报错的截图")
    phone.get_by_label("不想要了").check()
    expect(phone.locator("#verdict")).not_to_contain_text("兑换报错的截图")
    phone.get_by_role("button", name="下一步").click()
    sums = phone.locator("#sums")
    expect(sums).to_contain_text("¥79.20")
    phone.get_by_label("退款金额").fill("999")  # heard while it is typed: nothing has to be left first
    expect(sums).to_contain_text("须在 ¥0.01 与 ¥88.00 之间")
    phone.get_by_label("退款金额").fill("20")
    expect(sums).to_contain_text("¥18.00")


ROWS_OF_THE_MENU = """() => {
    const tops = [...document.querySelectorAll('.head nav > ul > li')].map(each => each.getBoundingClientRect().top);
    return new Set(tops.map(top => Math.round(top / 24))).size;
}"""
COVERED_AT_THE_END = """() => {
    const bar = document.querySelector('.bar').getBoundingClientRect();
    return [...document.querySelectorAll('main *, footer *')]
        .filter(each => !each.closest('.bar') && !each.contains(document.querySelector('.bar')))
        .filter(each => { const box = each.getBoundingClientRect();
            return box.width && box.top < bar.bottom - 1 && box.bottom > bar.top + 1; })
        .map(each => each.outerHTML.slice(0, 80));
}"""
FOCUS_IS_HIDDEN = """() => {
    const here = document.activeElement, bar = document.querySelector('.bar');
    if (here === document.body || bar.contains(here)) { return []; }
    const box = here.getBoundingClientRect(), lid = bar.getBoundingClientRect();
    const hidden = box.bottom > window.innerHeight || box.top < 0 || (box.top < lid.bottom && box.bottom > lid.top);
    return hidden ? [here.outerHTML.slice(0, 80)] : [];
}"""
