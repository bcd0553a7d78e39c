"""B4: a code is shown once, by POST, to who proved to be its buyer; dear ones ask again."""

from __future__ import annotations

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal import auth as totp
from django.test import Client

import clock
from accounts.models import User
from orders import delivery
from orders.models import OrderEvent
from shops.models import CardCode, CodeEvent
from shops.stock import Viewer
from tests.accounts.test_guests import SECRET, guest_buys
from tests.cast import PASSWORD
from tests.storefront.conftest import words

pytestmark = pytest.mark.django_db
__all__ = ["guest_buys"]
DEAR = 50000  # fen: where the policy begins to ask again


def place_of(order):
    return f"/orders/{order.order_no}/lines/1/reveal/"


@pytest.fixture
def confirm(shopper):
    """The buyer gives the password again at allauth's page."""

    def post(password=PASSWORD, **more):
        return shopper.post("/accounts/reauthenticate/", {"password": password} | more)

    return post


def test_a_code_stands_in_no_page_before_it_is_asked_for(buy, shopper):
    order = buy()
    for page in (place_of(order), f"/orders/{order.order_no}/", f"/orders/{order.order_no}/voucher/", "/orders/"):
        assert "CODE-" not in words(shopper.get(page))
    assert CardCode.objects.get(delivery__line__order=order).state == "delivered"
    before = words(shopper.get(place_of(order)))
    assert "查看后订单即完成，可能影响退款。" in before
    answer = shopper.post(place_of(order))
    assert words(answer).count("CODE-") == 1
    assert "no-store" in answer.headers["Cache-Control"]
    assert answer.headers["Referrer-Policy"] == "same-origin"
    assert "CODE-" not in words(shopper.get(place_of(order)))
    assert "no-store" in shopper.get(place_of(order)).headers["Cache-Control"]


def test_every_look_is_recorded_with_who_when_and_from_where(buy, shopper, buyer):
    order = buy()
    for _ in range(2):
        shopper.post(place_of(order), headers={"User-Agent": "MicroMessenger/8"}, REMOTE_ADDR="203.0.113.9")
    looks = CodeEvent.objects.filter(code__delivery__line__order=order, kind__in=["reveal", "look"]).order_by(
        "sequence"
    )
    assert [(row.kind, row.actor, row.ip, row.device) for row in looks] == [
        ("reveal", buyer, "203.0.113.9", "MicroMessenger/8"), ("look", buyer, "203.0.113.9", "MicroMessenger/8"),
    ]  # fmt: skip


def test_a_dear_code_asks_for_the_password_first(buy, shopper, confirm):
    order = buy(price_fen=DEAR)
    page = words(shopper.get(place_of(order)))
    assert "/accounts/reauthenticate/?next=" in page
    answer = shopper.post(place_of(order))
    assert answer.headers["Location"].startswith("/accounts/reauthenticate/?next=")
    assert CardCode.objects.get(delivery__line__order=order).state == "delivered"

    assert confirm("not the password").status_code == 200
    assert shopper.post(place_of(order)).status_code == 302
    back = confirm(next=place_of(order))
    assert back.headers["Location"] == place_of(order)
    assert "CODE-" in words(shopper.post(place_of(order)))
    event = OrderEvent.objects.get(order=order, step="verify")
    assert event.note == "password"


def test_the_limit_is_the_policys_and_no_discount_lowers_it(buy, shopper):
    below, at_limit = buy(price_fen=999, step_up_from_fen=1000), buy(price_fen=1000, step_up_from_fen=1000)
    assert "CODE-" in words(shopper.post(place_of(below)))
    assert shopper.post(place_of(at_limit)).status_code == 302


def test_logging_in_is_not_proof_enough_and_proof_does_not_last(buy, shopper, confirm, monkeypatch):
    order = buy(price_fen=DEAR)
    client = Client()
    client.post("/accounts/login/", {"login": "buyer", "password": PASSWORD})
    assert client.post(place_of(order)).status_code == 302
    confirm()
    session = shopper.session
    records = session["account_authentication_methods"]
    records[-1]["at"] -= 301
    session["account_authentication_methods"] = records
    session.save()
    assert shopper.post(place_of(order)).status_code == 302
    assert not OrderEvent.objects.filter(order=order, step="verify").exists()


def test_where_a_second_factor_is_on_a_password_alone_proves_nothing(buy, shopper, buyer, confirm):
    order = buy(price_fen=DEAR)
    secret = totp.generate_totp_secret()
    totp.TOTP.activate(buyer, secret)
    assert Authenticator.objects.filter(user=buyer).exists()
    assert "/accounts/2fa/reauthenticate/?next=" in words(shopper.get(place_of(order)))
    confirm()
    assert shopper.post(place_of(order)).status_code == 302
    code = totp.format_hotp_value(totp.hotp_value(secret, next(iter(totp.yield_hotp_counters_from_time()))))
    assert shopper.post("/accounts/2fa/reauthenticate/", {"code": code}).status_code == 302
    assert "CODE-" in words(shopper.post(place_of(order)))
    assert OrderEvent.objects.get(order=order, step="verify").note == "mfa"


def test_the_domain_refuses_a_dear_code_without_proof(buy, buyer):
    """No door can forget it."""
    order = buy(price_fen=DEAR)
    with pytest.raises(delivery.StepUpNeeded):
        delivery.reveal(order.lines.get(), viewer=Viewer(buyer, None, ""), at=clock.now())
    assert not CodeEvent.objects.filter(kind="reveal").exists()


def test_a_guest_gives_the_query_password_again(guest_buys):
    client, order = guest_buys(price_fen=DEAR)
    prove = f"/orders/{order.order_no}/lines/1/prove/"
    assert prove in words(client.get(place_of(order)))
    assert client.post(place_of(order)).headers["Location"] == prove
    assert "查询密码不对。" in words(client.post(prove, {"query_password": "wrong password"}))
    assert client.post(place_of(order)).headers["Location"] == prove
    assert client.post(prove, {"query_password": SECRET}).headers["Location"] == place_of(order)
    assert "CODE-" in words(client.post(place_of(order)))
    assert OrderEvent.objects.get(order=order, step="verify").note == "query_password"


def test_guessing_the_query_password_is_stopped_there_too(guest_buys):
    """X8: one allowance with the page that finds orders."""
    client, order = guest_buys(price_fen=DEAR)
    prove = f"/orders/{order.order_no}/lines/1/prove/"
    for _ in range(10):
        assert client.post(prove, {"query_password": "wrong password"}).status_code == 200
    assert client.post(prove, {"query_password": SECRET}).status_code == 429


def test_an_account_has_no_business_on_the_guests_page(buy, shopper):
    order = buy(price_fen=DEAR)
    answer = shopper.post(f"/orders/{order.order_no}/lines/1/prove/", {"query_password": PASSWORD})
    assert answer.headers["Location"] == place_of(order)
    assert shopper.post(place_of(order)).status_code == 302
    assert User.objects.filter(is_guest=True).count() == 0


def test_the_proof_of_one_person_is_nothing_to_the_next(buy, shopper, stranger, confirm):
    confirm()
    order = buy(price_fen=DEAR, by=stranger)
    shopper.force_login(stranger)
    assert shopper.post(place_of(order)).status_code == 302
