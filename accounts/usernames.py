"""What somebody may be called: plain letters, so that nobody can look like a colleague (ＡＤＭＩＮ)."""

from __future__ import annotations

from django.core.validators import RegexValidator
from django.utils.translation import gettext_lazy as _

# Taken names are compared without regard to case by allauth (ACCOUNT_PRESERVE_USERNAME_CASING).
VALIDATORS = [
    RegexValidator(r"\A[A-Za-z0-9._-]+\Z", _("用户名只能用英文字母、数字和 . _ - 三种符号。"), code="letters")
]
