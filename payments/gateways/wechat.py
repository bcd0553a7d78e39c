"""微信支付 Native (APIv3, 微信支付公钥 mode) on the unmodified ``wechatpayv3`` SDK.

Start at ``WechatGateway``, then ``ANSWERS``: what each word of the channel means to us. No word of WeChat's leaves
this file but as ``code`` for staff.

The SDK returns 4xx and 5xx unverified and raises bare exceptions for the rest; both end here as one of the outcomes
of ``base.py``. What it does not do is done here: time-outs, pooled and size-capped connections, the 5-minute window
of notifications, and never a download that a stranger's serial number asked for.
"""

from __future__ import annotations

import enum
import io
import ipaddress
import json
import os
import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any, NoReturn, TypeVar
from urllib.parse import urlsplit

import requests
import urllib3
import wechatpayv3
from requests.adapters import HTTPAdapter
from wechatpayv3 import core as sdk_core
from wechatpayv3.utils import load_public_key, rsa_verify

from payments.gateways.base import (
    GatewayError,
    GatewayMisconfigured,
    Notification,
    NotificationKind,
    NotificationRefused,
    OutcomeUnknown,
    PaymentOrder,
    PaymentOutcome,
    PaymentState,
    ReceivedAccountKind,
    RefundOutcome,
    RefundRequest,
    RefundState,
)

CONNECT_SECONDS, READ_SECONDS, TOTAL_SECONDS = 3, 10, 15
MAX_ANSWER_BYTES = 1024 * 1024
MAX_NOTIFICATION_BYTES = 64 * 1024
NOTIFICATION_WINDOW_SECONDS = 300
PAUSE_WHEN_LIMITED_SECONDS = 60

T = TypeVar("T")


@dataclass(frozen=True)
class WechatCredentials:
    """One merchant account. Keys are PEM text; ``gateway`` is another server's base address, empty for the real one.

    Nothing secret shows in ``repr`` (I15).
    """

    mchid: str
    appid: str
    apiv3_key: str = field(repr=False)
    cert_serial_no: str
    private_key: str = field(repr=False)
    public_key: str = field(repr=False)
    public_key_id: str
    gateway: str = ""


class WechatGateway:
    """``base.Gateway`` for one WeChat Pay merchant. Build one per process (28 ms of RSA checks); share it freely.

    Raises GatewayMisconfigured when the credentials cannot work at all.
    """

    def __init__(self, credentials: WechatCredentials) -> None:
        self._credentials = credentials
        self._client = _build_client(credentials)
        self._wechat_key = load_public_key(credentials.public_key)

    def open_payment(self, order: PaymentOrder) -> str:
        _require_payment_no(order.payment_no)
        _require_fen(order.amount_fen)
        _require_notify_url(order.notify_url)
        if not order.description:
            raise ValueError("open_payment: the description is empty")
        answer = _ask(
            Call.OPEN,
            lambda: self._client.pay(
                description=_fit(order.description, 127),
                out_trade_no=order.payment_no,
                amount={"total": order.amount_fen, "currency": "CNY"},
                time_expire=_china_time(order.expires_at),
                notify_url=order.notify_url,
            ),
        )
        if answer.verdict is Verdict.REFUSED:
            raise GatewayError(answer.code, answer.message)
        return _read(answer, lambda body: _text(body, "code_url", 512))

    def query_payment(self, payment_no: str) -> PaymentOutcome:
        _require_payment_no(payment_no)
        answer = _ask(Call.QUERY, lambda: self._client.query(out_trade_no=payment_no))
        if answer.verdict is Verdict.NOT_FOUND:
            return PaymentOutcome(PaymentState.NOT_FOUND, payment_no)
        return _read(answer, lambda body: self._payment_outcome(body, payment_no))

    def close_payment(self, payment_no: str) -> PaymentOutcome:
        """As ``base``; NOT_FOUND when the channel never heard of it. A refusal is settled by one query (G20)."""
        _require_payment_no(payment_no)
        answer = _ask(Call.CLOSE, lambda: self._client.close(out_trade_no=payment_no))
        if answer.verdict is Verdict.REFUSED:
            stands = self.query_payment(payment_no)
            if stands.state is PaymentState.UNPAID:
                raise OutcomeUnknown(answer.code, answer.message)
            return stands
        return PaymentOutcome(_CLOSE_STATES[answer.verdict], payment_no)

    def refund(self, request: RefundRequest) -> RefundOutcome:
        """As ``base``. Before it says REFUSED it asks once whether the number exists after all, and answers that.

        So REFUSED means: nothing was created. Whatever else was unclear is OutcomeUnknown, and the caller asks.
        A different ``amount_fen`` in the outcome is for the caller to see and to hold (G16).
        """
        _require_refund(request)
        answer = _ask(Call.REFUND, lambda: self._send_refund(request))
        if answer.verdict is Verdict.NO_FUNDS:
            return _not_created(RefundState.NO_FUNDS, request.request_no, answer)
        if answer.verdict is Verdict.REFUSED:
            # INVALID_REQUEST also says "you asked this before": what the number stands at decides, not the complaint.
            stands = self.query_refund(request.request_no)
            if stands.state is RefundState.NOT_FOUND:
                return _not_created(RefundState.REFUSED, request.request_no, answer)
            return stands
        return _read(answer, lambda body: _refund_outcome(body, request.request_no, request))

    def query_refund(self, request_no: str) -> RefundOutcome:
        _require_request_no(request_no)
        answer = _ask(Call.QUERY_REFUND, lambda: self._client.query_refund(out_refund_no=request_no))
        if answer.verdict is Verdict.NOT_FOUND:
            return _not_created(RefundState.NOT_FOUND, request_no, answer)
        return _read(answer, lambda body: _refund_outcome(body, request_no))

    def read_notification(self, headers: Mapping[str, str], body: bytes, *, real_time: datetime) -> Notification:
        """As ``base``. Every check of the channel's rules stands in front of the SDK, which has few (G13, G14, G18)."""
        if real_time.tzinfo is None:
            raise ValueError("read_notification: real_time must be timezone-aware")
        if len(body) > MAX_NOTIFICATION_BYTES:
            raise NotificationRefused("too_large")
        if not body.lstrip().startswith(b"{"):
            # v2 XML: a refund made by hand in the merchant platform, or by another system.
            raise NotificationRefused("not_json")
        signed = _signature_headers(headers)
        self._check_signature(signed, body, real_time)
        envelope = _envelope(body)
        return self._notification(envelope, self._open(signed, body))

    def _send_refund(self, request: RefundRequest) -> tuple[int, str | bytes]:
        if request.channel_transaction_id:
            order = {"transaction_id": request.channel_transaction_id}
        else:
            order = {"out_trade_no": request.payment_no}
        amount = {"refund": request.amount_fen, "total": request.payment_total_fen, "currency": "CNY"}
        answer: tuple[int, str | bytes] = self._client.refund(
            out_refund_no=request.request_no,
            amount=amount,
            reason=_fit(request.reason, 80),
            notify_url=request.notify_url,
            **order,
        )
        return answer

    def _payment_outcome(self, body: dict[str, Any], payment_no: str) -> PaymentOutcome:
        _expect(body, "out_trade_no", payment_no)
        _expect(body, "mchid", self._credentials.mchid)
        _expect(body, "appid", self._credentials.appid)
        state = _PAYMENT_STATES.get(_text(body, "trade_state"))
        if state is None:
            raise _Odd("trade_state")
        if state is not PaymentState.PAID:
            return PaymentOutcome(state, payment_no)
        amount = _yuan_amount(body)
        return PaymentOutcome(
            state,
            payment_no,
            amount_fen=_fen(amount, "total"),  # not payer_total: coupons are the channel's affair
            channel_transaction_id=_number(body, "transaction_id"),
            paid_at=_time(body, "success_time"),
        )

    def _check_signature(self, signed: dict[str, str], body: bytes, real_time: datetime) -> None:
        signature = signed[_SIGNATURE]
        if signature.startswith("WECHATPAY/SIGNTEST/"):
            raise NotificationRefused("signtest", "the channel probes whether we verify")
        if signed[_SIGNATURE_TYPE] != "WECHATPAY2-SHA256-RSA2048":
            raise NotificationRefused("signature_type")
        if not re.fullmatch(r"[0-9]{1,12}", signed[_TIMESTAMP]):
            raise NotificationRefused("timestamp")
        if abs(real_time.timestamp() - int(signed[_TIMESTAMP])) > NOTIFICATION_WINDOW_SECONDS:
            raise NotificationRefused("timestamp_window")
        if signed[_SERIAL] != self._credentials.public_key_id:
            raise NotificationRefused("unknown_serial")
        try:
            text = body.decode("utf-8")
        except UnicodeDecodeError:
            raise NotificationRefused("not_json") from None
        if not rsa_verify(signed[_TIMESTAMP], signed[_NONCE], text, signature, self._wechat_key):
            raise NotificationRefused("bad_signature")

    def _open(self, signed: dict[str, str], body: bytes) -> dict[str, Any]:
        """Return the decrypted resource. A failure here, after a good signature, points at our APIv3 key."""
        try:
            opened = self._client.callback(signed, body)
        except Exception as error:  # the SDK raises bare Exception, ValueError, UnicodeDecodeError
            raise NotificationRefused("undecryptable", type(error).__name__) from error
        resource = opened.get("resource") if isinstance(opened, dict) else None
        if not isinstance(resource, dict):
            raise NotificationRefused("undecryptable")
        return resource

    def _notification(self, envelope: _Envelope, resource: dict[str, Any]) -> Notification:
        if resource.get("mchid") != self._credentials.mchid:
            raise NotificationRefused("wrong_mchid")
        if envelope.kind is NotificationKind.PAYMENT and resource.get("appid") != self._credentials.appid:
            raise NotificationRefused("wrong_appid")
        try:
            if envelope.kind is NotificationKind.PAYMENT:
                return _payment_notification(envelope, resource)
            return _refund_notification(envelope, resource)
        except _Odd as odd:
            raise NotificationRefused("odd_field", str(odd)) from None


class Call(enum.Enum):
    """The five things we ask of the channel."""

    OPEN = "native"
    QUERY = "query"
    CLOSE = "close"
    REFUND = "refund"
    QUERY_REFUND = "query_refund"


class Verdict(enum.Enum):
    """What one answer means."""

    ANSWERED = "answered"  # verified 2xx: the body says the rest
    UNKNOWN = "unknown"  # raised as OutcomeUnknown
    MISCONFIGURED = "misconfigured"  # raised as GatewayMisconfigured
    REFUSED = "refused"  # the channel will not do this one thing
    NOT_FOUND = "not_found"
    NO_FUNDS = "no_funds"
    CLOSED = "closed"
    PAID = "paid"


#: (HTTP status, code) → verdict, as WeChat Pay documents them; ``verdict_of`` has the rule for all others.
#: The same word may mean different things to different calls: 404 RESOURCE_NOT_EXISTS on a refund is an unknown
#: *order* (REFUSED), on its query an unknown *refund* (NOT_FOUND).
ANSWERS: Mapping[Call, Mapping[tuple[int, str], Verdict]] = {
    Call.OPEN: {
        (200, ""): Verdict.ANSWERED,
        (400, "APPID_MCHID_NOT_MATCH"): Verdict.MISCONFIGURED,
        (400, "PARAM_ERROR"): Verdict.REFUSED,
        (400, "ORDER_CLOSED"): Verdict.REFUSED,
        (403, "OUT_TRADE_NO_USED"): Verdict.REFUSED,
        (403, "RULE_LIMIT"): Verdict.REFUSED,
        (403, "TRADE_ERROR"): Verdict.REFUSED,
    },
    Call.QUERY: {
        (200, ""): Verdict.ANSWERED,
        (404, "ORDER_NOT_EXIST"): Verdict.NOT_FOUND,
    },
    Call.CLOSE: {
        (200, ""): Verdict.CLOSED,
        (204, ""): Verdict.CLOSED,
        (400, "ORDER_CLOSED"): Verdict.CLOSED,
        (400, "ORDERPAID"): Verdict.PAID,
        (400, "ORDER_PAID"): Verdict.PAID,
        (404, "ORDER_NOT_EXIST"): Verdict.NOT_FOUND,
    },
    Call.REFUND: {
        (200, ""): Verdict.ANSWERED,
        (202, ""): Verdict.UNKNOWN,  # accepted, not finished: WeChat wants the identical request again
        (400, "PARAM_ERROR"): Verdict.REFUSED,  # about this one request; the others may still be sent
        (400, "INVALID_REQUEST"): Verdict.REFUSED,
        (403, "NOT_ENOUGH"): Verdict.NO_FUNDS,
        (403, "USER_ACCOUNT_ABNORMAL"): Verdict.REFUSED,
        (404, "RESOURCE_NOT_EXISTS"): Verdict.REFUSED,
        (404, "MCH_NOT_EXISTS"): Verdict.MISCONFIGURED,
    },
    Call.QUERY_REFUND: {
        (200, ""): Verdict.ANSWERED,
        (404, "RESOURCE_NOT_EXISTS"): Verdict.NOT_FOUND,
        (404, "MCH_NOT_EXISTS"): Verdict.MISCONFIGURED,
    },
}
ANSWERS_TO_ANY_CALL: Mapping[tuple[int, str], Verdict] = {
    (400, "MCH_NOT_EXISTS"): Verdict.MISCONFIGURED,
    (401, "SIGN_ERROR"): Verdict.MISCONFIGURED,
    (403, "NO_AUTH"): Verdict.MISCONFIGURED,
}
#: Words that never settle anything, whatever status they come with: the request may be in progress (G4).
BUSY_CODES = frozenset({"FREQUENCY_LIMITED", "RATELIMIT_EXCEEDED", "SYSTEM_ERROR", "SERVICE_UNAVAILABLE"})
#: A refused question says nothing about the thing that was asked about.
_QUESTIONS = frozenset({Call.QUERY, Call.QUERY_REFUND})


def verdict_of(call: Call, status: int, code: str) -> Verdict:
    """Return what ``status`` and ``code`` mean to ``call``. What no table lists is unknown, unless plainly refused."""
    listed = ANSWERS[call].get((status, code)) or ANSWERS_TO_ANY_CALL.get((status, code))
    if listed:
        return listed
    if status == 401:
        return Verdict.MISCONFIGURED
    plainly_refused = 400 <= status < 500 and status not in (408, 429) and code and code not in BUSY_CODES
    if plainly_refused and call not in _QUESTIONS:
        return Verdict.REFUSED
    return Verdict.UNKNOWN


_PAYMENT_STATES = {
    "NOTPAY": PaymentState.UNPAID,
    "USERPAYING": PaymentState.UNPAID,
    "PAYERROR": PaymentState.UNPAID,
    "SUCCESS": PaymentState.PAID,
    "REFUND": PaymentState.PAID,  # also after a partial refund
    "CLOSED": PaymentState.CLOSED,
    "REVOKED": PaymentState.CLOSED,
}
_CLOSE_STATES = {
    Verdict.CLOSED: PaymentState.CLOSED,
    Verdict.PAID: PaymentState.PAID,
    Verdict.NOT_FOUND: PaymentState.NOT_FOUND,
}
_REFUND_STATES = {
    "PROCESSING": RefundState.ACCEPTED,
    "SUCCESS": RefundState.SUCCEEDED,
    "ABNORMAL": RefundState.RETURNED,
    "CLOSED": RefundState.CLOSED,
}


@dataclass(frozen=True)
class _Answer:
    verdict: Verdict
    code: str
    message: str
    body: dict[str, Any]


def _ask(call: Call, send: Callable[[], tuple[int, str | bytes]]) -> _Answer:
    """Make one SDK call and judge its answer. Raises OutcomeUnknown and GatewayMisconfigured."""
    try:
        status, raw = send()
    except Exception as error:  # bad signature, broken JSON, reset, time-out: the SDK has no exception class
        raise OutcomeUnknown("no_trusted_answer", f"{type(error).__name__}: {str(error)[:200]}") from error
    body = _object(raw)
    code = "" if status < 300 else str(body.get("code", ""))[:64]
    message = str(body.get("message", ""))[:200]
    verdict = verdict_of(call, status, code)
    if verdict is Verdict.MISCONFIGURED:
        raise GatewayMisconfigured(code or f"http_{status}", message)
    if verdict is Verdict.UNKNOWN:
        limited = status == 429 or code in ("FREQUENCY_LIMITED", "RATELIMIT_EXCEEDED")
        pause = PAUSE_WHEN_LIMITED_SECONDS if limited else None
        raise OutcomeUnknown(code or f"http_{status}", message, retry_after_seconds=pause)
    return _Answer(verdict, code, message, body)


def _read(answer: _Answer, read: Callable[[dict[str, Any]], T]) -> T:
    """Read a verified body; one odd field makes the whole answer one that cannot be trusted."""
    try:
        return read(answer.body)
    except _Odd as odd:
        raise OutcomeUnknown("odd_answer", str(odd)) from None


def _refund_outcome(body: dict[str, Any], request_no: str, request: RefundRequest | None = None) -> RefundOutcome:
    _expect(body, "out_refund_no", request_no)
    amount = _yuan_amount(body)
    if request:
        _expect(body, "out_trade_no", request.payment_no)
        _expect(amount, "total", request.payment_total_fen)
    state = _REFUND_STATES.get(_text(body, "status"))
    if state is None:
        raise _Odd("status")
    account = str(body.get("user_received_account") or "")[:64]
    code = ""
    if state is RefundState.SUCCEEDED and account.startswith("商户"):
        # An abnormal refund that was settled to the merchant: a success for the channel, nothing for the buyer.
        state, code = RefundState.RETURNED, "BACK_WITH_MERCHANT"
    return RefundOutcome(
        state,
        request_no,
        amount_fen=_fen(amount, "refund"),
        channel_refund_id=_number(body, "refund_id"),
        received_account=account,
        received_account_kind=received_account_kind(account),
        succeeded_at=_time(body, "success_time") if state is RefundState.SUCCEEDED else None,
        code=code,
    )


def received_account_kind(account: str) -> ReceivedAccountKind:
    """入账账户: tell the wallet (支付用户零钱) from a bank card (招商银行信用卡0403). A merchant's is neither."""
    if account.startswith("商户"):
        return ReceivedAccountKind.UNKNOWN
    if "零钱" in account:
        return ReceivedAccountKind.WALLET
    if re.search("银行|信用卡|储蓄卡|借记卡", account):
        return ReceivedAccountKind.BANK_CARD
    return ReceivedAccountKind.UNKNOWN


def _not_created(state: RefundState, request_no: str, answer: _Answer) -> RefundOutcome:
    return RefundOutcome(state, request_no, code=answer.code, detail=answer.message)


# --- Notifications -------------------------------------------------------------------------------------------------

_SIGNATURE = "Wechatpay-Signature"
_SIGNATURE_TYPE = "Wechatpay-Signature-Type"
_TIMESTAMP = "Wechatpay-Timestamp"
_NONCE = "Wechatpay-Nonce"
_SERIAL = "Wechatpay-Serial"
_SIGNATURE_HEADERS = (_SIGNATURE, _SIGNATURE_TYPE, _TIMESTAMP, _NONCE, _SERIAL)

#: event_type → (kind, original_type): all that may arrive at our two addresses.
_EVENTS = {
    "TRANSACTION.SUCCESS": (NotificationKind.PAYMENT, "transaction"),
    "REFUND.SUCCESS": (NotificationKind.REFUND, "refund"),
    "REFUND.ABNORMAL": (NotificationKind.REFUND, "refund"),
    "REFUND.CLOSED": (NotificationKind.REFUND, "refund"),
}


@dataclass(frozen=True)
class _Envelope:
    kind: NotificationKind
    notification_id: str
    event_type: str


def _signature_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the five signature headers under their own spelling, whatever the case of the server's mapping."""
    found = dict.fromkeys(_SIGNATURE_HEADERS, "")
    spelling = {name.lower(): name for name in _SIGNATURE_HEADERS}
    for name, value in headers.items():
        known = spelling.get(name.lower())
        if known is None:
            continue
        if found[known]:
            raise NotificationRefused("repeated_header", known)
        found[known] = value
    for name, value in found.items():
        if not value:
            raise NotificationRefused("missing_header", name)
        if not re.fullmatch(r"[!-~]{1,1024}", value) or ("," in value):  # a comma is two headers joined by the server
            raise NotificationRefused("bad_header", name)
    return found


def _envelope(body: bytes) -> _Envelope:
    """Check the signed outside of a notification; what is inside is still encrypted."""
    outside = _object(body)
    resource = outside.get("resource")
    notification_id = outside.get("id")
    if not isinstance(notification_id, str) or not re.fullmatch(r"[!-~]{1,64}", notification_id):
        raise NotificationRefused("notification_id")
    if outside.get("resource_type") != "encrypt-resource" or not isinstance(resource, dict):
        raise NotificationRefused("resource_type")
    if resource.get("algorithm") != "AEAD_AES_256_GCM":
        raise NotificationRefused("algorithm")
    event_type = outside.get("event_type")
    if not isinstance(event_type, str) or event_type not in _EVENTS:
        raise NotificationRefused("event_type")
    kind, original_type = _EVENTS[event_type]
    if resource.get("original_type") != original_type:
        raise NotificationRefused("original_type")
    return _Envelope(kind, notification_id, event_type)


def _payment_notification(envelope: _Envelope, resource: dict[str, Any]) -> Notification:
    facts = {
        "event_type": envelope.event_type,
        "status": _text(resource, "trade_state"),
        "amount_fen": _fen(_yuan_amount(resource), "total"),
        "channel_transaction_id": _number(resource, "transaction_id"),
    }
    payment_no = _number(resource, "out_trade_no")
    return Notification(envelope.kind, envelope.notification_id, payment_no, facts=facts)


def _refund_notification(envelope: _Envelope, resource: dict[str, Any]) -> Notification:
    amount = resource.get("amount")  # refund notices name no currency
    if not isinstance(amount, dict) or amount.get("currency", "CNY") != "CNY":
        raise _Odd("amount")
    refund_fen, payment_total_fen = _fen(amount, "refund"), _fen(amount, "total")
    if refund_fen > payment_total_fen:
        raise _Odd("refund")
    facts = {
        "event_type": envelope.event_type,
        "status": _text(resource, "refund_status"),
        "amount_fen": refund_fen,
        "payment_total_fen": payment_total_fen,
        "channel_transaction_id": _number(resource, "transaction_id"),
        "channel_refund_id": _number(resource, "refund_id"),
    }
    payment_no, request_no = _number(resource, "out_trade_no"), _number(resource, "out_refund_no")
    return Notification(envelope.kind, envelope.notification_id, payment_no, request_no, facts=facts)


# --- Fields --------------------------------------------------------------------------------------------------------


class _Odd(Exception):
    """A field that is missing, of another type, or about somebody else's number. The text names the field."""


def _object(raw: str | bytes) -> dict[str, Any]:
    """Return the JSON object in ``raw``; an empty one for anything else, such as a proxy's HTML page."""
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError):
        return {}
    return body if isinstance(body, dict) else {}


def _expect(body: dict[str, Any], name: str, ours: str | int) -> None:
    theirs = body.get(name)
    if type(theirs) is not type(ours) or theirs != ours:
        raise _Odd(name)


def _text(body: dict[str, Any], name: str, longest: int = 64) -> str:
    value = body.get(name)
    if not isinstance(value, str) or not re.fullmatch(rf"[!-~]{{1,{longest}}}", value):
        raise _Odd(name)
    return value


def _number(body: dict[str, Any], name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str) or not re.fullmatch(r"[0-9A-Za-z]{1,64}", value):
        raise _Odd(name)
    return value


def _yuan_amount(body: dict[str, Any]) -> dict[str, Any]:
    amount = body.get("amount")
    if not isinstance(amount, dict) or amount.get("currency") != "CNY":
        raise _Odd("amount")
    return amount


def _fen(amount: dict[str, Any], name: str) -> int:
    value = amount.get(name)
    if type(value) is not int or not 0 < value < 2**53:  # bool is an int too
        raise _Odd(name)
    return value


def _time(body: dict[str, Any], name: str) -> datetime:
    """RFC 3339, such as 2026-11-20T13:45:00+08:00."""
    try:
        moment = datetime.fromisoformat(_text(body, name))
    except ValueError:
        raise _Odd(name) from None
    if moment.tzinfo is None:
        raise _Odd(name)
    return moment


# --- What we send: a ValueError here is a mistake of our own code, never of the channel -----------------------------


def _require_payment_no(payment_no: str) -> None:
    # Only letters and digits survive every channel's path and signature unchanged.
    if not re.fullmatch(r"[0-9A-Za-z]{6,32}", payment_no):
        raise ValueError(f"payment_no must be 6 to 32 letters and digits: {payment_no!r}")


def _require_request_no(request_no: str) -> None:
    if not re.fullmatch(r"[0-9A-Za-z]{1,64}", request_no):
        raise ValueError(f"request_no must be 1 to 64 letters and digits: {request_no!r}")


def _require_refund(request: RefundRequest) -> None:
    _require_request_no(request.request_no)
    _require_payment_no(request.payment_no)
    _require_fen(request.amount_fen)
    _require_fen(request.payment_total_fen)
    _require_notify_url(request.notify_url)
    if request.amount_fen > request.payment_total_fen:
        raise ValueError("refund: more than was paid")
    if request.channel_transaction_id and not re.fullmatch(r"[0-9A-Za-z]{1,32}", request.channel_transaction_id):
        raise ValueError("refund: channel_transaction_id must be letters and digits")


def _require_fen(amount_fen: int) -> None:
    if type(amount_fen) is not int or amount_fen < 1:
        raise ValueError(f"an amount must be a positive integer of fen: {amount_fen!r}")


def _require_notify_url(notify_url: str) -> None:
    parts = urlsplit(notify_url)
    if parts.scheme not in ("http", "https") or not parts.netloc or parts.query or len(notify_url) > 255:
        raise ValueError(f"notify_url must be a plain address without a query, at most 255 long: {notify_url!r}")


def _fit(text: str, longest_bytes: int) -> str:
    """Cut ``text`` to the channel's limit, counted in UTF-8 bytes: the shortest of the documented readings."""
    return text.encode("utf-8", "ignore")[:longest_bytes].decode("utf-8", "ignore")


def _china_time(moment: datetime) -> str:
    if moment.tzinfo is None:
        raise ValueError("expires_at must be timezone-aware")
    return moment.astimezone(timezone(timedelta(hours=8))).isoformat(timespec="seconds")


# --- The SDK and its connections -----------------------------------------------------------------------------------


def _build_client(credentials: WechatCredentials) -> Any:
    _check_credentials(credentials)
    try:
        client = wechatpayv3.WeChatPay(
            wechatpay_type=wechatpayv3.WeChatPayType.NATIVE,
            mchid=credentials.mchid,
            private_key=credentials.private_key,
            cert_serial_no=credentials.cert_serial_no,
            appid=credentials.appid,
            apiv3_key=credentials.apiv3_key,
            timeout=(CONNECT_SECONDS, READ_SECONDS),
            public_key=credentials.public_key,
            public_key_id=credentials.public_key_id,
            logger=None,  # the SDK logs headers and decrypted notifications
        )
    except Exception as error:  # the SDK raises bare exceptions for unreadable keys
        raise GatewayMisconfigured("credentials", str(error)) from None
    if credentials.gateway:
        client._core._gate_way = credentials.gateway.rstrip("/")
    client._core._update_certificates = _never_download
    return client


def _check_credentials(credentials: WechatCredentials) -> None:
    for name in ("mchid", "appid", "cert_serial_no", "private_key", "public_key", "public_key_id"):
        if not getattr(credentials, name):
            raise GatewayMisconfigured("credentials", f"{name} is empty")
    if len(credentials.apiv3_key.encode()) != 32:
        raise GatewayMisconfigured("credentials", "the APIv3 key must be 32 characters")
    if credentials.gateway and urlsplit(credentials.gateway).scheme not in ("http", "https"):
        raise GatewayMisconfigured("credentials", "gateway must begin with http:// or https://")


def _never_download() -> NoReturn:
    """In public-key mode an unknown serial is a reason to disbelieve, not to fetch certificates."""
    raise RuntimeError("the answer is signed with an unknown serial")


class _PooledRequests:
    """Stands in for the name ``requests`` inside the SDK, which would open a new TLS connection for every call.

    One session per thread and process: a loaded CA bundle and a live connection are worth 20 ms a refund.
    """

    def __init__(self) -> None:
        self._local = threading.local()

    def __getattr__(self, name: str) -> Any:
        if getattr(self._local, "pid", None) != os.getpid():  # a forked worker must not share its parent's sockets
            self._local.session, self._local.pid = _open_session(), os.getpid()
        return getattr(self._local.session, name)


def _open_session() -> requests.Session:
    session = requests.Session()
    session.max_redirects = 0  # a signed request is for one host
    session.headers["Accept-Encoding"] = "identity"
    session.mount("http://", _CappedAdapter())
    session.mount("https://", _CappedAdapter())
    return session


class _CappedAdapter(HTTPAdapter):
    """Reads the whole answer within ``TOTAL_SECONDS`` and ``MAX_ANSWER_BYTES``, or raises (F9)."""

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        if _is_loopback(request.url):
            kwargs["proxies"] = {}  # HTTP_PROXY is for the outside world
        deadline = time.monotonic() + TOTAL_SECONDS
        response = super().send(request, *args, **{**kwargs, "stream": True})
        wire = response.raw
        try:
            response.raw = io.BytesIO(_read_body(wire, deadline))
        except BaseException:
            wire.close()  # what is left on this connection would be read as the next answer
            raise
        wire.release_conn()
        return response


def _read_body(wire: urllib3.BaseHTTPResponse, deadline: float) -> bytes:
    body = bytearray()
    # read1 returns after one packet, so that a slow drip cannot outlive the deadline.
    while chunk := wire.read1(65536, decode_content=True):
        body += chunk
        if len(body) > MAX_ANSWER_BYTES:
            raise requests.exceptions.ContentDecodingError("the answer is too large")
        if time.monotonic() > deadline:
            raise requests.exceptions.ReadTimeout("the answer takes too long")
    return bytes(body)


def _is_loopback(url: str | None) -> bool:
    host = urlsplit(url or "").hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _pool_connections() -> None:
    """Put the pool where the SDK looks for ``requests``; refuse to start with an SDK that looks elsewhere."""
    if wechatpayv3.__version__ != "2.0.4" or not hasattr(sdk_core, "requests"):
        raise RuntimeError("wechatpayv3 is not the 2.0.4 that this gateway was read against: read its core.py again")
    sdk_core.requests = _PooledRequests()


_pool_connections()
