"""A session that was left behind somewhere is not its owner: what would hand the account over asks who it is (X7)."""

from __future__ import annotations

import pytest
from allauth.account.models import EmailAddress
from django.core import mail
from django.test import Client

pytestmark = pytest.mark.django_db


@pytest.fixture
def left_behind(buyer) -> Client:
    """Logged in some time ago; whoever sits there now does not know the password."""
    client = Client()
    client.force_login(buyer, backend="allauth.account.auth_backends.AuthenticationBackend")
    return client


def test_no_address_is_added_without_asking_who_it_is(left_behind):
    """Else: another address, a reset of the password by it, and every code of the account."""
    answer = left_behind.post("/accounts/email/", {"action_add": "", "email": "thief@example.com"})
    assert answer.headers["Location"].startswith("/accounts/reauthenticate/")
    assert not EmailAddress.objects.filter(email="thief@example.com").exists()
    assert not mail.outbox


def test_who_knows_the_password_adds_one(left_behind, buyer):
    buyer.set_password("a-long-password-1")
    buyer.save()
    left_behind.force_login(buyer, backend="allauth.account.auth_backends.AuthenticationBackend")
    left_behind.post("/accounts/reauthenticate/", {"password": "a-long-password-1"})
    left_behind.post("/accounts/email/", {"action_add": "", "email": "new@example.com"})
    assert EmailAddress.objects.filter(email="new@example.com").exists()
    assert {address for letter in mail.outbox for address in letter.to} >= {"new@example.com"}
