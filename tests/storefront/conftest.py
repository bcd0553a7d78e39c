"""The buyer at the door: a client that is logged in, and forms filled in as a browser would."""

from __future__ import annotations

import io
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.test import Client

LOST = "图片未保留，请重新选择"


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


@pytest.fixture
def ask(shopper: Client) -> Callable[..., Any]:
    """Go through an application, page by page, as its redirects lead: ``ask(order, reason="late", amount="20")``.

    Returns the answer that is no redirect within it: the page that complains, or the way to the progress page.
    ``pictures`` are (slot, upload); ``lines`` are positions.
    """

    def go_through(order: Any, **fields: Any) -> Any:
        return goes_through(shopper, order, **fields)

    return go_through


def goes_through(browser: Client, order: Any, *, pictures: Any = (), lines: Any = None, **fields: Any) -> Any:
    said = {"reason": "invalid_code", "description": "11月20日兑换，提示已使用"} | fields
    place = f"/orders/{order.order_no}/refund/"
    asks = {
        place: {"reason": said["reason"]} | ({} if lines is None else {"lines": lines}),
        f"{place}material/": {"description": said["description"], "next": "1"},
        f"{place}money/": {name: said[name] for name in ("amount", "destination", "contact") if name in said},
    }
    answer = browser.post(place, asks[place])
    while answer.status_code == 302 and answer.headers["Location"].startswith(place):
        step = answer.headers["Location"]
        if step == f"{place}check/":
            return browser.post(step, {"seen": seen_on(browser.get(step))})
        if step == f"{place}material/":
            for slot, upload in pictures:
                sent = {"description": said["description"], "upload": slot, f"picture-{slot}": upload}
                answer = browser.post(step, sent)
                if answer.status_code == 200:
                    return answer
        answer = browser.post(step, asks[step])
    return answer


def seen_on(page: Any) -> str:
    """Which state of the draft the page with the answers shows."""
    return words(page).split('name="seen" value="')[1].split('"')[0]


def place_of(order: Any, step: str = "") -> str:
    """A page of the wizard by which a refund is asked for."""
    return f"/orders/{order.order_no}/refund/{step}"


def words(answer: Any) -> str:
    return answer.content.decode()


class DoNotFollow(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None


def agrees_at(address: str) -> str:
    """WeChat's own page, which asks for nothing (snsapi_base): the path and query that it sends the browser back to."""
    opener = urllib.request.build_opener(DoNotFollow)
    try:
        answer = opener.open(address.split("#", maxsplit=1)[0], timeout=10)
        raise AssertionError(answer.read()[:500])
    except urllib.error.HTTPError as redirect:
        back = urlsplit(redirect.headers["Location"])
    return f"{back.path}?{back.query}"
