"""Numbers that people and channels see, and row keys that exist before the row.

Public numbers carry at least 60 random bits, so that they cannot be guessed (X8), in Crockford's base 32 without
I, L, O, U, so that they can be read out over the phone.
"""

from __future__ import annotations

import secrets
import time
import unicodedata
import uuid

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def public_number(prefix: str, length: int = 14) -> str:
    """E.g. ``R7K2M…``: ``length`` random characters of 5 bits each. Letters and digits only, as the channels want."""
    return prefix + "".join(secrets.choice(_ALPHABET) for _ in range(length))


def uuid7() -> uuid.UUID:
    """A time-ordered UUID (RFC 9562), known before the insert: encrypted fields are bound to it."""
    milliseconds = time.time_ns() // 1_000_000
    value = (milliseconds << 80) | secrets.randbits(80)
    value = (value & ~(0xF << 76)) | (0x7 << 76)
    value = (value & ~(0x3 << 62)) | (0x2 << 62)
    return uuid.UUID(int=value)


def voucher_number(typed: str) -> str:
    """凭证号 as it is kept: one spelling for however it was typed, so that a bank's voucher serves once."""
    text = unicodedata.normalize("NFKC", typed).upper()
    return "".join(letter for letter in text if letter.isprintable() and not letter.isspace())
