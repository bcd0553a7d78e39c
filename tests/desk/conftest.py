"""People at the staff desk, over HTTP: one browser each, and dialogs sent the way htmx sends them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

HTMX = {"HX-Request": "true"}


@dataclass
class Seat:
    """Somebody at the desk."""

    user: Any
    client: Client

    def get(self, path: str, **options: Any) -> Any:
        return self.client.get(path, **options)

    def dialog(self, act: str, row: Any = None, *, chosen: list[Any] | None = None) -> Any:
        """The dialog, as it opens."""
        return self.client.get(address(act, row, chosen), headers=HTMX)

    def does(self, act: str, row: Any = None, *, chosen: list[Any] | None = None, **fields: str) -> Any:
        """The dialog, confirmed."""
        return self.client.post(address(act, row, chosen), {"_form_submitted": "True", **fields}, headers=HTMX)

    def reads(self, answer: Any) -> str:
        """The page that an answer leads to."""
        return text(self.client.get(answer.headers["HX-Redirect"]))


def address(act: str, row: Any = None, chosen: list[Any] | None = None) -> str:
    """Where an act of the desk is: on a row, or on the ticked rows of a list."""
    model = (row if row is not None else (chosen or [None])[0])._meta
    name = f"admin:{model.app_label}_{model.model_name}_{act}"
    if chosen is None:
        return reverse(name, args=[row.pk])
    return reverse(name) + "?" + "&".join(f"_selected_action={one.pk}" for one in chosen)


def text(answer: Any) -> str:
    assert answer.status_code == 200, answer.status_code
    return answer.content.decode()


@pytest.fixture
def sits(db: None) -> Callable[[Any], Seat]:
    """``sits(reviewer)``: the person, logged in at the desk."""

    def sit(user: Any) -> Seat:
        client = Client(raise_request_exception=True)
        client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
        return Seat(user, client)

    return sit


@pytest.fixture
def staff(reviewer: Any, senior: Any, finance: Any, operator: Any) -> dict[str, Any]:
    return {"reviewer": reviewer, "senior": senior, "finance": finance, "operator": operator}
