"""Keys and signatures of WeChat Pay v3, with its public key and its platform certificate (微信支付公钥、平台证书)."""

from __future__ import annotations

import base64
import json
import secrets
import string
import time
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, OAEP, PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
)
from cryptography.x509.oid import NameOID

from simulator.rsa_keys import load_key, new_key, write_private

SIGNATURE_TYPE = "WECHATPAY2-SHA256-RSA2048"
SIGNTEST = "WECHATPAY/SIGNTEST/"  # WeChat's own probes: a wrong signature that begins like this

CREDENTIALS = (
    "mchid", "appid", "apiv3_key", "cert_serial_no", "private_key", "public_key_id",
    "platform_certificate", "platform_serial_no", "merchant_certificate", "app_secret", "openid",
)  # fmt: skip


@dataclass(frozen=True)
class Keys:
    """The one merchant, his keys and WeChat's, made on the spot; `private_key` and `platform_key` are PKCS#8 PEM."""

    mchid: str
    appid: str
    openid: str  # the one buyer, whose phone we play
    apiv3_key: str  # 32 ASCII characters
    cert_serial_no: str
    private_key: str  # the merchant's
    platform_key: str  # WeChat's
    public_key_id: str
    app_secret: str  # of the official account that the buyer follows (公众号)
    certificate_key: str  # the platform certificate's
    platform_certificate: str  # X.509 PEM
    merchant_certificate: str  # X.509 PEM of serial `cert_serial_no`, for SDKs that read the number from it

    @cached_property
    def _merchant(self) -> RSAPrivateKey:
        return load_key(self.private_key)

    @cached_property
    def _platform(self) -> RSAPrivateKey:
        return load_key(self.platform_key)

    @cached_property
    def _certificate_key(self) -> RSAPrivateKey:
        return load_key(self.certificate_key)

    @cached_property
    def certificate(self) -> x509.Certificate:
        """The platform certificate."""
        return x509.load_pem_x509_certificate(self.platform_certificate.encode())

    @cached_property
    def platform_serial_no(self) -> str:
        """The platform certificate's number, as headers carry it."""
        return f"{self.certificate.serial_number:X}"

    @cached_property
    def _forger(self) -> RSAPrivateKey:
        return generate_private_key(public_exponent=65537, key_size=2048)

    def credentials(self, gateway: str) -> dict[str, str]:
        """What a shop needs to speak to this gateway; `public_key` is WeChat's, as SPKI PEM."""
        public = self._platform.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        return {name: getattr(self, name) for name in CREDENTIALS} | {
            "public_key": public.decode(),
            "gateway": gateway,
            "oauth_gateway": gateway,
        }

    def merchant_signed(self, text: bytes, signature: str) -> bool:
        """True if the merchant's key made this base64 signature over `text`."""
        try:
            raw = base64.b64decode(signature, validate=True)
            self._merchant.public_key().verify(raw, text, PKCS1v15(), SHA256())
        except (ValueError, InvalidSignature):
            return False
        return True

    def signature_headers(self, body: bytes, how: str = "genuine", *, by_certificate: bool = False) -> dict[str, str]:
        """Fresh `Wechatpay-*` headers over exactly these bytes; how: genuine, forged (another key) or signtest."""
        timestamp, nonce = str(int(time.time())), secrets.token_hex(16).upper()
        genuine = self._certificate_key if by_certificate else self._platform
        key = genuine if how == "genuine" else self._forger
        raw = key.sign(f"{timestamp}\n{nonce}\n".encode() + body + b"\n", PKCS1v15(), SHA256())
        return {
            "Wechatpay-Timestamp": timestamp,
            "Wechatpay-Nonce": nonce,
            "Wechatpay-Signature": (SIGNTEST if how == "signtest" else "") + base64.b64encode(raw).decode(),
            "Wechatpay-Serial": self.platform_serial_no if by_certificate else self.public_key_id,
            "Wechatpay-Signature-Type": SIGNATURE_TYPE,
            "Request-ID": uuid.uuid4().hex.upper(),
        }

    def seal(self, resource: dict[str, Any], kind: str) -> dict[str, str]:
        """Encrypt a notification's resource; kind: transaction, refund or complaint."""
        return {"original_type": kind} | self.seal_text(json.dumps(resource, ensure_ascii=False), kind)

    def seal_text(self, text: str, associated: str) -> dict[str, str]:
        """AEAD_AES_256_GCM with the APIv3 key and a 12-character nonce."""
        nonce = _letters(12)
        ciphertext = AESGCM(self.apiv3_key.encode()).encrypt(nonce.encode(), text.encode(), associated.encode())
        return {
            "algorithm": "AEAD_AES_256_GCM",
            "ciphertext": base64.b64encode(ciphertext).decode(),
            "associated_data": associated,
            "nonce": nonce,
        }

    def open_field(self, serial: str, text: str) -> str | None:
        """A field that was encrypted with the key that `serial` names (RSA-OAEP-SHA1); None if it cannot be read."""
        known = {self.public_key_id: self._platform, self.platform_serial_no: self._certificate_key}
        key = known.get(serial) or known.get(serial.upper())
        if key is None:
            return None
        try:
            raw = base64.b64decode(text, validate=True)
            return key.decrypt(raw, OAEP(MGF1(SHA1()), SHA1(), None)).decode()  # noqa: S303 - what WeChat asks for
        except ValueError:
            return None


def load_or_make_keys(directory: Path) -> Keys:
    """The keys kept in DIR/keys.json; made there at the first start."""
    path = directory / "keys.json"
    wanted = {field.name for field in fields(Keys)}
    if path.exists():
        known = json.loads(path.read_text())
        if wanted <= known.keys():
            return Keys(**known)
        keys = _make(known)  # a folder of before the certificates
    else:
        keys = _make({})
    write_private(path, json.dumps(asdict(keys), indent=1))
    return keys


def _make(known: Mapping[str, str]) -> Keys:
    """New keys; those that are `known` stay."""
    mchid = known.get("mchid") or f"16{secrets.randbelow(10**8):08d}"
    serial = known.get("cert_serial_no") or _new_serial()
    private_key = known.get("private_key") or new_key()
    certificate_key = new_key()
    made = {
        "mchid": mchid,
        "appid": f"wx{secrets.token_hex(8)}",
        "openid": "o" + _letters(27),
        "apiv3_key": _letters(32),
        "cert_serial_no": serial,
        "private_key": private_key,
        "platform_key": new_key(),
        "public_key_id": f"PUB_KEY_ID_01{mchid}{secrets.randbelow(10**14):014d}00",
        "app_secret": secrets.token_hex(16),
        "certificate_key": certificate_key,
        "platform_certificate": _certify(certificate_key, _new_serial(), "Tenpay.com (simulated)"),
        "merchant_certificate": _certify(private_key, serial, mchid) if serial < "8" else "",
    }
    return Keys(**(made | dict(known)))


def _new_serial() -> str:
    """160 bits; a zero in front would get lost in clients that write it with hex(), and X.509 wants the first bit 0."""
    return secrets.choice("1234567") + secrets.token_hex(20).upper()[1:]


def _certify(key_pem: str, serial: str, name: str) -> str:
    """A self-signed certificate: nobody checks the chain, everybody checks the number and the days."""
    key, now = load_key(key_pem), datetime.now(UTC)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(int(serial, 16))
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=5 * 365))
        .sign(key, SHA256())
    )
    return certificate.public_bytes(Encoding.PEM).decode()


def _letters(count: int) -> str:
    return "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(count))
