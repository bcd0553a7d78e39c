"""The stock `wechatpayv3` client, with only its gateway address changed, does everything a shop does."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest


def test_an_order_is_placed_paid_and_told(gateway: Any, ear: Any) -> None:
    number = gateway.order(ear.url, attach="附加数据")
    assert gateway.query(number)["trade_state"] == "NOTPAY"
    gateway.control("pay", {"out_trade_no": number})

    event = ear.next_event(gateway)
    assert (event["event_type"], event["resource_type"]) == ("TRANSACTION.SUCCESS", "encrypt-resource")
    paid = gateway.query(number)
    assert event["resource"] == paid
    assert paid["trade_state"] == "SUCCESS"
    assert paid["amount"] == {"total": 1000, "currency": "CNY", "payer_total": 1000, "payer_currency": "CNY"}
    assert (paid["mchid"], paid["appid"]) == (gateway.keys["mchid"], gateway.keys["appid"])
    assert paid["attach"] == "附加数据"
    assert len(paid["transaction_id"]) == 28

    status, body = gateway.client.query(transaction_id=paid["transaction_id"])
    assert (status, json.loads(body)) == (200, paid)


def test_the_same_order_again_gets_a_new_code_and_another_under_its_number_is_refused(
    gateway: Any, deaf_url: str
) -> None:
    number = f"{gateway.new_number()}PAY"

    def pay(total: int) -> tuple[int, dict[str, Any]]:
        status, body = gateway.client.pay("点卡", number, {"total": total, "currency": "CNY"}, notify_url=deaf_url)
        return status, json.loads(body)

    codes = [pay(100)[1]["code_url"] for _ in range(2)]
    assert codes[0] != codes[1]
    assert all(code.startswith("weixin://wxpay/bizpayurl?pr=") for code in codes)
    status, body = pay(101)
    assert (status, body["code"]) == (403, "OUT_TRADE_NO_USED")
    assert gateway.in_ledger("payments", number)["amount_fen"] == 100


def test_an_open_order_closes_as_often_as_asked_and_a_paid_one_never(gateway: Any, deaf_url: str) -> None:
    number = gateway.order(deaf_url)
    assert gateway.client.close(number) == (204, b"")
    assert gateway.client.close(number) == (204, b"")
    assert gateway.query(number)["trade_state"] == "CLOSED"
    gateway.control("pay", {"out_trade_no": number}, expect=409)

    paid = gateway.paid_order(deaf_url)
    status, body = gateway.client.close(paid)
    assert (status, json.loads(body)["code"]) == (400, "ORDERPAID")
    assert gateway.query(paid)["trade_state"] == "SUCCESS"


def test_a_refund_is_accepted_asked_again_settled_and_told(gateway: Any, ear: Any, until: Callable[..., Any]) -> None:
    number = gateway.paid_order(ear.url)
    ear.next()
    refund_no = f"{number}R1"
    gateway.control("settle", {"request_no": refund_no, "status": "PROCESSING", "in_advance": True})

    status, accepted = gateway.refund(number, refund_no, 400, reason="卡密无效", notify_url=ear.url)
    assert (status, accepted["status"], accepted["user_received_account"]) == (200, "PROCESSING", "支付用户零钱")
    assert accepted["amount"]["refund"] == 400
    assert "success_time" not in accepted
    assert gateway.refund(number, refund_no, 400, reason="卡密无效", notify_url=ear.url) == (200, accepted)
    assert gateway.query(number)["trade_state"] == "REFUND"  # also after a part

    gateway.control("settle", {"request_no": refund_no, "status": "SUCCESS"})
    event = ear.next_event(gateway)
    assert event["event_type"] == "REFUND.SUCCESS"
    assert event["resource"]["refund_status"] == "SUCCESS"
    assert {"status", "channel", "funds_account"}.isdisjoint(event["resource"])
    assert event["resource"]["amount"] == {"total": 1000, "refund": 400, "payer_total": 1000, "payer_refund": 400}
    assert gateway.query_refund(refund_no)["success_time"] == event["resource"]["success_time"]
    row = gateway.in_ledger("refunds", refund_no)
    assert (row["status"], row["effects"], row["amount_fen"]) == ("SUCCESS", 1, 400)


def test_a_refund_settles_by_itself(start_gateway: Callable[..., Any], ear: Any) -> None:
    gateway = start_gateway(speed=600)
    number = gateway.paid_order(ear.url)
    ear.next()
    gateway.refund(number, f"{number}R1", notify_url=ear.url)
    assert ear.next_event(gateway)["event_type"] == "REFUND.SUCCESS"


@pytest.mark.parametrize("status", ["ABNORMAL", "CLOSED"])
def test_a_refund_that_fails_is_told_too(gateway: Any, ear: Any, status: str) -> None:
    number = gateway.paid_order(ear.url)
    ear.next()
    refund_no = f"{number}R1"
    gateway.control("settle", {"request_no": refund_no, "status": "PROCESSING", "in_advance": True})
    gateway.refund(number, refund_no, notify_url=ear.url)
    gateway.control("settle", {"request_no": refund_no, "status": status})
    event = ear.next_event(gateway)
    assert (event["event_type"], event["resource"]["refund_status"]) == (f"REFUND.{status}", status)
    assert gateway.query_refund(refund_no)["status"] == status


def test_the_account_that_receives_is_the_one_that_paid(gateway: Any, deaf_url: str) -> None:
    number = gateway.paid_order(deaf_url, funding="招商银行借记卡0403")
    _, body = gateway.refund(number, f"{number}R1")
    assert body["user_received_account"] == "招商银行借记卡0403"
    assert gateway.query(number)["bank_type"] == "CMB_DEBIT"


def test_sixteen_refunds_at_once_move_money_once_each(gateway: Any, deaf_url: str) -> None:
    numbers = [gateway.paid_order(deaf_url) for _ in range(16)]
    with ThreadPoolExecutor(16) as crowd:
        answers = list(crowd.map(lambda number: gateway.refund(number, f"{number}R1"), numbers * 3))
    assert {status for status, _ in answers} == {200}
    assert len({body["refund_id"] for _, body in answers}) == 16
    rows = [gateway.in_ledger("refunds", f"{number}R1") for number in numbers]
    assert [row["effects"] for row in rows] == [1] * 16


def test_refunds_at_once_of_one_order_never_exceed_what_was_paid(
    start_gateway: Callable[..., Any], deaf_url: str
) -> None:
    gateway = start_gateway(speed=1_000_000)  # no spacing to speak of: only the money itself is in the way
    number = gateway.paid_order(deaf_url)
    with ThreadPoolExecutor(8) as crowd:
        answers = list(crowd.map(lambda index: gateway.refund(number, f"{number}R{index}", 300), range(8)))
    assert sorted(status for status, _ in answers) == [200] * 3 + [400] * 5
    assert {body["code"] for status, body in answers if status == 400} == {"INVALID_REQUEST"}
    assert gateway.in_ledger("payments", number)["refunded_fen"] == 900
