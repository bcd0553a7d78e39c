"""Reading request bodies: bounded before they are read, and anything unreadable is the sender's mistake (X15)."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import IO, Any

from django.conf import settings
from rest_framework.exceptions import ParseError
from rest_framework.parsers import JSONParser, MultiPartParser

from api.errors import Problem

MOST_FORM_BYTES = 12 * 1024 * 1024  # X2: one picture and a sentence


class BoundedJSON(JSONParser):
    """DRF reads JSON past Django's own limit, and lets a depth bomb end the request with a 500."""

    def parse(self, stream: IO[Any], media_type: str | None = None, parser_context: Any = None) -> Any:
        body = stream.read(settings.DATA_UPLOAD_MAX_MEMORY_SIZE + 1)
        if len(body) > settings.DATA_UPLOAD_MAX_MEMORY_SIZE:
            raise Problem("too_large")
        try:
            return super().parse(io.BytesIO(body), media_type, parser_context)
        except RecursionError:
            raise ParseError from None


class BoundedForm(MultiPartParser):
    """multipart/form-data with an image."""

    def parse(self, stream: IO[Any], media_type: str | None = None, parser_context: Any = None) -> Any:
        request: Mapping[str, str] = parser_context["request"].META
        if int(request.get("CONTENT_LENGTH") or 0) > MOST_FORM_BYTES:
            raise Problem("too_large")
        return super().parse(stream, media_type, parser_context)
