"""P12: a browser is told apart by a random cookie of ours; the database sees keyed bytes of it alone."""

from __future__ import annotations

import pytest
from django.test import Client, RequestFactory

from accounts.devices import key_of, new_token
from orders.models import Order

pytestmark = pytest.mark.django_db


def test_looking_around_gives_no_cookie_and_ordering_gives_one(shopper, purchase, make_product):
    product = make_product(3000)
    for path in ("/", f"/p/{product.pk}/", "/orders/", f"/p/{product.pk}/buy/"):
        assert "device" not in shopper.get(path).cookies, path
    cookie = purchase(product).cookies["device"]
    assert Order.objects.count() == 1
    assert (cookie["httponly"], cookie["samesite"], cookie["path"]) == (True, "Lax", "/")
    assert cookie["max-age"] == 365 * 24 * 3600
    assert not cookie["secure"], "the tests are no https"
    assert "device" not in purchase(product, again="on").cookies, "nobody gets a second one"


def test_under_https_the_cookie_is_the_hosts_own(shopper, buy, settings):
    settings.SESSION_COOKIE_SECURE, settings.DEVICE_COOKIE_NAME = True, "__Host-device"
    cookie = shopper.get(f"/orders/{buy(3000).order_no}/refund/").cookies["__Host-device"]
    assert (cookie["secure"], cookie["path"], cookie["domain"]) == (True, "/", "")


def test_whoever_applies_has_been_given_one_by_the_page_before(shopper, buy):
    path = f"/orders/{buy(3000).order_no}/refund/"
    token = shopper.get(path).cookies["device"].value
    assert "device" not in shopper.get(path).cookies
    assert shopper.cookies["device"].value == token


@pytest.mark.parametrize("sent", ["", "x", "a" * 31, "a" * 33, "é" * 32, "a" * 31 + "\x00", "a" * 9999])
def test_what_was_never_ours_is_no_device_and_is_replaced(buyer, buy, sent):
    client = Client()
    client.force_login(buyer)
    client.cookies["device"] = sent
    answer = client.get(f"/orders/{buy(3000).order_no}/refund/")
    assert answer.status_code == 200
    assert len(answer.cookies["device"].value) == 32


def test_the_key_tells_two_browsers_apart_and_names_neither():
    first, second = new_token(), new_token()
    assert key_of(_sent(first)) == key_of(_sent(first)) != key_of(_sent(second))
    key = key_of(_sent(first))
    assert key is not None
    assert len(key) == 32
    assert first.encode() not in key
    assert key_of(RequestFactory().get("/")) is None


def test_a_program_that_sends_the_cookie_is_the_same_device(shopper, buy):
    """The API asks under the same caps as the page."""
    order = buy(3000)
    token = shopper.get(f"/orders/{order.order_no}/refund/").cookies["device"].value
    body = {"order_no": order.order_no, "reason": "invalid_code", "description": "提示已使用"}
    assert shopper.post("/api/refunds/", body, content_type="application/json").status_code == 201
    refund = order.refunds.get()
    assert bytes(refund.device_key) == key_of(_sent(token))
    assert token.encode() not in bytes(refund.device_key)


def _sent(token: str):
    request = RequestFactory().get("/")
    request.COOKIES["device"] = token
    return request
