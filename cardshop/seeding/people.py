"""演示账号: one of each role, with the demo's well-known password."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from functools import cache

from django.contrib.auth.hashers import make_password

from accounts.models import User
from accounts.passwords import DEMO_PASSWORD
from accounts.roles import Role

LOGINS: list[tuple[str, Role]] = [
    ("buyer", Role.BUYER),
    ("buyer2", Role.BUYER),
    ("merchant", Role.MERCHANT),
    ("merchant2", Role.MERCHANT),
    ("clerk", Role.MERCHANT),
    ("support", Role.REVIEWER),
    ("support2", Role.REVIEWER),
    ("senior", Role.SENIOR),
    ("senior2", Role.SENIOR),
    ("finance", Role.FINANCE),
    ("finance2", Role.FINANCE),
]
LAST = ("admin", Role.OPERATOR)
DAYS_OPEN = 120
QUERY_PASSWORD = "guest-of-the-demo"  # noqa: S105 - a guest's order, by its number and this


def make(logins: Iterable[tuple[str, Role]], *, joined: datetime) -> dict[str, User]:
    """``joined``: when they signed up, long before what they live through."""
    people = {}
    for username, role in logins:
        user = User(username=username, role=role, email=f"{username}@example.com", is_staff=role in Role.staff(),
                    date_joined=joined)  # fmt: skip
        user.password = _hashed()
        user.save()
        people[username] = user
    return people


@cache
def _hashed() -> str:
    """A good hash is slow on purpose; one serves them all, since everybody knows the password."""
    return make_password(DEMO_PASSWORD)
