"""角色: who a person is to the shop."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _


class Role(models.TextChoices):
    """``SYSTEM`` is the machine itself: no account ever has it."""

    BUYER = "buyer", _("买家")
    MERCHANT = "merchant", _("商家")
    REVIEWER = "reviewer", _("客服审核员")
    SENIOR = "senior", _("高级审核员")
    FINANCE = "finance", _("财务")
    OPERATOR = "operator", _("运营管理员")
    SYSTEM = "system", _("系统")

    @classmethod
    def staff(cls) -> list[str]:
        """Roles that may enter the staff desk."""
        return [cls.REVIEWER, cls.SENIOR, cls.FINANCE, cls.OPERATOR]
