"""Sessions, CSRF, cookies (X13), and the ways into a staff account that must not exist (X14)."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from django.conf import settings
from django.contrib.sessions.models import Session
from django.test import Client
from django.urls import reverse
from rest_framework.authentication import SessionAuthentication

from accounts.models import User
from accounts.roles import Role
from api.shop import KeyOfShop
from refunds.models import Status
from tests.access.walker import addresses
from tests.access.world import World, world
from tests.cast import PASSWORD

pytestmark = pytest.mark.django_db
NEW_PASSWORD = "another horse staple"
__all__ = ["world"]


# --- CSRF -------------------------------------------------------------------------------------------------------------


OF_PROGRAMS = {"api:shop_orders", "api:shop_order", "api:shop_refunds", "api:shop_refund"}


def test_only_notifications_are_exempt_from_csrf():
    """DRF marks its views exempt and enforces CSRF in their session authentication: the next test proves that."""
    exempt = {address.name for address in addresses() if address.is_csrf_exempt and not is_api(address)}
    assert exempt == {"notify"}
    for address in addresses():
        if is_api(address):
            (authentication,) = address.view.cls.authentication_classes
            if address.name in OF_PROGRAMS:  # a key in a header that no browser adds by itself, and nothing to write
                assert authentication is KeyOfShop
                assert not {"post", "put", "patch", "delete"} & set(dir(address.view.cls))
            else:
                assert issubclass(authentication, SessionAuthentication), address.name


def test_nothing_can_be_posted_without_the_token(world: World):
    """Not by anybody's session, at any address, except a channel's notification."""
    for role in ("owner", "finance"):
        client = Client(enforce_csrf_checks=True)
        client.force_login(world.people[role], backend="django.contrib.auth.backends.ModelBackend")
        for address in addresses():
            if address.name in {"notify", "api:none"}:
                continue
            answer = client.post(world.path(address, {"step": "approve"}))
            expected = 401 if address.name in OF_PROGRAMS else 403  # a session is nobody there
            assert answer.status_code == expected, f"{role} {address.name}: {answer.status_code}"


# --- sessions ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def browser(buyer: User) -> Client:
    return log_in(Client(), buyer.username)


def test_logging_in_changes_the_session_id(buyer):
    """Session fixation: a session that somebody else handed over is not the one that gets logged in."""
    client = Client()
    session = client.session
    session["planted"] = "yes"
    session.save()
    client.cookies[settings.SESSION_COOKIE_NAME] = session.session_key
    log_in(client, buyer.username)
    assert client.cookies[settings.SESSION_COOKIE_NAME].value != session.session_key
    assert not Session.objects.filter(session_key=session.session_key).exists()


def test_logging_out_ends_the_session_for_good(browser):
    key = browser.cookies[settings.SESSION_COOKIE_NAME].value
    assert browser.get("/accounts/logout/").status_code == 200, "asked first"
    assert browser.get("/api/orders/").status_code == 200, "a GET logs nobody out"
    browser.post("/accounts/logout/")
    browser.cookies[settings.SESSION_COOKIE_NAME] = key
    assert browser.get("/api/orders/").status_code == 401


def test_changing_the_password_ends_every_other_session(browser, buyer):
    elsewhere = log_in(Client(), buyer.username)
    form = {"oldpassword": PASSWORD, "password1": NEW_PASSWORD, "password2": NEW_PASSWORD}
    answer = browser.post("/accounts/password/change/", form)
    assert answer.status_code == 302, answer.content
    assert elsewhere.get("/api/orders/").status_code == 401
    buyer.refresh_from_db()
    assert buyer.check_password(NEW_PASSWORD)


def test_a_disabled_account_is_out_at_once(browser, buyer):
    User.objects.filter(pk=buyer.pk).update(is_active=False)
    assert browser.get("/api/orders/").status_code == 401


def test_cookies_cannot_be_read_by_scripts_nor_sent_from_elsewhere(browser):
    page = browser.get("/accounts/password/change/")
    for name in (settings.SESSION_COOKIE_NAME, settings.CSRF_COOKIE_NAME):
        cookie = (page.cookies if name in page.cookies else browser.cookies)[name]
        assert cookie["httponly"]
        assert cookie["samesite"] == "Lax"
        assert cookie["path"] == "/"
        assert not cookie["domain"]


def test_over_https_cookies_are_secure_and_bound_to_the_host(tmp_path):
    """The settings as production reads them, in a process of their own."""
    wanted = ["SESSION_COOKIE_SECURE", "CSRF_COOKIE_SECURE", "SESSION_COOKIE_NAME", "CSRF_COOKIE_NAME",
              "SESSION_COOKIE_HTTPONLY", "CSRF_COOKIE_HTTPONLY", "SECURE_SSL_REDIRECT"]  # fmt: skip
    script = f"import json; from django.conf import settings as s; print(json.dumps([getattr(s, n) for n in {wanted}]))"
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}  # nothing of what the tests set
    found = subprocess.run(
        [sys.executable, "tests/production.py", sys.executable, "-c", script],
        cwd=settings.BASE_DIR, env=environment, check=True, capture_output=True, text=True,
    )  # fmt: skip
    assert json.loads(found.stdout.splitlines()[-1]) == [True, True, "__Host-session", "__Host-csrf", True, True, True]


# --- no way up (X14) --------------------------------------------------------------------------------------------------


def test_signing_up_makes_a_buyer_whatever_is_sent(db):
    form = {
        "username": "newcomer", "email": "newcomer@example.com", "password1": NEW_PASSWORD, "password2": NEW_PASSWORD,
        "role": "finance", "is_staff": "on", "is_superuser": "on", "groups": "1", "is_active": "on",
    }  # fmt: skip
    assert Client().post("/accounts/signup/", form).status_code == 302
    user = User.objects.get(username="newcomer")
    assert (user.role, user.is_staff, user.is_superuser) == (Role.BUYER, False, False)


def test_the_desk_offers_no_field_that_makes_staff_but_the_role(world: World):
    """Operators set roles; the flags follow, and their own role is out of reach."""
    operator, stranger = world.people["operator"], world.people["stranger"]
    client = Client()
    client.force_login(operator, backend="django.contrib.auth.backends.ModelBackend")
    forged = {"role": "buyer", "is_active": "on", "is_staff": "on", "is_superuser": "on", "username": "root"}
    client.post(reverse("admin:accounts_user_change", args=[stranger.pk]), forged)
    stranger.refresh_from_db()
    assert (stranger.role, stranger.is_staff, stranger.is_superuser) == (Role.BUYER, False, False)
    assert stranger.username == "stranger"

    own = client.post(reverse("admin:accounts_user_change", args=[operator.pk]), {"role": "finance", "is_active": "on"})
    assert own.status_code == 403
    operator.refresh_from_db()
    assert operator.role == Role.OPERATOR


def test_nobody_can_be_made_the_machine(world: World):
    client = Client()
    client.force_login(world.people["operator"], backend="django.contrib.auth.backends.ModelBackend")
    stranger = world.people["stranger"]
    client.post(reverse("admin:accounts_user_change", args=[stranger.pk]), {"role": "system", "is_active": "on"})
    stranger.refresh_from_db()
    assert stranger.role == Role.BUYER


@pytest.mark.parametrize("role", ["stranger", "operator"])
def test_a_superuser_moves_no_money(world: World, role):
    """The flag is not looked at: neither by the API, nor by the desk."""
    person = world.people[role]
    User.objects.filter(pk=person.pk).update(is_superuser=True)
    client = Client()
    client.force_login(person, backend="django.contrib.auth.backends.ModelBackend")
    approved, reviewed = world.cases["approved"], world.cases["reviewed"]
    client.post("/api/refunds/release/", {"refund_nos": [approved.refund_no]}, content_type="application/json")
    for case, step in ((approved, "disburse"), (reviewed, "approve")):
        client.post(f"/api/refunds/{case.refund_no}/steps/{step}/", {}, content_type="application/json")
        client.post(
            reverse(f"admin:refunds_refund_{step}", args=[case.pk]),
            {"_form_submitted": "True", "note": "说明"},
            headers={"HX-Request": "true"},
        )
    approved.refresh_from_db()
    reviewed.refresh_from_db()
    assert (approved.status, reviewed.status) == (Status.APPROVED, Status.FIRST_REVIEW)
    assert not approved.disbursements.exists()


def log_in(client: Client, username: str) -> Client:
    answer = client.post("/accounts/login/", {"login": username, "password": PASSWORD})
    assert answer.status_code == 302, answer.content
    return client


def is_api(address) -> bool:
    return address.name.startswith("api:")
