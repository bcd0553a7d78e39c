"""The desk in a real Chromium: steps through their dialogs, and nothing that the content policy stops."""

from __future__ import annotations

import os
from typing import Any
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.db import connections
from django.urls import reverse
from playwright.sync_api import expect

from accounts.desk import Desk
from refunds.models import Status

os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"  # Playwright's own loop runs in the thread in which the tests query

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

DESK_POLICY = (
    "base-uri 'none'; connect-src 'self'; default-src 'none'; font-src 'self'; form-action 'self'; "
    "frame-ancestors 'none'; img-src 'self' data:; script-src 'self' 'unsafe-eval'; style-src 'self' 'unsafe-inline'"
)


@pytest.fixture
def sit_down(live_server: Any, browser: Any, client: Any, monkeypatch: pytest.MonkeyPatch):
    """``sit_down(reviewer, color_scheme="dark")``: a page of somebody logged in. Complaints end in failure."""
    monkeypatch.setitem(connections.settings["default"], "CONN_MAX_AGE", 0)  # the server's threads leave none behind
    own = urlsplit(live_server.url).netloc
    complaints: list[str] = []
    contexts = []

    def open_page(user: Any, **options: Any) -> Any:
        client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
        context = browser.new_context(base_url=live_server.url, viewport={"width": 1280, "height": 800}, **options)
        contexts.append(context)
        context.add_cookies([{"name": "sessionid", "value": client.cookies["sessionid"].value, "url": live_server.url}])
        context.on("request", lambda request: complaints.append(request.url) if _foreign(request.url, own) else None)
        page = context.new_page()
        page.on("console", lambda said: complaints.append(said.text) if said.type in {"error", "warning"} else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: dialog.dismiss())
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []


def _foreign(url: str, own: str) -> bool:
    return urlsplit(url).scheme in {"http", "https", "ws", "wss"} and urlsplit(url).netloc != own


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_case_is_approved_through_its_dialog(scheme, sit_down, reviewer, reviewed):
    refund = reviewed()
    page = sit_down(reviewer, color_scheme=scheme)
    answer = page.goto("/admin/refunds/refund/")
    assert "; ".join(sorted(answer.headers["content-security-policy"].split("; "))) == DESK_POLICY
    page.get_by_role("link", name=refund.refund_no).click()

    page.get_by_role("button", name="通过", exact=True).click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("textbox").fill("卡密确已失效")
    dialog.get_by_role("button", name="确认通过").click()

    page.get_by_text("已通过，等待财务放款").wait_for()
    assert urlsplit(page.url).path == "/admin/refunds/refund/"
    refund.refresh_from_db()
    assert (refund.status, refund.decision_note) == (Status.APPROVED, "卡密确已失效")


def test_a_rejection_shows_the_buyers_words_while_they_are_written(sit_down, reviewer, reviewed):
    refund = reviewed()
    page = sit_down(reviewer)
    page.goto(reverse("admin:refunds_refund_change", args=[refund.pk]))
    page.get_by_role("button", name="驳回", exact=True).click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_label("驳回理由")).to_be_focused()
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(page.get_by_role("button", name="驳回", exact=True)).to_be_focused()
    page.keyboard.press("Enter")
    expect(dialog.get_by_label("驳回理由")).to_be_focused()
    for _ in range(12):
        page.keyboard.press("Tab")  # the page behind is out of reach
        assert page.evaluate("document.activeElement === document.body || !!document.activeElement.closest('#dialog')")
    dialog.get_by_role("button", name="确认驳回").click()
    dialog.get_by_text("请填写，不能为空。").wait_for()
    dialog.get_by_label("驳回依据").select_option("not_so")
    dialog.get_by_label("驳回理由").fill("发卡方记录显示可正常兑换")
    dialog.get_by_text(f"退款 {refund.refund_no} 未通过：发卡方记录显示可正常兑换").wait_for()
    dialog.get_by_role("button", name="确认驳回").click()
    page.get_by_text("已驳回，理由已告知买家").wait_for()
    refund.refresh_from_db()
    assert refund.status == Status.REJECTED


def test_ticked_cases_are_released_together(sit_down, finance, approved):
    refunds = [approved(price_fen=price) for price in (8800, 6600, 5500)]
    page = sit_down(finance)
    page.goto("/admin/refunds/refund/")
    for refund in refunds[:2]:
        page.get_by_role("row", name=refund.refund_no).get_by_role("checkbox").check()
    page.get_by_role("button", name="放款", exact=True).click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_text("¥154.00").wait_for()
    dialog.get_by_role("button", name="确认放款").click()
    page.get_by_text("已放款 2 笔，共 ¥154.00").wait_for()
    for refund in refunds:
        refund.refresh_from_db()
    assert [refund.status for refund in refunds] == [Status.PROCESSING, Status.PROCESSING, Status.APPROVED]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_desk_is_accessible(scheme, sit_down, reviewer, finance, reviewed, approved):
    """WCAG 2.2 AA by axe, with the dialogs open; nothing of Unfold's needs an exception."""
    waiting, to_release = reviewed(), approved()
    page = sit_down(reviewer, color_scheme=scheme)
    page.goto("/admin/")
    assert violations(page) == []
    page.goto("/admin/refunds/refund/")
    assert violations(page) == []
    page.goto(reverse("admin:refunds_refund_change", args=[waiting.pk]))
    assert violations(page) == []
    page.get_by_role("button", name="驳回", exact=True).click()
    expect(page.get_by_role("dialog").get_by_role("textbox")).to_be_focused()
    assert violations(page) == []
    page = sit_down(finance, color_scheme=scheme)
    page.goto("/admin/refunds/refund/")
    page.get_by_role("row", name=to_release.refund_no).get_by_role("checkbox").check()
    assert violations(page) == []
    page.get_by_role("button", name="放款", exact=True).click()
    expect(page.get_by_role("dialog")).to_be_focused()
    assert violations(page) == []


def test_start_chain_and_leaves_suit_a_phone_too(sit_down, operator, reviewed, monkeypatch):
    """The start page, the check of a chain, and the end of a list with its links: by axe, and no wider than the
    screen."""
    monkeypatch.setattr(Desk, "list_per_page", 1)
    first, _ = reviewed(), reviewed()
    page = sit_down(operator)
    chain = f"{reverse('admin:refunds_refundevent_chain')}?q={first.refund_no}&check=1"
    for address in ("/admin/", chain, "/admin/refunds/refund/?queue=review"):
        page.goto(address)
        for size in ({"width": 1280, "height": 800}, {"width": 375, "height": 812}):
            page.set_viewport_size(size)
            assert violations(page) == [], (address, size)
            assert not page.evaluate("document.documentElement.scrollWidth > window.innerWidth"), (address, size)
    page.get_by_role("link", name="末页").click()
    expect(page.get_by_role("link", name="上一页")).to_be_visible()
    page.get_by_role("link", name="首页", exact=True).click()
    expect(page.get_by_role("row", name=first.refund_no)).to_be_visible()


def violations(page: Any) -> list[str]:
    page.evaluate("Promise.all(document.getAnimations().map(animation => animation.finished))")
    found = Axe().run(page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]})
    return [f"{each['id']}: {node['html']}" for each in found.response["violations"] for node in each["nodes"]]


def test_without_javascript_the_desk_says_what_it_needs(sit_down, reviewer, reviewed):
    refund = reviewed()
    page = sit_down(reviewer, java_script_enabled=False)
    page.goto(reverse("admin:refunds_refund_change", args=[refund.pk]))
    assert page.locator(".desk-noscript").is_visible()
    assert page.get_by_text("11月20日兑换，提示卡密已使用").is_visible()
    assert page.get_by_role("button", name="通过", exact=True).count() == 0


def test_every_page_of_the_desk_stays_within_its_policy(sit_down, operator, reviewed, approved, released, ends_as):
    reviewed()
    approved()
    ends_as(released(), "SUCCESS")
    page = sit_down(operator)
    page.goto("/admin/")
    for address in page.eval_on_selector_all(
        "#nav-sidebar a", "links => links.map(link => link.pathname + link.search)"
    ):
        page.goto(address)
        first = page.locator("#result_list tbody th a, #result_list tbody td a").first
        if first.count():
            page.goto(first.get_attribute("href"))
    for address in ("/admin/shops/product/add/", "/admin/shops/category/add/", "/admin/orders/announcement/add/"):
        page.goto(address)


def test_only_the_desk_has_the_wider_policy(client, buyer):
    for path in ("/administration/", "/", "/accounts/login/"):
        assert "unsafe" not in client.get(path).headers["Content-Security-Policy"]
    for path in ("/admin/", "/admin/nothing/", "/admin/login/"):
        assert "'unsafe-eval'" in client.get(path).headers["Content-Security-Policy"]


@pytest.mark.parametrize("who", ["reviewer", "finance"])
def test_a_case_fits_a_phone(who, sit_down, request, reviewed):
    """A colleague on the way looks at a case, too."""
    refund = reviewed()
    page = sit_down(request.getfixturevalue(who))
    page.set_viewport_size({"width": 375, "height": 812})
    for path in (reverse("admin:refunds_refund_change", args=[refund.pk]), "/admin/", "/admin/refunds/refund/"):
        page.goto(path)
        assert page.evaluate("document.documentElement.scrollWidth") <= 375, path
        for box in page.locator(".desk-wide:has(.desk-day)").all():
            assert box.evaluate("box => box.scrollWidth <= box.clientWidth"), "what is late stands beside its line"
