"""What every page knows."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

import clock
from accounts.models import User
from accounts.roles import Role
from notices import reading
from orders import announcements


def shop(request: HttpRequest) -> dict[str, Any]:
    user = getattr(request, "user", None)
    return {
        "is_demo": settings.DEMO,
        "site_url": settings.SITE_URL,
        "announcements": SimpleLazyObject(lambda: announcements.current(clock.now())),
        "is_merchant": isinstance(user, User) and user.role == Role.MERCHANT,
        # Counted only where the header shows it, not on staff pages or in answers without a header.
        "unread_notices": SimpleLazyObject(lambda: reading.unread_count(user) if _is_somebody(user) else 0),  # type: ignore[arg-type]
    }


def _is_somebody(user: object) -> bool:
    return isinstance(user, User) and user.is_authenticated
