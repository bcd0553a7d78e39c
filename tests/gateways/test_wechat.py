"""WeChat Pay's gateway against a channel that signs whatever we script, and against the simulator. Both are real: RSA
keys, AES-GCM, HTTP over a socket. Forgers stand in test_wechat_notifications.py."""

# ruff: noqa: F401, F811 - fixtures
from __future__ import annotations

import io
import json
import threading
import time
from dataclasses import replace
from datetime import UTC, date, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import wechatpayv3.core

import wire
from payments.gateways.base import (
    BillKind,
    BillState,
    GatewayError,
    GatewayMisconfigured,
    NeverSent,
    NotificationKind,
    OutcomeUnknown,
    PaymentState,
    PayMethod,
    ReceivedAccountKind,
    RefundOutcome,
    RefundState,
)
from payments.gateways.wechat import Call, WechatCredentials, WechatGateway, answers
from payments.gateways.wechat.client import PooledRequests
from payments.gateways.wechat.refunds import received_account_kind
from tests.gateways.wechat_channel import (
    APIV3_KEY,
    BILL_BODY,
    MCHID,
    ORDER,
    PAYMENT_BODY,
    REFUND,
    REFUND_BODY,
    STRANGERS_KEY,
    Channel,
    Mailbox,
    Reply,
    ask,
    channel,
    credentials,
    gateway,
    mailbox,
    simulated,
)

# --- What each answer means -----------------------------------------------------------------------------------------

UNKNOWN, MISCONFIGURED, REFUSED = OutcomeUnknown, GatewayMisconfigured, GatewayError
#: call, HTTP status, code → outcome: a state, or the exception that is raised.
ANSWERS: list[tuple[Call, int, str, Any]] = [
    (Call.OPEN, 400, "APPID_MCHID_NOT_MATCH", MISCONFIGURED),
    (Call.OPEN, 400, "MCH_NOT_EXISTS", MISCONFIGURED),
    (Call.OPEN, 400, "PARAM_ERROR", REFUSED),
    (Call.OPEN, 400, "INVALID_REQUEST", REFUSED),
    (Call.OPEN, 400, "ORDER_CLOSED", REFUSED),
    (Call.OPEN, 403, "OUT_TRADE_NO_USED", REFUSED),
    (Call.OPEN, 403, "RULE_LIMIT", REFUSED),
    (Call.OPEN, 403, "TRADE_ERROR", REFUSED),
    (Call.OPEN, 403, "NO_AUTH", MISCONFIGURED),
    (Call.OPEN, 401, "SIGN_ERROR", MISCONFIGURED),
    (Call.OPEN, 429, "RATELIMIT_EXCEEDED", UNKNOWN),
    (Call.OPEN, 500, "SYSTEM_ERROR", UNKNOWN),
    (Call.QUERY, 404, "ORDER_NOT_EXIST", PaymentState.NOT_FOUND),
    (Call.QUERY, 404, "", UNKNOWN),
    (Call.QUERY, 400, "PARAM_ERROR", UNKNOWN),
    (Call.QUERY, 400, "MCH_NOT_EXISTS", MISCONFIGURED),
    (Call.QUERY, 401, "SIGN_ERROR", MISCONFIGURED),
    (Call.QUERY, 429, "FREQUENCY_LIMITED", UNKNOWN),
    (Call.QUERY, 500, "SYSTEM_ERROR", UNKNOWN),
    (Call.CLOSE, 204, "", PaymentState.CLOSED),
    (Call.CLOSE, 400, "ORDER_CLOSED", PaymentState.CLOSED),
    (Call.CLOSE, 400, "ORDERPAID", PaymentState.PAID),
    (Call.CLOSE, 400, "ORDER_PAID", PaymentState.PAID),
    (Call.CLOSE, 404, "ORDER_NOT_EXIST", PaymentState.NOT_FOUND),
    (Call.CLOSE, 401, "SIGN_ERROR", MISCONFIGURED),
    (Call.CLOSE, 202, "", UNKNOWN),
    (Call.CLOSE, 500, "SYSTEM_ERROR", UNKNOWN),
    (Call.REFUND, 202, "", UNKNOWN),
    (Call.REFUND, 302, "", UNKNOWN),
    (Call.REFUND, 400, "PARAM_ERROR", RefundState.REFUSED),
    (Call.REFUND, 400, "INVALID_REQUEST", RefundState.REFUSED),
    (Call.REFUND, 400, "TRADE_OVERDUE", RefundState.CLOSED),
    (Call.REFUND, 400, "SYSTEM_ERROR", UNKNOWN),
    (Call.REFUND, 403, "TRADE_OVERDUE", RefundState.CLOSED),
    (Call.REFUND, 400, "REFUND_FEE_MISMATCH", RefundState.REFUSED),
    (Call.REFUND, 401, "SIGN_ERROR", MISCONFIGURED),
    (Call.REFUND, 401, "", MISCONFIGURED),
    (Call.REFUND, 403, "NOT_ENOUGH", RefundState.NO_FUNDS),
    (Call.REFUND, 403, "USER_ACCOUNT_ABNORMAL", RefundState.CLOSED),
    (Call.REFUND, 403, "NO_AUTH", MISCONFIGURED),
    (Call.REFUND, 403, "", UNKNOWN),
    (Call.REFUND, 404, "MCH_NOT_EXISTS", MISCONFIGURED),
    (Call.REFUND, 404, "RESOURCE_NOT_EXISTS", RefundState.REFUSED),
    (Call.REFUND, 408, "TIMEOUT", UNKNOWN),
    (Call.REFUND, 429, "FREQUENCY_LIMITED", UNKNOWN),
    (Call.REFUND, 429, "", UNKNOWN),
    (Call.REFUND, 500, "SYSTEM_ERROR", UNKNOWN),
    (Call.REFUND, 502, "SERVICE_UNAVAILABLE", UNKNOWN),
    (Call.REFUND, 503, "", UNKNOWN),
    (Call.QUERY_REFUND, 404, "RESOURCE_NOT_EXISTS", RefundState.NOT_FOUND),
    (Call.QUERY_REFUND, 404, "", UNKNOWN),
    (Call.QUERY_REFUND, 404, "MCH_NOT_EXISTS", MISCONFIGURED),
    (Call.QUERY_REFUND, 400, "PARAM_ERROR", UNKNOWN),
    (Call.QUERY_REFUND, 401, "SIGN_ERROR", MISCONFIGURED),
    (Call.QUERY_REFUND, 403, "NO_AUTH", MISCONFIGURED),
    (Call.QUERY_REFUND, 429, "FREQUENCY_LIMITED", UNKNOWN),
    (Call.QUERY_REFUND, 500, "SYSTEM_ERROR", UNKNOWN),
    (Call.REDIRECT, 202, "", UNKNOWN),
    (Call.REDIRECT, 400, "PARAM_ERROR", RefundState.REFUSED),
    (Call.REDIRECT, 400, "INVALID_REQUEST", RefundState.REFUSED),
    (Call.REDIRECT, 403, "NOT_ENOUGH", RefundState.REFUSED),
    (Call.REDIRECT, 404, "RESOURCE_NOT_EXISTS", RefundState.REFUSED),
    (Call.REDIRECT, 404, "MCH_NOT_EXISTS", MISCONFIGURED),
    (Call.REDIRECT, 401, "SIGN_ERROR", MISCONFIGURED),
    (Call.REDIRECT, 429, "FREQUENCY_LIMITED", UNKNOWN),
    (Call.REDIRECT, 500, "SYSTEM_ERROR", UNKNOWN),
    (Call.BILL, 400, "STATEMENT_CREATING", BillState.NOT_YET),
    (Call.BILL, 400, "NO_STATEMENT_EXIST", BillState.EMPTY),
    (Call.BILL, 400, "INVALID_REQUEST", REFUSED),
    (Call.BILL, 400, "PARAM_ERROR", REFUSED),
    (Call.BILL, 403, "NO_AUTH", MISCONFIGURED),
    (Call.BILL, 429, "FREQUENCY_LIMITED", UNKNOWN),
    (Call.BILL, 500, "SYSTEM_ERROR", UNKNOWN),
    (Call.DOWNLOAD, 404, "", UNKNOWN),
    (Call.DOWNLOAD, 400, "PARAM_ERROR", UNKNOWN),
    (Call.DOWNLOAD, 401, "SIGN_ERROR", MISCONFIGURED),
    (Call.ASK_COMPLAINT, 404, "RESOURCE_NOT_EXISTS", LookupError),
    (Call.ASK_COMPLAINT, 400, "PARAM_ERROR", REFUSED),
    (Call.ASK_COMPLAINT, 403, "NO_AUTH", MISCONFIGURED),
    (Call.ASK_COMPLAINT, 429, "FREQUENCY_LIMITED", UNKNOWN),
    (Call.ASK_COMPLAINT, 500, "SYSTEM_ERROR", UNKNOWN),
    (Call.WRITE_COMPLAINT, 204, "", None),
    (Call.WRITE_COMPLAINT, 400, "PARAM_ERROR", REFUSED),
    (Call.WRITE_COMPLAINT, 400, "INVALID_REQUEST", REFUSED),
    (Call.WRITE_COMPLAINT, 404, "RESOURCE_NOT_EXISTS", LookupError),
    (Call.WRITE_COMPLAINT, 403, "NO_AUTH", MISCONFIGURED),
    (Call.WRITE_COMPLAINT, 429, "RATELIMIT_EXCEEDED", UNKNOWN),
    (Call.WRITE_COMPLAINT, 500, "SYSTEM_ERROR", UNKNOWN),
]

#: Every code that WeChat Pay documents (its page of each call, 退款最佳实践 4014959631, the bill pages).
DOCUMENTED: dict[Call, str] = {
    Call.OPEN: """400 APPID_MCHID_NOT_MATCH, 400 MCH_NOT_EXISTS, 400 ORDER_CLOSED, 400 PARAM_ERROR, 400 INVALID_REQUEST,
        401 SIGN_ERROR, 403 NO_AUTH, 403 OUT_TRADE_NO_USED, 403 RULE_LIMIT, 403 TRADE_ERROR, 429 FREQUENCY_LIMITED,
        429 RATELIMIT_EXCEEDED, 500 SYSTEM_ERROR""",
    Call.QUERY: "400 MCH_NOT_EXISTS, 401 SIGN_ERROR, 403 NO_AUTH, 404 ORDER_NOT_EXIST, 429 FREQUENCY_LIMITED, "
    "500 SYSTEM_ERROR",
    Call.CLOSE: "400 MCH_NOT_EXISTS, 400 ORDER_CLOSED, 401 SIGN_ERROR, 429 FREQUENCY_LIMITED, 500 SYSTEM_ERROR",
    Call.REFUND: """400 PARAM_ERROR, 400 INVALID_REQUEST, 401 SIGN_ERROR, 403 NOT_ENOUGH, 403 USER_ACCOUNT_ABNORMAL,
        403 NO_AUTH, 404 MCH_NOT_EXISTS, 404 RESOURCE_NOT_EXISTS, 429 FREQUENCY_LIMITED, 429 RATELIMIT_EXCEEDED,
        500 SYSTEM_ERROR, 502 SERVICE_UNAVAILABLE, 503 SERVICE_UNAVAILABLE, 0 TRADE_OVERDUE, 0 REFUND_FEE_MISMATCH""",
    Call.QUERY_REFUND: """401 SIGN_ERROR, 403 NO_AUTH, 404 MCH_NOT_EXISTS, 404 RESOURCE_NOT_EXISTS,
        429 FREQUENCY_LIMITED, 500 SYSTEM_ERROR""",
    Call.REDIRECT: """400 PARAM_ERROR, 400 INVALID_REQUEST, 401 SIGN_ERROR, 403 NOT_ENOUGH, 403 NO_AUTH,
        404 MCH_NOT_EXISTS, 404 RESOURCE_NOT_EXISTS, 429 FREQUENCY_LIMITED, 500 SYSTEM_ERROR""",
    Call.BILL: "400 STATEMENT_CREATING, 400 NO_STATEMENT_EXIST, 400 PARAM_ERROR, 401 SIGN_ERROR, 403 NO_AUTH, "
    "429 FREQUENCY_LIMITED, 500 SYSTEM_ERROR",
    Call.DOWNLOAD: "401 SIGN_ERROR, 403 NO_AUTH, 500 SYSTEM_ERROR",
    Call.CERTIFICATES: "401 SIGN_ERROR, 403 NO_AUTH, 429 FREQUENCY_LIMITED, 500 SYSTEM_ERROR",
    Call.ASK_COMPLAINT: "401 SIGN_ERROR, 403 NO_AUTH, 404 RESOURCE_NOT_EXISTS, 429 FREQUENCY_LIMITED, 500 SYSTEM_ERROR",
    Call.WRITE_COMPLAINT: """400 PARAM_ERROR, 400 INVALID_REQUEST, 401 SIGN_ERROR, 403 NO_AUTH,
        404 RESOURCE_NOT_EXISTS, 429 FREQUENCY_LIMITED, 429 RATELIMIT_EXCEEDED, 500 SYSTEM_ERROR""",
}


@pytest.mark.parametrize("call", Call)
def test_every_documented_code_has_a_line(call: Call) -> None:
    documented = [line.split() for line in DOCUMENTED[call].split(",")]
    lines = answers.ANSWERS[call].keys() | answers.ANSWERS_TO_ANY_CALL.keys()
    assert [(status, code) for status, code in documented if (int(status), code) not in lines] == []


@pytest.mark.parametrize(("call", "status", "code", "outcome"), ANSWERS)
def test_every_answer_has_one_meaning(
    channel: Channel, gateway: WechatGateway, call: Call, status: int, code: str, outcome: Any
) -> None:
    error = {"code": code, "message": "原因"} if code else None
    channel.answers[call] = Reply(status, error)
    channel.answers.setdefault(Call.QUERY_REFUND, Reply(404, {"code": "RESOURCE_NOT_EXISTS", "message": ""}))
    channel.answers.setdefault(Call.BILL, Reply(200, BILL_BODY))
    if isinstance(outcome, type):
        with pytest.raises(outcome) as raised:
            ask(gateway, call)
        assert raised.type is outcome
        assert getattr(raised.value, "code", code) == (code or f"http_{status}")
        return
    answer = ask(gateway, call)
    assert getattr(answer, "state", answer) is outcome


def test_no_line_of_the_table_is_untested() -> None:
    tested = {(call, status, code) for call, status, code, _ in ANSWERS}
    tested |= {(call, answers.ANY_STATUS, code) for call, _, code in tested}
    listed = {
        (call, status, code) for call, lines in answers.ANSWERS.items() for status, code in lines if status != 200
    }
    assert listed <= tested


def test_a_limited_call_is_repeated_a_minute_later_at_the_earliest(channel: Channel, gateway: WechatGateway) -> None:
    """G4: 429 may hide a refund in progress."""
    channel.answers[Call.REFUND] = Reply(429, {"code": "FREQUENCY_LIMITED", "message": ""})
    with pytest.raises(OutcomeUnknown) as raised:
        gateway.refund(REFUND)
    assert raised.value.retry_after_seconds == 60


@pytest.mark.parametrize(
    ("word", "state"),
    [
        ("PROCESSING", RefundState.ACCEPTED),
        ("SUCCESS", RefundState.SUCCEEDED),
        ("ABNORMAL", RefundState.RETURNED),
        ("CLOSED", RefundState.CLOSED),
    ],
)
@pytest.mark.parametrize("call", [Call.REFUND, Call.QUERY_REFUND])
def test_a_refund_is_read_the_same_from_both_calls(
    channel: Channel, gateway: WechatGateway, call: Call, word: str, state: RefundState
) -> None:
    channel.answers[call] = Reply(200, REFUND_BODY | {"status": word, "success_time": "2026-11-20T20:05:00+08:00"})
    outcome = ask(gateway, call)
    assert outcome == RefundOutcome(
        state,
        REFUND.request_no,
        amount_fen=1000,
        channel_refund_id="50300807092026112000000000001",
        received_account="支付用户零钱",
        received_account_kind=ReceivedAccountKind.WALLET,
        succeeded_at=datetime(2026, 11, 20, 12, 5, tzinfo=UTC) if word == "SUCCESS" else None,
    )


def test_a_refused_request_that_exists_after_all_is_answered_by_what_it_stands_at(
    channel: Channel, gateway: WechatGateway
) -> None:
    channel.answers[Call.REFUND] = Reply(400, {"code": "INVALID_REQUEST", "message": "参数与首次请求时不一致"})
    channel.answers[Call.QUERY_REFUND] = Reply(200, REFUND_BODY | {"amount": {**REFUND_BODY["amount"], "refund": 900}})
    outcome = gateway.refund(REFUND)
    assert (outcome.state, outcome.amount_fen) == (RefundState.ACCEPTED, 900)  # the caller sees the other amount
    channel.answers[Call.QUERY_REFUND] = Reply(500, None)
    with pytest.raises(OutcomeUnknown):
        gateway.refund(REFUND)


def test_a_success_that_went_to_the_merchant_is_no_refund_to_the_buyer(
    channel: Channel, gateway: WechatGateway
) -> None:
    to_us = {
        "status": "SUCCESS",
        "success_time": "2026-11-20T20:05:00+08:00",
        "user_received_account": "商户结算银行账户",
    }
    channel.answers[Call.QUERY_REFUND] = Reply(200, REFUND_BODY | to_us)
    outcome = gateway.query_refund(REFUND)
    assert (outcome.state, outcome.received_account) == (RefundState.BACK_WITH_MERCHANT, "商户结算银行账户")


@pytest.mark.parametrize(
    "change",
    [
        {"out_refund_no": "P2026112000000001R2"},
        {"out_trade_no": "P2026112000000009"},
        {"status": "DONE"},
        {"status": None},
        {"status": "SUCCESS"},  # without its time
        {"status": "SUCCESS", "success_time": "2026-11-20T20:05:00"},  # without a zone
        {"status": "SUCCESS", "success_time": "yesterday"},
        {"refund_id": None},
        {"amount": None},
        {"amount": {"total": 1999, "refund": "1000", "currency": "CNY"}},
        {"amount": {"total": 1999, "refund": 1000.0, "currency": "CNY"}},
        {"amount": {"total": 1999, "refund": True, "currency": "CNY"}},
        {"amount": {"total": 1999, "refund": -1, "currency": "CNY"}},
        {"amount": {"total": 1999, "refund": 1000, "currency": "USD"}},
        {"amount": {"total": 2999, "refund": 1000, "currency": "CNY"}},
    ],
)
def test_an_odd_refund_answer_is_not_believed(channel: Channel, gateway: WechatGateway, change: dict[str, Any]) -> None:
    channel.answers[Call.REFUND] = Reply(200, REFUND_BODY | change)
    with pytest.raises(OutcomeUnknown, match="odd_answer"):
        gateway.refund(REFUND)


@pytest.mark.parametrize(
    ("word", "state"),
    [
        ("NOTPAY", PaymentState.UNPAID),
        ("USERPAYING", PaymentState.UNPAID),
        ("PAYERROR", PaymentState.UNPAID),
        ("SUCCESS", PaymentState.PAID),
        ("REFUND", PaymentState.PAID),
        ("CLOSED", PaymentState.CLOSED),
        ("REVOKED", PaymentState.CLOSED),
    ],
)
def test_a_payment_is_read_with_the_order_total_not_what_coupons_left(
    channel: Channel, gateway: WechatGateway, word: str, state: PaymentState
) -> None:
    channel.answers[Call.QUERY] = Reply(200, PAYMENT_BODY | {"trade_state": word})
    outcome = gateway.query_payment(ORDER.payment_no)
    assert outcome.state is state
    if state is PaymentState.PAID:
        assert outcome.amount_fen == 1999
        assert outcome.channel_transaction_id == REFUND.channel_transaction_id
        assert outcome.paid_at == datetime(2026, 11, 20, 12, 0, 1, tzinfo=UTC)
        assert outcome.payer == PAYMENT_BODY["payer"]["openid"]


@pytest.mark.parametrize("payer", [None, {}, [], "o1", {"openid": None}, {"openid": "o 1"}, {"openid": "o" * 129}])
def test_a_payment_is_a_payment_whoever_paid(channel: Channel, gateway: WechatGateway, payer: Any) -> None:
    channel.answers[Call.QUERY] = Reply(200, PAYMENT_BODY | {"payer": payer})
    outcome = gateway.query_payment(ORDER.payment_no)
    assert (outcome.state, outcome.payer) == (PaymentState.PAID, "")


@pytest.mark.parametrize(
    "change",
    [
        {"out_trade_no": "P2026112000000009"},
        {"mchid": "1900000109"},
        {"appid": "wx0000000000000000"},
        {"trade_state": "GIFTED"},
        {"transaction_id": None},
        {"success_time": None},
        {"amount": {"total": 19.99, "currency": "CNY"}},
        {"amount": {"total": 1999, "currency": "HKD"}},
        {"amount": [1999]},
    ],
)
def test_an_odd_payment_answer_is_not_believed(
    channel: Channel, gateway: WechatGateway, change: dict[str, Any]
) -> None:
    channel.answers[Call.QUERY] = Reply(200, PAYMENT_BODY | change)
    with pytest.raises(OutcomeUnknown, match="odd_answer"):
        gateway.query_payment(ORDER.payment_no)


def test_a_refused_close_is_settled_by_asking(channel: Channel, gateway: WechatGateway) -> None:
    """G20: the buyer may have paid between our last query and the close."""
    channel.answers[Call.CLOSE] = Reply(400, {"code": "INVALID_REQUEST", "message": ""})
    channel.answers[Call.QUERY] = Reply(200, PAYMENT_BODY)
    assert gateway.close_payment(ORDER.payment_no).state is PaymentState.PAID
    channel.answers[Call.QUERY] = Reply(200, PAYMENT_BODY | {"trade_state": "NOTPAY"})
    with pytest.raises(OutcomeUnknown, match="INVALID_REQUEST"):
        gateway.close_payment(ORDER.payment_no)


@pytest.mark.parametrize(
    ("account", "kind"),
    [
        ("支付用户零钱", ReceivedAccountKind.WALLET),
        ("支付用户零钱通", ReceivedAccountKind.WALLET),
        ("招商银行信用卡0403", ReceivedAccountKind.BANK_CARD),
        ("工商银行储蓄卡1234", ReceivedAccountKind.BANK_CARD),
        ("支付用户银行电子账户", ReceivedAccountKind.BANK_CARD),
        ("商户结算银行账户", ReceivedAccountKind.UNKNOWN),
        ("商户基本账户", ReceivedAccountKind.UNKNOWN),
        ("", ReceivedAccountKind.UNKNOWN),
    ],
)
def test_only_a_wallet_or_a_card_is_named(account: str, kind: ReceivedAccountKind) -> None:
    assert received_account_kind(account) is kind


# --- What we send ---------------------------------------------------------------------------------------------------


def test_a_repeated_refund_is_the_same_request_to_the_byte(channel: Channel, gateway: WechatGateway) -> None:
    """G1: same number, same body."""
    channel.answers[Call.REFUND] = Reply(200, REFUND_BODY)
    gateway.refund(REFUND)
    gateway.refund(REFUND)
    first, second = channel.requests
    assert first.body == second.body
    assert json.loads(first.body) == {
        "notify_url": REFUND.notify_url,
        "out_refund_no": REFUND.request_no,
        "amount": {"refund": 1000, "total": 1999, "currency": "CNY"},
        "transaction_id": REFUND.channel_transaction_id,
        "reason": "卡密无法使用",
    }


def test_a_refund_without_a_channel_transaction_names_the_payment(channel: Channel, gateway: WechatGateway) -> None:
    channel.answers[Call.REFUND] = Reply(200, REFUND_BODY)
    gateway.refund(replace(REFUND, channel_transaction_id="", reason="退" * 80))
    sent = json.loads(channel.requests[0].body)
    assert sent["out_trade_no"] == REFUND.payment_no
    assert len(sent["reason"].encode()) <= 80


def test_an_order_is_sent_with_china_time_and_gives_the_qr_text(channel: Channel, gateway: WechatGateway) -> None:
    channel.answers[Call.OPEN] = Reply(200, {"code_url": "weixin://wxpay/bizpayurl?pr=abc"})
    assert gateway.open_payment(replace(ORDER, description="点" * 200)) == "weixin://wxpay/bizpayurl?pr=abc"
    sent = json.loads(channel.requests[0].body)
    assert sent["time_expire"] == "2026-11-20T20:00:00+08:00"
    assert sent["amount"] == {"total": 1999, "currency": "CNY"}
    assert len(sent["description"].encode()) <= 127


@pytest.mark.parametrize(
    "change",
    [
        {"request_no": "R|1"},
        {"request_no": "R-1"},
        {"request_no": ""},
        {"request_no": "R" * 65},
        {"request_no": "退1"},
        {"payment_no": "P/../1"},
        {"payment_no": "P1"},
        {"channel_transaction_id": "42 00"},
        {"amount_fen": 0},
        {"amount_fen": -1},
        {"amount_fen": 10.0},
        {"amount_fen": True},
        {"amount_fen": 2000},
        {"notify_url": ""},
        {"notify_url": "https://shop.example/hook?key=1"},
    ],
)
def test_our_own_mistakes_are_never_sent(channel: Channel, gateway: WechatGateway, change: dict[str, Any]) -> None:
    with pytest.raises(NeverSent):
        gateway.refund(replace(REFUND, **change))
    assert channel.requests == []


# --- Answers that cannot be trusted ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "spoil",
    [
        {"key": STRANGERS_KEY},
        {"tampered": True},
        {"headers": {"Wechatpay-Signature-Type": None}},
        {"headers": {"Wechatpay-Signature": None}},
        {"headers": {"Wechatpay-Serial": "5157F09EFDC096DE15EBE81A47057A72"}},
        {"headers": {"Wechatpay-Serial": "PUB_KEY_ID_0000"}},
        {"headers": {"Wechatpay-Signature": "WECHATPAY/SIGNTEST/" + "A" * 300}},
        {"raw": b"<html>busy</html>"},
        {"raw": b"[]"},
        {"raw": b"\xff\xfe"},
        {"raw": b"[" * 100_000},
        {"raw": b'{"amount": NaN}'},
        {"raw": b" " * (wire.MOST_BYTES + 1)},
        {"cut_after": 20},
        {"cut_after": 0},
        {"hang_up": True},
        {"headers": {"Location": "https://elsewhere.example/"}, "status": 307},
    ],
)
def test_what_cannot_be_verified_is_unknown(channel: Channel, gateway: WechatGateway, spoil: dict[str, Any]) -> None:
    """G2, G18, G19: the refund may exist; and no certificate is ever fetched because of a serial."""
    channel.answers[Call.REFUND] = replace(Reply(200, REFUND_BODY), **spoil)
    with pytest.raises(OutcomeUnknown):
        gateway.refund(REFUND)
    assert [request.path for request in channel.requests] == ["/v3/refund/domestic/refunds"]


def test_an_answer_that_drips_is_given_up(
    channel: Channel, gateway: WechatGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """F9: each byte comes in time, the whole does not."""
    monkeypatch.setattr(wire, "TOTAL_SECONDS", 0.2)
    channel.answers[Call.REFUND] = replace(Reply(200, REFUND_BODY), drip_seconds=0.02)
    started = time.monotonic()
    with pytest.raises(OutcomeUnknown, match="too long"):
        gateway.refund(REFUND)
    assert time.monotonic() - started < 5


def test_a_closed_port_is_unknown(credentials: WechatCredentials) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as gone:
        port = gone.server_port
    gateway = WechatGateway(replace(credentials, gateway=f"http://127.0.0.1:{port}"))
    with pytest.raises(OutcomeUnknown, match="no_trusted_answer"):
        gateway.query_refund(REFUND)


# --- Connections and credentials ------------------------------------------------------------------------------------


def test_connections_follow_the_calls_not_the_threads(channel: Channel, gateway: WechatGateway) -> None:
    channel.answers[Call.QUERY_REFUND] = Reply(200, REFUND_BODY)

    def ask_twenty_times() -> None:
        for _ in range(20):
            gateway.query_refund(REFUND)

    workers = [threading.Thread(target=ask_twenty_times) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(channel.requests) == 60
    assert channel.connections <= 3


def test_the_sdk_still_looks_where_the_pool_stands() -> None:
    source = Path(wechatpayv3.core.__file__).read_text()
    assert isinstance(wechatpayv3.core.requests, PooledRequests)
    for verb in ("get", "post", "put", "patch", "delete"):
        assert f"requests.{verb}(url=" in source
    assert source.count("requests.") == 5


def test_nothing_secret_shows(credentials: WechatCredentials) -> None:
    """I15."""
    assert "PRIVATE" not in repr(credentials)
    assert APIV3_KEY not in repr(credentials)
    assert MCHID in repr(credentials)


@pytest.mark.parametrize(
    "change",
    [
        {"private_key": "not a key"},
        {"private_key": ""},
        {"public_key": ""},
        {"public_key_id": ""},
        {"apiv3_key": "short"},
        {"mchid": ""},
        {"gateway": "127.0.0.1:9101"},
    ],
)
def test_credentials_that_cannot_work_are_refused_at_once(
    credentials: WechatCredentials, change: dict[str, str]
) -> None:
    with pytest.raises(GatewayMisconfigured):
        WechatGateway(replace(credentials, **change))


# --- Against the simulator ------------------------------------------------------------------------------------------


def test_a_payment_and_its_refund_run_through_the_simulator(
    simulator: Any, simulated: WechatGateway, mailbox: Mailbox
) -> None:
    order, request = mailbox.order("SIMPAY0001"), mailbox.refund("SIMPAY0001", "SIMPAY0001R1")
    assert simulated.open_payment(order)
    assert simulated.query_payment(order.payment_no).state is PaymentState.UNPAID
    simulator.pay(order.payment_no)
    notice = simulated.read_notification(*mailbox.next(), real_time=datetime.now(UTC))
    assert (notice.kind, notice.payment_no) == (NotificationKind.PAYMENT, order.payment_no)
    paid = simulated.query_payment(order.payment_no)
    assert (paid.state, paid.amount_fen) == (PaymentState.PAID, order.amount_fen)
    assert simulated.close_payment(order.payment_no).state is PaymentState.PAID

    assert simulated.query_refund(request).state is RefundState.NOT_FOUND
    accepted = simulated.refund(replace(request, channel_transaction_id=paid.channel_transaction_id))
    assert accepted.amount_fen == request.amount_fen
    assert accepted.state in (RefundState.ACCEPTED, RefundState.SUCCEEDED)
    again = simulated.refund(replace(request, channel_transaction_id=paid.channel_transaction_id))
    assert again.channel_refund_id == accepted.channel_refund_id
    simulator.settle(request.request_no, "SUCCESS")
    notice = simulated.read_notification(*mailbox.next(), real_time=datetime.now(UTC))
    assert (notice.kind, notice.request_no) == (NotificationKind.REFUND, request.request_no)
    arrived = simulated.query_refund(request)
    assert arrived.state is RefundState.SUCCEEDED
    assert arrived.succeeded_at is not None
    assert simulated.query_payment(order.payment_no).state is PaymentState.PAID  # also after a partial refund


def test_an_unpaid_order_is_closed_again_and_again(simulated: WechatGateway, mailbox: Mailbox) -> None:
    order = mailbox.order("SIMCLOSE01")
    simulated.open_payment(order)
    for _ in range(2):
        assert simulated.close_payment(order.payment_no).state is PaymentState.CLOSED
    assert simulated.query_payment(order.payment_no).state is PaymentState.CLOSED
    assert simulated.query_payment("SIMNOBODY1").state is PaymentState.NOT_FOUND


@pytest.mark.parametrize(
    "fault", ["request_lost", "answer_lost", "http_500_before", "http_500_after", "http_429", "bad_signature"]
)
def test_a_fault_leaves_the_outcome_unknown_and_the_same_number_settles_it(
    simulator: Any, simulated: WechatGateway, mailbox: Mailbox, fault: str
) -> None:
    """G1 to G4, G19."""
    payment_no = f"SIMFAULT{fault.replace('_', '')}"
    order, request = mailbox.order(payment_no), mailbox.refund(payment_no, f"{payment_no}R1")
    simulated.open_payment(order)
    simulator.pay(order.payment_no)
    simulator.faults(fault, request_no=request.request_no, times=1)
    with pytest.raises(OutcomeUnknown):
        simulated.refund(request)
    settled = simulated.refund(request)
    assert settled.state in (RefundState.ACCEPTED, RefundState.SUCCEEDED)
    assert settled.amount_fen == request.amount_fen


def test_asking_back_too_much_is_refused_with_the_channels_word(
    simulator: Any, simulated: WechatGateway, mailbox: Mailbox
) -> None:
    order = mailbox.order("SIMTOOMUCH1")
    simulated.open_payment(order)
    simulator.pay(order.payment_no)
    assert simulated.refund(mailbox.refund(order.payment_no, "SIMTOOMUCH1R1", 1999)).amount_fen == 1999
    refused = simulated.refund(mailbox.refund(order.payment_no, "SIMTOOMUCH1R2", 1))
    assert refused.state in (RefundState.REFUSED, RefundState.NO_FUNDS)
    assert refused.code
