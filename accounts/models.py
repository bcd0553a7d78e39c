"""Who is who. What a role may do stands in ``refunds/lifecycle.py`` and ``accounts/rights.py``, not in group rows."""

from __future__ import annotations

from django.conf import settings
from django.contrib.auth.models import AbstractUser
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts.passwords import DEMO_PASSWORD
from accounts.roles import Role


class User(AbstractUser):
    """账号. One person, one role; a staff member may still buy, but never decides on their own order (I10)."""

    role = models.CharField(_("角色"), max_length=16, choices=Role.choices, default=Role.BUYER)
    phone = models.CharField(_("手机号"), max_length=20, blank=True)
    verified_at = models.DateTimeField(_("实名认证"), null=True, blank=True, editable=False)  # accounts/realname
    # A guest is an account without a name of its own: an order number and its query password (the account's) let one
    # in. Once claimed, everything it had belongs to ``claimed_by``, and it opens nothing any more (PM17).
    is_guest = models.BooleanField(_("访客"), default=False)
    claimed_by = models.ForeignKey("self", models.PROTECT, null=True, blank=True, related_name="claimed_guests")

    class Meta(AbstractUser.Meta):
        verbose_name = _("账号")  # type: ignore[assignment]
        verbose_name_plural = _("账号")  # type: ignore[assignment]
        constraints = [
            models.CheckConstraint(name="user_role_is_listed", condition=Q(role__in=Role.values)),
            models.CheckConstraint(
                name="only_staff_roles_enter_the_admin",
                condition=Q(is_staff=False) | Q(role__in=Role.staff()),
            ),
            models.CheckConstraint(
                name="guest_is_a_buyer_and_nobody_else_is_claimed",
                condition=Q(is_guest=True, role="buyer") | Q(is_guest=False, claimed_by__isnull=True),
            ),
        ]

    @property
    def shown_name(self) -> str:
        """What others read: a guest has no name."""
        return gettext("访客") if self.is_guest else self.username

    def check_password(self, raw_password: str | None) -> bool:
        """The demo's well-known password opens nothing outside the demo, whatever the database holds."""
        if raw_password == DEMO_PASSWORD and not settings.DEMO:
            return False
        return super().check_password(raw_password)
