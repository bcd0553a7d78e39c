"""What is typed in of a transfer, by a buyer or a shop's owner."""

from __future__ import annotations

from django import forms
from django.utils.translation import gettext_lazy as _

from form_fields import YuanField
from payments.payees import Account
from payments.transfer_models import PayeeKind


class TransferForm(forms.Form):
    """``key``: the same form sent twice is one transfer."""

    amount = YuanField(
        label=_("提现金额（元）"),
        max_length=20,
        widget=forms.TextInput(attrs={"inputmode": "decimal", "autocomplete": "off"}),
    )
    key = forms.UUIDField(widget=forms.HiddenInput)


class PayeeForm(forms.Form):
    kind = forms.ChoiceField(label=_("账户类别"), choices=PayeeKind.choices)
    name = forms.CharField(
        label=_("收款人"), max_length=60, help_text=_("须与账户的户名一致。"),
        widget=forms.TextInput(attrs={"autocomplete": "name"}),
    )  # fmt: skip
    number = forms.CharField(
        label=_("账号"), max_length=60, widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"})
    )
    bank = forms.CharField(
        label=_("开户行（银行卡必填）"), max_length=60, required=False,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )  # fmt: skip

    def account(self) -> Account:
        said = self.cleaned_data
        return Account(PayeeKind(said["kind"]), said["name"], said["number"], said["bank"])
