"""SQL against every rule about accounts and their real names: the database itself refuses, whoever asks."""

from __future__ import annotations

import pytest

import clock
from accounts import realname
from accounts.models import User
from tests import attacks
from tests.accounts.id_numbers import id_number
from tests.attacks import another
from tests.cast import person

pytestmark = pytest.mark.django_db


@pytest.fixture
def books(buyer, stranger, reviewer):
    """Four people of whom three share an ID number, and a guest."""
    at = clock.now()
    realname.verify(buyer, "王五", id_number(), at=at)
    for name in ("second", "third"):
        realname.verify(person(name, "buyer"), "王五", id_number(), at=at)
    realname.verify(reviewer, "李四", id_number(order=2), at=at)
    guest = User.objects.create(username="guest-1", is_guest=True)
    return {"buyer": buyer.pk, "stranger": stranger.pk, "reviewer": reviewer.pk, "guest": guest.pk}


OF_BUYER, OF_REVIEWER = "user_id = {buyer}", "user_id = {reviewer}"
ATTACKS = {
    "an invented role": ("UPDATE accounts_user SET role = 'king' WHERE id = {stranger}", "user_role_is_listed"),
    "a buyer at the desk": (
        "UPDATE accounts_user SET is_staff = true WHERE id = {stranger}",
        "only_staff_roles_enter_the_admin",
    ),
    "a guest who works here": (
        "UPDATE accounts_user SET role = 'finance' WHERE id = {guest}",
        "guest_is_a_buyer_and_nobody_else_is_claimed",
    ),
    "a claimed account": (
        "UPDATE accounts_user SET claimed_by_id = {buyer} WHERE id = {stranger}",
        "guest_is_a_buyer_and_nobody_else_is_claimed",
    ),
    "verified by an invented outcome": (
        another("accounts.RealNameCheck", OF_REVIEWER, user_id="{stranger}", outcome="'maybe'"),
        "real_name_outcome_is_listed",
    ),
    "verified twice": (another("accounts.RealNameCheck", OF_REVIEWER), "an_account_passes_once"),
    "a fourth account of one number (P12)": (
        another("accounts.RealNameCheck", OF_BUYER, user_id="{stranger}"),
        "one_number_verifies_three_accounts",
    ),
    "a guest with a real name": (
        another("accounts.RealNameCheck", OF_REVIEWER, user_id="{guest}"),
        "a_guest_has_no_real_name",
    ),
}


def test_every_attack_is_refused_by_name(books):
    attacks.check(ATTACKS, books)


def test_every_rule_is_attacked():
    attacks.check_all_are_tried(ATTACKS, "accounts")


def test_what_is_written_once_never_changes(books):
    """I7."""
    attacks.check_append_only("accounts")
