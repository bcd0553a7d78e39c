"""A policy from draft to publishing in a real Chromium, wide by day and narrow by night: accessible, nothing cut."""

from __future__ import annotations

import os
import random
from typing import Any

import pytest
from django.urls import reverse

import clock
from refunds import simulation
from shops.models import RefundPolicy
from tests.desk.test_browser import sit_down, violations
from tests.refunds import past_cases

__all__ = ["sit_down"]
os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"  # Playwright's own loop runs in the thread in which the tests query

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
WIDE, NARROW = {"width": 1280, "height": 800}, {"width": 390, "height": 844}


def is_fine(page: Any) -> bool:
    assert violations(page) == []
    return page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize(("window", "scheme"), [(WIDE, "light"), (NARROW, "dark")], ids=["wide", "narrow"])
def test_an_operator_drafts_tries_out_and_publishes_a_policy(window, scheme, sit_down, operator, buy):
    order = buy(price_fen=8800)
    chance = random.Random(5)
    past_cases.write(order, [past_cases.drawn(chance, order.policy) for _ in range(80)])
    page = sit_down(operator, color_scheme=scheme)
    page.set_viewport_size(window)
    dialog = page.get_by_role("dialog")
    page.goto("/admin/shops/refundpolicy/")
    assert is_fine(page)
    page.get_by_role("link", name="标准 v1").click()
    assert is_fine(page)
    page.get_by_role("button", name="新草稿").click()
    dialog.get_by_role("button", name="新建").click()

    page.get_by_label("一键退款：低于").fill("20.5")
    page.get_by_label("其他（需说明，审核较慢）：可以选择").uncheck()
    assert is_fine(page)
    page.get_by_role("button", name="保存草稿").click()
    page.get_by_role("alert").get_by_role("link", name="其他（需说明，审核较慢）：可以选择").click()
    assert is_fine(page)
    page.get_by_label("其他（需说明，审核较慢）：可以选择").check()
    page.get_by_role("button", name="保存草稿").click()
    page.get_by_text("草稿已保存").wait_for()
    page.get_by_text("1 处不同").wait_for()
    assert is_fine(page)

    page.get_by_role("button", name="试算").click()
    dialog.get_by_label("试算多少件").select_option("1000")
    assert is_fine(page)
    dialog.get_by_role("button", name="开始试算").click()
    page.get_by_role("button", name="停止试算").wait_for()
    simulation.run(at=clock.now(), limit=40)
    page.get_by_text("已试算 40 / 1000 件").wait_for()  # by itself
    assert is_fine(page)
    while simulation.run(at=clock.now()):
        pass
    page.get_by_text("历史退款不足").wait_for()
    assert is_fine(page)

    page.get_by_role("link", name="标准 v2 草稿").click()
    page.get_by_role("button", name="发布").click()
    dialog.get_by_text("1 件商品").wait_for()
    dialog.get_by_role("textbox").fill("收紧一键退款")
    assert is_fine(page)
    dialog.get_by_role("button", name="发布这个版本").click()
    page.get_by_text("已发布。1 件商品").wait_for()
    policy = RefundPolicy.objects.get(version=2)
    assert (policy.one_click_below_fen, policy.published_by) == (2050, operator)
    page.goto(reverse("storefront:policy", args=["standard", 2]))
    page.get_by_role("link", name="与上一版的区别").click()
    page.get_by_text("¥20.50").wait_for()
    assert is_fine(page)
