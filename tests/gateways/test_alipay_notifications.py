"""Alipay's notifications: what is believed, what is refused, and what each is about."""

from __future__ import annotations

import base64
import json
import random
from datetime import UTC, datetime
from urllib.parse import quote_plus

import pytest

from payments.gateways.alipay import AlipayGateway
from payments.gateways.base import Notification, NotificationKind, NotificationRefused
from tests.gateways.alipay_channel import (
    APP_ID,
    APP_KEY,
    ORDER,
    REFUND,
    SELLER_ID,
    STRANGERS_KEY,
    AlipayChannel,
    form,
    sign,
)

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
PAID = {
    "notify_time": "2026-11-20 20:00:05", "notify_type": "trade_status_sync", "notify_id": "2026112000222200000001",
    "app_id": APP_ID, "auth_app_id": APP_ID, "version": "1.0", "seller_id": SELLER_ID, "buyer_id": "2088999999999999",
    "buyer_logon_id": "ali***@example.com", "out_trade_no": ORDER.payment_no, "trade_no": REFUND.channel_transaction_id,
    "trade_status": "TRADE_SUCCESS", "total_amount": "19.99", "receipt_amount": "19.99", "subject": "点卡 + 100%",
    "gmt_create": "2026-11-20 20:00:00", "gmt_payment": "2026-11-20 20:00:01",
    "fund_bill_list": '[{"amount":"19.99","fundChannel":"ALIPAYACCOUNT"}]', "body": "",
}  # fmt: skip
REFUNDED = PAID | {
    "notify_id": "2026112000222200000002", "out_biz_no": REFUND.request_no, "refund_fee": "10.00",
    "gmt_refund": "2026-11-20 20:05:00.123",
}  # fmt: skip
DEPOSIT_BACK = {
    "notify_id": "2026112300222200000003", "utc_timestamp": "1795400000000", "app_id": APP_ID, "version": "1.1",
    "msg_method": "alipay.trade.refund.depositback.completed",
    "biz_content": json.dumps({
        "trade_no": REFUND.channel_transaction_id, "out_trade_no": ORDER.payment_no,
        "out_request_no": REFUND.request_no, "dback_status": "S", "dback_amount": "10.00",
        "bank_ack_time": "2026-11-22 10:00:00",
    }),
}  # fmt: skip


def read(gateway: AlipayGateway, body: bytes) -> Notification:
    return gateway.read_notification({"Content-Type": "application/x-www-form-urlencoded"}, body, real_time=NOW)


def refusal(gateway: AlipayGateway, body: bytes) -> str:
    with pytest.raises(NotificationRefused) as raised:
        read(gateway, body)
    return raised.value.code


def test_a_payment(alipay_gateway: AlipayGateway) -> None:
    assert read(alipay_gateway, form(PAID)) == Notification(
        NotificationKind.PAYMENT,
        "2026112000222200000001",
        ORDER.payment_no,
        facts={
            "event_type": "trade_status_sync",
            "status": "TRADE_SUCCESS",
            "amount_fen": 1999,
            "refunded_fen": 0,
            "channel_transaction_id": REFUND.channel_transaction_id,
        },
    )


@pytest.mark.parametrize("charset", ["utf-8", "UTF-8", "GBK", "gb2312", "GB18030"])
def test_it_is_read_in_its_own_charset(alipay_gateway: AlipayGateway, charset: str) -> None:
    assert read(alipay_gateway, form(PAID, charset=charset)).payment_no == ORDER.payment_no


@pytest.mark.parametrize("empties_signed", [True, False])
def test_empty_values_may_be_signed_or_not(alipay_gateway: AlipayGateway, empties_signed: bool) -> None:
    assert read(alipay_gateway, form(PAID, empties_signed=empties_signed)).payment_no == ORDER.payment_no


@pytest.mark.parametrize(
    ("fields", "request_no"),
    [
        (REFUNDED, REFUND.request_no),
        (REFUNDED | {"trade_status": "TRADE_CLOSED", "refund_fee": "19.99"}, REFUND.request_no),
        (PAID | {"out_biz_no": REFUND.request_no}, REFUND.request_no),
        (PAID | {"gmt_refund": "2026-11-20 20:05:00"}, ""),
        (PAID | {"refund_fee": "0.01"}, ""),
    ],
)
def test_a_partial_refund_is_no_payment(alipay_gateway: AlipayGateway, fields: dict[str, str], request_no: str) -> None:
    """G23: it says TRADE_SUCCESS, to the payment's address."""
    read_back = read(alipay_gateway, form(fields))
    assert (read_back.kind, read_back.payment_no) == (NotificationKind.REFUND, ORDER.payment_no)
    assert read_back.request_no == request_no


@pytest.mark.parametrize(
    "change",
    [
        {"trade_status": "TRADE_FINISHED", "refund_fee": "0.00"},  # a year later
        {"trade_status": "TRADE_CLOSED"},
        {"trade_status": "WAIT_BUYER_PAY"},
        {"out_biz_no": "", "gmt_refund": "", "refund_fee": ""},
    ],
)
def test_what_speaks_of_no_refund_is_about_the_payment(alipay_gateway: AlipayGateway, change: dict[str, str]) -> None:
    assert read(alipay_gateway, form(PAID | change)).kind is NotificationKind.PAYMENT


@pytest.mark.parametrize("status", ["S", "F"])
def test_the_bank_has_answered(alipay_gateway: AlipayGateway, status: str) -> None:
    content = json.loads(DEPOSIT_BACK["biz_content"]) | {"dback_status": status}
    if status == "F":
        del content["dback_amount"]
    read_back = read(alipay_gateway, form(DEPOSIT_BACK | {"biz_content": json.dumps(content)}))
    assert read_back.kind is NotificationKind.REFUND
    assert (read_back.payment_no, read_back.request_no) == (ORDER.payment_no, REFUND.request_no)
    assert read_back.facts["amount_fen"] == (1000 if status == "S" else None)


def test_facts_hold_nobody(alipay_gateway: AlipayGateway) -> None:
    for fields in (PAID, REFUNDED, DEPOSIT_BACK):
        kept = json.dumps(dict(read(alipay_gateway, form(fields)).facts))
        assert "2088" not in kept
        assert "example.com" not in kept


def without(fields: dict[str, str], name: str) -> dict[str, str]:
    return {other: value for other, value in fields.items() if other != name}


SIGNED_BUT_NOT_OURS = [
    (PAID | {"app_id": "2021000000000002"}, "wrong_app_id"),
    (without(PAID, "app_id"), "wrong_app_id"),
    (PAID | {"seller_id": "2088000000000002"}, "wrong_seller_id"),
    (without(PAID, "seller_id"), "wrong_seller_id"),
    (PAID | {"notify_type": "servicewindow"}, "notify_type"),
    (without(PAID, "notify_type"), "notify_type"),
    (PAID | {"trade_status": "TRADE_PENDING"}, "trade_status"),
    (PAID | {"total_amount": "1999e-2"}, "odd_field"),
    (PAID | {"total_amount": "0.00"}, "odd_field"),
    (without(PAID, "total_amount"), "odd_field"),
    (PAID | {"refund_fee": "20.00"}, "odd_field"),
    (PAID | {"refund_fee": "-1.00"}, "odd_field"),
    (PAID | {"out_trade_no": "P'; --"}, "odd_field"),
    (PAID | {"out_trade_no": "P" * 65}, "odd_field"),
    (PAID | {"trade_no": ""}, "odd_field"),
    (PAID | {"out_biz_no": "R/1"}, "odd_field"),
    (PAID | {"notify_id": ""}, "odd_field"),
    (PAID | {"notify_id": "n" * 129}, "odd_field"),
    (DEPOSIT_BACK | {"app_id": "2021000000000002"}, "wrong_app_id"),
    (DEPOSIT_BACK | {"msg_method": "alipay.fund.trans.order.changed"}, "msg_method"),
    (DEPOSIT_BACK | {"biz_content": "{"}, "odd_field"),
    (DEPOSIT_BACK | {"biz_content": "[]"}, "odd_field"),
    (DEPOSIT_BACK | {"biz_content": '{"dback_status": "P"}'}, "odd_field"),
    (DEPOSIT_BACK | {"biz_content": '{"dback_status": "S"}'}, "odd_field"),
    (without(DEPOSIT_BACK, "biz_content"), "odd_field"),
]


@pytest.mark.parametrize(("fields", "code"), SIGNED_BUT_NOT_OURS)
def test_signed_and_yet_not_for_us(alipay_gateway: AlipayGateway, fields: dict[str, str], code: str) -> None:
    """G13."""
    assert refusal(alipay_gateway, form(fields)) == code


GOOD = form(PAID)
FORGED = {
    "a stranger's key": (form(PAID, key=STRANGERS_KEY), "bad_signature"),
    "our own key": (form(PAID, key=APP_KEY), "bad_signature"),
    "another amount": (GOOD.replace(b"total_amount=19.99", b"total_amount=0.01"), "bad_signature"),
    "another number": (GOOD.replace(ORDER.payment_no.encode(), b"P2026112000000009"), "bad_signature"),
    "a field more": (GOOD + b"&refund_fee=1.00", "bad_signature"),
    "a field twice": (GOOD + b"&total_amount=0.01", "repeated_field"),
    "SHA-1": (form(PAID, sign_type="RSA"), "sign_type"),
    "no sign_type": (GOOD.replace(b"&sign_type=RSA2", b""), "sign_type"),
    "no signature": (form(PAID, sign=""), "bad_signature"),
    "no Base64": (form(PAID, sign="§"), "bad_signature"),
    "a short signature": (form(PAID, sign="AAAA"), "bad_signature"),
    "an endless signature": (form(PAID, sign=base64.b64encode(b"a" * 20_000).decode()), "bad_signature"),
    "an unknown charset": (GOOD.replace(b"charset=utf-8", b"charset=utf-7"), "charset"),
    "charset of no codec": (GOOD.replace(b"charset=utf-8", b"charset=../x"), "charset"),
    "the wrong charset": (GOOD.replace(b"charset=utf-8", b"charset=gbk"), "bad_signature"),
    "GBK bytes said to be UTF-8": (form(PAID, charset="gbk").replace(b"charset=gbk", b"charset=utf-8"), "not_a_form"),
    "raw bytes": (b"charset=utf-8&subject=" + "点卡".encode(), "not_a_form"),
    "JSON": (json.dumps(PAID).encode(), "not_a_form"),
    "XML": (b"<xml></xml>", "not_a_form"),
    "nothing": (b"", "sign_type"),
    "too much": (GOOD + b"&x=" + b"a" * 65536, "too_large"),
    "too many fields": (b"&".join(b"f%d=1" % at for at in range(101)), "not_a_form"),
    "a field of no name": (GOOD + b"&=1", "field_name"),
    "a field of an odd name": (GOOD + b"&a%26b=1", "field_name"),
}  # fmt: skip


@pytest.mark.parametrize(("body", "code"), FORGED.values(), ids=FORGED.keys())
def test_a_forgery_is_refused(alipay: AlipayChannel, alipay_gateway: AlipayGateway, body: bytes, code: str) -> None:
    """G13: and nobody is called."""
    assert refusal(alipay_gateway, body) == code
    assert alipay.requests == []


def test_a_second_decoding_would_break_it(alipay_gateway: AlipayGateway) -> None:
    """``+`` and ``%`` inside a value are decoded once."""
    assert read(alipay_gateway, form(PAID | {"subject": "100%25+1 = %E4"})).payment_no == ORDER.payment_no


def test_a_signature_with_its_type_signed_along_is_not_this_protocol(alipay_gateway: AlipayGateway) -> None:
    fields = PAID | {"charset": "utf-8", "sign_type": "RSA2"}
    content = "&".join(f"{name}={value}" for name, value in sorted(fields.items()) if value)
    body = "&".join(f"{name}={quote_plus(value)}" for name, value in (fields | {"sign": sign(content)}).items())
    assert refusal(alipay_gateway, body.encode()) == "bad_signature"


def test_mutations_are_refused_and_nothing_breaks(alipay: AlipayChannel, alipay_gateway: AlipayGateway) -> None:
    """G13: whatever is changed of a good notification, it is either refused, or says the very same."""
    chance = random.Random(20261120)
    bodies = [form(fields) for fields in (PAID, REFUNDED, DEPOSIT_BACK)]
    meant = [read(alipay_gateway, body) for body in bodies]
    refused = 0
    for _ in range(3000):
        which = chance.randrange(3)
        body = mutated(bodies[which], chance)
        try:
            assert read(alipay_gateway, body) == meant[which]
        except NotificationRefused:
            refused += 1
    assert refused > 2500
    assert alipay.requests == []


def mutated(body: bytes, chance: random.Random) -> bytes:
    at, to = sorted(chance.randrange(len(body) + 1) for _ in range(2))
    noise = bytes(chance.randrange(256) for _ in range(chance.randrange(1, 9)))
    return chance.choice([
        body[:at] + noise + body[at:],
        body[:at] + noise + body[at + len(noise):],
        body[:at] + body[to:],
        body[:at] + body[at:to] * 2 + body[to:],
        b"&".join(chance.sample(body.split(b"&"), k=body.count(b"&"))),
        body[:at] + chance.choice([b"%", b"%00", b"&", b"=", b";", b"+", b"%u4E00", b"&sign=", b"&&"]) + body[at:],
    ])  # fmt: skip


def test_the_replies_are_exact(alipay_gateway: AlipayGateway) -> None:
    """Anything but these seven bytes is sent again for 25 hours."""
    assert (alipay_gateway.received().status, alipay_gateway.received().body) == (200, b"success")
    assert alipay_gateway.refused("bad_signature").status == 400
    assert alipay_gateway.refused("bad_signature").body == b"fail"
