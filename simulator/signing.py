"""Keys and signatures of WeChat Pay v3 in public-key mode (微信支付公钥模式)."""

from __future__ import annotations

import base64
import json
import os
import secrets
import string
import time
import uuid
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

SIGNATURE_TYPE = "WECHATPAY2-SHA256-RSA2048"
SIGNTEST = "WECHATPAY/SIGNTEST/"  # WeChat's own probes: a wrong signature that begins like this


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

    @cached_property
    def _merchant(self) -> RSAPrivateKey:
        return _load(self.private_key)

    @cached_property
    def _platform(self) -> RSAPrivateKey:
        return _load(self.platform_key)

    @cached_property
    def _forger(self) -> RSAPrivateKey:
        return generate_private_key(public_exponent=65537, key_size=2048)

    def credentials(self, gateway: str) -> dict[str, str]:
        """What a shop needs to speak to this gateway; `public_key` is WeChat's, as SPKI PEM."""
        public = self._platform.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        names = ("mchid", "appid", "apiv3_key", "cert_serial_no", "private_key", "public_key_id")
        return {name: getattr(self, name) for name in names} | {"public_key": public.decode(), "gateway": gateway}

    def merchant_signed(self, text: bytes, signature: str) -> bool:
        """True if the merchant's key made this base64 signature over `text`."""
        try:
            raw = base64.b64decode(signature, validate=True)
            self._merchant.public_key().verify(raw, text, PKCS1v15(), SHA256())
        except (ValueError, InvalidSignature):
            return False
        return True

    def signature_headers(self, body: bytes, how: str = "genuine") -> dict[str, str]:
        """Fresh `Wechatpay-*` headers over exactly these bytes; how: genuine, forged (another key) or signtest."""
        timestamp, nonce = str(int(time.time())), secrets.token_hex(16).upper()
        key = self._platform if how == "genuine" else self._forger
        raw = key.sign(f"{timestamp}\n{nonce}\n".encode() + body + b"\n", PKCS1v15(), SHA256())
        return {
            "Wechatpay-Timestamp": timestamp,
            "Wechatpay-Nonce": nonce,
            "Wechatpay-Signature": (SIGNTEST if how == "signtest" else "") + base64.b64encode(raw).decode(),
            "Wechatpay-Serial": self.public_key_id,
            "Wechatpay-Signature-Type": SIGNATURE_TYPE,
            "Request-ID": uuid.uuid4().hex.upper(),
        }

    def seal(self, resource: dict[str, Any], kind: str) -> dict[str, str]:
        """Encrypt a notification's resource (AEAD_AES_256_GCM, 12-character nonce); kind: transaction or refund."""
        nonce = "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(12))
        text = json.dumps(resource, ensure_ascii=False).encode()
        ciphertext = AESGCM(self.apiv3_key.encode()).encrypt(nonce.encode(), text, kind.encode())
        return {
            "original_type": kind,
            "algorithm": "AEAD_AES_256_GCM",
            "ciphertext": base64.b64encode(ciphertext).decode(),
            "associated_data": kind,
            "nonce": nonce,
        }


def load_or_make_keys(directory: Path) -> Keys:
    """The keys kept in DIR/keys.json; made there at the first start."""
    path = directory / "keys.json"
    if path.exists():
        return Keys(**json.loads(path.read_text()))
    keys = _make()
    write_private(path, json.dumps(asdict(keys), indent=1))
    return keys


def write_private(path: Path, text: str) -> None:
    """Write a 0600 file whole or not at all, so that no reader ever sees half of it."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(draft, path)


def _make() -> Keys:
    mchid = f"16{secrets.randbelow(10**8):08d}"
    return Keys(
        mchid=mchid,
        appid=f"wx{secrets.token_hex(8)}",
        openid="o" + "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(27)),
        apiv3_key="".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(32)),
        # A zero in front would get lost in the client, which writes the number with hex().
        cert_serial_no=secrets.choice("123456789ABCDEF") + secrets.token_hex(20).upper()[1:],
        private_key=_new_key(),
        platform_key=_new_key(),
        public_key_id=f"PUB_KEY_ID_01{mchid}{secrets.randbelow(10**14):014d}00",
    )


def _new_key() -> str:
    key = generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def _load(pem: str) -> RSAPrivateKey:
    key = load_pem_private_key(pem.encode(), password=None)
    if not isinstance(key, RSAPrivateKey):
        raise TypeError("WeChat Pay knows RSA keys only")
    return key
