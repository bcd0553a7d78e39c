"""Tickets and complaints as their people bring them about, and browsers for everybody."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client


@pytest.fixture
def browse() -> Callable[[Any], Client]:
    """``browse(buyer)``: their browser; of nobody without an argument."""

    def open_one(user: Any = None) -> Client:
        client = Client()
        if user is not None:
            client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
        return client

    return open_one


@pytest.fixture
def open_ticket(buyer: Any) -> Callable[..., Any]:
    """``open_ticket("问", topic="other", order=order)`` by the buyer, now or ``at``."""

    def build(text: str = "卡密打不开，怎么办", topic: str = "other", **words: Any) -> Any:
        import clock
        from support import tickets
        from support.models import Topic

        words = {"by": buyer, "at": clock.now()} | words
        return tickets.open_ticket(topic=Topic(topic), text=text, **words)

    return build


@pytest.fixture
def complain(buyer: Any) -> Callable[..., Any]:
    """``complain(order)`` by the buyer; ``investigator=senior`` begins looking into it."""

    def build(order: Any, text: str = "商家让我加微信付款", investigator: Any = None, **words: Any) -> Any:
        import clock
        from support import complaints

        words = {"by": buyer, "at": clock.now(), "causes": ["outside", "fraud"]} | words
        complaint = complaints.complain(order, text=text, **words)
        if investigator:
            complaints.investigate(complaint, by=investigator, at=words["at"])
        return complaint

    return build


@pytest.fixture
def image() -> Any:
    """A picture, repainted as the doors do it."""
    from PIL import Image

    import images

    drawn = io.BytesIO()
    Image.new("RGB", (8, 8), "teal").save(drawn, "PNG")
    return images.repaint(drawn.getvalue())


def text(answer: Any) -> str:
    assert answer.status_code == 200, answer.status_code
    return answer.content.decode()
