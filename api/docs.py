"""/api/schema/ and /api/docs/: the contract and a page to try it on. Everything comes from this server."""

from __future__ import annotations

from typing import Any

from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView
from rest_framework.request import Request
from rest_framework.response import Response

# Swagger UI writes style attributes; its script comes from a file of ours. Nothing else may be loaded from anywhere.
POLICY = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data:",
        "font-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    ]
)


class Schema(SpectacularAPIView):
    """OpenAPI 3: YAML, or JSON with ``?format=json``."""


class Docs(SpectacularSwaggerSplitView):
    """Swagger UI; "Try it out" acts in the reader's own session."""

    url_name = "api:schema"

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Response:
        response = super().finalize_response(request, response, *args, **kwargs)
        response.headers["Content-Security-Policy"] = POLICY
        response.headers["Cache-Control"] = "private, no-store"  # the script carries the reader's CSRF token
        return response
