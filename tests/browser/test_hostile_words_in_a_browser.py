"""What people write, read by a browser: of sixty ways to break out of a page none runs; nothing is left to the CSP.

``tests/access/test_hostile_words.py`` looks for them in the pages as a parser reads them; here is what Chromium does.
"""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connections, transaction
from playwright.sync_api import Error, Page

from tests.access.test_hostile_words import PAYLOADS, pages_of, write
from tests.access.test_matrix import session_of
from tests.access.walker import addresses
from tests.access.world import World, world

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
__all__ = ["world"]

READERS = ["owner", "merchant", "reviewer", "finance", "operator"]
FOR_EACH = {"admin:refunds_refund_change", "admin:refunds_refund_changelist", "admin:index"}
#: The browser's own viewer of pictures is what their sandbox stops.
PICTURES = {
    "storefront:report_image", "storefront:apply_picture", "storefront:evidence", "storefront:support_picture",
    "portal:document",
}  # fmt: skip
#: What a payload would call if it ran; and the policy says what it had to stop.
WATCH = """
window.pwn = () => console.error('a payload ran');
document.addEventListener('securitypolicyviolation', event => console.error('CSP stopped ' + event.violatedDirective));
"""


@pytest.fixture
def look(live_server: Any, chromium: Any, monkeypatch: pytest.MonkeyPatch):
    """``look(session, complaints)``: a page of whoever that session is; all that goes wrong is put on the list."""
    monkeypatch.setitem(connections.settings["default"], "CONN_MAX_AGE", 0)  # the server's threads leave none behind
    contexts = []

    def open_page(session: dict[str, str], complaints: list[str]) -> Page:
        context = chromium.new_context(base_url=live_server.url, locale="zh-CN")
        contexts.append(context)
        context.add_cookies([{"name": name, "value": value, "url": live_server.url} for name, value in session.items()])
        context.add_init_script(WATCH)
        page = context.new_page()

        def dismiss(dialog: Any) -> None:
            complaints.append(f"{page.url}: dialog {dialog.message}")
            dialog.dismiss()

        page.on("dialog", dismiss)
        page.on("pageerror", lambda error: complaints.append(f"{page.url}: {error}"))
        page.on("console", lambda said: complaints.append(f"{page.url}: {said.text}") if said.type == "error" else None)
        return page

    yield open_page
    for context in contexts:
        context.close()


def test_no_words_run_in_a_browser(world: World, look: Any) -> None:
    """X6: what everybody wrote, read by a buyer, a shop, and three of the desk."""
    paths = paths_by_reader(world)
    sessions = {role: session_of(world.people[role]) for role in READERS}
    with transaction.atomic():
        write(PAYLOADS)
    complaints: list[str] = []
    for role in READERS:
        page = look(sessions[role], complaints)
        seen = [markup_of(page, path) for path in paths[role]]
        complaints += [f"{path}: {found} elements" for path, found in zip(paths[role], seen, strict=True) if found]
        assert sum(found is not None for found in seen) >= 10, role
    assert not complaints, "\n".join(complaints[:20])


def paths_by_reader(world: World) -> dict[str, list[str]]:
    """Each page before the first of them who may read it; where a case is decided, before everybody."""
    known, read, paths = {address.name: address for address in addresses()}, set(), {}
    for role in READERS:
        rows = [row for row in pages_of(role) if row.name in FOR_EACH or (is_main(row.name) and row.name not in read)]
        read |= {row.name for row in rows}
        world.reader = world.people[role]
        paths[role] = [world.path(known[row.name], row.about) + world.query(row.name, row.about) for row in rows]
    return paths


def is_main(name: str) -> bool:
    """No page of an account, whose words nobody else reads, no dialog and no history of a row of the desk."""
    place, page = name.partition(":")[::2]
    if name in PICTURES:
        return False
    return place in {"storefront", "portal"} or (place == "admin" and page.endswith(("_changelist", "_change")))


def markup_of(page: Page, path: str) -> int | None:
    """How many elements people's words became; None for what is a file."""
    try:
        answer = page.goto(path)
    except Error as download:
        if "Download is starting" in str(download):
            return None
        raise
    assert answer is not None
    assert answer.status == 200, path
    return page.locator("[data-pwn]").count() if "text/html" in answer.headers["content-type"] else None
