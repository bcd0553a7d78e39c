"""Keys and signatures of Alipay's OpenAPI in public-key mode: RSA2, which is SHA256withRSA (公钥模式)."""

from __future__ import annotations

import base64
import json
import secrets
import string
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
)

from simulator.payers import AlipayBuyer, alipay_buyer
from simulator.rsa_keys import load_key, new_key, write_private

SIGN_TYPE = "RSA2"
FILE_NAME = "alipay-keys.json"


@dataclass(frozen=True)
class AlipayKeys:
    """The app, its seller, the one buyer of old trades, and two key pairs made on the spot, kept as PKCS#8 PEM."""

    app_id: str
    seller_id: str  # 2088…
    buyer_id: str  # 2088…
    buyer_open_id: str
    buyer_logon_id: str  # as Alipay masks it
    app_private_key: str  # the merchant's
    platform_key: str  # Alipay's

    @cached_property
    def _app(self) -> RSAPrivateKey:
        return load_key(self.app_private_key)

    @cached_property
    def _platform(self) -> RSAPrivateKey:
        return load_key(self.platform_key)

    @cached_property
    def _forger(self) -> RSAPrivateKey:
        return generate_private_key(public_exponent=65537, key_size=2048)

    def credentials(self, address: str) -> dict[str, str]:
        """What a shop needs to speak to this Alipay; both keys are PEM, the public one is Alipay's (SPKI)."""
        public = self._platform.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        return {
            "app_id": self.app_id,
            "seller_id": self.seller_id,
            "app_private_key": self.app_private_key,
            "alipay_public_key": public.decode(),
            "gateway": f"{address}/gateway.do",
        }

    def buyer(self, payer: str | None) -> AlipayBuyer:
        """Who paid, as the merchant is told of him; None: our one buyer."""
        if payer is None:
            return AlipayBuyer(self.buyer_id, self.buyer_open_id, self.buyer_logon_id)
        return alipay_buyer(self.app_id, payer)

    def app_signed(self, text: bytes, signature: str) -> bool:
        """True if the app's key made this base64 signature over `text`."""
        try:
            raw = base64.b64decode(signature, validate=True)
            self._app.public_key().verify(raw, text, PKCS1v15(), SHA256())
        except (ValueError, InvalidSignature):
            return False
        return True

    def sign(self, text: str, *, how: str = "genuine", encoding: str = "utf-8") -> str:
        """Alipay's base64 signature over `text`; how: genuine, or forged (another key)."""
        key = self._platform if how == "genuine" else self._forger
        return base64.b64encode(key.sign(text.encode(encoding), PKCS1v15(), SHA256())).decode()


def sorted_pairs(values: Mapping[str, str], *, without: tuple[str, ...], empty: bool = False) -> str:
    """`k=v` joined by `&`, sorted by name, values as they are; empty ones only if asked for."""
    return "&".join(f"{k}={v}" for k, v in sorted(values.items()) if k not in without and (v or empty))


def load_or_make_alipay_keys(directory: Path) -> AlipayKeys:
    """The keys kept in DIR/alipay-keys.json; made there when they are missing, also in the folder of an older start."""
    path = directory / FILE_NAME
    if path.exists():
        return AlipayKeys(**json.loads(path.read_text()))
    keys = _make()
    write_private(path, json.dumps(asdict(keys), indent=1))
    return keys


def _make() -> AlipayKeys:
    alphabet = string.ascii_letters + string.digits
    return AlipayKeys(
        app_id=f"2021{secrets.randbelow(10**12):012d}",
        seller_id=f"2088{secrets.randbelow(10**12):012d}",
        buyer_id=f"2088{secrets.randbelow(10**12):012d}",
        buyer_open_id="".join(secrets.choice(alphabet) for _ in range(32)),
        buyer_logon_id=f"138******{secrets.randbelow(100):02d}",
        app_private_key=new_key(),
        platform_key=new_key(),
    )
