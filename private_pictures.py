"""Pictures that are not for everybody, shown to whoever the caller let through: kept nowhere, and harmless (X7).

Those of a refund have signed addresses besides, for one person and a short while (X4): an address that went astray in a
chat, a log or a browser's history shows nothing to anybody.
"""

from __future__ import annotations

from typing import Any

from django.core.signing import BadSignature, TimestampSigner
from django.http import FileResponse, Http404, HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse

VALID_SECONDS = 15 * 60


def address(name: str, row: Any, user: Any) -> str:
    """Where ``user`` may look at the row's picture for the next ``VALID_SECONDS``, by the view called ``name``."""
    whose = _whose(row, user)
    return f"{reverse(name, args=[row.pk])}?signed={_signer().sign(whose).removeprefix(whose + ':')}"


def shown_by_address(request: HttpRequest, row: Any) -> HttpResponseBase:
    """``shown``, at an address that was signed for this very user and holds still; else a page that says to reload."""
    try:
        _signer().unsign(f"{_whose(row, request.user)}:{request.GET.get('signed', '')}", max_age=VALID_SECONDS)
    except BadSignature:
        return render(request, "picture_expired.html", status=403)
    return shown(row)


def shown(row: Any) -> FileResponse:
    """The repainted ``image`` of a row that has one, with its ``content_type``. Raises Http404 where it is gone."""
    try:
        answer = FileResponse(row.image.open("rb"), content_type=row.content_type)
    except FileNotFoundError:
        raise Http404(str(row.pk)) from None
    answer.headers["Cache-Control"] = "private, no-store"
    answer.headers["Content-Security-Policy"] = "default-src 'none'; sandbox"
    answer.headers["X-Content-Type-Options"] = "nosniff"
    answer.headers["Content-Disposition"] = f'inline; filename="{row.pk}.jpg"'
    return answer


def _whose(row: Any, user: Any) -> str:
    return f"{row._meta.label_lower}/{row.pk}/{user.pk}"


def _signer() -> TimestampSigner:
    """By real time, never by the shop's clock."""
    return TimestampSigner(salt="private_pictures")
