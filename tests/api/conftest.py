"""Callers of the API: `api(buyer)` is a logged-in client that speaks JSON and carries its CSRF token."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import Any

import pytest
from PIL import Image


@pytest.fixture
def api() -> Callable[..., Caller]:
    return lambda user=None: Caller(user)


@pytest.fixture
def screenshot() -> bytes:
    picture = io.BytesIO()
    Image.new("RGB", (40, 30), "orange").save(picture, "PNG")
    return picture.getvalue()


class Caller:
    """One person's session. Answers are Django's, with ``.json()``."""

    def __init__(self, user: Any = None) -> None:
        from django.middleware.csrf import _get_new_csrf_string
        from django.test import Client

        self.client = Client(enforce_csrf_checks=True)
        if user:
            self.client.force_login(user)
        self.token = _get_new_csrf_string()
        self.client.cookies["csrftoken"] = self.token

    def get(self, path: str, **query: Any) -> Any:
        return self.client.get(path, query)

    def post(self, path: str, body: Any = None, **options: Any) -> Any:
        content_type = options.pop("content_type", "application/json")
        data = body if isinstance(body, (bytes, str)) else json.dumps({} if body is None else body)
        headers = {"X-CSRFToken": self.token} | options.pop("headers", {})
        return self.client.post(path, data, content_type=content_type, headers=headers, **options)

    def upload(self, path: str, **form: Any) -> Any:
        return self.client.post(path, form, headers={"X-CSRFToken": self.token})
