"""A shop's people at their pages, over HTTP."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from tests.storefront.conftest import picture

__all__ = ["browser", "picture", "text"]


def browser(user: Any) -> Client:
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


@pytest.fixture
def keeper(merchant: Any) -> Client:
    """The browser of the shop's owner."""
    return browser(merchant)


@pytest.fixture
def staffed(shop: Any) -> Callable[[str], Client]:
    """``staffed("clerk")``: the browser of somebody with this role in the shop."""
    from shops.models import ShopMember
    from tests.cast import person

    def build(role: str) -> Client:
        user = person(f"the-{role}", "merchant")
        ShopMember.objects.create(shop=shop, user=user, role=role)
        return browser(user)

    return build


@pytest.fixture
def rival(db: None) -> Client:
    """The browser of another shop's owner."""
    import clock
    from shops.models import Shop
    from tests.cast import person

    user = person("rival", "merchant")
    Shop.objects.create(name="另一家店", created_at=clock.now()).members.add(user)
    return browser(user)


def text(answer: Any) -> str:
    assert answer.status_code == 200, answer.status_code
    return answer.content.decode()
