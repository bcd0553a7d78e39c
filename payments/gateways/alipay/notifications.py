"""异步通知: whether a form that somebody posted is Alipay's, and what it is a hint about.

Two kinds arrive: about a trade (``notify_type=trade_status_sync``, to the payment's notify_url) and about a refund to a
bank card (``msg_method``, to the app gateway of Alipay's console); both are read here, at whichever address.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from payments.gateways import reading
from payments.gateways.alipay import fields
from payments.gateways.base import Notification, NotificationKind, NotificationRefused
from payments.gateways.reading import Odd

MOST_BYTES = 64 * 1024
MOST_FIELDS = 100
#: What ``charset`` may say → how we decode it. GB18030 contains the other two.
CHARSETS = {"utf-8": "utf-8", "utf8": "utf-8", "gbk": "gb18030", "gb2312": "gb18030", "gb18030": "gb18030"}
TRADE_STATES = frozenset({"WAIT_BUYER_PAY", "TRADE_SUCCESS", "TRADE_FINISHED", "TRADE_CLOSED"})
DEPOSIT_BACK = "alipay.trade.refund.depositback.completed"

#: (fields, signature, charset) → whether Alipay signed them.
Verify = Callable[[Mapping[str, str], str, str], bool]


@dataclass(frozen=True)
class Ours:
    """Who the notification must be for."""

    app_id: str
    seller_id: str


def read(body: bytes, ours: Ours, signed_by_alipay: Verify) -> Notification:
    """Raises NotificationRefused. Calls nobody, whatever the sender wrote (G13)."""
    form, charset = _form(body)
    _check_signature(form, charset, signed_by_alipay)
    if form.get("app_id") != ours.app_id:
        raise NotificationRefused("wrong_app_id")
    try:
        if "msg_method" in form:
            return _deposit_back(form)
        return _trade(form, ours)
    except Odd as odd:
        raise NotificationRefused("odd_field", str(odd)) from None


# --- The form and its signature --------------------------------------------------------------------------------------


def _form(body: bytes) -> tuple[dict[str, str], str]:
    """Decode the raw body once, with its own charset: a web framework would take the request's, and break GBK."""
    if len(body) > MOST_BYTES:
        raise NotificationRefused("too_large")
    if not body.isascii():
        raise NotificationRefused("not_a_form")
    charset = _charset(body)
    pairs = _pairs(body, charset)
    form = dict(pairs)
    if len(form) != len(pairs):
        raise NotificationRefused("repeated_field")
    if not all(re.fullmatch(r"[A-Za-z0-9_]{1,64}", name) for name in form):
        raise NotificationRefused("field_name")
    return form, charset


def _charset(body: bytes) -> str:
    named = dict(_pairs(body, "latin-1")).get("charset", "utf-8")
    charset = CHARSETS.get(named.lower())
    if charset is None:
        raise NotificationRefused("charset")
    return charset


def _pairs(body: bytes, charset: str) -> list[tuple[str, str]]:
    try:
        return parse_qsl(
            body.decode("ascii"),
            keep_blank_values=True,
            strict_parsing=True,
            encoding=charset,
            errors="strict",
            max_num_fields=MOST_FIELDS,
        )
    except ValueError:  # also UnicodeDecodeError
        raise NotificationRefused("not_a_form") from None


def _check_signature(form: Mapping[str, str], charset: str, signed_by_alipay: Verify) -> None:
    if form.get("sign_type") != "RSA2":
        raise NotificationRefused("sign_type")
    signature = form.get("sign", "")
    try:
        raw = base64.b64decode(signature, validate=True)
    except (binascii.Error, ValueError):
        raise NotificationRefused("bad_signature") from None
    if not 256 <= len(raw) <= 1024:
        raise NotificationRefused("bad_signature")
    signed = {name: value for name, value in form.items() if name not in ("sign", "sign_type")}
    # The documents disagree whether empty values are signed.
    without_empties = {name: value for name, value in signed.items() if value}
    if signed_by_alipay(without_empties, signature, charset):
        return
    if len(without_empties) == len(signed) or not signed_by_alipay(signed, signature, charset):
        raise NotificationRefused("bad_signature")


# --- What it is about ------------------------------------------------------------------------------------------------


def _trade(form: Mapping[str, str], ours: Ours) -> Notification:
    if form.get("notify_type") != "trade_status_sync":
        raise NotificationRefused("notify_type")
    if form.get("seller_id") != ours.seller_id:
        raise NotificationRefused("wrong_seller_id")
    if form.get("trade_status") not in TRADE_STATES:
        raise NotificationRefused("trade_status")
    total_fen, refunded_fen = fields.fen(form, "total_amount"), fields.optional_fen(form, "refund_fee") or 0
    if total_fen < 1 or refunded_fen > total_fen:
        raise Odd("refund_fee")
    payment_no = fields.number(form, "out_trade_no")
    request_no = fields.number(form, "out_biz_no") if form.get("out_biz_no") else ""
    facts = {
        "event_type": "trade_status_sync",
        "status": form["trade_status"],
        "amount_fen": total_fen,
        "refunded_fen": refunded_fen,
        "channel_transaction_id": fields.number(form, "trade_no"),
    }
    # A partial refund is announced as TRADE_SUCCESS, to the payment's address: it is no payment (G23). A trade that
    # ends after a year says refund_fee=0.00, and is none of a refund.
    about_a_refund = bool(request_no or form.get("gmt_refund") or refunded_fen)
    kind = NotificationKind.REFUND if about_a_refund else NotificationKind.PAYMENT
    return Notification(kind, _notification_id(form), payment_no, request_no, facts=facts)


def _deposit_back(form: Mapping[str, str]) -> Notification:
    """银行卡冲退: the bank has taken the money (S), or the buyer's balance has it instead (F)."""
    if form["msg_method"] != DEPOSIT_BACK:
        raise NotificationRefused("msg_method")
    content = _object(form.get("biz_content", ""))
    status = content.get("dback_status")
    if status not in ("S", "F"):
        raise Odd("dback_status")
    facts = {
        "event_type": DEPOSIT_BACK,
        "status": status,
        "amount_fen": fields.optional_fen(content, "dback_amount"),
        "channel_transaction_id": fields.number(content, "trade_no"),
    }
    payment_no, request_no = fields.number(content, "out_trade_no"), fields.number(content, "out_request_no")
    return Notification(NotificationKind.REFUND, _notification_id(form), payment_no, request_no, facts=facts)


def _notification_id(form: Mapping[str, str]) -> str:
    """The same for all resends of one notification."""
    return reading.text(form, "notify_id", 128)


def _object(raw: str) -> dict[str, Any]:
    try:
        content = json.loads(raw)
    except (ValueError, RecursionError):
        raise Odd("biz_content") from None
    if not isinstance(content, dict):
        raise Odd("biz_content")
    return content
