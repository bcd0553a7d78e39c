"""Who is who. What a role may do stands in ``refunds/lifecycle/`` and ``accounts/rights.py``, not in group rows."""

from __future__ import annotations

import pgtrigger
from django.conf import settings
from django.contrib.auth.models import AbstractUser
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts.passwords import DEMO_PASSWORD
from accounts.roles import Role
from append_only import append_only


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


class RealNameCheck(models.Model):
    """实名认证记录: that a provider was asked about an account, and how it ended. Neither the name nor the ID number.

    ``reason``: why a provider refused ("mismatch", "under_age"). ``name_shown``: the first character of the name.
    ``id_key``: 32 keyed bytes of the ID number, which tell two apart (accounts/realname).
    """

    class Outcome(models.TextChoices):
        PASSED = "passed", _("通过")
        REFUSED = "refused", _("未通过")
        TOO_MANY = "too_many", _("该证件认证的账号已满")

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="real_name_checks")
    provider = models.CharField(_("认证方"), max_length=100)
    outcome = models.CharField(_("结果"), max_length=8, choices=Outcome.choices)
    reason = models.CharField(_("原因"), max_length=24, blank=True)
    name_shown = models.CharField(_("姓名"), max_length=4)
    id_key = models.BinaryField(editable=False)
    at = models.DateTimeField(_("时间"))

    class Meta:
        verbose_name = _("实名认证记录")
        verbose_name_plural = _("实名认证记录")
        constraints = [
            models.CheckConstraint(
                name="real_name_outcome_is_listed", condition=Q(outcome__in=["passed", "refused", "too_many"])
            ),
            models.UniqueConstraint(name="an_account_passes_once", fields=["user"], condition=Q(outcome="passed")),
        ]
        indexes = [
            models.Index(name="real_name_of_user", fields=["user", "-at"]),
            models.Index(name="real_name_of_number", fields=["id_key"], condition=Q(outcome="passed")),
        ]
        triggers = [
            *append_only("real_name_checks_are_append_only"),
            pgtrigger.Trigger(  # P12: counted one at a time for each number
                name="one_number_verifies_three_accounts",
                when=pgtrigger.Before,
                operation=pgtrigger.Insert,
                condition=pgtrigger.Condition("NEW.outcome = 'passed'"),
                func="""
                PERFORM pg_advisory_xact_lock(4902, hashtext(encode(NEW.id_key, 'hex')));
                IF (SELECT count(*) FROM accounts_realnamecheck WHERE id_key = NEW.id_key AND outcome = 'passed') >= 3
                THEN
                    RAISE EXCEPTION 'one_number_verifies_three_accounts' USING ERRCODE = 'check_violation';
                END IF;
                IF EXISTS (SELECT FROM accounts_user WHERE id = NEW.user_id AND is_guest) THEN
                    RAISE EXCEPTION 'a_guest_has_no_real_name' USING ERRCODE = 'check_violation';
                END IF;
                RETURN NEW;
                """,
            ),
        ]
