"""设备: which applications come from one browser, without keeping which (P12).

A browser carries a random cookie of ours that says nothing about it; the database sees keyed bytes of it alone.
"""

from __future__ import annotations

import re
import secrets

from django.conf import settings
from django.http import HttpRequest
from django.utils.crypto import salted_hmac

_OURS = re.compile(r"[A-Za-z0-9_-]{32}")


def key_of(request: HttpRequest) -> bytes | None:
    """The browser that asks: 32 bytes, keyed, that tell two apart and name neither; None where it sent no cookie.

    ``request`` may be Django's or the framework's of the API. It counts for the caps of the automatic lanes alone:
    who throws the cookie away is a new device, and still the same buyer, payer and shop.
    """
    token = request.COOKIES.get(settings.DEVICE_COOKIE_NAME, "")
    return salted_hmac("device", token, algorithm="sha256").digest() if _OURS.fullmatch(token) else None


def new_token() -> str:
    """144 random bits for a browser that has none yet."""
    token = secrets.token_urlsafe(24)
    assert _OURS.fullmatch(token)
    return token
