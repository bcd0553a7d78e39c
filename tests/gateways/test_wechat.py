"""WeChat Pay's gateway against three partners: a channel that signs whatever we script, forgers, and the simulator.

All of them are real: RSA keys, AES-GCM, HTTP over a socket.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import queue
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import wechatpayv3.core
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.http.request import HttpHeaders

from payments.gateways import wire
from payments.gateways.base import (
    GatewayError,
    GatewayMisconfigured,
    NotificationKind,
    NotificationRefused,
    OutcomeUnknown,
    PaymentOrder,
    PaymentState,
    ReceivedAccountKind,
    RefundOutcome,
    RefundRequest,
    RefundState,
)
from payments.gateways.wechat import WechatCredentials, WechatGateway, answers
from payments.gateways.wechat.answers import Call
from payments.gateways.wechat.client import PooledRequests
from payments.gateways.wechat.refunds import received_account_kind

MCHID, APPID, PUBLIC_KEY_ID = "1900007291", "wxd678efh567hg6787", "PUB_KEY_ID_0119000072912025010100000001"
APIV3_KEY = "0123456789abcdefghijklmnopqrstuv"
MERCHANT_KEY, WECHAT_KEY, STRANGERS_KEY = (rsa.generate_private_key(65537, 2048) for _ in range(3))
NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)

ORDER = PaymentOrder("P2026112000000001", 1999, "游戏点卡 100 点", "https://shop.example/webhooks/wechat/payment", NOW)
REFUND = RefundRequest(
    request_no="P2026112000000001R1",
    payment_no=ORDER.payment_no,
    channel_transaction_id="4200001234202611200000000001",
    amount_fen=1000,
    payment_total_fen=1999,
    reason="卡密无法使用",
    notify_url="https://shop.example/webhooks/wechat/refund",
)
REFUND_BODY: dict[str, Any] = {
    "refund_id": "50300807092026112000000000001",
    "out_refund_no": REFUND.request_no,
    "transaction_id": REFUND.channel_transaction_id,
    "out_trade_no": REFUND.payment_no,
    "channel": "ORIGINAL",
    "user_received_account": "支付用户零钱",
    "create_time": "2026-11-20T20:00:00+08:00",
    "status": "PROCESSING",
    "amount": {"total": 1999, "refund": 1000, "payer_total": 1899, "payer_refund": 950, "currency": "CNY"},
}
PAYMENT_BODY: dict[str, Any] = {
    "mchid": MCHID,
    "appid": APPID,
    "out_trade_no": ORDER.payment_no,
    "transaction_id": REFUND.channel_transaction_id,
    "trade_type": "NATIVE",
    "trade_state": "SUCCESS",
    "success_time": "2026-11-20T20:00:01+08:00",
    "payer": {"openid": "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"},
    "amount": {"total": 1999, "payer_total": 1899, "currency": "CNY", "payer_currency": "CNY"},
}


# --- What each answer means -----------------------------------------------------------------------------------------

UNKNOWN, MISCONFIGURED, REFUSED = OutcomeUnknown, GatewayMisconfigured, GatewayError
#: call, HTTP status, code → outcome: a state, or the exception that is raised.
ANSWERS: list[tuple[Call, int, str, Any]] = [
    (Call.OPEN, 400, "APPID_MCHID_NOT_MATCH", MISCONFIGURED),
    (Call.OPEN, 400, "MCH_NOT_EXISTS", MISCONFIGURED),
    (Call.OPEN, 400, "PARAM_ERROR", REFUSED),
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
]


@pytest.mark.parametrize(("call", "status", "code", "outcome"), ANSWERS)
def test_every_answer_has_one_meaning(
    channel: Channel, gateway: WechatGateway, call: Call, status: int, code: str, outcome: Any
) -> None:
    error = {"code": code, "message": "原因"} if code else None
    channel.answers[call] = Reply(status, error)
    channel.answers.setdefault(Call.QUERY_REFUND, Reply(404, {"code": "RESOURCE_NOT_EXISTS", "message": ""}))
    if isinstance(outcome, type):
        with pytest.raises(outcome) as raised:
            ask(gateway, call)
        assert raised.type is outcome
        assert raised.value.code == (code or f"http_{status}")
    else:
        assert ask(gateway, call).state is outcome


def test_no_line_of_the_table_is_untested() -> None:
    tested = {(call, status, code) for call, status, code, _ in ANSWERS}
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
    with pytest.raises(ValueError):  # noqa: PT011 - the message differs by field
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


def test_one_thread_keeps_one_connection(channel: Channel, gateway: WechatGateway) -> None:
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
    assert channel.connections == 3


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


# --- Notifications --------------------------------------------------------------------------------------------------


def test_a_genuine_payment_notice_is_a_hint_without_personal_data(gateway: WechatGateway) -> None:
    headers, body = Notice.payment().sealed()
    notice = gateway.read_notification(headers, body, real_time=NOW)
    assert (notice.kind, notice.notification_id) == (NotificationKind.PAYMENT, "EV-2026112000000001")
    assert (notice.payment_no, notice.request_no) == (ORDER.payment_no, "")
    assert notice.facts == {
        "event_type": "TRANSACTION.SUCCESS",
        "status": "SUCCESS",
        "amount_fen": 1999,
        "channel_transaction_id": REFUND.channel_transaction_id,
    }


def test_a_genuine_refund_notice_names_both_numbers(gateway: WechatGateway) -> None:
    headers, body = Notice.refund().sealed()
    notice = gateway.read_notification(headers, body, real_time=NOW)
    assert (notice.kind, notice.payment_no) == (NotificationKind.REFUND, ORDER.payment_no)
    assert notice.request_no == REFUND.request_no
    assert notice.facts["status"] == "SUCCESS"
    assert "招商银行" not in str(notice.facts)


@pytest.mark.parametrize("seconds", [-299, -1, 0, 299])
def test_a_notice_within_five_minutes_is_read(gateway: WechatGateway, seconds: int) -> None:
    """G14: a replay inside the window is the caller's to see, by its id."""
    headers, body = Notice.payment().sealed()
    for _ in range(2):
        assert gateway.read_notification(headers, body, real_time=NOW + timedelta(seconds=seconds)).notification_id


def test_headers_are_found_in_any_case(gateway: WechatGateway) -> None:
    headers, body = Notice.payment().sealed()
    lower = {name.lower(): value for name, value in headers.items()}
    assert gateway.read_notification(lower, body, real_time=NOW).payment_no == ORDER.payment_no
    with pytest.raises(NotificationRefused, match="repeated_header"):
        gateway.read_notification({**lower, "WECHATPAY-SERIAL": PUBLIC_KEY_ID}, body, real_time=NOW)


@dataclass
class Notice:
    """A genuine notification; a forger changes fields before or after it is sealed."""

    resource: Any
    envelope: dict[str, Any]
    box: dict[str, Any]
    aes_key: str = APIV3_KEY
    sealed_for: str = ""  # associated data used when sealing, if not the box's own
    signing_key: rsa.RSAPrivateKey = field(default_factory=lambda: WECHAT_KEY)
    signed_at: int = int(NOW.timestamp())
    headers: dict[str, str | None] = field(default_factory=dict)  # None takes one away
    body_to_sign: bytes | None = None
    body_to_send: Callable[[bytes], bytes] = bytes

    @classmethod
    def payment(cls) -> Notice:
        return cls(
            resource=json.loads(json.dumps(PAYMENT_BODY)),
            envelope={
                "id": "EV-2026112000000001",
                "create_time": "2026-11-20T20:00:01+08:00",
                "resource_type": "encrypt-resource",
                "event_type": "TRANSACTION.SUCCESS",
                "summary": "支付成功",
            },
            box={"original_type": "transaction", "algorithm": "AEAD_AES_256_GCM", "associated_data": "transaction"},
        )

    @classmethod
    def refund(cls) -> Notice:
        notice = cls.payment()
        notice.envelope["event_type"] = "REFUND.SUCCESS"
        notice.box |= {"original_type": "refund", "associated_data": "refund"}
        notice.resource = {
            "mchid": MCHID,
            "transaction_id": REFUND.channel_transaction_id,
            "out_trade_no": ORDER.payment_no,
            "refund_id": REFUND_BODY["refund_id"],
            "out_refund_no": REFUND.request_no,
            "refund_status": "SUCCESS",
            "success_time": "2026-11-20T20:05:00+08:00",
            "user_received_account": "招商银行信用卡0403",
            "amount": {"total": 1999, "refund": 1000, "payer_total": 1899, "payer_refund": 950},
        }
        return notice

    def sealed(self) -> tuple[HttpHeaders, bytes]:
        body = self.body_to_sign
        if body is None:
            aad = (self.sealed_for or self.box["associated_data"]).encode()
            plain = json.dumps(self.resource, ensure_ascii=False).encode()
            hidden = base64.b64encode(AESGCM(self.aes_key.encode()).encrypt(b"abcdefghijkl", plain, aad)).decode()
            box = {"ciphertext": hidden, "nonce": "abcdefghijkl"} | self.box
            body = json.dumps({"resource": box} | self.envelope, ensure_ascii=False).encode()
        headers = signature_headers(self.signing_key, body, self.signed_at) | self.headers
        meta = {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in headers.items() if value is not None}
        return HttpHeaders(meta), self.body_to_send(body)


def send(notice: Notice, **changes: Any) -> Notice:
    return replace(notice, **changes)


def say(notice: Notice, **changes: Any) -> Notice:
    notice.resource |= changes
    return notice


def envelop(notice: Notice, **changes: Any) -> Notice:
    notice.envelope |= changes
    return notice


def box(notice: Notice, **changes: Any) -> Notice:
    notice.box |= changes
    return notice


def header(name: str, value: str | None) -> Notice:
    return send(Notice.payment(), headers={f"Wechatpay-{name}": value})


def amount(notice: Notice, **changes: Any) -> Notice:
    return say(notice, amount=notice.resource["amount"] | changes)


#: What the forger did → (code of the refusal, how).
FORGERIES: dict[str, tuple[str, Callable[[], Notice]]] = {
    "empty body": ("not_json", lambda: send(Notice.payment(), body_to_sign=b"")),
    "v2 XML": (
        "not_json",
        lambda: send(Notice.payment(), body_to_sign=b"<xml><appid>wx1</appid></xml>"),
    ),
    "an array": ("not_json", lambda: send(Notice.payment(), body_to_sign=b"[]")),
    "not UTF-8": ("not_json", lambda: send(Notice.payment(), body_to_sign=b'{"id": "\xff"}')),
    "too large": ("too_large", lambda: envelop(Notice.payment(), summary="x" * 65536)),
    "no signature": ("missing_header", lambda: header("Signature", None)),
    "no signature type": ("missing_header", lambda: header("Signature-Type", None)),
    "no time": ("missing_header", lambda: header("Timestamp", None)),
    "no nonce": ("missing_header", lambda: header("Nonce", None)),
    "no serial": ("missing_header", lambda: header("Serial", None)),
    "empty signature": ("missing_header", lambda: header("Signature", "")),
    "two serials": ("bad_header", lambda: header("Serial", f"{PUBLIC_KEY_ID},{PUBLIC_KEY_ID}")),
    "line break in the nonce": ("bad_header", lambda: header("Nonce", "abc\ndef")),
    "NUL in the nonce": ("bad_header", lambda: header("Nonce", "abc\x00")),
    "full-width digits": ("bad_header", lambda: header("Timestamp", "１７９５０００００００")),
    "signature test": ("signtest", lambda: header("Signature", "WECHATPAY/SIGNTEST/" + "A" * 300)),
    "weaker algorithm": ("signature_type", lambda: header("Signature-Type", "WECHATPAY2-SHA1-RSA2048")),
    "algorithm in lower case": ("signature_type", lambda: header("Signature-Type", "wechatpay2-sha256-rsa2048")),
    "time is a word": ("timestamp", lambda: header("Timestamp", "now")),
    "time is negative": ("timestamp", lambda: header("Timestamp", "-1")),
    "time is huge": ("timestamp", lambda: header("Timestamp", "9" * 400)),
    "301 seconds old": ("timestamp_window", lambda: send(Notice.payment(), signed_at=int(NOW.timestamp()) - 301)),
    "301 seconds early": ("timestamp_window", lambda: send(Notice.payment(), signed_at=int(NOW.timestamp()) + 301)),
    "a platform certificate": ("unknown_serial", lambda: header("Serial", "5157F09EFDC096DE15EBE81A47057A72")),
    "another public key": ("unknown_serial", lambda: header("Serial", "PUB_KEY_ID_0000")),
    "serial in lower case": ("unknown_serial", lambda: header("Serial", PUBLIC_KEY_ID.lower())),
    "a stranger's key": ("bad_signature", lambda: send(Notice.payment(), signing_key=STRANGERS_KEY)),
    "our own key": ("bad_signature", lambda: send(Notice.payment(), signing_key=MERCHANT_KEY)),
    "body changed": ("bad_signature", lambda: send(Notice.payment(), body_to_send=lambda sent: sent + b" ")),
    "time refreshed": (
        "bad_signature",
        lambda: send(
            Notice.payment(),
            signed_at=int(NOW.timestamp()) - 900,
            headers={"Wechatpay-Timestamp": str(int(NOW.timestamp()))},
        ),
    ),
    "nonce exchanged": ("bad_signature", lambda: header("Nonce", "Z" * 32)),
    "signature is no base64": ("bad_signature", lambda: header("Signature", "!!!")),
    "signature is empty base64": ("bad_signature", lambda: header("Signature", "====")),
    "broken JSON": ("notification_id", lambda: send(Notice.payment(), body_to_sign=b'{"id": ')),
    "deep JSON": ("notification_id", lambda: send(Notice.payment(), body_to_sign=b'{"id":' + b"[" * 60_000)),
    "no id": ("notification_id", lambda: envelop(Notice.payment(), id=None)),
    "id is a number": ("notification_id", lambda: envelop(Notice.payment(), id=1)),
    "id too long": ("notification_id", lambda: envelop(Notice.payment(), id="E" * 65)),
    "NUL in the id": ("notification_id", lambda: envelop(Notice.payment(), id="EV\x00")),
    "not encrypted": ("resource_type", lambda: envelop(Notice.payment(), resource_type="plain-resource")),
    "no resource": ("resource_type", lambda: envelop(Notice.payment(), resource=None)),
    "no algorithm": ("algorithm", lambda: box(Notice.payment(), algorithm="none")),
    "unknown event": ("event_type", lambda: envelop(Notice.payment(), event_type="TRANSFER.DONE")),
    "event is a list": ("event_type", lambda: envelop(Notice.payment(), event_type=["TRANSACTION.SUCCESS"])),
    "refund dressed as payment": ("original_type", lambda: envelop(Notice.refund(), event_type="TRANSACTION.SUCCESS")),
    "payment dressed as refund": ("original_type", lambda: envelop(Notice.payment(), event_type="REFUND.SUCCESS")),
    "another AES key": ("undecryptable", lambda: send(Notice.payment(), aes_key="x" * 32)),
    "sealed for something else": ("undecryptable", lambda: send(Notice.payment(), sealed_for="certificate")),
    "ciphertext is no base64": ("undecryptable", lambda: box(Notice.payment(), ciphertext="%%%")),
    "ciphertext is a number": ("undecryptable", lambda: box(Notice.payment(), ciphertext=1)),
    "nonce of no length": ("undecryptable", lambda: box(Notice.payment(), nonce="")),
    "an array inside": ("undecryptable", lambda: send(Notice.payment(), resource=[])),
    "text inside": ("undecryptable", lambda: send(Notice.payment(), resource="paid")),
    "another merchant's payment": ("wrong_mchid", lambda: say(Notice.payment(), mchid="1900000109")),
    "another merchant's refund": ("wrong_mchid", lambda: say(Notice.refund(), mchid="1900000109")),
    "nobody's refund": ("wrong_mchid", lambda: say(Notice.refund(), mchid=None)),
    "another app": ("wrong_appid", lambda: say(Notice.payment(), appid="wx0000000000000000")),
    "no payment number": ("odd_field", lambda: say(Notice.payment(), out_trade_no=None)),
    "number is a number": ("odd_field", lambda: say(Notice.payment(), out_trade_no=20261120)),
    "number with a path": ("odd_field", lambda: say(Notice.payment(), out_trade_no="../../v3/certificates")),
    "number with a query": ("odd_field", lambda: say(Notice.refund(), out_refund_no="R1?mchid=1")),
    "no refund number": ("odd_field", lambda: say(Notice.refund(), out_refund_no=None)),
    "no transaction": ("odd_field", lambda: say(Notice.payment(), transaction_id="")),
    "amount is text": ("odd_field", lambda: amount(Notice.payment(), total="1999")),
    "amount is true": ("odd_field", lambda: amount(Notice.payment(), total=True)),
    "amount is NaN": ("odd_field", lambda: amount(Notice.payment(), total=float("nan"))),
    "amount is zero": ("odd_field", lambda: amount(Notice.refund(), refund=0)),
    "another currency": ("odd_field", lambda: amount(Notice.payment(), currency="USD")),
    "refund in another currency": ("odd_field", lambda: amount(Notice.refund(), currency="USD")),
    "more back than was paid": ("odd_field", lambda: amount(Notice.refund(), refund=2000)),
    "amount is a list": ("odd_field", lambda: say(Notice.refund(), amount=[1])),
    "status is missing": ("odd_field", lambda: say(Notice.refund(), refund_status=None)),
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_a_forged_notice_is_refused_and_moves_nothing(channel: Channel, gateway: WechatGateway, forgery: str) -> None:
    """G13, G18: each refusal has its own code, and the sender never chooses an outbound call."""
    code, forge = FORGERIES[forgery]
    headers, body = forge().sealed()
    with pytest.raises(NotificationRefused) as refused:
        gateway.read_notification(headers, body, real_time=NOW)
    assert refused.value.code == code
    assert channel.requests == []


def test_the_real_time_must_say_its_zone(gateway: WechatGateway) -> None:
    headers, body = Notice.payment().sealed()
    with pytest.raises(ValueError, match="aware"):
        gateway.read_notification(headers, body, real_time=NOW.replace(tzinfo=None))


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


# --- The partners ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Reply:
    """One scripted answer, genuine unless spoiled."""

    status: int
    body: Any
    raw: bytes | None = None
    key: rsa.RSAPrivateKey = field(default_factory=lambda: WECHAT_KEY)
    tampered: bool = False
    headers: dict[str, str | None] = field(default_factory=dict)
    cut_after: int | None = None
    hang_up: bool = False
    drip_seconds: float = 0


@dataclass(frozen=True)
class Asked:
    path: str
    body: bytes


class Channel(ThreadingHTTPServer):
    """A WeChat Pay that answers each call as the test says, signed by the platform's key."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Conversation)
        self.answers: dict[Call, Reply] = {}
        self.requests: list[Asked] = []
        self.connections = 0

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Conversation(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Channel

    def setup(self) -> None:
        super().setup()
        self.server.connections += 1

    def do_GET(self) -> None:
        self.server.requests.append(Asked(self.path, self.rfile.read(int(self.headers.get("Content-Length", 0)))))
        reply = self.server.answers[self.which()]
        if reply.hang_up:
            self.close_connection = True
            return
        body = reply.raw if reply.raw is not None else json.dumps(reply.body).encode() if reply.body else b""
        headers = signature_headers(reply.key, body, int(time.time())) | reply.headers
        body += b" " if reply.tampered else b""
        self.send_response(reply.status)
        self.send_header("Content-Type", "application/json; charset=utf-8")
        if reply.status != 204:
            self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            if value is not None:
                self.send_header(name, value)
        self.end_headers()
        self.close_connection |= reply.cut_after is not None
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # the client gave up: that is the point
            self.speak(body[: reply.cut_after], reply.drip_seconds)

    do_POST = do_GET

    def speak(self, body: bytes, drip_seconds: float) -> None:
        if not drip_seconds:
            self.wfile.write(body)
            return
        for byte in body:
            self.wfile.write(bytes([byte]))
            threading.Event().wait(drip_seconds)

    def which(self) -> Call:
        if self.path.endswith("/native"):
            return Call.OPEN
        if self.path.endswith("/close"):
            return Call.CLOSE
        if "/refunds" in self.path:
            return Call.REFUND if self.command == "POST" else Call.QUERY_REFUND
        return Call.QUERY

    def log_message(self, *_: Any) -> None:
        pass


class Mailbox(ThreadingHTTPServer):
    """The address that notifications are sent to; keeps them as they came."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Letter)
        self.letters: queue.Queue[tuple[dict[str, str], bytes]] = queue.Queue()

    def next(self) -> tuple[dict[str, str], bytes]:
        return self.letters.get(timeout=20)

    def order(self, payment_no: str) -> PaymentOrder:
        expires_at = datetime.now(UTC) + timedelta(hours=1)
        return PaymentOrder(payment_no, 1999, "游戏点卡 100 点", f"http://127.0.0.1:{self.server_port}/pay", expires_at)

    def refund(self, payment_no: str, request_no: str, amount_fen: int = 1000) -> RefundRequest:
        notify_url = f"http://127.0.0.1:{self.server_port}/refund"
        return RefundRequest(request_no, payment_no, "", amount_fen, 1999, "卡密无法使用", notify_url)


class Letter(BaseHTTPRequestHandler):
    server: Mailbox

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.letters.put((dict(self.headers.items()), body))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def channel() -> Iterator[Channel]:
    with serving(Channel()) as running:
        yield running


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    with serving(Mailbox()) as running:
        yield running


@pytest.fixture
def credentials(channel: Channel) -> WechatCredentials:
    return WechatCredentials(
        mchid=MCHID,
        appid=APPID,
        apiv3_key=APIV3_KEY,
        cert_serial_no="444F4864EA9B34415A2B5C6D7E8F901234567890",
        private_key=private_pem(MERCHANT_KEY),
        public_key=public_pem(WECHAT_KEY),
        public_key_id=PUBLIC_KEY_ID,
        gateway=channel.address,
    )


@pytest.fixture
def gateway(credentials: WechatCredentials) -> WechatGateway:
    return WechatGateway(credentials)


@pytest.fixture
def simulated(simulator: Any) -> WechatGateway:
    """The gateway that the suite's simulator made credentials for."""
    from django.conf import settings

    assert os.environ["CHANNELS"] == "simulated"
    return WechatGateway(WechatCredentials(**settings.WECHAT))


@contextlib.contextmanager
def serving(server: Any) -> Iterator[Any]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def ask(gateway: WechatGateway, call: Call) -> Any:
    asks: dict[Call, Callable[[], Any]] = {
        Call.OPEN: lambda: gateway.open_payment(ORDER),
        Call.QUERY: lambda: gateway.query_payment(ORDER.payment_no),
        Call.CLOSE: lambda: gateway.close_payment(ORDER.payment_no),
        Call.REFUND: lambda: gateway.refund(REFUND),
        Call.QUERY_REFUND: lambda: gateway.query_refund(REFUND),
    }
    return asks[call]()


def signature_headers(key: rsa.RSAPrivateKey, body: bytes, timestamp: int) -> dict[str, str | None]:
    nonce = "K8264ILTKCH16CQ2502SI8ZNMTM67VS2"
    signed = f"{timestamp}\n{nonce}\n".encode() + body + b"\n"
    return {
        "Wechatpay-Timestamp": str(timestamp),
        "Wechatpay-Nonce": nonce,
        "Wechatpay-Signature": base64.b64encode(key.sign(signed, padding.PKCS1v15(), hashes.SHA256())).decode(),
        "Wechatpay-Serial": PUBLIC_KEY_ID,
        "Wechatpay-Signature-Type": "WECHATPAY2-SHA256-RSA2048",
    }


def private_pem(key: rsa.RSAPrivateKey) -> str:
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    return key.private_bytes(encoding, form, serialization.NoEncryption()).decode()


def public_pem(key: rsa.RSAPrivateKey) -> str:
    spki = serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_key().public_bytes(serialization.Encoding.PEM, spki).decode()
