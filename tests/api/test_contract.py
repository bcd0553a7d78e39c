"""What every address of the API shares: pages, errors, limits, a schema that is true."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
import yaml
from django.core.cache import cache
from django.db import connection
from django.test.utils import CaptureQueriesContext

from api import steps
from api.errors import KINDS
from refunds.lifecycle import STEPS

pytestmark = pytest.mark.django_db
ROOT = Path(__file__).resolve().parents[2]


def test_the_committed_schema_is_the_one_served(api):
    """Drift: `python manage.py spectacular --validate --fail-on-warn --file docs/openapi.yaml`."""
    served = yaml.safe_load(api().get("/api/schema/").content)
    committed = yaml.safe_load((ROOT / "docs" / "openapi.yaml").read_text())
    assert committed == served, "run the command of this test's docstring"


def test_every_step_of_persons_is_in_the_schema(api):
    schema = yaml.safe_load(api().get("/api/schema/").content)
    operation = schema["paths"]["/api/refunds/{refund_no}/steps/{step}/"]["post"]
    (step,) = [parameter for parameter in operation["parameters"] if parameter["name"] == "step"]
    assert set(step["schema"]["enum"]) == {name for name, row in STEPS.items() if row.title} == set(steps.OF_PERSONS)


def test_every_refusal_of_the_house_has_a_status_and_an_english_sentence():
    """A code without a row would be answered as wrong_status."""
    codes = {
        call.args[0].value
        for path in (ROOT / "refunds").rglob("*.py")
        for call in ast.walk(ast.parse(path.read_text()))
        if isinstance(call, ast.Call) and call.args and isinstance(call.args[0], ast.Constant)
        if getattr(call.func, "id", getattr(call.func, "attr", "")) == "StepRefused"
    }
    assert len(codes) > 10
    assert codes <= KINDS.keys()


def test_the_docs_load_nothing_from_elsewhere(api):
    page = api().get("/api/docs/")
    text = page.content.decode()
    assert "http://" not in text
    assert "https://" not in text
    assert "<script>" not in text
    assert page["Content-Security-Policy"].startswith("default-src 'none'; script-src 'self'")
    script = api().get("/api/docs/?script=")
    assert script["Content-Type"].startswith("application/javascript")
    assert script["Cache-Control"] == "private, no-store"


def test_pages_hold_every_row_once_while_rows_come_in(api, buy, buyer):
    numbers = [buy(price_fen=1000 + i).order_no for i in range(5)]
    first = api(buyer).get("/api/orders/", page_size=2).json()
    newcomer = buy(price_fen=2000).order_no
    seen = [row["order_no"] for row in first["results"]]
    link = first["next"]
    while link:
        page = api(buyer).get(link.removeprefix("http://testserver")).json()
        seen += [row["order_no"] for row in page["results"]]
        link = page["next"]
    assert seen == list(reversed(numbers))
    assert newcomer not in seen


@pytest.mark.parametrize("path", ["/api/products/", "/api/orders/", "/api/refunds/"])
def test_a_list_asks_the_database_as_often_for_six_rows_as_for_two(api, buy, apply, approved, buyer, reviewer, path):
    people = [buyer, reviewer] if path == "/api/refunds/" else [buyer]
    callers = [api(person) for person in people]
    cost = []
    for rows in (2, 4):
        for _ in range(rows):
            apply(buy(price_fen=3000, stock=1), reason="changed_mind")
            approved()  # a step is open whose limit is the policy's
        for caller in callers:
            caller.get(path)  # the session and the throttle are known
        counts = []
        for caller in callers:
            with CaptureQueriesContext(
                connection,
            ) as queries:
                answer = caller.get(path)
            assert answer.status_code == 200
            counts.append(len(queries))
        cost.append(counts)
    assert cost[0] == cost[1]


def test_an_order_asks_the_database_as_often_for_six_lines_as_for_one(api, buy, buyer):
    cost = []
    for quantity in (1, 6):
        order = buy(price_fen=1000, quantity=quantity, stock=6)
        caller = api(buyer)
        caller.get(f"/api/orders/{order.order_no}/")
        with CaptureQueriesContext(connection) as queries:
            caller.get(f"/api/orders/{order.order_no}/")
        cost.append(len(queries))
    assert cost[0] == cost[1]


def test_too_many_requests_are_told_to_wait(api, buyer, monkeypatch):
    from rest_framework.throttling import UserRateThrottle

    cache.clear()
    monkeypatch.setattr(UserRateThrottle, "THROTTLE_RATES", {"user": "3/min"})
    caller = api(buyer)
    answers = [caller.get("/api/orders/") for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert answers[3].json()["code"] == "throttled"
    assert 1 <= int(answers[3]["Retry-After"]) <= 61


def test_a_visitor_cannot_name_its_own_address_to_the_throttle(api, monkeypatch):
    from rest_framework.throttling import UserRateThrottle

    cache.clear()
    monkeypatch.setattr(UserRateThrottle, "THROTTLE_RATES", {"user": "2/min"})
    answers = [
        api().client.get("/api/products/", headers={"X-Forwarded-For": f"198.51.100.{i}" * 40}) for i in range(3)
    ]
    assert [answer.status_code for answer in answers] == [200, 200, 429]


def test_the_api_speaks_chinese_whatever_the_cookie_says(api, buyer):
    caller = api(buyer)
    caller.client.cookies["cardshop_language"] = "en"
    answer = caller.post("/api/refunds/", {"order_no": "D00000000000000", "reason": "late"})
    assert (answer.status_code, answer.json()["fields"]) == (404, {"order_no": ["您没有这张订单，请核对订单号。"]})
    assert "check it" in answer.json()["detail_en"]


def test_nothing_of_the_api_is_kept_by_a_cache(api, buyer):
    for path in ("/api/orders/", "/api/refunds/R00000000000000/"):
        assert api(buyer).get(path)["Cache-Control"] == "private, no-store"
