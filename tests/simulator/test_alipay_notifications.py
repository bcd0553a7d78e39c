"""Alipay's notifications: what they say, when they come again, and what goes wrong with them on order."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

import pytest

from tests.simulator.alipay_merchant import CARD, Door, Merchant

RETRY_SECONDS = [240, 600, 600, 3600, 7200, 21600, 54000]


def test_a_payment_is_told(alipay: Merchant, door: Door) -> None:
    number = alipay.paid("10.00", door.url, passback_params="order%3D7")
    fields = alipay.heard(door.next())
    expected = {
        "notify_type": "trade_status_sync", "trade_status": "TRADE_SUCCESS", "out_trade_no": number,
        "app_id": alipay.keys["app_id"], "seller_id": alipay.keys["seller_id"], "charset": "utf-8", "version": "1.0",
        "sign_type": "RSA2", "total_amount": "10.00", "receipt_amount": "10.00", "subject": "点卡 100 元",
        "passback_params": "order%3D7",
    }  # fmt: skip
    assert {name: fields.get(name) for name in expected} == expected
    assert {"trade_no", "notify_id", "notify_time", "buyer_id", "gmt_create", "gmt_payment"} <= set(fields)
    assert json.loads(fields["fund_bill_list"]) == [{"amount": "10.00", "fundChannel": "ALIPAYACCOUNT"}]
    assert not {"out_biz_no", "refund_fee", "gmt_refund"} & set(fields)


def test_every_refund_is_told_to_the_payments_address(alipay: Merchant, door: Door) -> None:
    number = alipay.paid("10.00", door.url)
    paid = alipay.heard(door.next())
    alipay.refund(number, "R1", "4.00")
    part = alipay.heard(door.next())
    assert (part["trade_status"], part["out_biz_no"], part["refund_fee"]) == ("TRADE_SUCCESS", "R1", "4.00")
    assert "." in part["gmt_refund"]
    alipay.wait()
    alipay.refund(number, "R2", "6.00")
    whole = alipay.heard(door.next())
    assert (whole["trade_status"], whole["out_biz_no"], whole["refund_fee"]) == ("TRADE_CLOSED", "R2", "10.00")
    assert whole["gmt_close"]
    assert len({fields["notify_id"] for fields in (paid, part, whole)}) == 3


def test_a_changed_notification_does_not_verify(alipay: Merchant, door: Door) -> None:
    alipay.paid("10.00", door.url)
    body = door.next()
    assert alipay.verifies(body)
    assert not alipay.verifies(body.replace(b"total_amount=10.00", b"total_amount=99.00"))


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (200, b"SUCCESS"),
        (200, b"success\n"),
        (200, b""),
        (200, b"fail"),
        (204, b""),
        (302, b"success"),
        (500, b"success"),
    ],
)
def test_only_seven_bytes_count(alipay: Merchant, status: int, text: bytes, until: Callable[..., Any]) -> None:
    deaf = Door((status, text), (200, b"success"))
    try:
        number = alipay.paid("10.00", deaf.url)
        first = alipay.heard(deaf.next())
        until(lambda: alipay.in_ledger("notifications", number)["tries"] == 1)
        assert alipay.in_ledger("notifications", number)["state"] == "waiting"
        alipay.wait(RETRY_SECONDS[0])
        again = alipay.heard(deaf.next())
        assert again["notify_id"] == first["notify_id"]
        until(lambda: alipay.in_ledger("notifications", number)["state"] == "received")
    finally:
        deaf.close()


def test_eight_deliveries_at_alipays_own_pace(start_gateway: Callable[..., Any], until: Callable[..., Any]) -> None:
    alipay, deaf = Merchant(start_gateway(speed=1)), Door((200, b"fail"))
    try:
        number = alipay.paid("10.00", deaf.url)
        for tries, seconds in enumerate(RETRY_SECONDS, start=1):
            deaf.next()
            until(lambda tries=tries: alipay.in_ledger("notifications", number)["tries"] == tries)
            alipay.wait(seconds - 60)
            assert alipay.in_ledger("notifications", number)["tries"] == tries
            alipay.wait(60)
        deaf.next()
        until(lambda: alipay.in_ledger("notifications", number)["state"] == "given_up")
        assert alipay.in_ledger("notifications", number)["tries"] == 8
    finally:
        deaf.close()


def test_a_trade_that_can_no_longer_be_refunded_is_told(start_gateway: Callable[..., Any], door: Door) -> None:
    alipay = Merchant(start_gateway())
    alipay.paid("10.00", door.url)
    alipay.heard(door.next())
    alipay.wait(365 * 86400 + 1)
    finished = alipay.heard(door.next())
    assert (finished["trade_status"], finished["refund_fee"]) == ("TRADE_FINISHED", "0.00")


# --- faults ----------------------------------------------------------------------------------------------------------


def test_a_lost_notification_never_comes(alipay: Merchant, door: Door) -> None:
    number, _ = alipay.order("10.00", door.url)
    alipay.gateway.fault("notification_lost", request_no=number)
    alipay.gateway.control("pay", {"out_trade_no": number})
    assert alipay.in_ledger("notifications", number)["state"] == "lost"
    alipay.refund(number, "R1")
    assert alipay.heard(door.next())["out_biz_no"] == "R1"


def test_a_notification_twice_has_one_id(alipay: Merchant, door: Door) -> None:
    number, _ = alipay.order("10.00", door.url)
    alipay.gateway.fault("notification_twice", request_no=number)
    alipay.gateway.control("pay", {"out_trade_no": number})
    assert len({alipay.heard(door.next())["notify_id"] for _ in range(2)}) == 1


def test_a_late_notification_waits(start_gateway: Callable[..., Any], door: Door) -> None:
    alipay = Merchant(start_gateway(speed=1))
    number, _ = alipay.order("10.00", door.url)
    alipay.gateway.fault("notification_late", request_no=number, delay_seconds=86400)
    alipay.gateway.control("pay", {"out_trade_no": number})
    assert alipay.in_ledger("notifications", number)["tries"] == 0
    alipay.refund(number, "R1", "1.00")
    assert alipay.heard(door.next())["out_biz_no"] == "R1"  # it has overtaken the payment
    alipay.wait(86401)
    assert "out_biz_no" not in alipay.heard(door.next())


def test_a_forged_notification_goes_first(alipay: Merchant, door: Door) -> None:
    number, _ = alipay.order("10.00", door.url)
    alipay.gateway.fault("notification_forged", request_no=number)
    alipay.gateway.control("pay", {"out_trade_no": number})
    forged = door.next()
    assert dict(parse_qsl(forged.decode()))["trade_status"] == "TRADE_SUCCESS"
    assert not alipay.verifies(forged)
    assert alipay.heard(door.next())["out_trade_no"] == number


# --- bank cards ------------------------------------------------------------------------------------------------------


@pytest.fixture
def banked(start_gateway: Callable[..., Any], door: Door) -> tuple[Merchant, str]:
    """A merchant whose app gateway is the door, and a trade paid from a bank card."""
    alipay = Merchant(start_gateway(speed=1))
    alipay.gateway.control("app_gateway", {"url": door.url})
    return alipay, alipay.paid("10.00", funding=CARD)


def _deposit(alipay: Merchant, number: str, request_no: str) -> dict[str, str]:
    info: dict[str, str] = alipay.refund_query(number, request_no, "deposit_back_info")["deposit_back_info"]
    return info


def test_a_refund_to_a_card_takes_the_banks_time(banked: tuple[Merchant, str], door: Door) -> None:
    alipay, number = banked
    answer = alipay.refund(number, "R1", "4.00", query_options=["deposit_back_info"])
    assert (answer["fund_change"], answer["has_deposit_back"]) == ("Y", "true")
    info = _deposit(alipay, number, "R1")
    assert (info["has_deposit_back"], info["dback_status"], info["dback_amount"]) == ("true", "P", "4.00")
    assert info["est_bank_receipt_time"]
    assert "bank_ack_time" not in info
    alipay.wait(86401)
    info = _deposit(alipay, number, "R1")
    assert (info["dback_status"], bool(info["bank_ack_time"])) == ("S", True)
    fields = alipay.heard(door.next())
    assert (fields["msg_method"], fields["version"]) == ("alipay.trade.refund.depositback.completed", "1.1")
    content = json.loads(fields["biz_content"])
    assert (content["out_request_no"], content["dback_status"], content["dback_amount"]) == ("R1", "S", "4.00")
    assert fields["utc_timestamp"].isdigit()


def test_what_the_bank_refuses_goes_to_the_balance(banked: tuple[Merchant, str], door: Door) -> None:
    alipay, number = banked
    alipay.gateway.control("settle", {"request_no": f"{number}F", "status": "ABNORMAL", "in_advance": True})
    alipay.refund(number, f"{number}F", "4.00", query_options=["deposit_back_info"])
    alipay.wait(86401)
    info = _deposit(alipay, number, f"{number}F")
    assert info["dback_status"] == "F"
    assert "dback_amount" not in info
    assert alipay.refund_query(number, f"{number}F")["refund_status"] == "REFUND_SUCCESS"
    assert "dback_amount" not in json.loads(alipay.heard(door.next())["biz_content"])


def test_a_bank_may_be_held_and_moved_by_hand(banked: tuple[Merchant, str], door: Door) -> None:
    alipay, number = banked
    alipay.refund(number, "R1", "4.00", query_options=["deposit_back_info"])
    alipay.gateway.control("settle", {"request_no": "R1", "status": "PROCESSING"})
    alipay.wait(30 * 86400)
    assert _deposit(alipay, number, "R1")["dback_status"] == "P"
    alipay.gateway.control("settle", {"request_no": "R1", "status": "SUCCESS"})
    assert _deposit(alipay, number, "R1")["dback_status"] == "S"
    assert json.loads(alipay.heard(door.next())["biz_content"])["dback_status"] == "S"
    alipay.gateway.control("settle", {"request_no": "R1", "status": "ABNORMAL"}, expect=409)


def test_the_message_comes_to_those_who_asked_for_it(banked: tuple[Merchant, str], door: Door) -> None:
    alipay, number = banked
    alipay.refund(number, "R1", "4.00")
    alipay.wait(86401)
    assert _deposit(alipay, number, "R1")["dback_status"] == "S"
    assert alipay.in_ledger("notifications", "R1") is None


# --- what the control plane does -------------------------------------------------------------------------------------


def test_a_refund_may_be_held_before_it_is_done(alipay: Merchant) -> None:
    number = alipay.paid("10.00")
    request_no = f"{number}H"
    alipay.gateway.control("settle", {"request_no": request_no, "status": "PROCESSING", "in_advance": True})
    assert alipay.refund(number, request_no, "4.00")["fund_change"] == "N"
    assert alipay.refund_query(number, request_no) == {"code": "10000", "msg": "Success"}
    alipay.gateway.control("settle", {"request_no": request_no, "status": "SUCCESS"})
    assert alipay.refund_query(number, request_no)["refund_amount"] == "4.00"
    assert alipay.in_ledger("refunds", request_no)["effects"] == 1


def test_a_refund_in_the_console_is_told_and_stands_in_the_books(alipay: Merchant, door: Door) -> None:
    number = alipay.paid("10.00", door.url)
    alipay.heard(door.next())
    made = alipay.gateway.control("console_refund", {"out_trade_no": number, "amount_fen": 250})
    assert alipay.heard(door.next())["out_biz_no"] == made["out_refund_no"]
    alipay.wait()
    assert alipay.refund(number, "R1", "1.00")["refund_fee"] == "3.50"
    alipay.gateway.control("console_refund", {"out_trade_no": number, "amount_fen": 5000}, expect=409)


def test_history_of_both_channels_comes_in_one_piece(alipay: Merchant) -> None:
    ours, theirs = alipay.new_number(), alipay.new_number()
    paid = {"amount_fen": 5000, "description": "月卡", "paid_at": "2026-11-08T09:00:00+08:00"}
    history = {
        "payments": [{"channel": "alipay", "out_trade_no": ours} | paid, {"out_trade_no": theirs} | paid],
        "refunds": [
            {"out_refund_no": f"{number}R", "out_trade_no": number, "amount_fen": 2000, "status": "SUCCESS",
             "created_at": "2026-11-09T10:00:00+08:00"}
            for number in (ours, theirs)
        ],
    }  # fmt: skip
    first = alipay.gateway.control("history", history)
    assert alipay.gateway.control("history", history) == first
    for number, channel in ((ours, "alipay"), (theirs, "wechat")):
        row = alipay.in_ledger("payments", number)
        assert (row["channel"], row["state"], row["refunded_fen"]) == (channel, "SUCCESS", 2000)
        row = alipay.in_ledger("refunds", f"{number}R")
        assert (row["channel"], row["status"], row["effects"]) == (channel, "SUCCESS", 1)
    assert alipay.refund_query(ours, f"{ours}R")["refund_amount"] == "20.00"
    history["payments"][0]["amount_fen"] = 1
    alipay.gateway.control("history", history, expect=409)


def test_bad_input_changes_nothing(alipay: Merchant) -> None:
    number, _ = alipay.order()
    for act, data in (
        ("pay", {"out_trade_no": number, "funding": "零钱"}),
        ("pay", {"out_trade_no": number, "channel": "paypal"}),
        ("pay", {"out_trade_no": "NOBODYS", "channel": "alipay"}),
        ("settle", {"request_no": "NOBODYS", "status": "SUCCESS", "channel": "alipay"}),
        ("console_refund", {"out_trade_no": number, "amount_fen": 0}),
        ("app_gateway", {"url": "ftp://shop.example/"}),
    ):
        assert "error" in alipay.gateway.control(act, data, expect=400)
    assert alipay.in_ledger("payments", number)["state"] == "NOTPAY"
