"""Who stands at the door before any page is opened: what no browser sends goes no further (X15)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from django.conf import settings
from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.http import parse_header_parameters
from rest_framework.exceptions import ParseError

from api.errors import MEDIA_TYPE, problem

API = "/api/"
NOTIFICATIONS = "/notify/"
UNREADABLE = "application/octet-stream; charset=unreadable"


class Doorkeeper:
    """Refuses what is not UTF-8; a session cookie that was never ours is none: PostgreSQL refuses a NUL in it."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not _is_utf8(request.META.get("CONTENT_TYPE", "")):
            return _refused(request)
        key = request.COOKIES.get(settings.SESSION_COOKIE_NAME, "")
        if not (key.isascii() and key.isalnum()):
            request.COOKIES.pop(settings.SESSION_COOKIE_NAME, None)
        return self.get_response(request)


class OnlyUtf8:
    """Around the whole of Django, which decodes the query by the body's charset, even by rot13, before any middleware.

    What is not UTF-8 enters under a charset that nobody knows; the doorkeeper then answers it.
    """

    def __init__(self, shop: Callable[..., Iterable[bytes]]) -> None:
        self.shop = shop

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        kind = environ.get("CONTENT_TYPE", "")
        if environ.get("PATH_INFO", "").startswith(NOTIFICATIONS):
            # Channels speak GBK too. Their gateways read the raw body by the charset that is signed in it.
            environ["CONTENT_TYPE"] = kind.partition(";")[0].strip()
        elif not _is_utf8(kind):
            environ["CONTENT_TYPE"] = UNREADABLE
        return self.shop(environ, start_response)


def _is_utf8(content_type: str) -> bool:
    try:
        charset = parse_header_parameters(content_type)[1].get("charset", "utf-8")
    except ValueError:
        return False
    return charset.lower() in {"utf-8", "utf8"}


def _refused(request: HttpRequest) -> HttpResponse:
    """400, in the look of the place."""
    answer = problem(ParseError(), {}) if request.path_info.startswith(API) else None
    if answer is None:
        raise BadRequest("charset")
    return JsonResponse(answer.data, status=answer.status_code, content_type=MEDIA_TYPE)
