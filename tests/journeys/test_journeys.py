"""The main job, driven by hand through the real stack: web, worker, beat, simulator, as `make demo` starts them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from tests.demo_stack import DemoStack
from tests.journeys.people import Buyer, Merchant, Person, Staff, bridge_of, foreign_requests, screenshot_of_an_error
from tests.user_agents import USER_AGENTS

pytestmark = [pytest.mark.stack, pytest.mark.browser]

PHONE = {"viewport": {"width": 375, "height": 812}, "has_touch": True, "is_mobile": True,
         "user_agent": USER_AGENTS["Chrome on Android"]}  # fmt: skip
IN_WECHAT = PHONE | {"user_agent": USER_AGENTS["WeChat on an iPhone"]}
DESKTOP = {"viewport": {"width": 1280, "height": 900}}
LOOKS = {
    "phone, light": PHONE | {"color_scheme": "light"},
    "phone, dark": PHONE | {"color_scheme": "dark"},
    "inside WeChat": IN_WECHAT,
    "desktop, light": DESKTOP | {"color_scheme": "light"},
    "desktop, dark": DESKTOP | {"color_scheme": "dark"},
    "phone, no JavaScript": PHONE | {"java_script_enabled": False},
}

Enter = Callable[..., Any]


@pytest.fixture
def enter(stack: DemoStack, browser: Browser) -> Iterator[Enter]:
    """``enter(Buyer, "buyer", look)``: someone sits down at a browser and logs in. Nothing may leave the origin."""
    contexts, strays, broken = [], [], []

    def sit_down(kind: type[Person], username: str, look: dict[str, Any] = DESKTOP, start: str = "/") -> Person:
        context = browser.new_context(locale="zh-CN", **look)
        context.set_default_timeout(20_000)
        contexts.append(context)
        strays.append(foreign_requests(context, {stack.web, stack.simulator}))
        if look is IN_WECHAT:  # what WeChat puts into every page that it opens
            context.add_init_script(bridge_of(stack.simulator))
        context.on("console", lambda m: broken.append(m.text) if "Content Security Policy" in m.text else None)
        person = kind(context.new_page(), stack.web, look.get("java_script_enabled", True))
        person.log_in(username, start)
        return person

    yield sit_down
    for context in contexts:
        context.close()
    assert sum(strays, []) == []
    assert broken == []


def the_shop_disagrees(enter: Enter, buyer: Buyer, refund: str, owner: str) -> None:
    """The shop is asked first; what it does not agree to, support decides."""
    buyer.waits_to_read("商家正在处理")
    merchant = enter(Merchant, owner, start="/shop/")
    merchant.answer(refund, "不同意，提交平台审核", "按发货记录核对，卡密有效。", "提交平台")
    buyer.waits_to_read("客服正在审核")


@pytest.mark.parametrize("look", LOOKS)
def test_a_refund_from_purchase_to_arrival(enter: Enter, look: str, tmp_path: Path) -> None:
    buyer = enter(Buyer, "buyer", LOOKS[look])
    order = buyer.buy("星海点卡 100 元")
    code = buyer.look_at_the_code(order)
    refund = buyer.ask_for_a_refund(
        order, "卡密无效", "今晚8点兑换，提示已使用，无法充值。", screenshot_of_an_error(tmp_path)
    )
    the_shop_disagrees(enter, buyer, refund, "merchant")
    expect(buyer.page.get_by_text("客服", exact=True).first).to_be_visible()
    assert code not in buyer.page.content()

    support = enter(Staff, "support", start="/admin/")
    support.open_case(refund)
    support.decide("通过", "与兑换平台核对，卡密确已被他人使用。")
    buyer.waits_to_read("审核通过")

    finance = enter(Staff, "finance", start="/admin/")
    finance.open_case(refund)
    finance.decide("放款")

    buyer.waits_to_read("退款已到账")
    expect(buyer.page.get_by_text("微信零钱").first).to_be_visible()


def test_a_rejected_refund_tells_why(enter: Enter) -> None:
    buyer = enter(Buyer, "buyer2", LOOKS["phone, light"])
    order = buyer.buy("墨痕写作软件激活码")
    buyer.look_at_the_code(order)
    refund = buyer.ask_for_a_refund(order, "功能异常", "11月20日安装后觉得不好用。")
    the_shop_disagrees(enter, buyer, refund, "merchant2")

    support = enter(Staff, "support2", start="/admin/")
    support.open_case(refund)
    support.decide("驳回", "核对软件的运行记录：一切正常，与所述不符。", "与事实不符")

    buyer.waits_to_read("退款未通过")
    expect(buyer.page.get_by_text("与所述不符").first).to_be_visible()


@pytest.mark.parametrize("look", ["phone, dark", "phone, no JavaScript"])
def test_asked_for_evidence_the_buyer_answers(enter: Enter, look: str, tmp_path: Path) -> None:
    buyer = enter(Buyer, "buyer", LOOKS[look])
    order = buyer.buy("云影视频会员年卡")
    buyer.look_at_the_code(order)
    refund = buyer.ask_for_a_refund(order, "未激活", "昨天激活，一直显示未开通。")
    the_shop_disagrees(enter, buyer, refund, "merchant2")

    support = enter(Staff, "support", start="/admin/")
    support.open_case(refund)
    support.decide("要求补充材料", "请上传会员中心的截图，需看清账号。")

    buyer.waits_to_read("请上传会员中心的截图")
    buyer.page.goto(refund)
    buyer.page.get_by_label("补充说明").fill("截图见附件，账号尾号 88。")
    buyer.page.set_input_files("input[type=file]", screenshot_of_an_error(tmp_path))
    buyer.page.get_by_role("button", name="提交补充材料").click()
    buyer.waits_to_read("客服正在审核")

    support.open_case(refund)
    expect(support.page.get_by_text("截图见附件，账号尾号 88。")).to_be_visible()


def test_an_unseen_small_code_comes_back_by_itself(enter: Enter) -> None:
    buyer = enter(Buyer, "buyer2", LOOKS["phone, light"])
    order = buyer.buy("星海点卡 10 元")
    buyer.ask_for_a_refund(order, "不想要了")
    buyer.waits_to_read("退款已到账")


@pytest.mark.parametrize("way", ["支付宝网页付款", "支付宝扫码付款"])
def test_what_alipay_took_goes_back_to_alipay(enter: Enter, way: str) -> None:
    buyer = enter(Buyer, "buyer2", LOOKS["desktop, light"])
    order = buyer.buy("星海点卡 10 元", way)
    expect(buyer.page.get_by_text("支付宝交易号")).to_be_visible()
    buyer.ask_for_a_refund(order, "不想要了")
    buyer.waits_to_read("退款已到账")


def test_the_books_agree_in_the_end(stack: DemoStack) -> None:
    """After all journeys: every fen that the channel refunded is in our ledger, and the invariants hold."""
    stack.manage("invariants")
