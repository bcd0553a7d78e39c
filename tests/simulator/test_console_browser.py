"""The console in a browser: on a phone and at a desk, light and dark, by keyboard, without JavaScript."""

from __future__ import annotations

from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe

SIZES = {"phone": {"width": 375, "height": 812}, "desk": {"width": 1280, "height": 800}}


@pytest.fixture
def busy(start_gateway: Any, deaf_url: str) -> tuple[Any, str]:
    """A simulator in which everything has happened once: (it, a payment's number)."""
    gateway = start_gateway(speed=1)
    gateway.order(deaf_url)
    number = gateway.paid_order(deaf_url)
    for part in range(3):
        gateway.refund(number, f"{number}R{part}", 100)
        gateway.control("clock", {"advance_seconds": 61})
    gateway.refund(number, f"{number}R9", 100)
    gateway.control("settle", {"request_no": f"{number}R0", "status": "ABNORMAL"})
    gateway.control("complain", {"out_trade_no": number})
    gateway.fault("answer_lost", rate=0.05)
    payment = {"out_trade_no": "ALI0001", "amount_fen": 5, "description": "x", "paid_at": "2026-01-01T09:00:00+08:00"}
    gateway.control("history", {"channel": "alipay", "payments": [payment]})
    return gateway, number


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
def test_every_page_is_accessible_and_fits(chromium: Any, busy: tuple[Any, str], size: str, scheme: str) -> None:
    gateway, number = busy
    context = chromium.new_context(viewport=SIZES[size], color_scheme=scheme, bypass_csp=True)
    page = context.new_page()
    wrong = []
    paths = ["/", "/?q=NOTHERE", f"/console/payments/wechat/{number}", "/console/nowhere"]
    paths += [f"/console/{name}" for name in ("payments", "refunds", "notifications", "complaints", "faults")]
    for path in paths:
        page.goto(f"http://127.0.0.1:{gateway.port}{path}")
        if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
            wrong.append((path, "wider than the screen"))
        wrong += [(path, found["id"], found["nodes"][0]["html"]) for found in Axe().run(page).response["violations"]]
    context.close()
    assert wrong == []


def test_a_keyboard_is_enough(chromium: Any, busy: tuple[Any, str]) -> None:
    gateway, number = busy
    context = chromium.new_context(viewport=SIZES["phone"], java_script_enabled=False)
    page = context.new_page()
    page.goto(f"http://127.0.0.1:{gateway.port}/")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")  # skip to the content
    page.get_by_role("searchbox").focus()
    page.keyboard.type(f"{number}R9")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="到账").first.focus()
    page.keyboard.press("Enter")
    page.get_by_role("status").filter(has_text="退款状态已改").wait_for()
    gateway.control("faults", {"clear": True})  # else one answer in twenty is lost
    assert gateway.query_refund(f"{number}R9")["status"] == "SUCCESS"
    context.close()
