"""Every page for buyers and shops, light and dark: no WCAG 2.2 AA violation, a strict CSP, nothing from elsewhere."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.browser.conftest import DESKTOP, PHONE

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

RULES = {"runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}}
FOR_STRANGERS = {"login", "signup", "reset"}


LOOKS = [("light", PHONE), ("dark", PHONE), ("light", DESKTOP)]  # dark on a desktop has nothing of its own


def test_every_page_is_accessible_and_stays_at_home(world, chromium, enter, keep):
    faults: list[str] = []
    for scheme, size in LOOKS:
        look = f"{scheme}-{size['width']}"
        contexts = {who: _context(chromium, scheme, size) for who in ["buyer", "merchant", "stranger"]}
        enter(contexts["buyer"], world["buyer"])
        enter(contexts["merchant"], world["merchant"])
        pages = {who: _watched(context, world["url"], faults) for who, context in contexts.items()}
        for name, path in world["paths"].items():
            who = "stranger" if name in FOR_STRANGERS else "merchant" if name.startswith("shop") else "buyer"
            pages[who].goto(world["url"] + path)
            faults += _look_at(pages[who], f"{name}-{look}", keep)
        faults += _answers_to_posts(pages["buyer"], world, look, keep)
        for context in contexts.values():
            context.close()
    assert faults == []


def _answers_to_posts(page: Any, world: dict[str, Any], look: str, keep: Any) -> list[str]:
    """A code on the screen, and a form with errors: pages that no address leads to."""
    page.goto(world["url"] + world["paths"]["reveal"])
    page.locator("main form button").click()
    page.locator("#code").wait_for()
    faults = _look_at(page, f"revealed-{look}", keep)
    page.goto(world["url"] + world["paths"]["apply"])
    with page.expect_response("**/refund/"):  # the eligibility, live
        page.locator("input[name=reason][value=other]").check()
    page.locator("input[name=amount]").fill("abc")
    with page.expect_response("**/refund/"):
        page.keyboard.press("Tab")
    page.locator(".bar button").click()
    page.locator("#errors").wait_for()
    return faults + _look_at(page, f"apply_errors-{look}", keep)


def _look_at(page: Any, name: str, keep: Any) -> list[str]:
    keep(page, name)
    faults = [f"{name}: {fault}" for fault in _accessibility(page)]
    if page.evaluate("document.documentElement.scrollWidth > window.innerWidth"):
        faults.append(f"{name}: wider than the screen")
    return faults


def _context(chromium: Any, scheme: str, size: dict[str, int]) -> Any:
    return chromium.new_context(color_scheme=scheme, viewport=size, locale="zh-CN", device_scale_factor=1)


def _watched(context: Any, home: str, faults: list[str]) -> Any:
    """A page whose console errors (the CSP speaks there) and requests to other places are written down."""
    page = context.new_page()
    page.on("console", lambda said: faults.append(f"console: {said.text}") if _is_a_fault(said) else None)
    page.on("pageerror", lambda error: faults.append(f"script: {error}"))

    def outward(request: Any) -> None:
        if urlsplit(request.url).netloc != urlsplit(home).netloc and not request.url.startswith("data:"):
            faults.append(f"request to {request.url}")

    page.on("request", outward)
    return page


def _is_a_fault(said: Any) -> bool:
    return said.type in {"error", "warning"} and "404" not in said.text


def _accessibility(page: Any) -> list[str]:
    found = Axe().run(page, options=RULES).response["violations"]
    return [
        f"{rule['id']}: {node['html'][:160]} {node['failureSummary'][:300]}" for rule in found for node in rule["nodes"]
    ]


def test_pages_in_english_hold_no_chinese_of_ours(world, chromium, enter, keep):
    """Names of goods and what people wrote stay as they are; everything that the shop itself says is English."""
    context = _context(chromium, "light", PHONE)
    enter(context, world["buyer"])
    context.add_cookies([{"name": "cardshop_language", "value": "en", "url": world["url"]}])
    page = context.new_page()
    said_by_people = re.compile("|".join(BY_PEOPLE))
    faults = []
    for name, path in world["paths"].items():
        if name in FOR_STRANGERS or name.startswith("shop"):
            continue
        page.goto(world["url"] + path)
        keep(page, f"{name}-english-375")
        text = said_by_people.sub("", page.inner_text("body"))
        faults += [f"{name}: {found}" for found in re.findall(r".*[\u4e00-\u9fff].*", text)]
    context.close()
    assert faults == []


BY_PEOPLE = [
    "测试点卡店", "点卡", "充值卡 30 元", "30 元", "官方直供，兑换码为 15 位字母数字。", "已在 Steam 兑换的不退。",
    "区服选错请在兑换前联系客服。", "视频会员年卡", "12 个月", "手游点券", "6480 点券", "中文",
    "11月20日兑换，提示卡密已使用", "请上传兑换时的报错截图，要看得清时间。", "兑换记录显示该卡密已兑换到您的账号。",
    "什么时候能开始？", "今晚八点前。加微信 abc12345 发您截图",
]  # fmt: skip
