"""设备: a browser gets its random cookie where it begins to matter: as it orders, and as it asks for a refund."""

from __future__ import annotations

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase

from accounts.devices import key_of, new_token

__all__ = ["GivesDevices", "key_of"]


class GivesDevices:
    """Middleware: nobody who only looks around is given a cookie, and nobody a second one."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        answer = self.get_response(request)
        if _matters(request) and key_of(request) is None:
            answer.set_cookie(
                settings.DEVICE_COOKIE_NAME,
                new_token(),
                max_age=settings.DEVICE_COOKIE_AGE,
                secure=settings.SESSION_COOKIE_SECURE,
                httponly=True,
                samesite="Lax",
            )
        return answer


def _matters(request: HttpRequest) -> bool:
    """Ordering, and every page of an application: whoever sends it has been given the cookie by the page before."""
    place = request.resolver_match.view_name if request.resolver_match else ""
    return (place == "storefront:buy" and request.method == "POST") or place.startswith("storefront:apply")
