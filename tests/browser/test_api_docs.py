"""Swagger UI in a real browser: works under its own content policy, and asks nobody else for anything."""

from __future__ import annotations

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_the_docs_show_every_operation_and_load_nothing_from_elsewhere(live_server, page):
    asked, complaints = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.goto(f"{live_server.url}/api/docs/")
    page.get_by_text("/api/refunds/{refund_no}/steps/{step}/", exact=False).first.wait_for()
    assert page.locator(".opblock").count() >= 10
    assert not complaints
    assert [url for url in asked if not url.startswith((live_server.url, "data:"))] == []
