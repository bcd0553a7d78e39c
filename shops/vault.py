"""卡密保险柜: seal a card code so that a stolen database or backup gives nothing away (X20, I15).

Envelope form: every text is encrypted with AES-256-GCM under a data key of its own, and that key is wrapped by a
key-encryption key from a file outside the database. Both layers are bound to the row, so that a ciphertext opens
nowhere else. Knows neither Django nor who may look: that, and the record of each look, is ``shops/stock.py``.

The key file is JSON; keys are 32 bytes in base64. New texts use ``active``; the others still open old ones.
``fingerprint`` outlives every change of keys, or duplicates would no longer be found::

    {"active": "k1", "keys": {"k1": "…"}, "fingerprint": "…"}
"""

from __future__ import annotations

import base64
import functools
import hashlib
import hmac
import json
import os
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES, NONCE_BYTES, TAG_BYTES = 32, 12, 16
WRAPPED_KEY_BYTES = NONCE_BYTES + KEY_BYTES + TAG_BYTES
FORMAT = b"\x01"


class VaultError(Exception):
    """The keys cannot be used, or a text cannot be opened. Never carries a key or a text."""


@dataclass(frozen=True)
class Sealed:
    """密文: ``ciphertext`` is format byte, wrapped data key, nonce, text and tag; ``key_id`` says what wrapped it."""

    ciphertext: bytes = field(repr=False)
    key_id: str


class Keyring:
    """Seals, opens and recognizes texts. Safe to share between threads; shows no key."""

    __slots__ = ("_fingerprint_key", "_wrappers", "active")

    def __init__(self, active: str, keys: Mapping[str, bytes], fingerprint_key: bytes) -> None:
        if active not in keys:
            raise VaultError(f"the active key {active!r} is not among the keys")
        for key_id, key in {**keys, "fingerprint": fingerprint_key}.items():
            if not re.fullmatch(r"[0-9A-Za-z_-]{1,40}", key_id) or len(key) != KEY_BYTES:
                raise VaultError(f"key {key_id!r}: a name of 1 to 40 letters, digits, _ or -, and 32 bytes are needed")
        self.active = active
        self._wrappers = {key_id: AESGCM(key) for key_id, key in keys.items()}
        self._fingerprint_key = fingerprint_key

    def seal(self, text: str, *, bound_to: str) -> Sealed:
        """Encrypt ``text`` for one place only: ``bound_to`` is table|column|primary key|shop."""
        data_key, place = AESGCM.generate_key(8 * KEY_BYTES), _place(bound_to)
        wrapped = _encrypt(self._wrappers[self.active], data_key, _wrapping_place(place, self.active))
        return Sealed(FORMAT + wrapped + _encrypt(AESGCM(data_key), _utf8(text), place), self.active)

    def open(self, sealed: Sealed, *, bound_to: str) -> str:
        """Decrypt a text for the place it was sealed for. Raises VaultError."""
        wrapper = self._wrappers.get(sealed.key_id)
        if wrapper is None:
            raise VaultError(f"open: key {sealed.key_id!r} is not in the key file")
        if sealed.ciphertext[:1] != FORMAT:
            raise VaultError("open: not something that was sealed here")
        wrapped, hidden = sealed.ciphertext[1 : 1 + WRAPPED_KEY_BYTES], sealed.ciphertext[1 + WRAPPED_KEY_BYTES :]
        place = _place(bound_to)
        try:
            data_key = _decrypt(wrapper, wrapped, _wrapping_place(place, sealed.key_id))
            return _decrypt(AESGCM(data_key), hidden, place).decode()
        except (InvalidTag, ValueError):
            raise VaultError("open: changed, moved to another row, or sealed with another key") from None

    def fingerprint(self, text: str) -> bytes:
        """指纹: 32 bytes that are equal for equal texts, and tell nothing without the key. Finds duplicates.

        Surrounding blanks and full-width letters make no difference; upper and lower case do.
        """
        same = unicodedata.normalize("NFKC", text).strip()
        return hmac.new(self._fingerprint_key, _utf8(same), hashlib.sha256).digest()

    def __repr__(self) -> str:
        return f"<Keyring {sorted(self._wrappers)} active={self.active!r}>"


@functools.cache
def keyring(path: str | Path) -> Keyring:
    """Return the keys in the file at ``path`` (``settings.CARD_KEYS_FILE``), read once per process.

    Raises VaultError that says what is wrong with the file.
    """
    if not path:
        raise VaultError("CARD_KEYS_FILE is not set")
    try:
        content = json.loads(Path(path).read_bytes())
        keys = {key_id: _key(text) for key_id, text in content["keys"].items()}
        return Keyring(content["active"], keys, _key(content["fingerprint"]))
    except OSError as error:
        raise VaultError(f"the key file cannot be read: {error.strerror}") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise VaultError('the key file must be {"active": id, "keys": {id: base64}, "fingerprint": base64}') from None


def generate_key_file(path: str | Path) -> None:
    """Write a fresh key file that only its owner can read. Raises FileExistsError: a lost key is lost for good."""
    text = json.dumps({"active": "k1", "keys": {"k1": _fresh_key()}, "fingerprint": _fresh_key()}, indent=2)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o400), "w") as file:
        file.write(text + "\n")


def _encrypt(key: AESGCM, data: bytes, place: bytes) -> bytes:
    nonce = os.urandom(NONCE_BYTES)
    return nonce + key.encrypt(nonce, data, place)


def _decrypt(key: AESGCM, data: bytes, place: bytes) -> bytes:
    return key.decrypt(data[:NONCE_BYTES], data[NONCE_BYTES:], place)


def _place(bound_to: str) -> bytes:
    if not bound_to:
        raise VaultError("a text must be bound to its row")
    return _utf8(bound_to)


def _wrapping_place(place: bytes, key_id: str) -> bytes:
    return place + b"|" + key_id.encode()


def _utf8(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise VaultError("the text is not valid Unicode") from None


def _key(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


def _fresh_key() -> str:
    return base64.b64encode(os.urandom(KEY_BYTES)).decode()
