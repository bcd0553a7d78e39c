"""The cashier and the scanned code: who may pay, until when, where it leads, and what an error looks like."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest

from tests.simulator.alipay_merchant import CARD, Merchant


def test_the_order_form_may_come_by_post(alipay: Merchant) -> None:
    target, _, query = alipay.page_url(number=alipay.new_number()).partition("?")
    body = urlencode(parse_qsl(query)).encode()
    status, headers, _ = alipay.gateway.http(
        "POST", target, body, {"Content-Type": "application/x-www-form-urlencoded"}
    )
    assert status == 302
    assert alipay.open(urlsplit(headers["Location"]).path)[0] == 200


def test_the_same_form_again_is_the_same_order(alipay: Merchant) -> None:
    target = alipay.page_url(number=alipay.new_number())
    assert alipay.open(target)[1] == alipay.open(target)[1]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"total_amount": "0"}, "ACQ.INVALID_PARAMETER"),
        ({"subject": "a&b"}, "ACQ.INVALID_PARAMETER"),
        ({"out_trade_no": "no-dashes"}, "ACQ.INVALID_PARAMETER"),
    ],
)
def test_an_order_that_is_wrong_shows_a_page_in_gbk(alipay: Merchant, change: dict[str, Any], code: str) -> None:
    status, headers, body = alipay.gateway.http("GET", alipay.page_url(**change))
    assert (status, headers["Content-Type"]) == (200, "text/html;charset=GBK")
    assert code in body.decode("gbk")


def test_a_changed_form_is_not_taken(alipay: Merchant) -> None:
    number = alipay.new_number()
    target = alipay.page_url(number=number).replace("10.00", "0.01")
    assert "isv.invalid-signature" in alipay.open(target)[2]
    assert alipay.in_ledger("payments", number) is None


def test_the_same_number_for_something_else_is_not_taken(alipay: Merchant) -> None:
    number = alipay.new_number()
    alipay.open(alipay.page_url(number=number))
    assert "ACQ.CONTEXT_INCONSISTENT" in alipay.open(alipay.page_url(number=number, total_amount="11.00"))[2]
    alipay.gateway.control("pay", {"out_trade_no": number, "channel": "alipay"})
    assert "ACQ.TRADE_HAS_SUCCESS" in alipay.open(alipay.page_url(number=number))[2]


def test_leaving_the_wap_cashier_leads_to_quit_url(alipay: Merchant) -> None:
    target = alipay.page_url("wap", quit_url="http://shop.example/quit?a=1&b=2")
    assert 'href="http://shop.example/quit?a=1&amp;b=2"' in alipay.open(target)[2]


def test_paying_without_return_url_shows_the_receipt(alipay: Merchant) -> None:
    path = alipay.open(alipay.page_url())[1]
    assert alipay.press_pay(path, CARD) == path
    text = alipay.open(path)[2]
    assert "支付成功" in text
    assert CARD in text


def test_pressing_twice_pays_once(alipay: Merchant) -> None:
    number = alipay.new_number()
    path = alipay.open(alipay.page_url(number=number))[1]
    alipay.press_pay(path)
    paid_at = alipay.in_ledger("payments", number)["paid_at"]
    alipay.press_pay(path, CARD)
    row = alipay.in_ledger("payments", number)
    assert (row["paid_at"], row["funding"]) == (paid_at, "余额")


def test_a_strange_funding_is_refused(alipay: Merchant) -> None:
    path = alipay.open(alipay.page_url())[1]
    status, _, _ = alipay.gateway.http("POST", path, b"funding=gold")
    assert status == 400


def test_names_from_the_merchant_are_text(alipay: Merchant) -> None:
    text = alipay.open(alipay.page_url(subject="<script>alert(1)<b>"))[2]
    assert "<script>" not in text
    assert "&lt;script&gt;" in text


def test_the_page_may_lead_to_the_shop_alone(alipay: Merchant) -> None:
    path = alipay.open(alipay.page_url(return_url="http://shop.example:81/back"))[1]
    policy = alipay.gateway.http("GET", path)[1]["Content-Security-Policy"]
    assert policy.endswith("form-action 'self' http://shop.example:81")


def test_an_unknown_code_is_nobodys(alipay: Merchant) -> None:
    assert alipay.open("/qr.alipay.com/baxnobody")[0] == 404
    assert alipay.open("/alipay/cashier/")[0] == 404


# --- time ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def slow(start_gateway: Callable[..., Any]) -> Merchant:
    """A simulator as fast as life, whose clock is this test's own."""
    return Merchant(start_gateway(speed=1))


def test_a_qr_code_lives_two_hours_and_then_no_trade_begins(slow: Merchant) -> None:
    number, qr_path = slow.order()
    slow.wait(2 * 3600 + 1)
    assert slow.open(qr_path)[0] == 410
    assert slow.sub_code("alipay.trade.query", out_trade_no=number) == "ACQ.TRADE_NOT_EXIST"
    slow.gateway.control("pay", {"out_trade_no": number}, expect=409)
    assert slow.order()[0]


def test_a_trade_closes_when_its_time_is_over(slow: Merchant) -> None:
    express, absolute = slow.new_number(), slow.new_number()
    now = datetime.fromisoformat(slow.gateway.ledger()["now"])
    slow.open(slow.page_url(number=express, timeout_express="30m"))
    until = (now + timedelta(minutes=30)).strftime("%Y-%m-%d %H:%M:%S")
    path = slow.open(slow.page_url(number=absolute, timeout_express="1m", time_expire=until))[1]
    slow.wait(1700)
    assert slow.call("alipay.trade.query", out_trade_no=absolute)["trade_status"] == "WAIT_BUYER_PAY"
    slow.wait(120)
    for number in (express, absolute):
        assert slow.call("alipay.trade.query", out_trade_no=number)["trade_status"] == "TRADE_CLOSED"
    assert slow.open(path)[0] == 410
    slow.gateway.control("pay", {"out_trade_no": express}, expect=409)


def test_a_buyer_may_pay_while_the_order_closes(slow: Merchant) -> None:
    number, qr_path = slow.order()
    slow.open(qr_path)
    slow.call("alipay.trade.close", out_trade_no=number)
    slow.gateway.control("pay", {"out_trade_no": number, "race": True})
    assert slow.call("alipay.trade.query", out_trade_no=number)["trade_status"] == "TRADE_SUCCESS"


def test_open_orders_are_listed_for_who_cannot_scan(alipay: Merchant) -> None:
    _, qr_path = alipay.order()
    assert qr_path in alipay.open("/alipay/")[2]
