"""Requests drawn from the schema itself, valid and broken, as two roles: nothing ends in 5xx (X15)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.core import signals
from django.db import close_old_connections, connection
from hypothesis import HealthCheck, Phase, given, settings
from rest_framework.throttling import UserRateThrottle

import clock

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.filterwarnings("ignore:.*:DeprecationWarning"),  # the fuzzer's own libraries
]


@pytest.mark.parametrize("role", ["buyer", "finance"])
def test_no_request_from_the_schema_ends_in_a_500(fuzz, role):
    answers = fuzz(role, examples=8)
    assert answers.total() > 200
    assert answers[200] > 20
    assert not answers[401]


@pytest.mark.nightly
@pytest.mark.parametrize("role", ["buyer", "stranger", "merchant", "reviewer", "senior", "finance", "operator"])
def test_no_request_of_many_ends_in_a_500(fuzz, role):
    assert fuzz(role, examples=100).total() > 2000


@pytest.fixture
def one_connection(db) -> Iterator[None]:
    """A request closes not the connection that the test's transaction is on, nor does thinking for half a minute."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
    for signal in (signals.request_started, signals.request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (signals.request_started, signals.request_finished):
        signal.connect(close_old_connections)


@pytest.fixture
def fuzz(request, one_connection, api, buy, reveal, apply, merchant, shop, monkeypatch) -> Callable[..., Counter[int]]:
    """`fuzz("buyer", examples=8)` sends as many requests of each kind to each operation; counts answers by status."""
    from api.shop import OfKey
    from integrations import keys

    monkeypatch.setattr(UserRateThrottle, "THROTTLE_RATES", {"user": None})
    monkeypatch.setattr(OfKey, "THROTTLE_RATES", {"shop_key": None})
    order = buy(price_fen=8800)
    reveal(order)
    _row, key = keys.make(shop, "ERP", ("orders:read", "refunds:read"), by=merchant, at=clock.now())
    real = {"order_no": order.order_no, "refund_no": apply(order).refund_no}

    def run(role: str, examples: int) -> Counter[int]:
        import schemathesis
        from django.core.wsgi import get_wsgi_application
        from schemathesis import GenerationMode

        app = in_session_of(api(request.getfixturevalue(role)), key, get_wsgi_application())
        schema = schemathesis.openapi.from_wsgi("/api/schema/?format=json", app)
        answers: Counter[int] = Counter()
        for found in schema.get_all_operations():
            operation = found.ok()
            ours = {name: number for name, number in real.items() if f"{{{name}}}" in operation.path}
            for numbers in [None, ours] if ours else [None]:
                for mode in GenerationMode:
                    cases = operation.as_strategy(generation_mode=mode, path_parameters=numbers)
                    _send_many(cases, examples, answers)
        return answers

    return run


def in_session_of(caller: Any, key: str, app: Any) -> Any:
    """However broken a request is, it comes with this person's session and CSRF token, and with a shop's key."""
    cookies = "; ".join(f"{name}={morsel.value}" for name, morsel in caller.client.cookies.items())

    def with_session(environ: dict[str, Any], start_response: Any) -> Any:
        ours = {"HTTP_COOKIE": cookies, "HTTP_X_CSRFTOKEN": caller.token, "HTTP_AUTHORIZATION": f"Bearer {key}"}
        return app(environ | ours, start_response)

    return with_session


def _send_many(cases: Any, examples: int, answers: Counter[int]) -> None:
    @settings(
        max_examples=examples,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=cases)
    def send(case: Any) -> None:
        answer = case.call(base_url="http://testserver")
        answers[answer.status_code] += 1
        assert answer.status_code < 500, f"{case.method} {case.formatted_path} {case.query} {case.body!r}"

    send()
