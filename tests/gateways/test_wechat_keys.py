"""G18: public key, platform certificates, and both while a merchant migrates; no stranger ever makes us download."""

# ruff: noqa: F401, F811 - fixtures
from __future__ import annotations

import base64
import json
import warnings
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.x509.oid import NameOID

from payments.gateways.base import (
    BankCard,
    GatewayMisconfigured,
    NotificationRefused,
    OutcomeUnknown,
    RefundState,
)
from payments.gateways.wechat import Call, WechatCredentials, WechatGateway, keys
from tests.gateways.test_wechat_notifications import Notice
from tests.gateways.wechat_channel import (
    APIV3_KEY,
    PUBLIC_KEY_ID,
    REFUND,
    REFUND_BODY,
    STRANGERS_KEY,
    WECHAT_KEY,
    Channel,
    Reply,
    channel,
    credentials,
    gateway,
)

OLD_KEY, NEW_KEY = (rsa.generate_private_key(65537, 2048) for _ in range(2))
OLD_SERIAL = "0157F09EFDC096DE15EBE81A47057A7200000001"  # the SDK would lose its leading zero
NEW_SERIAL = "5157F09EFDC096DE15EBE81A47057A7200000002"
REAL = datetime.now(UTC)


def test_a_folder_of_certificates_selects_their_mode(channel: Channel, folder: Path, certified: WechatGateway) -> None:
    """Built without a call, it believes what the certificate's key signed: answers and notifications."""
    assert channel.requests == []
    assert read(certified, OLD_KEY, OLD_SERIAL)
    assert read(certified, OLD_KEY, OLD_SERIAL.lower())
    channel.answers[Call.QUERY_REFUND] = by(OLD_KEY, OLD_SERIAL)
    assert certified.query_refund(REFUND).state is RefundState.ACCEPTED
    assert "Wechatpay-Serial" not in channel.requests[0].headers
    for key, serial in [(STRANGERS_KEY, OLD_SERIAL), (OLD_KEY, PUBLIC_KEY_ID), (NEW_KEY, NEW_SERIAL)]:
        with pytest.raises(NotificationRefused):
            read(certified, key, serial)


def test_during_a_migration_both_signatures_are_believed(
    channel: Channel, credentials: WechatCredentials, folder: Path
) -> None:
    both = WechatGateway(replace(credentials, cert_dir=str(folder)))
    assert read(both, OLD_KEY, OLD_SERIAL)
    assert read(both, WECHAT_KEY, PUBLIC_KEY_ID)
    for key, serial in [(WECHAT_KEY, OLD_SERIAL), (OLD_KEY, PUBLIC_KEY_ID), (OLD_KEY, "PUB_KEY_ID_0000")]:
        with pytest.raises(NotificationRefused):
            read(both, key, serial)
    for key, serial in [(WECHAT_KEY, PUBLIC_KEY_ID), (OLD_KEY, OLD_SERIAL)]:
        channel.answers[Call.QUERY_REFUND] = by(key, serial)
        assert both.query_refund(REFUND).state is RefundState.ACCEPTED
    assert channel.requests[0].headers["Wechatpay-Serial"] == PUBLIC_KEY_ID


def test_twenty_strangers_cost_one_download_of_our_own(channel: Channel, certified: WechatGateway) -> None:
    """T4: the SDK would download for each, and forget what it knew."""
    for number in range(20):
        with pytest.raises(NotificationRefused, match="unknown_serial"):
            read(certified, STRANGERS_KEY, f"6157F09EFDC096DE15EBE81A470000{number:02}")
    assert channel.requests == []
    assert read(certified, OLD_KEY, OLD_SERIAL)
    channel.answers[Call.CERTIFICATES] = certificates(OLD_KEY, OLD_SERIAL)
    channel.answers[Call.QUERY_REFUND] = by(OLD_KEY, OLD_SERIAL)
    for _ in range(3):
        certified.query_refund(REFUND)
        with pytest.raises(NotificationRefused, match="unknown_serial"):
            read(certified, STRANGERS_KEY, NEW_SERIAL)
    assert downloads(channel) == 1
    assert read(certified, OLD_KEY, OLD_SERIAL)


def test_a_new_certificate_is_fetched_by_our_next_call(channel: Channel, certified: WechatGateway) -> None:
    channel.answers[Call.QUERY_REFUND] = by(NEW_KEY, NEW_SERIAL)
    channel.answers[Call.CERTIFICATES] = certificates(OLD_KEY, OLD_SERIAL, NEW_KEY, NEW_SERIAL)
    with pytest.raises(OutcomeUnknown):  # an answer that nobody could verify
        certified.query_refund(REFUND)
    assert certified.query_refund(REFUND).state is RefundState.ACCEPTED
    assert read(certified, NEW_KEY, NEW_SERIAL)
    assert read(certified, OLD_KEY, OLD_SERIAL)
    assert downloads(channel) == 1


def test_a_download_that_fails_forgets_nothing(channel: Channel, certified: WechatGateway) -> None:
    channel.answers[Call.QUERY_REFUND] = by(OLD_KEY, OLD_SERIAL)
    for answer in [Reply(500, {"code": "SYSTEM_ERROR"}), Reply(200, {"data": [{"encrypt_certificate": "no"}]})]:
        channel.answers[Call.CERTIFICATES] = answer
        with pytest.raises(NotificationRefused):
            read(certified, NEW_KEY, NEW_SERIAL)
        assert certified.query_refund(REFUND).state is RefundState.ACCEPTED
    assert read(certified, OLD_KEY, OLD_SERIAL)


def test_an_empty_folder_is_filled_from_the_channel_at_the_start(
    channel: Channel, certificate_credentials: WechatCredentials, tmp_path: Path
) -> None:
    channel.answers[Call.CERTIFICATES] = certificates(NEW_KEY, NEW_SERIAL)
    gateway = WechatGateway(replace(certificate_credentials, cert_dir=str(tmp_path / "none yet")))
    assert downloads(channel) == 1
    assert read(gateway, NEW_KEY, NEW_SERIAL)
    assert not (tmp_path / "none yet").exists()


def test_without_any_certificate_nothing_is_asked_whose_answer_nobody_could_verify(
    channel: Channel, certificate_credentials: WechatCredentials, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    channel.answers[Call.CERTIFICATES] = Reply(503, None)
    gateway = WechatGateway(replace(certificate_credentials, cert_dir=str(tmp_path)))
    with pytest.raises(OutcomeUnknown, match="no_certificate") as raised:
        gateway.refund(REFUND)
    assert raised.value.retry_after_seconds == keys.BETWEEN_DOWNLOADS_SECONDS
    assert [request.path for request in channel.requests] == ["/v3/certificates"]
    monkeypatch.setattr(keys, "BETWEEN_DOWNLOADS_SECONDS", 0)
    channel.answers[Call.CERTIFICATES] = Reply(401, {"code": "SIGN_ERROR"})
    with pytest.raises(GatewayMisconfigured):
        gateway.refund(REFUND)
    channel.answers[Call.CERTIFICATES] = certificates(NEW_KEY, NEW_SERIAL)
    channel.answers[Call.REFUND] = by(NEW_KEY, NEW_SERIAL)
    assert gateway.refund(REFUND).state is RefundState.ACCEPTED


def test_a_certificate_that_is_not_valid_today_is_not_believed(
    certificate_credentials: WechatCredentials, folder: Path, channel: Channel
) -> None:
    (folder / "expired.pem").write_text(certificate(NEW_KEY, NEW_SERIAL, days=(-400, -1)))
    (folder / "future.pem").write_text(certificate(STRANGERS_KEY, "77" * 20, days=(1, 400)))
    (folder / "garbage.pem").write_bytes(b"\xff\xfe")
    gateway = WechatGateway(certificate_credentials)
    for key, serial in [(NEW_KEY, NEW_SERIAL), (STRANGERS_KEY, "77" * 20)]:
        with pytest.raises(NotificationRefused, match="unknown_serial"):
            read(gateway, key, serial)
    assert read(gateway, OLD_KEY, OLD_SERIAL)


def test_a_card_is_sealed_for_the_newest_certificate_under_its_full_serial(
    channel: Channel, certified: WechatGateway, folder: Path, certificate_credentials: WechatCredentials
) -> None:
    """T8, T9: no zero is lost, and no warning is an error."""
    channel.answers[Call.REDIRECT] = by(OLD_KEY, OLD_SERIAL)
    card = BankCard("CMB_DEBIT", "6225880137000000", "张三")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        certified.redirect_refund(REFUND, REFUND_BODY["refund_id"], card)
    assert channel.requests[0].headers["Wechatpay-Serial"] == OLD_SERIAL
    (folder / "new.pem").write_text(certificate(NEW_KEY, NEW_SERIAL, days=(-1, 800)))
    WechatGateway(certificate_credentials).redirect_refund(REFUND, REFUND_BODY["refund_id"], card)
    assert channel.requests[1].headers["Wechatpay-Serial"] == NEW_SERIAL
    oaep = padding.OAEP(mgf=padding.MGF1(algorithm=hashes.SHA1()), algorithm=hashes.SHA1(), label=None)
    sealed = base64.b64decode(json.loads(channel.requests[1].body)["bank_account"])
    assert NEW_KEY.decrypt(sealed, oaep).decode() == card.card_no


def test_a_merchant_without_a_key_of_wechats_is_refused_at_once(certificate_credentials: WechatCredentials) -> None:
    with pytest.raises(GatewayMisconfigured, match="cert_dir"):
        WechatGateway(replace(certificate_credentials, cert_dir=""))
    with pytest.raises(GatewayMisconfigured, match="belong together"):
        WechatGateway(replace(certificate_credentials, public_key_id=PUBLIC_KEY_ID))


# --- The partners ---------------------------------------------------------------------------------------------------


def certificate(key: rsa.RSAPrivateKey, serial: str, days: tuple[int, int] = (-1, 400)) -> str:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Tenpay.com Root CA")])
    begin, end = (REAL + timedelta(days=day) for day in days)
    builder = x509.CertificateBuilder(name, name, key.public_key(), int(serial, 16), begin, end)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


def certificates(*pairs: Any) -> Reply:
    """The channel's answer with these keys' certificates, sealed with our APIv3 key."""
    data = []
    for key, serial in zip(pairs[::2], pairs[1::2], strict=True):
        sealed = AESGCM(APIV3_KEY.encode()).encrypt(b"abcdefghijkl", certificate(key, serial).encode(), b"certificate")
        box = {
            "algorithm": "AEAD_AES_256_GCM",
            "nonce": "abcdefghijkl",
            "associated_data": "certificate",
            "ciphertext": base64.b64encode(sealed).decode(),
        }
        data.append(
            {
                "serial_no": serial,
                "effective_time": "2026-11-20T20:00:00+08:00",
                "expire_time": "2031-11-20T20:00:00+08:00",
                "encrypt_certificate": box,
            }
        )
    return Reply(200, {"data": data}, key=pairs[0], headers={"Wechatpay-Serial": pairs[1]})


def by(key: rsa.RSAPrivateKey, serial: str) -> Reply:
    return Reply(200, REFUND_BODY, key=key, headers={"Wechatpay-Serial": serial})


def read(gateway: WechatGateway, key: rsa.RSAPrivateKey, serial: str) -> str:
    notice = replace(
        Notice.refund(), signing_key=key, headers={"Wechatpay-Serial": serial}, signed_at=int(REAL.timestamp())
    )
    return gateway.read_notification(*notice.sealed(), real_time=REAL).notification_id


def downloads(channel: Channel) -> int:
    return [request.path for request in channel.requests].count("/v3/certificates")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    found = tmp_path / "certificates"
    found.mkdir()
    (found / f"{OLD_SERIAL}.pem").write_text(certificate(OLD_KEY, OLD_SERIAL))
    return found


@pytest.fixture
def certificate_credentials(credentials: WechatCredentials, folder: Path) -> WechatCredentials:
    return replace(credentials, public_key="", public_key_id="", cert_dir=str(folder))


@pytest.fixture
def certified(certificate_credentials: WechatCredentials) -> WechatGateway:
    return WechatGateway(certificate_credentials)
