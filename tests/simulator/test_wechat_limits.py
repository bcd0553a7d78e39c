"""Limits of calls, the merchant's funds, how refunds end on order, refunds by hand, and payments that come too late."""

from __future__ import annotations

import base64
import email.utils
import hashlib
import json
import re
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import ECB

from simulator.wechat.meter import LIMITS, Meter

SEVEN_DAYS = 7 * 86400


# --- limits ----------------------------------------------------------------------------------------------------------


def test_of_many_failing_refunds_at_once_all_but_six_are_told_to_wait(start_gateway: Callable[..., Any]) -> None:
    gateway = start_gateway()
    started = time.monotonic()
    answers = [gateway.refund("NOSUCHORDER", gateway.new_number()) for _ in range(20)]
    seconds = time.monotonic() - started
    failed = [body["code"] for status, body in answers if status == 404]
    waits = [body["code"] for status, body in answers if status == 429]
    assert set(failed) == {"RESOURCE_NOT_EXISTS"}
    assert 6 <= len(failed) <= 6 * (1 + seconds)
    assert len(waits) == 20 - len(failed)
    assert set(waits) <= {"FREQUENCY_LIMITED"}


@pytest.mark.parametrize(
    ("kind", "calls"), [("refund", 150), ("query_refund", 300), ("abnormal", 150), ("refund_old", 5000)]
)
def test_each_kind_of_call_has_its_own_limit(kind: str, calls: int) -> None:
    meter = Meter(clock=lambda: 1000.0)
    assert [meter.count(kind) for _ in range(calls + 1)] == [True] * calls + [False]
    assert all(meter.count(other) for other in LIMITS if other != kind)


def test_a_window_slides_and_what_was_refused_is_not_in_it() -> None:
    now = 1000.0
    meter = Meter(clock=lambda: now)
    assert sum(meter.count("refund") for _ in range(400)) == 150
    now += 1.0
    assert sum(meter.count("refund") for _ in range(400)) == 150


def test_limits_can_be_switched_off(start_gateway: Callable[..., Any]) -> None:
    gateway = start_gateway()
    assert gateway.control("limits", {"enabled": False}) == {"enabled": False}
    with ThreadPoolExecutor(4) as crowd:
        answers = list(crowd.map(lambda _: gateway.refund("NOSUCHORDER", gateway.new_number()), range(20)))
    assert {status for status, _ in answers} == {404}


def test_every_call_can_be_kept_waiting_and_none_waits_for_another(start_gateway: Callable[..., Any]) -> None:
    gateway = start_gateway()
    assert gateway.control("latency", {"seconds": 0.5}) == {"seconds": 0.5}
    started = time.monotonic()
    with ThreadPoolExecutor(8) as crowd:
        waited = list(crowd.map(lambda _: _seconds_of(lambda: gateway.refund("NONE", gateway.new_number())), range(8)))
    assert min(waited) >= 0.5
    assert time.monotonic() - started < 8 * 0.5
    assert gateway.control("latency", {"seconds": 0}) == {"seconds": 0}


def _seconds_of(call: Callable[[], Any]) -> float:
    started = time.monotonic()
    call()
    return time.monotonic() - started


# --- funds -----------------------------------------------------------------------------------------------------------


def test_refunds_end_where_the_funds_end_and_go_on_after_a_top_up(
    start_gateway: Callable[..., Any], deaf_url: str
) -> None:
    gateway = start_gateway()
    first, second = gateway.paid_order(deaf_url), gateway.paid_order(deaf_url)
    gateway.control("funds", {"channel": "wechat", "amount_fen": 1500})
    assert gateway.refund(first, f"{first}R")[0] == 200
    status, body = gateway.refund(second, f"{second}R")
    assert (status, body["code"]) == (403, "NOT_ENOUGH")
    assert gateway.in_ledger("refunds", f"{second}R") is None
    assert gateway.client.query_refund(f"{second}R")[0] == 404

    gateway.control("settle", {"request_no": f"{first}R", "status": "CLOSED"})  # its money is there again
    assert gateway.refund(second, f"{second}R")[0] == 200
    third = gateway.paid_order(deaf_url)
    assert gateway.refund(third, f"{third}R")[0] == 403
    gateway.control("funds", {"amount_fen": None})
    assert gateway.refund(third, f"{third}R")[0] == 200


# --- how refunds end -------------------------------------------------------------------------------------------------


def test_not_enough_can_be_ordered_for_one_refund(gateway: Any, deaf_url: str) -> None:
    number = gateway.paid_order(deaf_url)
    gateway.fault("not_enough", request_no=f"{number}R")
    assert gateway.refund(number, f"{number}R")[1]["code"] == "NOT_ENOUGH"
    assert gateway.in_ledger("refunds", f"{number}R") is None
    assert gateway.refund(number, f"{number}R")[0] == 200


@pytest.mark.parametrize(("fault", "status"), [("abnormal", "ABNORMAL"), ("closed", "CLOSED")])
def test_a_refund_can_be_ordered_to_fail(
    start_gateway: Callable[..., Any], ear: Any, deaf_url: str, fault: str, status: str
) -> None:
    gateway = start_gateway(speed=600)
    number = gateway.paid_order(deaf_url)
    gateway.fault(fault, rate=1, channel="wechat", times=1)
    assert gateway.refund(number, f"{number}R", notify_url=ear.url)[0] == 200
    assert ear.next_event(gateway)["event_type"] == f"REFUND.{status}"
    assert gateway.query_refund(f"{number}R")["status"] == status


def test_a_refund_without_funds_stays_in_processing_and_closes_after_seven_days(
    start_gateway: Callable[..., Any], deaf_url: str
) -> None:
    gateway = start_gateway(speed=1)
    number = gateway.paid_order(deaf_url)
    gateway.fault("processing", request_no=f"{number}R")
    gateway.refund(number, f"{number}R")
    gateway.control("clock", {"advance_seconds": SEVEN_DAYS - 60})
    assert gateway.query_refund(f"{number}R")["status"] == "PROCESSING"
    gateway.control("clock", {"advance_seconds": 61})
    assert gateway.query_refund(f"{number}R")["status"] == "CLOSED"


def test_a_bank_card_takes_working_days(start_gateway: Callable[..., Any], deaf_url: str) -> None:
    gateway = start_gateway(speed=1)
    number = gateway.paid_order(deaf_url, funding="招商银行借记卡0403")
    gateway.refund(number, f"{number}R")
    gateway.control("clock", {"advance_seconds": 47 * 3600})
    assert gateway.query_refund(f"{number}R")["status"] == "PROCESSING"
    gateway.control("clock", {"advance_seconds": 3 * 86400})  # a weekend may lie between
    assert gateway.query_refund(f"{number}R")["status"] == "SUCCESS"


def test_the_same_seed_lets_the_same_refunds_fail(start_gateway: Callable[..., Any], deaf_url: str) -> None:
    gateway = start_gateway()
    gateway.control("limits", {"enabled": False})
    gateway.fault("not_enough", rate=0.5)
    numbers = [gateway.paid_order(deaf_url) for _ in range(48)]
    rounds = []
    for begin in (0, 24):
        assert gateway.control("faults", {"seed": 7}) == {"seed": 7}
        rounds.append([gateway.refund(number, f"{number}R")[0] for number in numbers[begin : begin + 24]])
    assert rounds[0] == rounds[1]
    assert set(rounds[0]) == {200, 403}


# --- answers that break ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["half_body", "reset_after"])
def test_a_refund_is_done_though_its_answer_breaks(gateway: Any, deaf_url: str, fault: str) -> None:
    number = gateway.paid_order(deaf_url)
    gateway.fault(fault, request_no=f"{number}R")
    with pytest.raises(requests.exceptions.RequestException):
        gateway.refund(number, f"{number}R")
    assert gateway.query_refund(f"{number}R")["status"] == "PROCESSING"
    assert gateway.refund(number, f"{number}R")[0] == 200
    assert gateway.in_ledger("refunds", f"{number}R")["effects"] == 1


def test_an_answer_can_be_one_fen_off_though_rightly_signed(gateway: Any, deaf_url: str) -> None:
    number = gateway.paid_order(deaf_url)
    gateway.fault("amount_off", request_no=f"{number}R")
    assert gateway.refund(number, f"{number}R")[1]["amount"]["refund"] == 999
    assert gateway.query_refund(f"{number}R")["amount"]["refund"] == 1000


def test_the_answers_clock_can_be_ten_minutes_off(gateway: Any, deaf_url: str) -> None:
    number = gateway.order(deaf_url)
    gateway.fault("date_skew", request_no=number)
    path = f"/v3/pay/transactions/out-trade-no/{number}?mchid={gateway.keys['mchid']}"
    for off in (600, 0):
        _, headers, _ = gateway.http("GET", path, headers=gateway.signed("GET", path))
        (said,) = headers.get_all("Date")
        assert abs(time.time() - email.utils.parsedate_to_datetime(said).timestamp() - off) < 60


# --- what the shop did not start -------------------------------------------------------------------------------------


def test_a_refund_by_hand_is_told_in_the_old_language(gateway: Any, ear: Any) -> None:
    number = gateway.paid_order(ear.url)
    ear.next_event(gateway)
    made = gateway.control("console_refund", {"out_trade_no": number, "amount_fen": 300})
    row = gateway.in_ledger("refunds", made["out_refund_no"])
    assert (row["source"], row["amount_fen"], row["status"]) == ("console", 300, "PROCESSING")
    gateway.control("settle", {"request_no": made["out_refund_no"], "status": "SUCCESS"})

    headers, body = ear.next()
    assert body.startswith(b"<xml>")
    assert "Wechatpay-Signature" not in headers
    sealed = re.search(r"<req_info>(.*)</req_info>", body.decode())
    assert sealed
    key = hashlib.md5(gateway.keys["apiv3_key"].encode(), usedforsecurity=False).hexdigest().encode()
    opened = Cipher(AES(key), ECB()).decryptor().update(base64.b64decode(sealed[1])).decode()  # noqa: S305 - WeChat's v2
    assert f"<out_trade_no>{number}</out_trade_no>" in opened
    assert "<refund_status>SUCCESS</refund_status>" in opened
    assert "<refund_fee>300</refund_fee>" in opened


def test_a_refund_by_hand_obeys_the_books(gateway: Any, deaf_url: str) -> None:
    number = gateway.paid_order(deaf_url)
    gateway.control("console_refund", {"out_trade_no": number, "amount_fen": 1001}, expect=409)
    gateway.control("console_refund", {"out_trade_no": "NOSUCHORDER", "amount_fen": 1}, expect=409)


def test_a_buyer_at_the_till_pays_an_order_that_has_just_closed(gateway: Any, ear: Any) -> None:
    number = gateway.order(ear.url)
    gateway.client.close(number)
    gateway.control("pay", {"out_trade_no": number}, expect=409)
    gateway.control("pay", {"out_trade_no": number, "race": True})
    assert ear.next_event(gateway)["resource"]["out_trade_no"] == number
    assert gateway.query(number)["trade_state"] == "SUCCESS"
    assert gateway.refund(number, f"{number}R")[0] == 200


def test_a_buyer_can_pay_another_amount(gateway: Any, ear: Any) -> None:
    number = gateway.order(ear.url)
    gateway.control("pay", {"out_trade_no": number, "amount_fen": 900})
    assert ear.next_event(gateway)["resource"]["amount"]["total"] == 900
    assert gateway.query(number)["amount"]["payer_total"] == 900


@pytest.mark.parametrize(
    ("act", "data"),
    [
        ("funds", {}),
        ("funds", {"amount_fen": -1}),
        ("funds", {"channel": "paypal", "amount_fen": 1}),
        ("limits", {}),
        ("limits", {"enabled": "no"}),
        ("signing", {"certificate_share": 2}),
        ("console_refund", {"out_trade_no": "X"}),
        ("faults", {"seed": 7, "fault": "closed"}),
        ("faults", {"fault": "closed", "rate": 1, "channel": "paypal"}),
    ],
)
def test_bad_settings_are_refused(gateway: Any, act: str, data: dict[str, Any]) -> None:
    assert json.dumps(gateway.control(act, data, expect=400)["error"])
