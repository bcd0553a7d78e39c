"""Every address × every role, own and other's (X7). What is expected stands in matrix.py, what there is in the URLs."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from http.cookies import SimpleCookie
from typing import Any

import pytest
from django.contrib import admin
from django.core.cache import cache
from django.db import transaction
from django.test import Client

from tests.access.matrix import API, DESK, PAGES, ROLES, TABLE_PAGES, TABLES
from tests.access.walker import Address, addresses, operations
from tests.access.world import World, world
from tests.cases import everything

pytestmark = pytest.mark.django_db
STAFF = ROLES[5:]
__all__ = ["world"]


def test_every_address_has_its_row_and_every_row_its_address():
    """Every address by GET; operations of the API by each of their methods; every step of persons."""
    from api.steps import OF_PERSONS

    rows = list(all_rows())
    named = {address.name for address in addresses()}
    assert {row.name for row in rows} - named == set()
    assert named - {row.name for row in rows} == set()
    ours = {(row.method, row.name) for row in rows}
    assert operations() - ours == set()
    assert {name for name in named if not name.startswith("api:")} - {
        name for method, name in ours if method == "GET"
    } == set()
    assert OF_PERSONS.keys() <= {row.about.get("step") for row in rows}


def test_every_table_of_the_desk_has_its_row():
    assert {model._meta.label_lower for model in admin.site._registry} == {label for label, _ in tables()}


@pytest.mark.parametrize("role", ROLES)
def test_everybody_gets_what_the_matrix_says(world, role, caplog):
    caplog.set_level(logging.CRITICAL, "django.request")  # every refusal would be told at length
    cache.clear()
    known = {address.name: address for address in addresses()}
    session = session_of(world.people[role])
    world.reader = world.people[role]
    wrong = []
    for row in all_rows():
        found = ask(world, session, row, known[row.name])
        if not fits(found, row.outcomes[role]):
            wrong.append(f"{row}: {row.outcomes[role]} expected, got {found}")
    assert not wrong, "\n" + "\n".join(wrong)


@pytest.mark.parametrize("role", ["owner", "merchant", "finance"])
def test_an_address_without_a_row_for_post_changes_nothing_when_posted_to(world, role, caplog):
    """So an address that begins to act on POST needs its row here."""
    caplog.set_level(logging.CRITICAL, "django.request")
    cache.clear()
    rows = {row.name for row in all_rows() if row.method == "POST"}
    session, before = session_of(world.people[role]), everything()
    for address in addresses():
        if address.name not in rows:
            ask(world, session, Row("POST", address.name, {}, {}), address, undo=False)
            assert everything() == before, address.name


# --- asking -----------------------------------------------------------------------------------------------------------


def ask(world: World, session: dict[str, str], row: Row, address: Address, undo: bool = True) -> str:
    """The outcome, in the words of the matrix; whatever the request changed is undone."""
    path = world.path(address, row.about) + world.query(row.name, row.about)
    body = world.body(row.name, row.about) if row.method == "POST" else {}
    client = Client(raise_request_exception=False)
    client.cookies = SimpleCookie(session)
    before = transaction.savepoint()
    answer = send(client, row, path, body)
    if answer.streaming:
        list(answer.streaming_content)  # to its end, which closes the file
    if undo:
        transaction.savepoint_rollback(before)
    if 300 <= answer.status_code < 400:
        return "login" if "login" in answer["Location"] else "go"
    return str(answer.status_code)


def session_of(person: Any) -> dict[str, str]:
    """The cookies of somebody who has logged in; none for nobody."""
    client = Client()
    if person:
        client.force_login(person, backend="django.contrib.auth.backends.ModelBackend")
    return {name: morsel.value for name, morsel in client.cookies.items()}


def send(client: Client, row: Row, path: str, body: dict[str, Any]) -> Any:
    headers = {"HX-Request": "true"} if row.name.startswith("admin:") else {}  # as its dialogs are asked for
    if row.method == "GET":
        return client.get(path, headers=headers)
    if row.name.startswith("api:") and row.name != "api:evidence":
        return client.post(path, json.dumps(body), content_type="application/json")
    return client.post(path, body, headers=headers)


def fits(found: str, expected: str) -> bool:
    return found == expected or (expected == "done" and found in {"200", "go"})


# --- reading the matrix -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Row:
    method: str
    name: str
    about: dict[str, str]
    outcomes: dict[str, str]

    def __str__(self) -> str:
        return " ".join([self.method, self.name, *self.about.values()])


def all_rows() -> Iterator[Row]:
    for line in lines(PAGES + API + DESK):
        method, name, *words = line[: -len(ROLES)]
        about = {}
        for word in words:
            kind = "order" if word in {"@unpaid", "@service"} else "case" if word.startswith("@") else "step"
            about[kind] = word.removeprefix("@")
        yield Row(method, name, about, dict(zip(ROLES, line[-len(ROLES) :], strict=True)))
    yield from rows_of_tables()


def rows_of_tables() -> Iterator[Row]:
    """Seven pages of each table, by the right that each role has on it."""
    for label, rights in tables():
        app, model = label.split(".")
        for method, page, *by_right in lines(TABLE_PAGES):
            answers = dict(zip(["-", "see", "edit", "keep", "add"], by_right, strict=True))
            outcomes = dict.fromkeys(ROLES, "login") | {role: answers[right] for role, right in rights.items()}
            short = f"admin:admin/{app}/{model}/<path:object_id>/"
            yield Row(method, short if page == "short" else f"admin:{app}_{model}_{page}", {}, outcomes)


def tables() -> list[tuple[str, dict[str, str]]]:
    return [(label, dict(zip(STAFF, rights, strict=True))) for label, *rights in lines(TABLES)]


def lines(table: str) -> list[list[str]]:
    return [line.split() for line in table.splitlines() if line and not line.startswith("#")]
