"""本人账户 on a page: whose it is is proved as it is typed in, for a refund that goes there and for a balance alike."""

from __future__ import annotations

from typing import Protocol

from django import forms
from django.utils.translation import gettext_lazy

import clock
from accounts import realname
from accounts.visitors import SignedIn
from payments import payees
from payments.models import Payee
from refunds import own_account


class OwnAccountForm(Protocol):
    cleaned_data: dict[str, str]

    def account(self) -> payees.Account: ...

    def add_error(self, field: str, error: str) -> None: ...


def id_number_field() -> forms.CharField:
    return forms.CharField(
        label=gettext_lazy("身份证号"), max_length=40, help_text=gettext_lazy("只用于核对户名，不保存。"),
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )  # fmt: skip


def lay_down(request: SignedIn, form: OwnAccountForm) -> Payee | None:
    """登记本人账户 of a valid form with an ``id_number``; None: the form says why not."""
    try:
        return own_account.lay_down(
            form.account(), id_number=form.cleaned_data["id_number"], by=request.user, at=clock.now()
        )
    except payees.CannotSet as refusal:
        form.add_error(refusal.field, str(refusal))
    except (own_account.NotTheHolder, realname.CannotVerify) as refusal:
        form.add_error("name", str(refusal))
    return None
