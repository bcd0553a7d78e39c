"""/api/shop/…: one shop's orders and refunds, by a key; never a code, never the buyer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

import clock
from integrations import keys
from shops import life
from tests.cast import person

pytestmark = pytest.mark.django_db
LISTS = ["/api/shop/orders/", "/api/shop/refunds/"]


@pytest.fixture
def make_key(merchant: Any, shop: Any) -> Callable[..., Any]:
    def make(*scopes: str) -> Any:
        chosen = scopes or ("orders:read", "refunds:read")
        return keys.make(shop, "ERP", chosen, by=merchant, at=clock.now())

    return make


@pytest.fixture
def program(make_key: Callable[..., Any]) -> Callable[..., Any]:
    """``program("orders:read")(path)``: a program with a key of the shop."""

    def build(*scopes: str) -> Callable[..., Any]:
        _row, text = make_key(*scopes)
        return lambda path, **query: with_key(text, path, **query)

    return build


def with_key(text: str, path: str, **query: Any) -> Any:
    return Client().get(path, query, headers={"Authorization": f"Bearer {text}"})


def test_a_program_reads_its_shops_orders_and_refunds(program, buy, apply):
    order = buy(price_fen=3000, quantity=2, stock=2)
    refund = apply(order)
    read = program()
    (listed,) = read("/api/shop/orders/").json()["results"]
    assert (listed["order_no"], listed["total_fen"]) == (order.order_no, 6000)
    whole = read(f"/api/shop/orders/{order.order_no}/").json()
    assert [line["price_fen"] for line in whole["lines"]] == [3000, 3000]
    assert [row["refund_no"] for row in whole["refunds"]] == [refund.refund_no]
    (case,) = read("/api/shop/refunds/").json()["results"]
    assert (case["refund_no"], case["order_no"], case["stage"]) == (refund.refund_no, order.order_no, "review")
    detail = read(f"/api/shop/refunds/{refund.refund_no}/").json()
    assert [row["step"] for row in detail["events"]] == list(
        refund.events.order_by("sequence").values_list("step", flat=True)
    )
    assert sum(line["amount_fen"] for line in detail["lines"]) == refund.amount_fen


def test_no_code_and_no_word_about_the_buyer(program, buy, apply, reveal, buyer):
    order = buy()
    codes = reveal(order)
    refund = apply(order, description="手机 13912345678 打不开", contact="wx-secret-contact")
    read = program()
    paths = [*LISTS, f"{LISTS[0]}{order.order_no}/", f"{LISTS[1]}{refund.refund_no}/"]
    said = "".join(read(path).content.decode() for path in paths)
    for secret in (*codes, "13912345678", "wx-secret-contact", "打不开", buyer.username, buyer.email, "contact"):
        assert secret not in said


def test_another_shops_numbers_are_not_there(program, buy, apply):
    from shops.models import Shop

    order = buy()
    refund = apply(order)
    rival = person("rival", "merchant")
    other = Shop.objects.create(name="另一家店", created_at=clock.now())
    other.members.add(rival)
    _row, text = keys.make(other, "ERP", ["orders:read", "refunds:read"], by=rival, at=clock.now())
    for path in LISTS:
        assert with_key(text, path).json()["results"] == []
    for path in (f"{LISTS[0]}{order.order_no}/", f"{LISTS[1]}{refund.refund_no}/"):
        answer = with_key(text, path)
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
        assert program()(path).status_code == 200


@pytest.mark.parametrize(
    ("header", "code"),
    [
        ({}, "key_required"),
        ({"Authorization": "Basic dTpw"}, "key_required"),
        ({"Authorization": "Bearer"}, "key_unknown"),
        ({"Authorization": "Bearer csk_" + "A" * 43}, "key_unknown"),
        ({"Authorization": "Bearer " + "x" * 4000}, "key_unknown"),
        ({"Authorization": "Bearer \u00e9\u00ff"}, "key_unknown"),
    ],
)
def test_without_a_key_that_is_known_nothing_is_read(header, code, make_key):
    make_key()
    answer = Client().get(LISTS[0], headers=header)
    assert (answer.status_code, answer.json()["code"]) == (401, code)
    assert answer["Content-Type"] == "application/problem+json"
    assert answer["WWW-Authenticate"].startswith("Bearer")


def test_a_session_is_no_key(merchant):
    client = Client()
    client.force_login(merchant, backend="django.contrib.auth.backends.ModelBackend")
    assert client.get(LISTS[0]).status_code == 401


def test_a_key_opens_nothing_else(make_key):
    _row, text = make_key()
    assert with_key(text, "/api/orders/").status_code == 401
    assert with_key(text, "/shop/").status_code == 302


def test_a_revoked_key_opens_nothing_from_the_next_call_on(make_key, merchant):
    row, text = make_key()
    assert with_key(text, LISTS[0]).status_code == 200
    keys.revoke(row, by=merchant, at=clock.now())
    answer = with_key(text, LISTS[0])
    assert (answer.status_code, answer.json()["code"]) == (401, "key_revoked")


def test_a_key_reads_only_what_it_was_made_for(program):
    read = program("orders:read")
    assert read(LISTS[0]).status_code == 200
    answer = read(LISTS[1])
    assert (answer.status_code, answer.json()["code"], answer.json()["scope"]) == (
        403,
        "key_lacks_scope",
        "refunds:read",
    )


def test_a_suspended_shops_key_is_refused_with_the_reason(make_key, shop, operator, merchant):
    _row, text = make_key()
    life.suspend(shop, by=operator, at=clock.now(), reason="查")
    answer = with_key(text, LISTS[0])
    assert (answer.status_code, answer.json()["code"], answer.json()["reason"]) == (403, "shop_not_served", "suspended")
    life.reinstate(shop, by=operator, at=clock.now(), reason="查清")
    assert with_key(text, LISTS[0]).status_code == 200
    life.leave(shop, by=merchant, at=clock.now())
    assert with_key(text, LISTS[0]).status_code == 200  # what was sold is still served
    life.close(shop, at=clock.now())
    assert with_key(text, LISTS[0]).json()["reason"] == "closed"


def test_each_key_has_a_limit_of_its_own(make_key, monkeypatch):
    from api.shop import OfKey

    cache.clear()
    monkeypatch.setattr(OfKey, "THROTTLE_RATES", {"shop_key": "3/min"})
    _one, first = make_key()
    _two, second = make_key()
    answers = [with_key(first, LISTS[0]) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert 1 <= int(answers[3]["Retry-After"]) <= 61
    assert with_key(second, LISTS[0]).status_code == 200


def test_the_last_use_is_seen(make_key):
    row, text = make_key()
    with_key(text, LISTS[0])
    row.refresh_from_db()
    assert row.last_used_at is not None


def test_pages_are_cut_by_key_and_filtered(program, buy, apply):
    refunds = [apply(buy(price_fen=1000 + i)) for i in range(3)]
    read, seen, link = program(), [], f"{LISTS[1]}?page_size=2"
    while link:
        page = read(link.removeprefix("http://testserver")).json()
        seen += [row["refund_no"] for row in page["results"]]
        link = page["next"]
    assert seen == [refund.refund_no for refund in reversed(refunds)]
    for refund in refunds:  # the sweep for one works on those before it, too
        refund.refresh_from_db()
    status = refunds[0].status
    found = {row["refund_no"] for row in read(LISTS[1], status=status).json()["results"]}
    assert found == {refund.refund_no for refund in refunds if refund.status == status}
    assert read(LISTS[1], status="withdrawn").json()["results"] == []
    assert read(LISTS[1], buyer="1").status_code == 400


@pytest.mark.parametrize("path", LISTS)
def test_a_list_asks_the_database_as_often_for_six_rows_as_for_two(program, buy, apply, path):
    read, cost = program(), []
    for rows in (2, 4):
        for _ in range(rows):
            apply(buy(price_fen=3000, stock=1))
        read(path)  # the key's last use and the throttle are known
        with CaptureQueriesContext(connection) as queries:
            assert read(path).status_code == 200
        cost.append(len(queries))
    assert cost[0] == cost[1]
