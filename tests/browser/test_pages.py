"""Every page for buyers and shops, light and dark: no WCAG 2.2 AA violation, a strict CSP, nothing from elsewhere."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.browser.conftest import DESKTOP, PHONE
from tests.browser.stage import QUERY_PASSWORD

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

RULES = {"runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}}
COLORS = {"runOnly": {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}}  # all that the dark changes
AXE = Axe()
LOOKS = [("light", PHONE), ("dark", PHONE), ("light", DESKTOP)]  # dark on a desktop has nothing of its own
NO_PICTURE = {"name": "notes.txt", "mimeType": "text/plain", "buffer": b"no picture"}
FOR_STRANGERS = {"login", "signup", "reset"}


def test_every_page_is_accessible_and_stays_at_home(world, chromium, enter, keep):
    """Each page is loaded once, and looked at in light, in the dark and on a desktop."""
    faults: list[str] = []
    pages = _everybody(world, chromium, enter, faults)
    for name, page in _walk(world, pages):
        for scheme, size in [*LOOKS[1:], LOOKS[0]]:  # the last is how the next page is loaded
            page.emulate_media(color_scheme=scheme)
            page.set_viewport_size(size)
            page.evaluate("window.scrollTo(0, 0)")
            rules = COLORS if scheme == "dark" else RULES
            faults += _look_at(page, f"{name}-{scheme}-{size['width']}", keep, rules)
    assert not faults, "\n".join(faults)


def _everybody(world: dict[str, Any], chromium: Any, enter: Any, faults: list[str], language: str = "") -> dict:
    """A phone's page for each of the world's people, and for somebody unknown; closed with the browser."""
    pages = {}
    for who, user in {**world["people"], "stranger": None}.items():
        context = _context(chromium, *LOOKS[0])
        if user:
            enter(context, user)
        if language:
            context.add_cookies([{"name": "cardshop_language", "value": language, "url": world["url"]}])
        pages[who] = _watched(context, world["url"], faults)
    return pages


def _walk(world: dict[str, Any], pages: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Every page by its name, before the eyes of whoever it is for."""
    for name, path in world["paths"].items():
        page = pages[_who_looks(name, world)]
        page.goto(world["url"] + path)
        yield name, page
    yield from _answers_of_the_shop(world, pages)
    yield from _answers_to_buyers(world, pages)
    yield from _answers_to_guests(world, pages)
    for page in pages.values():
        page.context.close()


def _who_looks(name: str, world: dict[str, Any]) -> str:
    if name in FOR_STRANGERS or name.endswith("_strangers"):
        return "stranger"
    first = name.split("_")[0]
    return first if first in world["people"] else "buyer"


# Pages that no address leads to: what a form answers. Nothing here depends on a language.


def _answers_to_buyers(world: dict[str, Any], pages: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    page, paths = pages["buyer"], {name: world["url"] + path for name, path in world["paths"].items()}
    page.goto(paths["reveal"])
    page.locator("main form button").click()
    page.locator("#code").wait_for()
    yield "revealed", page
    page.goto(paths["apply"])
    page.locator(".bar button").click()  # without a reason
    page.locator("#errors").wait_for()
    yield "apply_errors", page
    with page.expect_response("**/refund/"):  # the eligibility, live
        page.locator("input[name=reason][value=invalid_code]").check()
    page.locator("#verdict .note").wait_for()
    yield "apply_heard", page
    page.goto(paths["apply_money"])
    with page.expect_response("**/money/"):
        page.locator("input[name=amount]").fill("abc")
    page.locator("#sums .tone-attention").wait_for()
    yield "apply_money_heard", page
    page.locator(".bar button").click()
    page.locator("#errors").wait_for()
    yield "apply_money_errors", page
    page.goto(paths["apply_material"])
    page.locator("input[name=picture-other]").set_input_files(NO_PICTURE)
    page.locator(".errorlist").wait_for()
    yield "apply_material_errors", page
    page.goto(paths["product"])
    page.locator("input[name=coupon]").fill("TEN")
    page.locator("button[name=quote]").click()
    page.locator("#quote + dl").wait_for()
    yield "product_quote", page
    page.locator("input[name=coupon]").fill("GONE")
    page.locator("button[name=quote]").click()
    page.locator("#coupon_error, #id_coupon_error").first.wait_for()
    yield "product_no_such_coupon", page
    page.goto(paths["product"])
    page.locator("input[name=consent]").check()
    page.locator(".bar button").click()
    page.locator("input[name=again]").wait_for()  # S4-26: it was ordered minutes ago
    yield "product_same_again", page
    page.goto(paths["product_topup"])
    page.locator("input[name=account]").fill("138 0000 1234")
    page.locator("input[name=consent]").check()
    page.locator(".bar button").click()
    page.locator("#recipient").wait_for()
    yield "product_recipient", page
    page.goto(paths["review"])
    page.locator(".bar button").click()
    page.locator("#errors").wait_for()
    yield "review_errors", page
    page.goto(paths["complain"])
    page.locator("main form button").click()
    page.locator("#errors").wait_for()
    yield "complain_errors", page
    page.goto(paths["verify"])
    page.locator("textarea[name=said]").fill("请加微信 abc12345，报验证码，马上退款。")
    page.locator("main form button").click()
    page.locator(".note.tone-bad").wait_for()
    yield "verify_said", page


def _answers_to_guests(world: dict[str, Any], pages: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    stranger, buyer, guest = pages["stranger"], pages["buyer"], pages["guest"]
    _finds(stranger, world, "not this one")
    stranger.locator("#errors").wait_for()
    yield "find_wrong", stranger
    _finds(buyer, world, QUERY_PASSWORD)
    buyer.wait_for_url("**/orders/claim/")
    yield "claim", buyer
    guest.goto(world["url"] + "/orders/claim/")
    guest.locator(".bar button").click()
    guest.locator("#errors").wait_for()
    yield "claim_without_password", guest
    guest.locator("input[name=query_password]").fill(QUERY_PASSWORD)
    guest.locator(".bar button").click()
    guest.locator("main a[href*=signup]").wait_for()
    yield "claim_after_leaving", guest


def _finds(page: Any, world: dict[str, Any], query_password: str) -> None:
    page.goto(world["url"] + "/orders/find/")
    page.locator("input[name=order_no]").fill(world["guests_order"])
    page.locator("input[name=query_password]").fill(query_password)
    page.locator("main form button").click()


def _answers_of_the_shop(world: dict[str, Any], pages: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    page = pages["shop"]
    page.goto(world["url"] + world["paths"]["shop_products_new"])
    page.locator(".bar button").click()
    page.locator("#errors").wait_for()
    yield "shop_product_errors", page
    page.goto(world["url"] + world["paths"]["shop_keys"])
    page.locator("input[name=name]").fill("ERP")
    page.locator("main form.card button").click()
    page.locator("#secret").wait_for()
    yield "shop_secret", page
    page.goto(world["url"] + world["paths"]["shop_webhooks"])
    page.locator("main form.card button").click()
    page.locator("#errors").wait_for()
    yield "shop_webhook_errors", page


THE_BAR = "position => document.querySelectorAll('.bar').forEach(bar => { bar.style.position = position; })"


def _look_at(page: Any, name: str, keep: Any, rules: dict[str, Any] = RULES) -> list[str]:
    keep(page, name)
    page.evaluate(THE_BAR, "static")  # what lies half beneath it would seem too small a target
    faults = [f"{name}: {fault}" for fault in _accessibility(page, rules)]
    page.evaluate(THE_BAR, "")
    if page.evaluate("document.documentElement.scrollWidth > window.innerWidth"):
        faults.append(f"{name}: wider than the screen")
    return faults


def _context(chromium: Any, scheme: str, size: dict[str, int]) -> Any:
    """Nothing moves: colors are measured as they will stay."""
    return chromium.new_context(
        color_scheme=scheme, viewport=size, locale="zh-CN", device_scale_factor=1, reduced_motion="reduce"
    )


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


def _accessibility(page: Any, rules: dict[str, Any] = RULES) -> list[str]:
    if page.evaluate("window.axe === undefined"):
        page.evaluate(AXE.axe_script)
    found = page.evaluate(VIOLATIONS, rules | {"resultTypes": ["violations"]})
    return [
        f"{rule['id']}: {node['html'][:160]} {node['failureSummary'][:300]}" for rule in found for node in rule["nodes"]
    ]


VIOLATIONS = "options => axe.run(document, options).then(results => results.violations)"


def test_support_is_reached_without_scripts(live_server, chromium, enter, buyer, buy, reveal, apply):
    """A question to the assistant, a person instead, a ticket, a complaint: forms and links alone."""
    order = buy(price_fen=8800)
    reveal(order)
    refund = apply(order)
    context = chromium.new_context(viewport=PHONE, base_url=live_server.url, java_script_enabled=False)
    enter(context, buyer)
    page = context.new_page()
    page.goto("/support/")
    page.get_by_role("link", name="问助手").click()
    page.get_by_role("button", name="我的退款到哪了？").click()
    assert refund.refund_no in page.locator("#answer").inner_text()
    page.get_by_role("button", name="转人工").click()
    page.locator("textarea[name=text]").fill("还有一张截图要补。")
    page.get_by_role("button", name="发送").click()
    assert page.locator("h1").inner_text() == "等待客服答复"
    assert "还有一张截图要补。" in page.locator("#thread").inner_text()
    page.goto(f"/orders/{order.order_no}/complain/")
    page.get_by_label("引导站外交易").check()
    page.locator("textarea[name=text]").fill("让我去别的网站登记。")
    page.get_by_role("button", name="提交投诉").click()
    assert page.locator("h1").inner_text() == "已受理"
    context.close()


def test_pages_in_english_hold_no_chinese_of_ours(world, chromium, enter, keep):
    """Names of goods and what people wrote stay as they are; everything that the shop itself says is English."""
    faults: list[str] = []
    pages = _everybody(world, chromium, enter, [], language="en")
    said_by_people = re.compile("|".join(BY_PEOPLE))
    for name, page in _walk(world, pages):
        keep(page, f"{name}-english-375")
        text = said_by_people.sub("", page.inner_text("body"))
        faults += [f"{name}: {found}" for found in re.findall(r".*[\u4e00-\u9fff].*", text)]
    assert not faults, "\n".join(faults)


BY_PEOPLE = [
    "测试点卡店", "点卡", "充值卡 30 元", "30 元", "官方直供，兑换码为 15 位字母数字。", "已在 Steam 兑换的不退。",
    "区服选错请在兑换前联系客服。", "视频会员年卡", "12 个月", "手游点券", "6480 点券", "简体中文", "中文",
    "11月20日兑换，提示卡密已使用", "兑换不了", "请上传兑换时的报错截图，要看得清时间。",
    "兑换记录与您的说明不符，该卡密仍可正常兑换。",
    "什么时候能开始？", "今晚八点前。加微信 abc12345 发您截图", "打到一半。", "退款很快，到账及时。", "谢谢支持！",
    "只有一张不能用，退一半可以吗？", "请提供供货记录。", "发卡方答复未兑换。",
    "什么时候有结果？", "正在与发卡方核实。", "同一件事，在另一张工单里答复。", "让我加微信 abc12345 私下退款。",
    "不会再这样。", "留言属实。",
    "没货了", "话费充值 50 元", "新开的店", "营业执照", "星海发卡",
]  # fmt: skip
