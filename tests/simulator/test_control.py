"""The control plane: paying, settling, the clock, history, the ledger; and bad input, which changes nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest


def test_a_refund_can_be_held_and_moved_by_hand(gateway: Any, deaf_url: str) -> None:
    number = gateway.paid_order(deaf_url)
    refund_no = f"{number}R1"
    gateway.control("settle", {"request_no": refund_no, "status": "PROCESSING", "in_advance": True})
    gateway.refund(number, refund_no)
    gateway.control("clock", {"advance_seconds": 86400})
    assert gateway.query_refund(refund_no)["status"] == "PROCESSING"
    for status in ("ABNORMAL", "SUCCESS", "ABNORMAL", "SUCCESS"):
        gateway.control("settle", {"request_no": refund_no, "status": status})
        assert gateway.query_refund(refund_no)["status"] == status
    gateway.control("settle", {"request_no": refund_no, "status": "CLOSED"}, expect=409)
    assert gateway.in_ledger("refunds", refund_no)["effects"] == 1


def test_a_closed_refund_gives_the_money_back_once(gateway: Any, deaf_url: str) -> None:
    number = gateway.paid_order(deaf_url)
    refund_no = f"{number}R1"
    gateway.control("settle", {"request_no": refund_no, "status": "PROCESSING", "in_advance": True})
    gateway.refund(number, refund_no)
    for _ in range(2):
        gateway.control("settle", {"request_no": refund_no, "status": "CLOSED"})
    gateway.control("settle", {"request_no": refund_no, "status": "SUCCESS"}, expect=409)
    row = gateway.in_ledger("refunds", refund_no)
    assert (row["status"], row["effects"], row["returns"]) == ("CLOSED", 1, 1)
    assert gateway.in_ledger("payments", number)["refunded_fen"] == 0


def test_the_clock_lets_refunds_settle_and_codes_and_orders_expire(
    start_gateway: Callable[..., Any], deaf_url: str
) -> None:
    gateway = start_gateway(speed=1)
    unpaid, number = gateway.order(deaf_url), gateway.paid_order(deaf_url)
    gateway.refund(number, f"{number}R1")
    assert gateway.query_refund(f"{number}R1")["status"] == "PROCESSING"
    gateway.control("clock", {"advance_seconds": 61})
    assert gateway.query_refund(f"{number}R1")["status"] == "SUCCESS"
    gateway.control("clock", {"advance_seconds": 7200})
    gateway.control("pay", {"out_trade_no": unpaid}, expect=409)
    assert gateway.query(unpaid)["trade_state"] == "NOTPAY"
    gateway.control("clock", {"advance_seconds": 7 * 86400})
    assert gateway.query(unpaid)["trade_state"] == "CLOSED"


def test_an_order_cannot_be_paid_after_its_own_time(gateway: Any, deaf_url: str) -> None:
    now = datetime.fromisoformat(gateway.ledger()["now"])
    late = gateway.order(deaf_url, time_expire=(now + timedelta(minutes=5)).isoformat())
    soon = gateway.order(deaf_url, time_expire=(now + timedelta(minutes=60)).isoformat())
    gateway.control("clock", {"advance_seconds": 6 * 60})
    gateway.control("pay", {"out_trade_no": late}, expect=409)
    gateway.control("pay", {"out_trade_no": soon})


def test_an_order_is_paid_once(gateway: Any, deaf_url: str) -> None:
    number = gateway.paid_order(deaf_url)
    gateway.control("pay", {"out_trade_no": number}, expect=409)
    assert len([row for row in gateway.ledger()["notifications"] if row["number"] == number]) == 1


# --- history ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def history(gateway: Any) -> dict[str, list[dict[str, Any]]]:
    number = f"{gateway.new_number()}OLD"
    return {
        "payments": [
            {"out_trade_no": number, "amount_fen": 5000, "description": "视频会员月卡",
             "paid_at": "2026-11-08T09:00:00+08:00", "funding": "招商银行借记卡0403"},
        ],
        "refunds": [
            {"out_refund_no": f"{number}R1", "out_trade_no": number, "amount_fen": 2000, "status": "SUCCESS",
             "created_at": "2026-11-09T10:00:00+08:00", "succeeded_at": "2026-11-09T10:05:00+08:00", "reason": "重复"},
            {"out_refund_no": f"{number}R2", "out_trade_no": number, "amount_fen": 3000, "status": "PROCESSING",
             "created_at": "2026-11-10T10:00:00+08:00"},
        ],
    }  # fmt: skip


def test_history_is_in_the_books_as_if_it_had_happened(gateway: Any, history: dict[str, Any]) -> None:
    made = gateway.control("history", history)
    number = history["payments"][0]["out_trade_no"]
    payment = gateway.query(number)
    assert payment["transaction_id"] == made["payments"][0]["transaction_id"]
    assert (payment["trade_state"], payment["success_time"]) == ("REFUND", "2026-11-08T09:00:00+08:00")
    refund = gateway.query_refund(f"{number}R1")
    assert refund["refund_id"] == made["refunds"][0]["refund_id"]
    assert (refund["status"], refund["success_time"]) == ("SUCCESS", "2026-11-09T10:05:00+08:00")
    assert gateway.in_ledger("refunds", f"{number}R1")["effects"] == 1
    assert gateway.in_ledger("payments", number)["refunded_fen"] == 5000
    # One that was under way stays so until the control plane moves it; the merchant may ask again for it.
    assert gateway.refund(number, f"{number}R2", 3000, total=5000, reason="原因")[1]["status"] == "PROCESSING"
    assert gateway.in_ledger("notifications", number) is None
    assert gateway.control("history", history) == made


def test_history_is_entered_whole_or_not_at_all(gateway: Any, history: dict[str, Any]) -> None:
    history["refunds"][1]["amount_fen"] = 3001
    answer = gateway.control("history", history, expect=409)
    assert "exceed" in answer["error"]
    number = history["payments"][0]["out_trade_no"]
    assert gateway.in_ledger("payments", number) is None
    assert gateway.in_ledger("refunds", f"{number}R1") is None


def test_history_does_not_overwrite_what_is_there(gateway: Any, history: dict[str, Any]) -> None:
    gateway.control("history", history)
    number = history["payments"][0]["out_trade_no"]
    history["payments"][0]["amount_fen"] = 9000
    gateway.control("history", history, expect=409)
    assert gateway.in_ledger("payments", number)["amount_fen"] == 5000


# --- bad input -------------------------------------------------------------------------------------------------------

BAD_INPUT = [
    ("pay", {}),
    ("pay", {"out_trade_no": "NOSUCHORDER"}),
    ("pay", {"out_trade_no": 7}),
    ("pay", {"out_trade_no": "NUL\x00"}),
    ("pay", {"out_trade_no": "NOSUCHORDER", "funding": "现金"}),
    ("pay", {"out_trade_no": "NOSUCHORDER", "amount": 1}),
    ("settle", {"request_no": "NOSUCHREFUND", "status": "SUCCESS"}),
    ("settle", {"request_no": "NOSUCHREFUND", "status": "DONE"}),
    ("settle", {"request_no": "NOSUCHREFUND", "status": ["SUCCESS"]}),
    ("settle", {"request_no": "NOSUCHREFUND", "status": "SUCCESS", "in_advance": "yes"}),
    ("settle", {"status": "SUCCESS"}),
    ("faults", {}),
    ("faults", {"fault": "http_500_before"}),
    ("faults", {"fault": "meteor", "request_no": "R1"}),
    ("faults", {"fault": "http_429", "request_no": "R1", "rate": 0.5}),
    ("faults", {"fault": "http_429", "rate": 1.5}),
    ("faults", {"fault": "http_429", "rate": "half"}),
    ("faults", {"fault": "http_429", "rate": 0.5, "times": 0}),
    ("faults", {"fault": "http_429", "rate": 0.5, "times": True}),
    ("faults", {"fault": "http_429", "request_no": "R1", "times": 1.5}),
    ("faults", {"fault": "notification_late", "request_no": "R1", "delay_seconds": -1}),
    ("faults", {"clear": True, "fault": "http_429"}),
    ("faults", {"clear": 1}),
    ("clock", {}),
    ("clock", {"advance_seconds": -1}),
    ("clock", {"advance_seconds": "1"}),
    ("clock", {"advance_seconds": True}),
    ("clock", {"advance_seconds": 10**12}),
    ("clock", {"advance_seconds": 10**400}),
    ("history", {"payments": {}}),
    ("history", {"payments": ["P1"]}),
    ("history", {"payments": [{"out_trade_no": "P0000001"}]}),
    ("history", {"payments": [{"out_trade_no": "P0000001", "amount_fen": 1, "description": "点卡", "paid_at": "x"}]}),
    ("history", {"payments": [{"out_trade_no": "P0000001", "amount_fen": 1, "description": "点卡",
                               "paid_at": "2026-01-01T00:00:00"}]}),
    ("history", {"payments": [{"out_trade_no": "P0000001", "amount_fen": 0.5, "description": "点卡",
                               "paid_at": "2026-01-01T00:00:00+08:00"}]}),
    ("history", {"refunds": [{"out_refund_no": "R1", "out_trade_no": "P0000001", "amount_fen": 1, "status": "GONE",
                              "created_at": "2026-01-01T00:00:00+08:00"}]}),
]  # fmt: skip


@pytest.mark.parametrize(("act", "data"), BAD_INPUT, ids=lambda value: str(value)[:60])
def test_bad_input_is_refused_with_what_to_do(gateway: Any, act: str, data: dict[str, Any]) -> None:
    before = gateway.ledger()
    answer = gateway.control(act, data, expect=400)
    assert set(answer) == {"error"}
    assert len(answer["error"]) > 10
    after = gateway.ledger()
    assert (after["payments"], after["faults"]) == (before["payments"], before["faults"])


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff", b"[" * 50_000, b'{"advance_seconds": NaN}'], ids=repr)
def test_what_is_not_json_is_refused(gateway: Any, body: bytes) -> None:
    status, _, answer = gateway.http("POST", "/_control/clock", body)
    assert status == 400
    assert json.loads(answer)["error"]


def test_unknown_acts_and_methods_say_what_there_is(gateway: Any) -> None:
    assert "settle" in gateway.control("sell", {}, expect=404)["error"]
    assert gateway.http("GET", "/_control/pay")[0] == 405
    assert gateway.http("POST", "/_control/ledger")[0] == 405


def test_it_says_that_it_is_well(gateway: Any) -> None:
    assert gateway.http("GET", "/healthz")[0] == 200
