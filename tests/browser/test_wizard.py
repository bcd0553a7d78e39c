"""退款申请 on a phone: a first-time buyer is through in at most five screens, with scripts and without (B5)."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from refunds.models import DraftImage, Evidence, Refund, RefundDraft
from tests.applicant import asks_for_a_refund, goes_on, lays_down
from tests.browser.conftest import PHONE
from tests.user_agents import USER_AGENTS

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture(params=[True, False], ids=["scripts", "no scripts"])
def page(request: Any, chromium: Any, live_server: Any, enter: Any, buyer: Any) -> Any:
    """The buyer's phone, logged in."""
    context = chromium.new_context(
        viewport=PHONE, locale="zh-CN", base_url=live_server.url, java_script_enabled=request.param,
        user_agent=USER_AGENTS["Chrome on Android"],
    )  # fmt: skip
    context.set_default_timeout(15_000)
    enter(context, buyer)
    yield context.new_page()
    context.close()


def photo(folder: Path, name: str = "shot.jpg", size: tuple[int, int] = (600, 900)) -> Path:
    path = folder / name
    Image.effect_noise(size, 60).convert("RGB").save(path, "JPEG", quality=95)
    return path


def at_most_a_screen_wide(page: Page) -> None:
    assert page.locator("html").evaluate("html => html.scrollWidth <= html.clientWidth")


def test_a_first_time_buyer_is_through_in_five_screens(page, buy, reveal, tmp_path):
    """S3-27, S0-9."""
    order = buy(price_fen=8800)
    reveal(order)
    screens = asks_for_a_refund(
        page, f"/orders/{order.order_no}/", "卡密无效", words="今晚8点兑换，提示已使用", picture=photo(tmp_path)
    )
    assert len(screens) <= 5, screens
    refund = Refund.objects.get()
    expect(page.get_by_text(f"已提交。单号 {refund.refund_no}")).to_be_visible()
    assert Evidence.objects.get().slot == "redeem_error"
    assert refund.is_complete
    page.go_back()  # PRG: the way back leads to the case, and sends nothing again
    expect(page.get_by_text(refund.refund_no).first).to_be_visible()
    assert Refund.objects.count() == 1


def test_one_tap_is_two_screens(page, buy):
    """S3-25."""
    order = buy(price_fen=3000)
    page.goto(f"/orders/{order.order_no}/")
    page.get_by_role("link", name="一键退款 ¥30.00").first.click()
    expect(page.get_by_role("heading", name="一键退款")).to_be_visible()
    at_most_a_screen_wide(page)
    page.get_by_role("button", name="确认退款").click()
    page.wait_for_url(re.compile(r"/refunds/\w+/$"))
    assert Refund.objects.get().amount_fen == 3000


def test_the_way_back_loses_nothing(page, buy, reveal, tmp_path):
    order = buy(price_fen=8800)
    reveal(order)
    page.goto(f"/orders/{order.order_no}/refund/")
    page.get_by_role("radio", name=re.compile("卡密无效")).check()
    goes_on(page, "下一步")
    page.get_by_label("问题描述").fill("今晚8点兑换，提示已使用")
    lays_down(page, photo(tmp_path))
    lays_down(page, photo(tmp_path, "more.jpg", (500, 400)), slot=1)
    at_most_a_screen_wide(page)
    goes_on(page, "下一步")
    page.get_by_label("退款金额（元）").fill("20")
    goes_on(page, "下一步")
    page.go_back()
    page.go_back()
    expect(page.get_by_label("问题描述")).to_have_value("今晚8点兑换，提示已使用")
    expect(page.get_by_role("button", name=re.compile("^移除"))).to_have_count(2)
    page.get_by_role("button", name=re.compile("^移除")).nth(1).click()
    expect(page.get_by_role("button", name=re.compile("^移除"))).to_have_count(1)
    page.goto(f"/orders/{order.order_no}/refund/check/")
    expect(page.get_by_text("¥20.00").first).to_be_visible()
    at_most_a_screen_wide(page)
    page.get_by_role("link", name=re.compile("^修改 退款金额")).click()
    page.get_by_label("退款金额（元）").fill("30")
    goes_on(page, "保存")
    expect(page.get_by_role("button", name="提交申请 ¥30.00")).to_be_visible()


def test_it_can_be_written_by_keyboard_alone(page, buy, reveal):
    order = buy(price_fen=8800)
    reveal(order)
    page.goto(f"/orders/{order.order_no}/refund/")
    until_focused(page, "input[name=reason]")
    page.keyboard.press("Space")
    page.keyboard.press("ArrowDown")
    with page.expect_navigation():
        until_focused(page, ".bar button")
        page.keyboard.press("Enter")
    until_focused(page, "textarea")
    page.keyboard.type("昨晚 8 点，提示无效")
    with page.expect_navigation():
        until_focused(page, ".bar button")
        page.keyboard.press("Enter")
    with page.expect_navigation():
        until_focused(page, "input[name=amount]")
        page.keyboard.press("Enter")  # as in any form
    with page.expect_navigation():
        until_focused(page, ".bar button")
        page.keyboard.press("Enter")
    assert "昨晚 8 点，提示无效" in Refund.objects.get().description


def until_focused(page: Page, selector: str) -> None:
    for _ in range(80):
        page.keyboard.press("Tab")
        if page.locator(f"{selector}:focus").count():
            return
    raise AssertionError(f"the keyboard never reaches {selector}")


@pytest.mark.parametrize("page", [True], indirect=True)
def test_a_large_photograph_is_made_smaller_before_it_is_sent(page, buy, reveal, tmp_path):
    """12 megapixels say no more than 4, and cost the buyer's time and money."""
    order = buy(price_fen=8800)
    reveal(order)
    page.goto(f"/orders/{order.order_no}/refund/")
    page.get_by_role("radio", name=re.compile("卡密无效")).check()
    goes_on(page, "下一步")
    large = photo(tmp_path, "large.jpg", (3000, 4000))
    sent: list[int] = []
    page.on("request", lambda request: sent.append(int(request.headers.get("content-length", 0))))
    lays_down(page, large)
    image = DraftImage.objects.get()
    assert max(image.width, image.height) == 2400
    assert image.width * 4 == image.height * 3
    assert large.stat().st_size > 2_000_000


@pytest.mark.parametrize("page", [True], indirect=True)
def test_an_upload_that_fails_says_so_and_can_be_tried_again(page, buy, reveal, tmp_path):
    order = buy(price_fen=8800)
    reveal(order)
    page.goto(f"/orders/{order.order_no}/refund/")
    page.get_by_role("radio", name=re.compile("卡密无效")).check()
    goes_on(page, "下一步")
    page.route("**/material/", lambda route: route.abort() if route.request.method == "POST" else route.continue_())
    page.locator("section.slot input[type=file]").first.set_input_files(photo(tmp_path))
    expect(page.get_by_text("没有传上去，请检查网络后再选一次。")).to_be_visible()
    page.unroute("**/material/")
    lays_down(page, photo(tmp_path))
    assert RefundDraft.objects.get().images.count() == 1
