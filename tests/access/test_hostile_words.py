"""Sixty ways to break out of a page, written wherever people write, read on every page by everybody who may (X6).

What a browser would run is looked for in the pages as a parser reads them: beside this stands the strict CSP.
"""

from __future__ import annotations

from html.parser import HTMLParser
from http.cookies import SimpleCookie
from itertools import cycle
from typing import Any

import pytest
from django.apps import apps
from django.core.cache import cache
from django.db import connection
from django.test import Client

from tests.access.test_matrix import Row, all_rows, session_of, tables
from tests.access.walker import addresses
from tests.access.world import World, world

pytestmark = pytest.mark.django_db
__all__ = ["world"]

#: What ends the place that the words stand in, and what is begun behind it. ``data-pwn`` marks what was let through.
ENDS = ["", '">', "'>", "</p>", "</textarea>", "</title>", "</script>", "-->", "]]>", "{% endblock %}"]
BEGINS = [
    "<img src=x onerror=pwn() data-pwn>", "<svg/onload=pwn() data-pwn>", "<script data-pwn>pwn()</script>",
    "<a href='javascript:pwn()' data-pwn>x</a>", "<form action=//evil.example data-pwn>",
    "\" onfocus=pwn() data-pwn x=\"",
]  # fmt: skip
PAYLOADS = [end + begin for end in ENDS for begin in BEGINS]
#: Where people write, by model: buyers, shops, staff.
WRITTEN = {
    "accounts.User": ["username"],
    "shops.Shop": ["name"],
    "shops.Product": ["name", "description", "face_value", "validity", "not_refundable_note"],
    "shops.Category": ["name", "name_en"],
    "shops.RefundPolicy": ["name", "name_en", "publish_reason"],
    "shops.ShopEvent": ["reason"],
    "shops.StockImport": ["file_name"],
    "orders.Announcement": ["text", "text_en"],
    "orders.BulkCancellation": ["reason"],
    "orders.Cancellation": ["reason"],
    "orders.OrderEvent": ["note"],
    "orders.OrderLine": ["product_name"],
    "orders.OrderMessage": ["text"],
    "orders.Review": ["text", "reply"],
    "orders.ServiceReport": ["text"],
    "refunds.Refund": ["description", "contact", "evidence_request", "decision_note"],
    "refunds.RefundEvent": ["note"],
    "refunds.Evidence": ["note"],
    "refunds.LaneLimits": ["reason"],
    "refunds.AuditSample": ["note"],
    "workcalendar.CalendarPlan": ["source"],
    "workcalendar.CalendarDay": ["name"],
    "payments.RefundAttempt": ["last_error"],
    "integrations.ShopKey": ["name"],
}
READERS = ["nobody", "owner", "merchant", "reviewer", "operator"]
SAYS_BY_BEING_EMPTY = {"publish_reason", "note"}  # a draft; evidence that is a picture


def test_there_are_sixty():
    assert len(set(PAYLOADS)) == 60


@pytest.mark.parametrize("role", READERS)
def test_no_words_become_markup(world: World, role: str) -> None:
    """X6: on every page, and every list of the desk, that this role may read."""
    cache.clear()
    known = {address.name: address for address in addresses()}
    paths = [world.path(known[row.name], row.about) + world.query(row.name, row.about) for row in pages_of(role)]
    paths += [path for path in lists_of_the_desk() if role not in {"nobody", "stranger", "owner", "merchant"}]
    session = session_of(world.people[role])
    world.reader = world.people[role]
    write(PAYLOADS)
    seen, wrong = 0, []
    for path in paths:
        client = Client()
        client.cookies = SimpleCookie(session)
        answer = client.get(path)
        body = b"".join(answer.streaming_content) if answer.streaming else answer.content  # closes the file
        if answer.status_code == 200 and answer.headers["Content-Type"].startswith("text/html"):
            seen += 1
            wrong += [f"{path}: {found}" for found in let_through(body.decode())]
    assert seen > 8
    assert not wrong, "\n" + "\n".join(wrong[:20])


def pages_of(role: str) -> list[Row]:
    return [row for row in all_rows() if row.method == "GET" and row.outcomes[role] == "200"]


def lists_of_the_desk() -> list[str]:
    return [f"/admin/{label.replace('.', '/')}/" for label, _ in tables()]


def write(payloads: list[str]) -> None:
    """Into every place, past what guards it: the pages must stand it, whatever a door would have refused."""
    turn = cycle(payloads)
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        for label, columns in WRITTEN.items():
            model: Any = apps.get_model(label)
            for row in model.objects.all():
                open_to_words = [
                    column for column in columns if getattr(row, column) or column not in SAYS_BY_BEING_EMPTY
                ]
                words = {column: fitting(model, column, next(turn), row.pk) for column in open_to_words}
                model.objects.filter(pk=row.pk).update(**words)
        cursor.execute("SET LOCAL session_replication_role = origin")


def fitting(model: Any, column: str, payload: str, key: object) -> str:
    """As long as the column is; names that are told apart stay so."""
    field = model._meta.get_field(column)
    return (str(key)[-6:] + payload if field.unique else payload)[: field.max_length]


class LetThrough(HTMLParser):
    """What a browser would make of a page: elements and handlers that came out of people's words."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[str] = []
        self.runs = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.runs = tag == "script" and dict(attrs).get("type") not in {"application/json", "application/ld+json"}
        for name, value in attrs:
            address = (value or "").strip().lower()
            if name == "data-pwn" or (name.startswith("on") and "pwn" in (value or "")):
                self.found.append(f"<{tag} {name}={value!r}>")
            if name in {"href", "src", "action", "formaction"} and address.startswith(("javascript:", "//evil")):
                self.found.append(f"<{tag} {name}={value!r}>")

    def handle_endtag(self, tag: str) -> None:
        self.runs = False

    def handle_data(self, data: str) -> None:
        if self.runs and "pwn" in data:
            self.found.append(f"script: {data[:80]!r}")


def let_through(page: str) -> list[str]:
    reader = LetThrough()
    reader.feed(page)
    return reader.found


@pytest.mark.parametrize("payload", PAYLOADS)
def test_the_reader_would_see_it(payload):
    """Where nothing is escaped, each of them is found: in text, in an attribute, or in a script."""
    pages = [f"<p>{payload}</p>", f'<input value="{payload}">', f"<input value='{payload}'>"]
    pages += [f"<textarea>{payload}</textarea>", f"<script>let x = '{payload}'</script>"]
    assert any(let_through(page) for page in pages)
