"""Bad signatures, bad fields and broken rules: WeChat's own status and code, never a 500, and nothing changes."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

NATIVE = "/v3/pay/transactions/native"
REFUNDS = "/v3/refund/domestic/refunds"


def native(gateway: Any, **changes: Any) -> dict[str, Any]:
    data = {
        "appid": gateway.keys["appid"],
        "mchid": gateway.keys["mchid"],
        "description": "点卡",
        "out_trade_no": f"{gateway.new_number()}PAY",
        "notify_url": "http://127.0.0.1:9/n",
        "amount": {"total": 100, "currency": "CNY"},
    } | changes
    return {name: value for name, value in data.items() if value is not None}


def test_an_unchanged_call_of_these_tests_is_accepted(gateway: Any) -> None:
    assert gateway.call("POST", NATIVE, native(gateway))[0] == 200


@pytest.mark.parametrize(
    ("changes", "code", "field"),
    [
        ({"out_trade_no": None}, "PARAM_ERROR", "/out_trade_no"),
        ({"out_trade_no": "short"}, "PARAM_ERROR", "/out_trade_no"),
        ({"out_trade_no": "x" * 33}, "PARAM_ERROR", "/out_trade_no"),
        ({"out_trade_no": "with space"}, "PARAM_ERROR", "/out_trade_no"),
        ({"out_trade_no": 12345678}, "PARAM_ERROR", "/out_trade_no"),
        ({"description": None}, "PARAM_ERROR", "/description"),
        ({"description": "字" * 128}, "PARAM_ERROR", "/description"),
        ({"description": ["点卡"]}, "PARAM_ERROR", "/description"),
        ({"attach": "x" * 129}, "PARAM_ERROR", "/attach"),
        ({"notify_url": None}, "PARAM_ERROR", "/notify_url"),
        ({"notify_url": "https://shop.example/n?order=1"}, "PARAM_ERROR", "/notify_url"),
        ({"notify_url": "ftp://shop.example/n"}, "PARAM_ERROR", "/notify_url"),
        ({"notify_url": "http://"}, "PARAM_ERROR", "/notify_url"),
        ({"notify_url": "http://[::1"}, "PARAM_ERROR", "/notify_url"),
        ({"notify_url": "http://shop.example:99999/"}, "PARAM_ERROR", "/notify_url"),
        ({"notify_url": "http://商店.example/"}, "PARAM_ERROR", "/notify_url"),
        ({"notify_url": "http://a/" + "x" * 250}, "PARAM_ERROR", "/notify_url"),
        ({"amount": None}, "PARAM_ERROR", "/amount"),
        ({"amount": 100}, "PARAM_ERROR", "/amount"),
        ({"amount": {"total": 0}}, "PARAM_ERROR", "/amount/total"),
        ({"amount": {"total": -1}}, "PARAM_ERROR", "/amount/total"),
        ({"amount": {"total": 1.0}}, "PARAM_ERROR", "/amount/total"),
        ({"amount": {"total": True}}, "PARAM_ERROR", "/amount/total"),
        ({"amount": {"total": "100"}}, "PARAM_ERROR", "/amount/total"),
        ({"amount": {"total": 10**30}}, "PARAM_ERROR", "/amount/total"),
        ({"amount": {"total": 100, "currency": "USD"}}, "PARAM_ERROR", "/amount/currency"),
        ({"time_expire": "tomorrow"}, "PARAM_ERROR", "/time_expire"),
        ({"time_expire": "2030-01-01T00:00:00"}, "PARAM_ERROR", "/time_expire"),
        ({"time_expire": "2020-01-01T00:00:00+08:00"}, "PARAM_ERROR", "/time_expire"),
        ({"time_expire": "9999-12-31T23:59:59-23:59"}, "PARAM_ERROR", "/time_expire"),
        ({"mchid": "1"}, "MCH_NOT_EXISTS", None),
        ({"appid": "wx0"}, "APPID_MCHID_NOT_MATCH", None),
    ],
)
def test_a_bad_order_is_refused_by_name(gateway: Any, changes: dict[str, Any], code: str, field: str | None) -> None:
    data = native(gateway, **changes)
    status, answer = gateway.call("POST", NATIVE, data)
    assert (status, answer["code"]) == (400, code)
    assert answer["message"]
    if field:
        assert answer["detail"]["field"] == field
        assert answer["detail"]["issue"]
        assert answer["detail"]["location"] == "body"
    assert not gateway.in_ledger("payments", str(data.get("out_trade_no")))


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"out_refund_no": None}, 400, "PARAM_ERROR"),
        ({"out_refund_no": "R/1"}, 400, "PARAM_ERROR"),
        ({"out_refund_no": "R" * 65}, 400, "PARAM_ERROR"),
        ({"out_refund_no": "R\n"}, 400, "PARAM_ERROR"),
        ({"reason": "因" * 81}, 400, "PARAM_ERROR"),
        ({"notify_url": "https://shop.example/n?x"}, 400, "PARAM_ERROR"),
        ({"funds_account": "POCKET"}, 400, "PARAM_ERROR"),
        ({"amount": {"refund": 100, "total": 1000}}, 400, "PARAM_ERROR"),  # the currency is mandatory
        ({"amount": {"refund": 0, "total": 1000, "currency": "CNY"}}, 400, "PARAM_ERROR"),
        ({"amount": {"refund": 1.5, "total": 1000, "currency": "CNY"}}, 400, "PARAM_ERROR"),
        ({"amount": {"refund": 100, "total": 999, "currency": "CNY"}}, 400, "INVALID_REQUEST"),
        ({"amount": {"refund": 1001, "total": 1000, "currency": "CNY"}}, 400, "INVALID_REQUEST"),
        ({"out_trade_no": None}, 400, "PARAM_ERROR"),
        ({"out_trade_no": "NOSUCHORDER"}, 404, "RESOURCE_NOT_EXISTS"),
        ({"transaction_id": "4200000000"}, 404, "RESOURCE_NOT_EXISTS"),
    ],
)
def test_a_bad_refund_is_refused_by_name(
    gateway: Any, deaf_url: str, changes: dict[str, Any], status: int, code: str
) -> None:
    number = gateway.paid_order(deaf_url)
    data = {
        "out_trade_no": number,
        "out_refund_no": f"{number}R1",
        "amount": {"refund": 100, "total": 1000, "currency": "CNY"},
    } | changes
    data = {name: value for name, value in data.items() if value is not None}
    answer = gateway.call("POST", REFUNDS, data)
    assert (answer[0], answer[1]["code"]) == (status, code)
    assert gateway.in_ledger("payments", number)["refunded_fen"] == 0


def test_an_unpaid_order_cannot_be_refunded(gateway: Any, deaf_url: str) -> None:
    number = gateway.order(deaf_url)
    status, body = gateway.refund(number, f"{number}R1")
    assert (status, body["code"]) == (404, "RESOURCE_NOT_EXISTS")


@pytest.mark.parametrize(
    "change",
    [
        {"fen": 500},
        {"reason": "另一个原因"},
        {"funds_account": "AVAILABLE"},
        {"other_order": True},
    ],
)
def test_the_same_refund_number_with_other_parameters_is_refused(
    gateway: Any, deaf_url: str, change: dict[str, Any]
) -> None:
    number = gateway.paid_order(deaf_url)
    assert gateway.refund(number, f"{number}R1", 400, reason="原因")[0] == 200
    more = {"fen": 400, "reason": "原因"} | change
    order = gateway.paid_order(deaf_url) if more.pop("other_order", False) else number
    status, body = gateway.refund(order, f"{number}R1", **more)
    assert (status, body["code"]) == (400, "INVALID_REQUEST")
    row = gateway.in_ledger("refunds", f"{number}R1")
    assert (row["amount_fen"], row["effects"]) == (400, 1)


def test_two_refunds_of_one_order_are_a_minute_apart(start_gateway: Callable[..., Any], deaf_url: str) -> None:
    gateway = start_gateway(speed=1)
    number = gateway.paid_order(deaf_url)
    assert gateway.refund(number, f"{number}R1", 100)[0] == 200
    status, body = gateway.refund(number, f"{number}R2", 100)
    assert (status, body["code"]) == (429, "FREQUENCY_LIMITED")
    assert not gateway.in_ledger("refunds", f"{number}R2")
    assert gateway.refund(number, f"{number}R1", 100)[0] == 200  # the same one may be asked for at any time
    gateway.control("clock", {"advance_seconds": 61})
    assert gateway.refund(number, f"{number}R2", 100)[0] == 200


def test_an_order_is_refunded_in_fifty_parts_at_most(start_gateway: Callable[..., Any], deaf_url: str) -> None:
    gateway = start_gateway(speed=1_000_000)
    number = gateway.paid_order(deaf_url)
    for index in range(50):
        assert gateway.refund(number, f"{number}R{index}", 1)[0] == 200
    status, body = gateway.refund(number, f"{number}R50", 1)
    assert (status, body["code"]) == (400, "INVALID_REQUEST")
    assert gateway.in_ledger("payments", number)["refunded_fen"] == 50


@pytest.mark.parametrize(("days", "status"), [(364, 200), (366, 403)])
def test_an_order_is_refunded_within_365_days(
    start_gateway: Callable[..., Any], deaf_url: str, days: int, status: int
) -> None:
    gateway = start_gateway()
    number = gateway.paid_order(deaf_url)
    gateway.control("clock", {"advance_seconds": days * 86400})
    answer = gateway.refund(number, f"{number}R1")
    assert answer[0] == status
    if status == 403:
        assert answer[1]["code"] == "TRADE_OVERDUE"


def test_what_a_closed_refund_returned_can_be_refunded_again(start_gateway: Callable[..., Any], deaf_url: str) -> None:
    gateway = start_gateway(speed=1_000_000)
    number = gateway.paid_order(deaf_url)
    gateway.control("settle", {"request_no": f"{number}R1", "status": "CLOSED", "in_advance": True})
    gateway.refund(number, f"{number}R1")
    assert gateway.in_ledger("refunds", f"{number}R1")["status"] == "CLOSED"
    assert gateway.query(number)["trade_state"] == "SUCCESS"
    assert gateway.refund(number, f"{number}R2")[0] == 200
    assert gateway.in_ledger("payments", number)["refunded_fen"] == 1000


# --- who asks --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spoil", "status"),
    [
        (lambda header: None, 401),
        (lambda header: "", 401),
        (lambda header: "Bearer secret", 401),
        (lambda header: header.replace("WECHATPAY2-SHA256-RSA2048", "WECHATPAY2-SM2-WITH-SM3"), 401),
        (lambda header: header.replace('mchid="1', 'mchid="9'), 401),
        (lambda header: header.replace('nonce_str="', 'nonce_str="X'), 401),
        (lambda header: header.replace('serial_no="', 'serial_no="0'), 401),
        (lambda header: header.replace('signature="', 'signature="AAAA'), 401),
        (lambda header: header.replace('signature="', 'signature="!'), 401),
        (lambda header: header.replace('timestamp="', 'timestamp="-'), 401),
        (lambda header: header.replace('timestamp="', 'timestamp="9'), 401),
        (lambda header: header, 404),
    ],
)
def test_only_the_merchant_is_answered(gateway: Any, spoil: Callable[[str], str | None], status: int) -> None:
    path = f"{REFUNDS}/NOSUCHREFUND"
    headers = gateway.signed("GET", path)
    header = spoil(headers.pop("Authorization"))
    if header is not None:
        headers["Authorization"] = header
    got, answered, body = gateway.http("GET", path, headers=headers)
    assert (got, json.loads(body)["code"]) == (status, "SIGN_ERROR" if status == 401 else "RESOURCE_NOT_EXISTS")
    # Strangers get no signature to play with; the merchant gets one on errors, too.
    assert ("Wechatpay-Signature" in answered) == (status != 401)


@pytest.mark.parametrize(("seconds", "status"), [(-310, 401), (310, 401), (-290, 404), (290, 404)])
def test_the_merchants_clock_may_be_five_minutes_off(gateway: Any, seconds: int, status: int) -> None:
    path = f"{REFUNDS}/NOSUCHREFUND"
    headers = gateway.signed("GET", path, at=time.time() + seconds)
    assert gateway.http("GET", path, headers=headers)[0] == status


def test_the_signature_is_over_the_uri_as_it_was_sent(gateway: Any) -> None:
    """T6: the SDK signs `R|1`, the HTTP library sends `R%7C1`."""
    status, body = gateway.client.query_refund("R|1")
    assert (status, json.loads(body)["code"]) == (401, "SIGN_ERROR")
    assert gateway.call("GET", f"{REFUNDS}/R%7C1")[0] == 404


def test_a_body_that_was_changed_on_the_way_is_refused(gateway: Any) -> None:
    body = json.dumps(native(gateway)).encode()
    headers = gateway.signed("POST", NATIVE, body)
    assert gateway.http("POST", NATIVE, body.replace(b"100", b"101"), headers)[0] == 401
    assert gateway.http("POST", NATIVE, body, headers)[0] == 200


def test_a_call_without_user_agent_is_refused(gateway: Any) -> None:
    path = f"{REFUNDS}/NOSUCHREFUND"
    status, _, body = gateway.http("GET", path, headers=gateway.signed("GET", path) | {"User-Agent": ""})
    assert (status, json.loads(body)["code"]) == (400, "INVALID_REQUEST")


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/v3/pay/transactions/out-trade-no/NOSUCHORDER", "PARAM_ERROR"),
        ("/v3/pay/transactions/out-trade-no/NOSUCHORDER?mchid=1", "MCH_NOT_EXISTS"),
        ("/v3/pay/transactions/out-trade-no/NOSUCHORDER?mchid={mchid}", "ORDER_NOT_EXIST"),
        ("/v3/pay/transactions/id/4200?mchid={mchid}", "ORDER_NOT_EXIST"),
    ],
)
def test_what_cannot_be_found_has_a_name(gateway: Any, path: str, code: str) -> None:
    status, answer = gateway.call("GET", path.format(mchid=gateway.keys["mchid"]))
    assert status in (400, 404)
    assert answer["code"] == code


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v3/pay/transactions/alchemy", 404),
        ("GET", "/nothing", 404),
        ("GET", NATIVE, 405),
        ("DELETE", REFUNDS, 405),
    ],
)
def test_unknown_paths_and_methods_get_an_empty_answer(gateway: Any, method: str, path: str, status: int) -> None:
    got, headers, body = gateway.http(method, path)
    assert (got, body) == (status, b"")
    assert "Wechatpay-Signature" not in headers


# --- what is not even JSON -------------------------------------------------------------------------------------------

STRANGE_BODIES = [
    b"",
    b"null",
    b"[]",
    b'"text"',
    b"{",
    b"NaN",
    b'{"out_trade_no": NaN}',
    b'{"out_trade_no": 1e999}',
    b"{" * 5000,
    b'{"a":' * 900 + b"1" + b"}" * 900,
    b"[" * 100_000,
    b'{"out_trade_no": "NUL\\u0000NUL"}',
    b'{"out_trade_no": "\\ud800"}',
    b'{"\\ud800": 1}',
    b'{"out_trade_no": "\xff\xfe"}',
    b"\xff\xfe{",
    b'{"amount": {"total": ' + b"9" * 5000 + b"}}",
    b"x" * 100_000,
]


@pytest.mark.parametrize("body", STRANGE_BODIES, ids=lambda body: repr(body[:24]))
@pytest.mark.parametrize("path", [NATIVE, REFUNDS, "/v3/pay/transactions/out-trade-no/NOSUCHORDER/close"])
def test_strange_bodies_get_a_clear_error(gateway: Any, path: str, body: bytes) -> None:
    status, _, answer = gateway.http("POST", path, body, gateway.signed("POST", path, body))
    assert (status, json.loads(answer)["code"]) == (400, "PARAM_ERROR")


def test_too_large_and_endless_bodies_are_refused(gateway: Any) -> None:
    assert gateway.http("POST", NATIVE, headers={"Content-Length": "9" * 9})[0] == 413
    assert gateway.http("POST", NATIVE, headers={"Content-Length": "-5"})[0] == 400
    assert gateway.http("POST", NATIVE, headers={"Transfer-Encoding": "chunked"})[0] == 411
