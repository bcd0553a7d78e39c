"""The buyer's phone: a plain page with a button, and a clear word when there is nothing to pay."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import pytest


@pytest.fixture
def scan(gateway: Any, deaf_url: str) -> Callable[..., tuple[str, str]]:
    """Place an order and scan its code: (the order's number, the phone page's path)."""

    def scanned(number: str = "", description: str = "点卡 100 元") -> tuple[str, str]:
        number = number or f"{gateway.new_number()}PAY"
        answer = gateway.client.pay(description, number, {"total": 12345, "currency": "CNY"}, notify_url=deaf_url)
        return number, "/phone/" + json.loads(answer[1])["code_url"].partition("?pr=")[2]

    return scanned


def look(gateway: Any, path: str) -> tuple[int, str]:
    status, headers, body = gateway.http("GET", path)
    assert headers["Content-Type"] == "text/html; charset=utf-8"
    return status, body.decode()


def test_the_buyer_sees_what_to_pay_and_pays_it(gateway: Any, scan: Callable[..., tuple[str, str]]) -> None:
    number, path = scan()
    status, page = look(gateway, path)
    assert status == 200
    for text in ("¥123.45", "点卡 100 元", "卡盟商城", number, "确认支付", "零钱", "招商银行借记卡0403"):
        assert text in page
    form = urlencode({"funding": "招商银行借记卡0403"}).encode()
    status, headers, _ = gateway.http("POST", path, form, {"Content-Type": "application/x-www-form-urlencoded"})
    assert (status, headers["Location"]) == (303, path)

    assert gateway.query(number)["trade_state"] == "SUCCESS"
    assert gateway.in_ledger("payments", number)["funding"] == "招商银行借记卡0403"
    status, page = look(gateway, path)
    assert status == 200
    assert "支付成功" in page
    assert "确认支付" not in page
    assert gateway.http("POST", path, form)[0] == 303  # pressing twice pays once
    assert len([row for row in gateway.ledger()["notifications"] if row["number"] == number]) == 1


def test_the_page_stands_alone(gateway: Any, scan: Callable[..., tuple[str, str]]) -> None:
    _, path = scan()
    _, headers, body = gateway.http("GET", path)
    page = body.decode()
    assert "<script" not in page
    assert " style=" not in page
    assert re.findall(r'(?:src|href|action)="([^"]+)"', page) == ["/phone.css", path]
    assert headers["Content-Security-Policy"].startswith("default-src 'none'")
    status, headers, _ = gateway.http("GET", "/phone.css")
    assert (status, headers["Content-Type"]) == (200, "text/css; charset=utf-8")


def test_what_the_merchant_wrote_is_only_text(gateway: Any, scan: Callable[..., tuple[str, str]]) -> None:
    _, path = scan(description='<script>alert("1")</script>')
    for where in (path, "/phone/"):
        page = look(gateway, where)[1]
        assert "<script" not in page
        assert "&lt;script&gt;" in page


@pytest.mark.parametrize(
    "path", ["/phone/NoSuchCode", "/phone/%00", "/phone/<b>", "/phone/a/b", "/phone/" + "x" * 9000]
)
def test_an_unknown_code_says_so(gateway: Any, path: str) -> None:
    status, page = look(gateway, path)
    assert status == 404
    assert "二维码无效" in page
    assert gateway.http("POST", path, b"funding=x")[0] in (303, 400)


def test_a_closed_order_and_a_dead_code_say_so(gateway: Any, scan: Callable[..., tuple[str, str]]) -> None:
    number, path = scan()
    _, newer = scan(number)
    status, page = look(gateway, path)
    assert (status, "二维码已过期" in page) == (410, True)
    gateway.http("POST", path)
    assert gateway.query(number)["trade_state"] == "NOTPAY"
    assert look(gateway, newer)[0] == 200
    gateway.client.close(number)
    status, page = look(gateway, newer)
    assert (status, "订单已关闭" in page) == (410, True)
    gateway.http("POST", newer)
    assert gateway.query(number)["trade_state"] == "CLOSED"


def test_a_code_lives_a_quarter_of_an_hour_even_when_time_is_fast(
    gateway: Any, scan: Callable[..., tuple[str, str]]
) -> None:
    number, path = scan()
    gateway.control("clock", {"advance_seconds": 14 * 60})
    assert look(gateway, path)[0] == 200
    gateway.control("clock", {"advance_seconds": 2 * 60})
    status, page = look(gateway, path)
    assert (status, "二维码已过期" in page) == (410, True)
    gateway.http("POST", path)
    assert gateway.query(number)["trade_state"] == "NOTPAY"


@pytest.mark.parametrize("body", [b"funding=cash", b"funding=%FF", b"\xff\xfe", b"&".join([b"a=1"] * 100)])
def test_a_strange_form_is_refused_or_pays_from_the_balance(
    gateway: Any, scan: Callable[..., tuple[str, str]], body: bytes
) -> None:
    _, path = scan()
    assert gateway.http("POST", path, body)[0] in (303, 400)


def test_open_orders_are_listed_for_those_who_cannot_scan(gateway: Any, scan: Callable[..., tuple[str, str]]) -> None:
    _, path = scan()
    assert f'href="{path}"' in look(gateway, "/phone/")[1]
