"""The card issuer's keys (发卡方密钥): one supplier with an HMAC key, and the RSA key that signs every answer."""

from __future__ import annotations

import base64
import hmac
import json
import secrets
import time
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)

from simulator.rsa_keys import new_key, write_private


@dataclass(frozen=True)
class IssuerKeys:
    """`supplier_key` is shared with the shop; `private_key` (PKCS#8 PEM) is the issuer's own."""

    supplier_id: str
    supplier_key: str
    private_key: str

    @cached_property
    def _signer(self) -> RSAPrivateKey:
        key = load_pem_private_key(self.private_key.encode(), password=None)
        if not isinstance(key, RSAPrivateKey):
            raise TypeError("the issuer signs with RSA")
        return key

    def credentials(self, address: str) -> dict[str, str]:
        """What a shop needs to ask this issuer; `public_key` is SPKI PEM."""
        public = self._signer.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        return {
            "gateway": f"{address}/issuer",
            "supplier_id": self.supplier_id,
            "supplier_key": self.supplier_key,
            "public_key": public.decode(),
        }

    def asked_by_supplier(self, text: bytes, signature: str) -> bool:
        """True if `signature` is the hex HMAC-SHA256 of `text` under the supplier's key."""
        wanted = hmac.new(self.supplier_key.encode(), text, "sha256").hexdigest()
        return hmac.compare_digest(wanted.encode(), signature.lower().encode())

    def signature_headers(self, body: bytes, *, genuine: bool = True) -> dict[str, str]:
        """Issuer-Timestamp, -Nonce and -Signature: base64 RSA-SHA256 over `timestamp\\nnonce\\nbody\\n`."""
        timestamp, nonce = str(int(time.time())), secrets.token_hex(16)
        raw = self._signer.sign(f"{timestamp}\n{nonce}\n".encode() + body + b"\n", PKCS1v15(), SHA256())
        signature = base64.b64encode(raw if genuine else raw[::-1]).decode()
        return {"Issuer-Timestamp": timestamp, "Issuer-Nonce": nonce, "Issuer-Signature": signature}


def load_or_make_issuer_keys(directory: Path) -> IssuerKeys:
    """The keys kept in DIR/issuer.json; made there at the first start."""
    path = directory / "issuer.json"
    if path.exists():
        return IssuerKeys(**json.loads(path.read_text()))
    keys = IssuerKeys(
        supplier_id=f"S{secrets.randbelow(10**8):08d}",
        supplier_key=secrets.token_hex(32),
        private_key=new_key(),
    )
    write_private(path, json.dumps(asdict(keys), indent=1))
    return keys
