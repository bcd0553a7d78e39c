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
import hmac
import json
import os
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES, NONCE_BYTES, TAG_BYTES = 32, 12, 16
WRAPPED_KEY_BYTES = NONCE_BYTES + KEY_BYTES + TAG_BYTES
FORMAT = b"\x01"
HEAD_BYTES = len(FORMAT) + WRAPPED_KEY_BYTES  # what a change of keys replaces
SHAPE = 'the key file must be {"active": id, "keys": {id: base64}, "fingerprint": base64}'
CHANGED = "open: changed, moved to another row, or sealed with another key"


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
        return self._seal(_utf8(text), _place(bound_to))

    def open(self, sealed: Sealed, *, bound_to: str) -> str:
        """Decrypt a text for the place it was sealed for. Raises VaultError."""
        try:
            return self._open(sealed, _place(bound_to)).decode()
        except UnicodeDecodeError:
            raise VaultError("open: not a text") from None

    def seal_file(self, data: bytes, *, bound_to: str) -> Sealed:
        """Encrypt bytes as they are, as ``seal`` does a text."""
        return self._seal(data, _place(bound_to))

    def open_file(self, sealed: Sealed, *, bound_to: str) -> bytes:
        """Decrypt what ``seal_file`` made. Raises VaultError."""
        return self._open(sealed, _place(bound_to))

    def rewrap(self, sealed: Sealed, *, bound_to: str) -> Sealed:
        """换钥 (X20): the same text with its data key under the active key. The text itself is not opened.

        ``sealed.ciphertext`` may be cut after its first ``HEAD_BYTES``: the rest stays as it is. Raises VaultError.
        """
        place = _place(bound_to)
        data_key = self._data_key(sealed, place)
        wrapped = _encrypt(self._wrappers[self.active], data_key, _wrapping_place(place, self.active))
        return Sealed(FORMAT + wrapped + sealed.ciphertext[HEAD_BYTES:], self.active)

    @property
    def key_ids(self) -> list[str]:
        return sorted(self._wrappers)

    def fingerprint(self, text: str) -> bytes:
        """指纹: 32 bytes that are equal for equal texts, and tell nothing without the key. Finds duplicates.

        Surrounding blanks and full-width letters make no difference; upper and lower case do.
        """
        same = unicodedata.normalize("NFKC", text).strip()
        return hmac.digest(self._fingerprint_key, _utf8(same), "sha256")

    def _seal(self, data: bytes, place: bytes) -> Sealed:
        data_key = AESGCM.generate_key(8 * KEY_BYTES)
        wrapped = _encrypt(self._wrappers[self.active], data_key, _wrapping_place(place, self.active))
        return Sealed(FORMAT + wrapped + _encrypt(AESGCM(data_key), data, place), self.active)

    def _open(self, sealed: Sealed, place: bytes) -> bytes:
        data_key = self._data_key(sealed, place)
        try:
            return _decrypt(AESGCM(data_key), sealed.ciphertext[HEAD_BYTES:], place)
        except (InvalidTag, ValueError):
            raise VaultError(CHANGED) from None

    def _data_key(self, sealed: Sealed, place: bytes) -> bytes:
        wrapper = self._wrappers.get(sealed.key_id)
        if wrapper is None:
            raise VaultError(f"open: key {sealed.key_id!r} is not in the key file")
        if sealed.ciphertext[:1] != FORMAT:
            raise VaultError("open: not something that was sealed here")
        try:
            return _decrypt(wrapper, sealed.ciphertext[1:HEAD_BYTES], _wrapping_place(place, sealed.key_id))
        except (InvalidTag, ValueError):
            raise VaultError(CHANGED) from None

    def __repr__(self) -> str:
        return f"<Keyring {sorted(self._wrappers)} active={self.active!r}>"


def keyring(path: str | Path) -> Keyring:
    """Return the keys in the file at ``path`` (``settings.CARD_KEYS_FILE``), read anew whenever the file was replaced.

    So a key that is added while the shop runs is known to every process at once. Raises VaultError that says what is
    wrong with the file.
    """
    if not path:
        raise VaultError("CARD_KEYS_FILE is not set")
    try:
        file = os.stat(path)
    except OSError as error:
        raise VaultError(f"the key file cannot be read: {error.strerror}") from None
    return _keyring(str(path), file.st_ino, file.st_mtime_ns)


def generate_key_file(path: str | Path) -> None:
    """Write a fresh key file that only its owner can read. Raises FileExistsError: a lost key is lost for good."""
    text = json.dumps({"active": "k1", "keys": {"k1": _fresh_key()}, "fingerprint": _fresh_key()}, indent=2)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o400), "w") as file:
        file.write(text + "\n")


def add_key(path: str | Path, *, is_active: bool = True) -> str:
    """Add a fresh key to the file and, if so wished, seal with it from now on. Returns its id, ``k2`` after ``k1``.

    The file is replaced whole and is on the disk before anything is sealed with the key. Raises VaultError.
    """
    content = _content(path)
    number = len(content["keys"]) + 1
    while f"k{number}" in content["keys"]:
        number += 1
    content["keys"][f"k{number}"] = _fresh_key()
    if is_active:
        content["active"] = f"k{number}"
    _replace(Path(path), content)
    return f"k{number}"


def activate(path: str | Path, key_id: str) -> None:
    """Seal with this key of the file from now on. Raises VaultError if the file has no such key."""
    content = _content(path) | {"active": key_id}
    _ring(content)
    _replace(Path(path), content)


@functools.lru_cache(maxsize=8)
def _keyring(path: str, _inode: int, _changed_at: int) -> Keyring:
    return _ring(_content(path))


def _content(path: str | Path) -> dict[str, Any]:
    try:
        content = json.loads(Path(path).read_bytes())
        _ring(content)
    except OSError as error:
        raise VaultError(f"the key file cannot be read: {error.strerror}") from None
    except ValueError:
        raise VaultError(SHAPE) from None
    return dict(content)


def _ring(content: Any) -> Keyring:
    try:
        keys = {key_id: _key(text) for key_id, text in content["keys"].items()}
        return Keyring(content["active"], keys, _key(content["fingerprint"]))
    except (ValueError, KeyError, TypeError, AttributeError):
        raise VaultError(SHAPE) from None


def _replace(path: Path, content: Mapping[str, Any]) -> None:
    """The new file under the old name, in one step, with the old one's owner and rights."""
    before = path.stat()
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o400), "w") as file:
            file.write(json.dumps(content, indent=2) + "\n")
            file.flush()
            os.fchmod(file.fileno(), before.st_mode & 0o777)
            if (before.st_uid, before.st_gid) != (os.geteuid(), os.getegid()):
                os.fchown(file.fileno(), before.st_uid, before.st_gid)
            os.fsync(file.fileno())
        os.replace(fresh, path)
    except OSError as error:
        fresh.unlink(missing_ok=True)
        raise VaultError(f"the key file cannot be replaced: {error.strerror}") from None


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
