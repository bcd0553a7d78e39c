"""The desk for channels in a real Chromium, wide and narrow: its acts by hand, accessible, nothing out of sight."""

from __future__ import annotations

import os
from typing import Any

import pytest
from playwright.sync_api import expect

from payments.models import AttemptStatus
from tests.desk.test_browser import sit_down, violations
from tests.desk.test_channels import page_of, refused, short

__all__ = ["refused", "short", "sit_down"]
os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"  # Playwright's own loop runs in the thread in which the tests query

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
WIDE, NARROW = {"width": 1280, "height": 800}, {"width": 390, "height": 844}


def is_fine(page: Any) -> bool:
    assert violations(page) == []
    return page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize("window", [WIDE, NARROW], ids=["wide", "narrow"])
def test_finance_closes_a_refused_refund_and_sends_on_what_waited(window, sit_down, finance, refused, short):
    attempt = refused()
    account = short(1500, 2300)[0].payment.account
    page = sit_down(finance)
    page.set_viewport_size(window)
    page.goto("/admin/")
    assert is_fine(page)
    page.get_by_role("link", name="待人工").first.click()
    assert is_fine(page)
    page.get_by_role("link", name=attempt.request_no).click()
    assert is_fine(page)
    page.get_by_role("button", name="按渠道拒绝关闭").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_be_focused()
    assert is_fine(page)
    dialog.get_by_role("button", name="确认关闭").click()
    page.get_by_text("已关闭，占用已释放").wait_for()
    expect(page.get_by_role("row", name="按渠道拒绝关闭")).to_contain_text("finance")
    attempt.refresh_from_db()
    assert attempt.status == AttemptStatus.CLOSED

    page.goto("/admin/payments/channelaccount/?state=short")
    assert is_fine(page)
    page.get_by_role("link", name=account.name).first.click()
    assert is_fine(page)
    page.get_by_role("button", name="已充值，继续发送").click()
    dialog.get_by_text("¥38.00").wait_for()
    dialog.get_by_role("button", name="已充值，继续发送").click()
    page.get_by_text("2 笔退款将以原单号继续发送").wait_for()
    account.refresh_from_db()
    assert account.short_since is None


@pytest.mark.parametrize("window", [WIDE, NARROW], ids=["wide", "narrow"])
def test_an_operator_sets_limits_and_is_told_the_bounds(window, sit_down, operator, buy):
    account = buy().payments.get().account
    page = sit_down(operator)
    page.set_viewport_size(window)
    page.goto(page_of(account))
    page.get_by_role("button", name="修改限额").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("可退天数").fill("366")
    dialog.get_by_role("button", name="保存").click()
    dialog.get_by_text("请填写 1 到 365 之间的整数。").wait_for()
    assert is_fine(page)
    dialog.get_by_label("可退天数").fill("180")
    dialog.get_by_role("button", name="保存").click()
    page.get_by_text("可退天数 渠道通用 → 180").wait_for()
    account.refresh_from_db()
    assert account.refundable_days == 180
