"""Who is at the door, and from where: the type of a request behind ``login_required``, and a visitor's address."""

from __future__ import annotations

from contextlib import suppress
from ipaddress import ip_address

from django.conf import settings
from django.http import HttpRequest

from accounts.models import User


class SignedIn(HttpRequest):
    """A request by somebody who is logged in."""

    user: User


def address_of(request: HttpRequest) -> str | None:
    """The visitor's own address; None where there is none. Behind our proxy it is the last one forwarded.

    Trusted as the throttles trust it; what cannot be read keeps nobody out: the connection's own address stands then.
    """
    forwarded = request.headers.get("X-Forwarded-For", "") if settings.ALLAUTH_TRUSTED_PROXY_COUNT else ""
    for text in (forwarded.rsplit(",", 1)[-1].strip(), request.META.get("REMOTE_ADDR", "")):
        with suppress(ValueError):
            return str(ip_address(text))
    return None
