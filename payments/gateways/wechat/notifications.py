"""异步通知: each check of the channel's rules that stands in front of the SDK, which has few (G13, G14, G18)."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass

from payments.gateways.base import Notification, NotificationKind, NotificationRefused
from payments.gateways.reading import Odd, text
from payments.gateways.wechat.fields import Body, fen, json_object, number, yuan_amount

MAX_NOTIFICATION_BYTES = 64 * 1024
NOTIFICATION_WINDOW_SECONDS = 300

SIGNATURE = "Wechatpay-Signature"
SIGNATURE_TYPE = "Wechatpay-Signature-Type"
TIMESTAMP = "Wechatpay-Timestamp"
NONCE = "Wechatpay-Nonce"
SERIAL = "Wechatpay-Serial"
_SIGNATURE_HEADERS = (SIGNATURE, SIGNATURE_TYPE, TIMESTAMP, NONCE, SERIAL)

#: event_type → (kind, original_type): all that may arrive at our addresses; an original_type of None is not checked.
_EVENTS: Mapping[str, tuple[NotificationKind, str | None]] = {
    "TRANSACTION.SUCCESS": (NotificationKind.PAYMENT, "transaction"),
    "REFUND.SUCCESS": (NotificationKind.REFUND, "refund"),
    "REFUND.ABNORMAL": (NotificationKind.REFUND, "refund"),
    "REFUND.CLOSED": (NotificationKind.REFUND, "refund"),
    "COMPLAINT.CREATE": (NotificationKind.COMPLAINT, None),
    "COMPLAINT.STATE_CHANGE": (NotificationKind.COMPLAINT, None),
}


@dataclass(frozen=True)
class Envelope:
    kind: NotificationKind
    notification_id: str
    event_type: str


def signature_headers(headers: Mapping[str, str]) -> dict[str, str]:
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


def is_plain_base64(signature: str) -> bool:
    """Whether ``signature`` is the one way of writing its bytes, so that nobody can vary a genuine one."""
    try:
        return base64.b64encode(base64.b64decode(signature, validate=True)).decode() == signature
    except ValueError:
        return False


def envelope_of(body: bytes) -> Envelope:
    """Check the signed outside of a notification; what is inside is still encrypted."""
    outside = json_object(body)
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
    if original_type is not None and resource.get("original_type") != original_type:
        raise NotificationRefused("original_type")
    return Envelope(kind, notification_id, event_type)


def notification_of(envelope: Envelope, resource: Body, *, mchid: str, appid: str) -> Notification:
    """Check that the decrypted ``resource`` is about us, and keep of it what names a thing to query."""
    owner = resource.get("mchid", mchid if envelope.kind is NotificationKind.COMPLAINT else None)
    if owner != mchid:  # a complaint names no merchant: that our key opened it is all there is
        raise NotificationRefused("wrong_mchid")
    if envelope.kind is NotificationKind.PAYMENT and resource.get("appid") != appid:
        raise NotificationRefused("wrong_appid")
    read = {
        NotificationKind.PAYMENT: _payment,
        NotificationKind.REFUND: _refund,
        NotificationKind.COMPLAINT: _complaint,
    }[envelope.kind]
    try:
        return read(envelope, resource)
    except Odd as odd:
        raise NotificationRefused("odd_field", str(odd)) from None


def _payment(envelope: Envelope, resource: Body) -> Notification:
    facts = {
        "event_type": envelope.event_type,
        "status": text(resource, "trade_state"),
        "amount_fen": fen(yuan_amount(resource), "total"),
        "channel_transaction_id": number(resource, "transaction_id"),
    }
    payment_no = number(resource, "out_trade_no")
    return Notification(envelope.kind, envelope.notification_id, payment_no, facts=facts)


def _refund(envelope: Envelope, resource: Body) -> Notification:
    amount = resource.get("amount")  # refund notices name no currency
    if not isinstance(amount, dict) or amount.get("currency", "CNY") != "CNY":
        raise Odd("amount")
    refund_fen, payment_total_fen = fen(amount, "refund"), fen(amount, "total")
    if refund_fen > payment_total_fen:
        raise Odd("refund")
    facts = {
        "event_type": envelope.event_type,
        "status": text(resource, "refund_status"),
        "amount_fen": refund_fen,
        "payment_total_fen": payment_total_fen,
        "channel_transaction_id": number(resource, "transaction_id"),
        "channel_refund_id": number(resource, "refund_id"),
    }
    payment_no, request_no = number(resource, "out_trade_no"), number(resource, "out_refund_no")
    return Notification(envelope.kind, envelope.notification_id, payment_no, request_no, facts=facts)


def _complaint(envelope: Envelope, resource: Body) -> Notification:
    """Names the complaint and what happened to it; who complains is asked for, never told (I14)."""
    facts = {"event_type": envelope.event_type, "action_type": text(resource, "action_type")}
    complaint_id = number(resource, "complaint_id")
    return Notification(envelope.kind, envelope.notification_id, complaint_id=complaint_id, facts=facts)
