"""签名密钥: the Ed25519 key that signs each day's root, and those before it, by which older roots are still checked.

The file is PEM: one PRIVATE KEY, which signs, and a PUBLIC KEY for every key that has retired. A key's id is made of
the key itself, so nobody can pass one off as another.
"""

from __future__ import annotations

import functools
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)
from django.conf import settings

BLOCK = re.compile(rb"-----BEGIN (PRIVATE|PUBLIC) KEY-----.+?-----END \1 KEY-----\n?", re.S)


class CannotSign(Exception):
    """The key file cannot be used. Never carries a key."""


@dataclass(frozen=True)
class Signer:
    """Signs with one key and knows all. ``public_keys``: key id → key."""

    key_id: str
    public_keys: Mapping[str, Ed25519PublicKey]
    _private_key: Ed25519PrivateKey = field(repr=False)

    def sign(self, statement: bytes) -> bytes:
        return self._private_key.sign(statement)

    def is_signed(self, statement: bytes, signature: bytes, key_id: str) -> bool:
        key = self.public_keys.get(key_id)
        if key is None:
            return False
        try:
            key.verify(signature, statement)
        except InvalidSignature:
            return False
        return True


def signer() -> Signer:
    """The keys in ``settings.RECORD_KEY_FILE``. Raises CannotSign that says what is wrong."""
    return _read(settings.RECORD_KEY_FILE)


@functools.cache
def _read(path: str) -> Signer:
    if not path:
        raise CannotSign("RECORD_KEY_FILE is not set")
    try:
        text = Path(path).read_bytes()
    except OSError as error:
        raise CannotSign(f"the key file cannot be read: {error.strerror}") from None
    blocks = [(match[1], match[0]) for match in BLOCK.finditer(text)]
    try:
        private = [load_pem_private_key(block, password=None) for kind, block in blocks if kind == b"PRIVATE"]
        public = [load_pem_public_key(block) for kind, block in blocks if kind == b"PUBLIC"]
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise CannotSign("the key file holds a block that is no key") from None
    if len(private) != 1 or not isinstance(private[0], Ed25519PrivateKey):
        raise CannotSign("the key file must hold exactly one private key, for Ed25519")
    keys = [private[0].public_key(), *(key for key in public if isinstance(key, Ed25519PublicKey))]
    return Signer(key_id(keys[0]), {key_id(key): key for key in keys}, private[0])


def key_id(key: Ed25519PublicKey) -> str:
    return hashlib.sha256(raw(key)).hexdigest()[:16]


def raw(key: Ed25519PublicKey) -> bytes:
    """The 32 bytes of a public key, as ``/records/key.json`` gives them out."""
    return key.public_bytes(Encoding.Raw, PublicFormat.Raw)


def fresh_key() -> str:
    """A new private key as PEM, for the key file."""
    return Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
