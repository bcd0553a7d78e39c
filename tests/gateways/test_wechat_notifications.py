"""Forged, foreign and genuine notifications at WeChat's door: what is believed, and why the rest is not."""

# ruff: noqa: F401, F811 - fixtures
from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from random import Random
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.http.request import HttpHeaders

from payments.gateways.base import NotificationKind, NotificationRefused
from payments.gateways.wechat import WechatGateway
from tests.gateways.wechat_channel import (
    APIV3_KEY,
    MCHID,
    MERCHANT_KEY,
    NOW,
    ORDER,
    PAYMENT_BODY,
    PUBLIC_KEY_ID,
    REFUND,
    REFUND_BODY,
    STRANGERS_KEY,
    WECHAT_KEY,
    Channel,
    channel,
    credentials,
    gateway,
    signature_headers,
)


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


def varied(vary: Callable[[str], str]) -> Notice:
    """A genuine notice whose signature is written differently: the bytes may well be the same."""
    notice = Notice.payment()
    headers, body = notice.sealed()
    return send(notice, body_to_sign=body, headers={"Wechatpay-Signature": vary(headers["Wechatpay-Signature"])})


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
    "signature written another way": (
        "bad_signature",
        lambda: varied(lambda told: told[:-3] + chr(ord(told[-3]) ^ 1) + "=="),
    ),
    "signature with a mark in it": ("bad_signature", lambda: varied(lambda told: f"{told[:9]}*{told[9:]}")),
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


@pytest.mark.parametrize("count", [2_000, pytest.param(100_000, marks=pytest.mark.nightly)])
def test_no_mutated_notice_is_believed(channel: Channel, gateway: WechatGateway, count: int) -> None:
    """G13, R6: bytes flipped, cut, doubled and swapped between genuine notices; each is refused, and we call nobody."""
    chance = Random(20261122)
    genuine = [
        (dict(headers.items()), body)
        for headers, body in (Notice.payment().sealed(), Notice.refund().sealed())
        if gateway.read_notification(headers, body, real_time=NOW)
    ]
    for _ in range(count):
        (headers, body), (other, _) = chance.sample(genuine, 2)
        mutated, changed = mutate(chance, headers, body, other)
        with pytest.raises(NotificationRefused):
            gateway.read_notification(mutated, changed, real_time=NOW)
    assert channel.requests == []


def mutate(chance: Random, headers: dict[str, str], body: bytes, other: dict[str, str]) -> tuple[dict[str, str], bytes]:
    name = chance.choice([name for name in headers if name.startswith("Wechatpay-")])
    at = chance.randrange(len(body))
    value = headers[name]
    place = chance.randrange(len(value))
    return chance.choice(
        [
            lambda: (headers, body[:at] + bytes([body[at] ^ 1 << chance.randrange(8)]) + body[at + 1 :]),
            lambda: (headers, body[:at]),
            lambda: (headers, body[:at] + body[at : at + 1] * 2 + body[at + 1 :]),
            lambda: (headers | {name: value[:place] + chr(ord(value[place]) ^ 1) + value[place + 1 :]}, body),
            lambda: (headers | {name: value[:place] + value[place + 1 :]}, body),
            lambda: (headers | {"Wechatpay-Signature": other["Wechatpay-Signature"]}, body),
            lambda: ({key: told for key, told in headers.items() if key != name}, body),
        ]
    )()
