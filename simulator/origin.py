"""Whose page a request comes from: a stranger's site must not push buttons here through somebody's browser."""

from __future__ import annotations

from urllib.parse import urlsplit

from simulator.wire import Request


def foreign(request: Request, *, must_say: bool = False) -> bool:
    """True if a browser says that another site sent this; must_say: or if nothing is said at all."""
    if request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
        return True
    origin = request.headers.get("Origin")
    if origin is None:
        return must_say
    try:
        return urlsplit(origin).netloc.lower() != (request.headers.get("Host") or "").lower()
    except ValueError:
        return True
