"""Guests: what an order number and its query password open, what they do not, and how an account takes over (PM17)."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest
from django.conf import settings
from django.db import InternalError, transaction
from django.test import Client
from django.urls import reverse

import clock
from accounts.models import User
from notices.models import Notice
from orders.models import Order, OrderEvent
from refunds import claiming, lifecycle
from refunds.models import Refund, RefundEvent
from storefront.guests import PROOF
from tests.access.walker import addresses
from tests.cast import PASSWORD

pytestmark = pytest.mark.django_db
SECRET = "four plain words"
FIND = "/orders/find/"
CLAIM = "/orders/claim/"


@pytest.fixture
def guest_buys(make_product, pay):
    """Somebody without an account buys: gives the browser and the paid order."""

    def buy(client=None, secret=SECRET, **goods):
        client = client or Client()
        product = make_product(**goods)
        before = set(Order.objects.values_list("pk", flat=True))
        answer = client.post(f"/p/{product.pk}/buy/", form(secret))
        assert answer.status_code == 302, answer.content.decode()
        order = Order.objects.exclude(pk__in=before).get()
        return client, pay(order)

    return buy


def form(secret=SECRET, **more):
    return {
        "quantity": "1", "consent": "on", "checkout_key": str(uuid.uuid4()), "query_password": secret, "again": "on",
    } | more  # fmt: skip


def find(client, order_no, secret=SECRET):
    return client.post(FIND, {"order_no": order_no, "query_password": secret})


def leave(client, secret=SECRET):
    """A guest sets out for an account."""
    return client.post(CLAIM, {"query_password": secret})


def newcomer(name="newcomer"):
    return {"username": name, "email": f"{name}@example.com", "password1": PASSWORD, "password2": PASSWORD}


def words(answer):
    return answer.content.decode()


# --- buying -----------------------------------------------------------------------------------------------------------


def test_a_guest_buys_sees_reveals_and_asks_for_the_money_back(guest_buys):
    client, order = guest_buys()
    assert order.buyer.is_guest
    place = f"/orders/{order.order_no}/"
    assert order.order_no in words(client.get(place))
    shown = words(client.post(f"{place}lines/1/reveal/"))
    assert "CODE-" in shown
    assert client.post(f"{place}refund/", {"reason": "invalid_code"}).status_code == 302
    asked = {"description": "11月20日晚8点兑换，提示已使用"}
    assert client.post(f"{place}refund/material/", asked).status_code == 302
    seen = client.get(f"{place}refund/check/").context["seen"]
    assert client.post(f"{place}refund/check/", {"seen": seen}).status_code == 302
    case = Refund.objects.get(order=order)
    assert (case.buyer, case.asked_by) == (order.buyer, order.buyer)
    assert case.refund_no in words(client.get(f"/refunds/{case.refund_no}/"))


def test_a_double_tap_of_a_guest_makes_one_order_and_one_guest(make_product):
    product, sent = make_product(), form()
    answers = [Client().post(f"/p/{product.pk}/buy/", sent) for _ in range(2)]  # neither has the other's session
    assert [answer.status_code for answer in answers] == [302, 302]
    assert Order.objects.count() == 1
    assert User.objects.filter(is_guest=True).count() == 1


def test_the_same_form_with_another_password_opens_nothing(make_product):
    product, sent = make_product(), form()
    Client().post(f"/p/{product.pk}/buy/", sent)
    thief = Client()
    answer = thief.post(f"/p/{product.pk}/buy/", sent | {"query_password": "somebody else's"})
    assert "查询密码不同" in words(answer)
    assert settings.SESSION_COOKIE_NAME not in thief.cookies
    assert Order.objects.count() == 1


@pytest.mark.parametrize("secret", ["", "short77", "x" * 65, "cardshop-demo"])
def test_a_query_password_has_eight_characters_and_is_not_the_demos(make_product, secret):
    product = make_product()
    answer = Client().post(f"/p/{product.pk}/buy/", form(secret))
    assert answer.status_code == 200
    assert "查询密码" in words(answer)
    assert not User.objects.filter(is_guest=True).exists()


def test_of_an_order_that_cannot_be_placed_no_guest_is_left(make_product):
    product = make_product(stock=1)
    answer = Client().post(f"/p/{product.pk}/buy/", form(quantity="2"))
    assert "库存不足" in words(answer)
    assert not User.objects.filter(is_guest=True).exists()


def test_the_form_proposes_a_password_and_keeps_what_was_typed(make_product):
    product = make_product()
    first, second = (words(Client().get(f"/p/{product.pk}/")) for _ in range(2))
    proposed = [page.split('name="query_password" value="')[1].split('"')[0] for page in (first, second)]
    assert all(len(password) == 12 for password in proposed)
    assert proposed[0] != proposed[1]
    assert 'value="my own words"' in words(Client().post(f"/p/{product.pk}/buy/", form("my own words", consent="")))


# --- finding it again -------------------------------------------------------------------------------------------------


def test_number_and_password_open_the_order_in_another_browser(guest_buys):
    _, order = guest_buys()
    client = Client()
    answer = find(client, f" {order.order_no.lower()} ")
    assert answer.headers["Location"] == f"/orders/{order.order_no}/"
    assert client.get(f"/orders/{order.order_no}/").status_code == 200


def test_unknown_wrong_and_somebodys_get_the_same_answer(guest_buys, buy):
    _, order = guest_buys()
    of_account = buy()
    said = set()
    for order_no, secret in [
        (order.order_no, "wrong password"), ("D00000000000000", SECRET), (of_account.order_no, PASSWORD), ("?", SECRET),
    ]:  # fmt: skip
        client = Client()
        answer = find(client, order_no, secret)
        assert settings.SESSION_COOKIE_NAME not in client.cookies
        page = words(answer).replace(order_no, "")
        said.add((answer.status_code, page.split('id="errors"')[1].split("<form")[0]))
    assert len(said) == 1


def test_unknown_costs_a_hash_as_wrong_does(guest_buys, monkeypatch):
    """X8: the same work, counted rather than timed."""
    from django.contrib.auth.hashers import Argon2PasswordHasher

    _, order = guest_buys()
    hashed = []
    encode = Argon2PasswordHasher.encode
    verify = Argon2PasswordHasher.verify
    monkeypatch.setattr(Argon2PasswordHasher, "encode", lambda *a, **k: hashed.append("e") or encode(*a, **k))
    monkeypatch.setattr(Argon2PasswordHasher, "verify", lambda *a, **k: hashed.append("v") or verify(*a, **k))
    for order_no in (order.order_no, "D00000000000000"):
        hashed.clear()
        find(Client(), order_no, "wrong password")
        assert len(hashed) == 1


def test_guessing_is_stopped_by_number_and_by_address(guest_buys):
    """X8: even the right password is not heard any more, from wherever it comes."""
    _, order = guest_buys()
    for _ in range(10):
        assert find(Client(), order.order_no, "wrong password").status_code == 200
    assert find(Client(REMOTE_ADDR="198.51.100.9"), order.order_no).status_code == 429
    for n in range(20):
        find(Client(), f"D{n:014d}", "wrong password")
    assert find(Client(), "D99999999999999", "wrong password").status_code == 429
    assert find(Client(REMOTE_ADDR="198.51.100.9"), "D99999999999999", "wrong password").status_code == 200


def test_signing_in_takes_a_new_session(guest_buys):
    """A session key that somebody planted opens nothing afterwards."""
    _, order = guest_buys()
    victim = Client()
    session = victim.session
    session["planted"] = True
    session.save()
    planted = session.session_key
    victim.cookies[settings.SESSION_COOKIE_NAME] = planted
    find(victim, order.order_no)
    assert victim.cookies[settings.SESSION_COOKIE_NAME].value != planted
    thief = Client()
    thief.cookies[settings.SESSION_COOKIE_NAME] = planted
    assert thief.get(f"/orders/{order.order_no}/").headers["Location"].startswith("/accounts/login/")


def test_a_guest_sees_no_other_order(guest_buys, buy):
    client, _ = guest_buys()
    _, others = guest_buys()
    of_account = buy()
    for order in (others, of_account):
        for page in ("", "voucher/", "lines/1/reveal/", "refund/"):
            assert client.get(f"/orders/{order.order_no}/{page}").status_code == 404


# --- what guests have no business with --------------------------------------------------------------------------------


def test_no_page_about_accounts_or_shops_opens_to_a_guest(guest_buys):
    client, order = guest_buys()
    ours = [a for a in addresses() if a.name.startswith(("account_", "mfa_")) and a.name != "account_logout"]
    assert len(ours) > 15
    for address in ours:
        sample = {"key": "x-y", "uidb36": "1", "pk": 1}
        path = reverse(address.name, kwargs={name: sample[name] for name in address.parameters})
        for answer in (client.get(path), client.post(path, {"email": "x@example.com"})):
            assert (answer.status_code, answer.headers.get("Location")) == (302, CLAIM), address.name
    for path in ("/shop/", "/shop/refunds/"):
        assert client.get(path).headers["Location"] == CLAIM
    assert client.get("/admin/").status_code == 302
    order.buyer.refresh_from_db()
    assert order.buyer.email == ""


def test_nobody_logs_in_by_the_name_of_a_guest_once_it_is_claimed(guest_buys, buyer):
    _, order = guest_buys()
    guest = order.buyer
    claiming.claim(guest, by=buyer, at=clock.now())
    client = Client()
    client.post("/accounts/login/", {"login": guest.username, "password": SECRET})
    assert client.get("/orders/").status_code == 302


def test_the_name_of_a_guest_is_never_shown(guest_buys, merchant):
    client, order = guest_buys()
    name = order.buyer.username
    pages = [words(client.get(path)) for path in ("/orders/", f"/orders/{order.order_no}/", "/notices/", CLAIM)]
    shop = Client()
    shop.force_login(merchant)
    pages.append(words(shop.get("/shop/")))
    assert all(name not in page for page in pages)
    assert "访客" in pages[0]


# --- claiming it ------------------------------------------------------------------------------------------------------


def test_an_account_claims_by_number_and_password(guest_buys, apply, buyer):
    guests_browser, order = guest_buys()
    case, guest = apply(order), order.buyer
    client = Client()
    client.force_login(buyer)
    assert find(client, order.order_no).headers["Location"] == CLAIM
    assert order.order_no in words(client.get(CLAIM))
    assert Order.objects.get(pk=order.pk).buyer == guest, "looking claims nothing"
    assert client.post(CLAIM).headers["Location"] == "/orders/"

    order, case, guest = (type(row).objects.get(pk=row.pk) for row in (order, case, guest))
    assert (order.buyer, case.buyer, case.asked_by) == (buyer, buyer, guest)
    assert (guest.claimed_by, guest.is_active) == (buyer, False)
    assert not Notice.objects.filter(recipient=guest).exists()
    assert Notice.objects.filter(recipient=buyer, kind="order_delivered").exists()
    event = OrderEvent.objects.filter(order=order).latest("sequence")
    assert (event.step, event.actor) == ("claim", buyer)
    assert client.get(f"/refunds/{case.refund_no}/").status_code == 200

    assert guests_browser.get(f"/orders/{order.order_no}/").status_code == 302, "the guest's session is over"
    assert find(Client(), order.order_no).status_code == 200, "and so is the query password"
    assert settings.SESSION_COOKIE_NAME not in Client().cookies


def test_signing_up_offers_to_claim_at_once(guest_buys):
    client, order = guest_buys()
    assert leave(client).headers["Location"] == CLAIM
    assert client.get(f"/orders/{order.order_no}/").status_code == 302
    page = words(client.get(CLAIM))
    assert f"/accounts/signup/?next={CLAIM}" in page
    answer = client.post("/accounts/signup/", newcomer() | {"next": CLAIM})
    assert answer.headers["Location"] == CLAIM
    assert order.order_no in words(client.get(CLAIM))
    client.post(CLAIM)
    assert Order.objects.get(pk=order.pk).buyer.username == "newcomer"


def test_who_changes_their_mind_goes_back_to_the_guests_orders(guest_buys):
    client, order = guest_buys()
    leave(client)
    assert client.post(CLAIM).headers["Location"] == "/orders/"
    assert client.get(f"/orders/{order.order_no}/").status_code == 200
    assert PROOF not in client.session, "who comes back proves it anew"


@pytest.mark.parametrize("said", [{}, {"query_password": ""}, {"query_password": "wrong password"}])
def test_an_open_session_alone_claims_nothing_and_shows_no_dear_code(said, guest_buys):
    """Whoever finds the phone would sign up, claim, and prove with their own new password that the code is theirs."""
    client, order = guest_buys(price_fen=60000)
    answer = client.post(CLAIM, said)
    assert answer.status_code == 200
    assert "查询密码" in words(answer).split('id="errors"')[1].split("</ul>")[0]
    assert PROOF not in client.session
    assert "请输入查询密码，确认订单是您的" in words(client.get(CLAIM))

    for thief in (client, Client()):
        thief.post("/accounts/logout/")
        thief.post("/accounts/signup/", newcomer(f"thief{id(thief)}"))
        assert thief.get("/accounts/email/").status_code == 200, "they have an account"
        assert thief.post(CLAIM).headers["Location"] == FIND
        thief.post("/accounts/reauthenticate/", {"password": PASSWORD})
        assert thief.post(f"/orders/{order.order_no}/lines/1/reveal/").status_code == 404
    order.refresh_from_db()
    assert order.buyer.is_guest
    assert order.lines.get().delivery.code.revealed_at is None


def test_guessing_at_the_claim_counts_with_guessing_elsewhere(guest_buys):
    """X8."""
    client, order = guest_buys()
    for _ in range(5):
        assert leave(client, "wrong password").status_code == 200
        assert find(Client(), order.order_no, "wrong password").status_code == 200
    assert leave(client).status_code == 429
    assert find(Client(), order.order_no).status_code == 429


def test_nothing_is_claimed_without_proof_nor_twice(guest_buys, buyer, stranger):
    _, order = guest_buys()
    client = Client()
    client.force_login(stranger)
    assert client.post(CLAIM).headers["Location"] == FIND
    find(client, order.order_no, "wrong password")
    assert client.post(CLAIM).headers["Location"] == FIND
    find(client, order.order_no)
    claiming.claim(order.buyer, by=buyer, at=clock.now())
    assert client.post(CLAIM).headers["Location"] == FIND
    with pytest.raises(claiming.CannotClaim):
        claiming.claim(order.buyer, by=stranger, at=clock.now())
    assert Order.objects.get(pk=order.pk).buyer == buyer


def test_the_proof_does_not_last(guest_buys, buyer):
    _, order = guest_buys()
    client = Client()
    client.force_login(buyer)
    find(client, order.order_no)
    clock.advance(timedelta(minutes=31))
    assert client.post(CLAIM).headers["Location"] == FIND


def test_a_guest_claims_nothing(guest_buys):
    _, order = guest_buys()
    _, other = guest_buys()
    with pytest.raises(claiming.CannotClaim):
        claiming.claim(order.buyer, by=other.buyer, at=clock.now())


def test_the_database_lets_a_case_go_to_its_claimer_alone(guest_buys, apply, buyer, stranger):
    _, order = guest_buys()
    case = apply(order)
    with pytest.raises(InternalError), transaction.atomic():
        Refund.objects.filter(pk=case.pk).update(buyer=stranger)
    claiming.claim(order.buyer, by=buyer, at=clock.now())
    with pytest.raises(InternalError), transaction.atomic():
        Refund.objects.filter(pk=case.pk).update(buyer=stranger)


@pytest.mark.parametrize("job", ["reviewer", "senior"])
def test_who_decides_on_cases_claims_none(request, guest_buys, apply, job):
    """I10."""
    _, order = guest_buys(price_fen=8800)
    case = apply(order)
    with pytest.raises(claiming.CannotClaim):
        claiming.claim(order.buyer, by=request.getfixturevalue(job), at=clock.now())
    case.refresh_from_db()
    assert case.buyer == order.buyer


def test_a_merchant_who_claims_a_case_is_its_buyer_and_nothing_else_to_it(guest_buys, apply, merchant):
    """I10."""
    _, order = guest_buys(price_fen=8800)
    case = apply(order)
    claiming.claim(order.buyer, by=merchant, at=clock.now())
    case.refresh_from_db()
    assert lifecycle.roles_on(case, merchant) == {"buyer"}
    with pytest.raises(lifecycle.StepRefused):
        lifecycle.approve([case], by=merchant, at=clock.now())
    assert not RefundEvent.objects.filter(refund=case, step="approve").exists()
