"""下单表: what a buyer types in before an order is placed: read, never judged."""

from __future__ import annotations

import re
import unicodedata
import uuid
from typing import Any

from django import forms
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts import guests
from orders import agreement, recipients
from orders.placing import MAX_QUANTITY
from orders.recipients import Recipient
from refunds import reading as case
from shops.models import Product, RecipientKind


class BuyForm(forms.Form):
    """How many, for whom, with which coupon, and the consent to a named version of the policy (B2)."""

    quantity = forms.IntegerField(label=_("数量"), min_value=1, max_value=MAX_QUANTITY, initial=1)
    account = forms.CharField(max_length=40, error_messages={"required": _("请填写充值号码或账号。")})
    server = forms.CharField(
        label=_("区服"),
        max_length=40,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
        error_messages={"required": _("请填写区服，没有区服的填“无”。")},
    )
    coupon = forms.CharField(
        label=_("优惠码（选填）"),
        required=False,
        max_length=20,
        widget=forms.TextInput(attrs={"autocomplete": "off", "autocapitalize": "characters", "spellcheck": "false"}),
    )
    consent = forms.BooleanField(error_messages={"required": _("请先勾选同意退款政策和用户协议，再下单。")})
    agreed = forms.CharField(required=False, max_length=60, widget=forms.HiddenInput)  # to which terms, by ``_terms``
    again = forms.BooleanField(label=_("仍要再买一份"), required=False)  # S4-26
    checkout_key = forms.UUIDField(widget=forms.HiddenInput)  # a double tap makes one order (P1)
    query_password = forms.CharField(
        label=_("查询密码"),
        strip=False,
        max_length=guests.LONGEST,
        validators=[guests.check_new_password],
        widget=forms.TextInput(attrs={"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}),
        help_text=_("未登录购买时，凭订单号和它找回订单、查看卡密、申请退款。请记下，可以改成自己的（8 位以上）。"),
        error_messages={"required": _("请设置查询密码，或先登录再购买。")},
    )

    def __init__(self, *args: Any, product: Product, is_signed_in: bool = True, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.product, self.is_signed_in = product, is_signed_in
        if is_signed_in:
            del self.fields["query_password"]
        else:
            self.initial.setdefault("query_password", guests.propose_password())
        self.initial.setdefault("checkout_key", uuid.uuid4())
        self.initial.setdefault("agreed", self._terms())
        self.fields["quantity"].widget.attrs["inputmode"] = "numeric"
        policy = product.policy
        self.fields["consent"].label = gettext("我已阅读并同意退款政策“%(policy)s”和《用户协议》v%(agreement)d") % {
            "policy": f"{case.localized(policy.name, policy.name_en)} v{policy.version}",
            "agreement": agreement.VERSION,
        }
        self._ask_for_recipient(product.recipient_kind)

    def _ask_for_recipient(self, kind: str) -> None:
        if kind != RecipientKind.GAME:
            del self.fields["server"]
        if kind == RecipientKind.NONE:
            del self.fields["account"]
            return
        account = self.fields["account"]
        if kind == RecipientKind.PHONE:
            account.label = gettext("充值手机号")
            account.widget.attrs |= {"type": "tel", "inputmode": "numeric", "autocomplete": "tel"}
            account.widget.input_type = "tel"
        else:
            account.label = gettext("游戏账号")
            account.widget.attrs |= {"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}
        account.help_text = gettext("请仔细核对：填错且充值已提交的，无法追回，由您自行承担。")

    def clean(self) -> dict[str, Any]:
        """A consent is to what stood on the page: to other terms, or at another price, it is given anew."""
        said = super().clean() or {}
        if said.get("agreed") and said["agreed"] != self._terms():
            self.data = {name: self.data[name] for name in self.data if name != "consent"} | {"agreed": self._terms()}
            self.add_error("consent", _("商品的价格或条款刚刚变了，请看过新的，再勾选同意。"))
        return said

    def _terms(self) -> str:
        return f"{self.product.policy_id}-{agreement.VERSION}-{self.product.price_fen}"

    def clean_account(self) -> str:
        said = unicodedata.normalize("NFKC", self.cleaned_data["account"])
        if self.product.recipient_kind != RecipientKind.PHONE:
            return _one_line(said)
        digits = re.sub(r"^\+?86(?=1\d{10}$)", "", re.sub(r"[\s-]", "", said))
        if not recipients.PHONE.fullmatch(digits):
            raise forms.ValidationError(_("请填写 11 位手机号。"), code="phone")
        return digits

    def clean_server(self) -> str:
        return _one_line(self.cleaned_data["server"])

    @property
    def recipient(self) -> Recipient | None:
        """Whom a valid form names."""
        if "account" not in self.fields:
            return None
        kind = RecipientKind(self.product.recipient_kind)
        return Recipient(kind, self.cleaned_data["account"], self.cleaned_data.get("server", ""))

    def forget_errors_but(self, *names: str) -> None:
        """Somebody who asks for the price has not sent the order yet: what is still missing is no mistake."""
        for name in [name for name in self.errors if name not in names]:
            del self.errors[name]

    def with_key(self, checkout_key: uuid.UUID) -> BuyForm:
        """What was typed, as a new checkout."""
        data = dict(self.data.items())
        data["checkout_key"] = str(checkout_key)
        return BuyForm(data, product=self.product, is_signed_in=self.is_signed_in)

    def typed(self) -> list[tuple[str, str]]:
        """What was sent, field by field: the second look carries it on."""
        return [(name, self.data[name]) for name in self.fields if name in self.data]


def _one_line(text: str) -> str:
    if any(unicodedata.category(letter) == "Cc" for letter in text):
        raise forms.ValidationError(_("请只填写一行文字。"), code="control")
    return text
