"""The demo's password is printed in the README: nobody may use it for real."""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

DEMO_PASSWORD = "cardshop-demo"  # noqa: S105  public on purpose, refused outside the demo


class NotTheDemoPassword:
    """Password validator for sign-up, change and reset."""

    def validate(self, password: str, user: object | None = None) -> None:
        if password == DEMO_PASSWORD:
            raise ValidationError(_("这是演示密码，人人都知道，请换一个。"), code="demo_password")

    def get_help_text(self) -> str:
        return _("不能使用演示密码。")
