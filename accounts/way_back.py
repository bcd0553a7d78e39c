"""回到哪里: an address that a reader's browser sent, followed only if it leads to a page of ours."""

from __future__ import annotations

from django.http import HttpRequest
from django.utils.http import url_has_allowed_host_and_scheme


def way_back(request: HttpRequest, asked: str, *, otherwise: str) -> str:
    """The path that was asked for (``next``), or where to go instead."""
    return asked if asked.startswith("/") and is_here(request, asked) else otherwise


def is_here(request: HttpRequest, address: str) -> bool:
    return url_has_allowed_host_and_scheme(address, {request.get_host()}, require_https=request.is_secure())
