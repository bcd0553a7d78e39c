"""People at their browsers: a buyer on the phone, a shop, support and finance at the desk. They see no tables."""

from __future__ import annotations

import re
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from PIL import Image
from playwright.sync_api import BrowserContext, Page, expect

from tests.applicant import asks_for_a_refund

PASSWORD = "cardshop-demo"  # noqa: S105
ARRIVES_WITHIN_MS = 60_000


@dataclass
class Person:
    """Someone logged in, in a browser window of their own."""

    page: Page
    shop: str
    javascript: bool = True

    def log_in(self, username: str, start: str = "/") -> None:
        self.page.goto(f"{self.shop}/accounts/login/?next={start}")
        self.page.fill("input[name=login]", username)
        self.page.fill("input[name=password]", PASSWORD)
        self.page.locator("main form button").first.click()
        self.page.wait_for_url(self.shop + start)


class Buyer(Person):
    def buy(self, product: str, way: str = "") -> str:
        """Buy one, pay the way that the browser is offered first (or ``way``), come back; the order's address."""
        page = self.page
        page.goto(self.shop)
        page.get_by_text(product, exact=True).first.click()
        page.get_by_label("我已阅读并同意").check()
        page.get_by_role("button", name="去付款").click()
        at_the_till = page.locator("form#check").or_(page.get_by_role("link", name="用微信支付"))
        expect(page.get_by_label("仍要再买一份").or_(at_the_till).first).to_be_attached(timeout=20_000)
        if page.get_by_label("仍要再买一份").is_visible():  # S4-26: the journey before bought the same minutes ago
            page.get_by_label("仍要再买一份").check()
            page.get_by_role("button", name="去付款").click()
        page.wait_for_url(re.compile(r"/orders/\w+/pay/$"))
        order = page.url.removesuffix("pay/")
        if way:
            page.get_by_role("button", name=way).click()
            expect(page.get_by_role("heading", name=way)).to_be_visible()
        self.pay()
        page.goto(order)
        while not page.get_by_text("卡密已发到本页").is_visible():  # found by the notification, or by the poller
            page.wait_for_timeout(300)
            page.goto(order)
        return order

    def pay(self) -> None:
        """At the till that is open: a code for the simulated phone, or a way that leads there and back."""
        page = self.page
        if page.get_by_role("link", name="用微信支付").is_visible():  # WeChat says who pays, and asks for nothing
            page.get_by_role("link", name="用微信支付").click()
            expect(page.locator("[data-bridge]")).to_be_visible()
        way_out = page.locator(".bar [data-bridge], .bar a.button")
        if way_out.count():
            way_out.click()
            self.confirm(page)
        else:
            self.pay_on_the_phone(page.get_by_role("link", name="在模拟手机上付款").get_attribute("href") or "")

    def pay_on_the_phone(self, address: str) -> None:
        phone = self.page.context.new_page()
        phone.goto(address)
        self.confirm(phone)
        phone.close()

    def confirm(self, till: Page) -> None:
        till.get_by_role("button", name=re.compile("确认(支付|付款)")).click()
        expect(till.locator("main")).to_contain_text(re.compile("(支付|付款)成功|卡密"))  # some lead back at once

    def look_at_the_code(self, order: str) -> str:
        self.page.goto(order)
        self.page.get_by_role("link", name="查看卡密").click()
        self.page.get_by_role("button", name=re.compile("查看")).click()
        code = self.page.get_by_text(re.compile(r"^[0-9A-F]{4}(-[0-9A-F]{4}){3}$"))
        expect(code).to_be_visible()
        return code.inner_text()

    def ask_for_a_refund(self, order: str, reason: str, words: str = "", picture: Path | None = None) -> str:
        """Returns the address of the case's page."""
        asks_for_a_refund(self.page, order, reason, words=words, picture=picture)
        return self.page.url

    def waits_to_read(self, words: str) -> None:
        """With JavaScript the page reloads itself; without it the buyer does."""
        if self.javascript:
            expect(self.page.get_by_text(words).first).to_be_visible(timeout=ARRIVES_WITHIN_MS)
            return
        for _ in range(ARRIVES_WITHIN_MS // 500):
            if self.page.get_by_text(words).first.is_visible():
                return
            self.page.wait_for_timeout(500)
            self.page.reload()
        raise AssertionError(f"the page never said {words!r}: {self.page.inner_text('main')}")


class Merchant(Person):
    def answer(self, refund: str, link: str, words: str, button: str) -> None:
        """From the list of claims to the case, to the page of this answer, and sent."""
        self.page.goto(f"{self.shop}/shop/refunds/")
        self.page.locator(f"a[href*='{_number(refund)}']").first.click()
        self.page.get_by_role("link", name=link).click()
        self.page.get_by_role("textbox").fill(words)
        self.page.get_by_role("button", name=button).click()
        expect(self.page.get_by_text("已提交平台审核。")).to_be_visible()


class Staff(Person):
    def open_case(self, refund: str) -> None:
        """Find the case by its number, as one would who was given it on the phone."""
        number = _number(refund)
        self.page.goto(f"{self.shop}/admin/refunds/refund/?queue=all&q={number}")
        self.page.locator("tbody a[href*='/change/']").first.click()
        expect(self.page.get_by_text(number).first).to_be_visible()

    def decide(self, button: str, note: str = "", ground: str = "") -> None:
        """Press a button of the decision bar, fill the dialog, confirm. ``ground``: on what a refusal rests."""
        self.page.get_by_role("button", name=button, exact=True).click()
        dialog = self.page.get_by_role("dialog")
        if ground:
            dialog.get_by_label("驳回依据").select_option(label=ground)
        if note:
            dialog.get_by_role("textbox").fill(note)
        dialog.locator("button[type=submit]").click()
        expect(dialog).not_to_be_visible()


def _number(refund: str) -> str:
    """From the address of the case's page."""
    return urlsplit(refund).path.split("/")[2]


def screenshot_of_an_error(folder: Path) -> Path:
    """A picture as a buyer would send one."""
    path = folder / "error.png"
    Image.linear_gradient("L").resize((640, 400)).save(path)
    return path


def bridge_of(simulator: str) -> str:
    """WeixinJSBridge, as the simulator plays it."""
    with urllib.request.urlopen(f"{simulator}/bridge.js", timeout=10) as answer:
        return str(answer.read().decode())


def foreign_requests(context: BrowserContext, own: set[str]) -> list[str]:
    """Collects every request that leaves the given origins."""
    seen: list[str] = []

    def look(url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme in {"http", "https", "ws", "wss"} and f"{parts.scheme}://{parts.netloc}" not in own:
            seen.append(url)

    context.on("request", lambda request: look(request.url))
    return seen
