"""Somebody at a browser who asks for a refund, page by page (B5), with scripts or without."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import Page, expect


def asks_for_a_refund(
    page: Page, order: str, reason: str, *, words: str = "", picture: Path | None = None, amount: str = ""
) -> list[str]:
    """From the order's address to the case's: returns the path of every screen on the way, the case's last.

    A step that is left out is not waited for; what a step does not ask is not filled in.
    """
    page.goto(f"{order}refund/")
    screens = [urlsplit(page.url).path]
    page.get_by_role("radio", name=re.compile(re.escape(reason))).check()
    goes_on(page, "下一步")
    while not re.search(r"/refunds/\w+/$", urlsplit(page.url).path):
        step = urlsplit(page.url).path
        screens.append(step)
        if step.endswith("/material/"):
            if words:
                page.get_by_label("问题描述").fill(words)
            if picture:
                lays_down(page, picture)
            goes_on(page, "下一步")
        elif step.endswith("/money/"):
            if amount:
                page.get_by_label("退款金额（元）").fill(amount)
            goes_on(page, "下一步")
        else:
            goes_on(page, re.compile("^提交申请"))
    return [*screens, urlsplit(page.url).path]


def goes_on(page: Page, button: str | re.Pattern[str]) -> None:
    """Press a button and stand before another page; an answer that complains is a mistake of the test."""
    before = urlsplit(page.url).path
    page.get_by_role("button", name=button, exact=isinstance(button, str)).click()
    page.wait_for_url(lambda address: urlsplit(address).path != before)


def lays_down(page: Page, picture: Path, slot: int = 0) -> None:
    """One picture in the n-th slot: by a script as soon as it is chosen, else by the button beside it."""
    kept = page.get_by_role("button", name=re.compile("^移除"))
    count = kept.count()
    place = page.locator("section.slot").nth(slot)
    if not place.is_visible():  # nobody asks for pictures here
        page.get_by_text("附图片（选填，不要求）").click()
    place.locator("input[type=file]").set_input_files(picture)
    send = place.get_by_role("button", name=re.compile("^上传"))
    if send.is_visible():
        send.click()
    expect(kept).to_have_count(count + 1)
