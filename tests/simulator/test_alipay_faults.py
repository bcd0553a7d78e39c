"""Faults of the simulated Alipay: what the merchant gets, and what has really happened."""

from __future__ import annotations

import http.client
import urllib.error
from typing import Any

import pytest
from alipay.exceptions import AliPayException, AliPayValidationError

from tests.simulator.alipay_merchant import Merchant

NO_ANSWER = (OSError, http.client.HTTPException, urllib.error.URLError)


@pytest.mark.parametrize(
    ("fault", "trouble", "effects"),
    [
        ("request_lost", NO_ANSWER, 0),
        ("answer_lost", NO_ANSWER, 1),
        ("http_500_before", urllib.error.HTTPError, 0),
        ("http_500_after", urllib.error.HTTPError, 1),
        ("half_body", NO_ANSWER, 1),
        ("reset_after", NO_ANSWER, 1),
        ("bad_signature", AliPayValidationError, 1),
        ("unsigned", AliPayException, 1),
    ],
)
def test_no_answer_to_trust(alipay: Merchant, fault: str, trouble: Any, effects: int) -> None:
    number = alipay.paid()
    request_no = f"{number}R"
    alipay.gateway.fault(fault, request_no=request_no)
    with pytest.raises(trouble):
        alipay.refund(number, request_no)
    assert (alipay.in_ledger("refunds", request_no) or {"effects": 0})["effects"] == effects
    assert alipay.refund(number, request_no)["fund_change"] == ("N" if effects else "Y")
    assert alipay.in_ledger("refunds", request_no)["effects"] == 1


@pytest.mark.parametrize(
    ("fault", "code", "sub_code", "effects"),
    [
        ("unknown_20000", "20000", "isp.unknow-error", 1),
        ("unknown_20000_before", "20000", "isp.unknow-error", 0),
        ("system_error_after", "40004", "ACQ.SYSTEM_ERROR", 1),
        ("system_error_before", "40004", "ACQ.SYSTEM_ERROR", 0),
        ("limited_40005", "40005", "isv.app-call-limited", 0),
        ("permission_40006", "40006", "isv.insufficient-isv-permissions", 0),
        ("not_enough", "40004", "ACQ.SELLER_BALANCE_NOT_ENOUGH", 0),
        ("frozen", "40004", "ACQ.REASON_TRADE_BEEN_FREEZEN", 0),
    ],
)
def test_a_signed_answer_that_says_no(alipay: Merchant, fault: str, code: str, sub_code: str, effects: int) -> None:
    number = alipay.paid()
    request_no = f"{number}R"
    alipay.gateway.fault(fault, request_no=number)  # an order's number strikes its refunds as well
    answer = alipay.refund(number, request_no)
    assert (answer["code"], answer["sub_code"]) == (code, sub_code)
    assert (alipay.in_ledger("refunds", request_no) or {"effects": 0})["effects"] == effects
    assert alipay.refund(number, request_no)["code"] == "10000"
    assert alipay.in_ledger("refunds", request_no)["effects"] == 1


def test_done_and_yet_no_change_of_funds(alipay: Merchant) -> None:
    number = alipay.paid()
    alipay.gateway.fault("fund_change_n", request_no=f"{number}R")
    assert alipay.refund(number, f"{number}R")["fund_change"] == "N"
    assert alipay.refund_query(number, f"{number}R")["refund_status"] == "REFUND_SUCCESS"


def test_an_empty_query_that_later_is_a_success(alipay: Merchant) -> None:
    number = alipay.paid("10.00")
    alipay.gateway.fault("done_later", request_no=f"{number}R", delay_seconds=86400 * 30)
    answer = alipay.refund(number, f"{number}R", "4.00")
    assert (answer["code"], answer["fund_change"], answer["refund_fee"]) == ("10000", "N", "0.00")
    assert alipay.refund_query(number, f"{number}R") == {"code": "10000", "msg": "Success"}
    assert alipay.in_ledger("refunds", f"{number}R")["status"] == "PROCESSING"
    alipay.wait()
    assert (
        alipay.refund(number, "R2", "6.01")["sub_code"] == "ACQ.REFUND_AMT_NOT_EQUAL_TOTAL"
    )  # what is taken on counts
    alipay.wait(43201)
    assert alipay.refund_query(number, f"{number}R")["refund_status"] == "REFUND_SUCCESS"
    assert alipay.in_ledger("refunds", f"{number}R")["effects"] == 1


def test_a_signed_answer_with_a_wrong_amount(alipay: Merchant) -> None:
    number = alipay.paid()
    alipay.gateway.fault("amount_off", request_no=f"{number}R")
    assert alipay.refund(number, f"{number}R", "10.00")["refund_fee"] == "9.99"
    assert alipay.in_ledger("refunds", f"{number}R")["amount_fen"] == 1000


def test_a_fault_of_refunds_is_not_used_up_by_a_query(alipay: Merchant) -> None:
    number = alipay.paid()
    alipay.gateway.fault("frozen", request_no=number)
    assert alipay.call("alipay.trade.query", out_trade_no=number)["code"] == "10000"
    assert alipay.refund(number, "R1")["sub_code"] == "ACQ.REASON_TRADE_BEEN_FREEZEN"


def test_a_rate_may_strike_one_channel_alone(start_gateway: Any, deaf_url: str) -> None:
    gateway = start_gateway()
    alipay = Merchant(gateway)
    number, other = alipay.paid(), gateway.paid_order(deaf_url)
    gateway.fault("unknown_20000_before", rate=1.0, channel="alipay")
    gateway.fault("http_500_before", rate=1.0, channel="alipay")
    assert alipay.refund(number, "R1")["code"] == "20000"
    assert gateway.refund(other, f"{other}R")[0] == 200
    gateway.control("faults", {"clear": True})
    assert alipay.refund(number, "R1")["code"] == "10000"


def test_a_seed_repeats_what_a_rate_strikes(start_gateway: Any) -> None:
    gateway = start_gateway()
    alipay = Merchant(gateway)
    gateway.fault("limited_40005", rate=0.5)
    number = alipay.paid()
    runs = []
    for _ in range(2):
        gateway.control("faults", {"seed": 7})
        runs.append([alipay.refund_query(number, "R1")["code"] for _ in range(16)])
    assert runs[0] == runs[1]
    assert set(runs[0]) == {"10000", "40005"}


def test_books_and_keys_outlive_a_kill(start_gateway: Any) -> None:
    import signal

    gateway = start_gateway()
    alipay = Merchant(gateway)
    number = alipay.paid()
    alipay.refund(number, f"{number}R", "4.00")
    gateway.stop(signal.SIGKILL)
    gateway.start()
    again = Merchant(gateway)
    assert again.keys == alipay.keys
    assert again.refund(number, f"{number}R", "4.00")["fund_change"] == "N"
    assert again.in_ledger("refunds", f"{number}R")["effects"] == 1


def test_the_folder_of_an_older_start_gets_what_is_missing(start_gateway: Any) -> None:
    gateway = start_gateway()
    gateway.stop()
    (gateway.folder / "alipay-keys.json").unlink()
    gateway.start()
    assert Merchant(gateway).paid()
