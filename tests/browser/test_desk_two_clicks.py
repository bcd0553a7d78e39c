"""A clear case is decided in two clicks from the queue: its dialog, and the submit; by keyboard alone, too (K1…K4)."""

from __future__ import annotations

import io
import os
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.db import connections
from PIL import Image
from playwright.sync_api import expect

import clock
import images
from accounts.desk import page_url
from refunds import canned, lifecycle
from refunds.models import Status

os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"  # Playwright's own loop runs in the thread in which the tests query

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

QUEUE = "/admin/refunds/refund/"


@pytest.fixture
def sit_down(live_server: Any, browser: Any, client: Any, monkeypatch: pytest.MonkeyPatch):
    """``sit_down(reviewer)``: a page of somebody logged in. What the browser complains of ends in failure."""
    monkeypatch.setitem(connections.settings["default"], "CONN_MAX_AGE", 0)  # the server's threads leave none behind
    complaints: list[str] = []
    contexts = []

    def open_page(user: Any, **options: Any) -> Any:
        client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
        size = {"viewport": {"width": 1280, "height": 800}} | options
        context = browser.new_context(base_url=live_server.url, **size)
        contexts.append(context)
        context.add_cookies([{"name": "sessionid", "value": client.cookies["sessionid"].value, "url": live_server.url}])
        page = context.new_page()
        page.on("console", lambda said: complaints.append(said.text) if said.type in {"error", "warning"} else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []


@pytest.fixture
def reply(operator):
    return canned.add(
        step="approve", ground="", title="当面核对过", text="{单号} 情况属实。", text_en="", by=operator, at=clock.now()
    )


def test_two_clicks_decide_a_clear_case(sit_down, reviewer, reviewed, reply):
    refund = reviewed()
    page = sit_down(reviewer)
    page.goto(QUEUE)
    button = page.get_by_role("button", name=f"通过 {refund.refund_no}")
    seen = button.bounding_box()
    assert seen["x"] + seen["width"] <= page.viewport_size["width"] == 1280  # without moving the table
    button.click()  # one
    dialog = page.get_by_role("dialog", name="通过退款申请")
    expect(dialog.get_by_text(refund.description)).to_be_visible()
    dialog.get_by_label("常用回复").select_option(label="当面核对过")
    dialog.get_by_role("button", name="确认通过").click()  # two
    page.get_by_text("已通过，等待财务放款").wait_for()
    refund.refresh_from_db()
    assert (refund.status, refund.decision_note) == (Status.APPROVED, f"{refund.refund_no} 情况属实。")


def test_a_canned_reply_is_put_into_the_text_and_read_as_the_buyer_will(sit_down, reviewer, reviewed, operator):
    refund = reviewed()
    canned.add(step="reject", ground="not_so", title="不符", text="{单号} 与记录不符。", text_en="", by=operator,
               at=clock.now())  # fmt: skip
    page = sit_down(reviewer)
    page.goto(page_url(refund))
    page.get_by_role("button", name="驳回", exact=True).focus()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog", name="驳回退款申请")
    dialog.get_by_label("常用回复").select_option(label="不符")
    dialog.get_by_label("驳回依据").select_option("not_so")
    dialog.get_by_role("button", name="填入").click()
    words = f"{refund.refund_no} 与记录不符。"
    expect(dialog.get_by_label("驳回理由")).to_have_value(words)
    dialog.get_by_text(f"退款 {refund.refund_no} 未通过：{words}").wait_for()
    assert violations(page) == []
    dialog.get_by_role("button", name="确认驳回").click()
    page.get_by_text("已驳回，理由已告知买家").wait_for()


def test_pictures_are_zoomed_and_compared_by_keyboard(sit_down, reviewer, senior, buy, reveal, apply):
    order = buy(price_fen=8800)
    reveal(order)
    refund = apply(order, images=[picture(90), picture(180)])
    lifecycle.consult(refund, by=reviewer, at=clock.now(), note="是否到账")
    page = sit_down(senior)
    page.goto(page_url(refund))
    button = page.get_by_role("button", name="放大图片 1")
    button.focus()
    page.keyboard.press("Enter")
    viewer = page.get_by_role("dialog", name="图片 1")
    expect(viewer).to_be_visible()
    viewer.get_by_label("原始大小").check()
    assert violations(page) == []
    page.keyboard.press("Escape")
    expect(viewer).to_be_hidden()
    expect(button).to_be_focused()
    page.get_by_role("button", name="并排比较全部图片").click()
    beside = page.get_by_role("dialog", name="并排比较")
    expect(beside.get_by_role("img")).to_have_count(2)
    page.keyboard.press("Escape")
    assert violations(page) == []
    page.set_viewport_size({"width": 375, "height": 812})
    for path in (page_url(refund), QUEUE, f"{QUEUE}buyer/{refund.buyer_id}/", f"{QUEUE}shop/{order.shop_id}/"):
        page.goto(path)
        assert page.evaluate("document.documentElement.scrollWidth") <= 375, path
        assert violations(page) == [], path


def test_the_next_case_is_claimed_in_one_click(sit_down, reviewer, reviewed):
    refund = reviewed()
    page = sit_down(reviewer)
    page.goto(QUEUE)
    page.get_by_role("button", name="认领下一张").click()
    page.wait_for_url(f"**{page_url(refund)}")
    refund.refresh_from_db()
    assert refund.claimed_by == reviewer


def picture(shade: int) -> Any:
    kept = io.BytesIO()
    Image.linear_gradient("L").resize((1600, 900)).rotate(shade).save(kept, "PNG")
    return images.repaint(kept.getvalue())


def violations(page: Any) -> list[str]:
    page.evaluate("Promise.all(document.getAnimations().map(animation => animation.finished))")
    found = Axe().run(page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]})
    return [f"{each['id']}: {node['html']}" for each in found.response["violations"] for node in each["nodes"]]
