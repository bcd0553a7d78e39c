"""Pictures that are not for everybody, shown to whoever the caller let through: kept nowhere, and harmless (X7)."""

from __future__ import annotations

from typing import Any

from django.http import FileResponse, Http404


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
