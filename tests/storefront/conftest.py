"""The buyer at the door: a client that is logged in, and forms filled in as a browser would."""

from __future__ import annotations

import io
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client


@pytest.fixture
def shopper(buyer: Any) -> Client:
    """The buyer's browser."""
    client = Client()
    client.force_login(buyer)
    return client


@pytest.fixture
def other(stranger: Any) -> Client:
    """The browser of another buyer."""
    client = Client()
    client.force_login(stranger)
    return client


@pytest.fixture
def purchase(shopper: Client) -> Callable[..., Any]:
    """Press 去付款 on a product's page."""

    def press(product: Any, **fields: Any) -> Any:
        data = {"quantity": "1", "consent": "on", "checkout_key": str(uuid.uuid4())} | fields
        return shopper.post(f"/p/{product.pk}/buy/", data)

    return press


@pytest.fixture
def picture() -> Callable[..., Any]:
    """An upload: a small PNG, or whatever bytes are given."""

    def make(data: bytes | None = None, name: str = "shot.png") -> Any:
        if data is None:
            from PIL import Image

            canvas = io.BytesIO()
            Image.new("RGB", (40, 30), "navy").save(canvas, "PNG")
            data = canvas.getvalue()
        upload = io.BytesIO(data)
        upload.name = name
        return upload

    return make


def words(answer: Any) -> str:
    return answer.content.decode()
