"""Who is at the door: the type of a request behind ``login_required``."""

from __future__ import annotations

from django.http import HttpRequest

from accounts.models import User


class SignedIn(HttpRequest):
    """A request by somebody who is logged in."""

    user: User
