"""选择退款去向 (S2-28, S2-29): whose money came back says where to, proves who he is, and signs what he reads.

Two short pages without scripts: his balance or an account of his own; then, of an account, the agreement with its last
digits. The details are posted once, sealed, and never shown again.
"""

from __future__ import annotations

from typing import Any, cast

from allauth.core import ratelimit
from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters

import clock
from accounts import realname
from accounts.proofs import proof_page, proved_by
from accounts.visitors import SignedIn
from payments import payees
from payments.banks import BANKS
from payments.models import Payee
from payments.transfer_models import PayeeKind
from refunds import lifecycle, own_account
from refunds.lifecycle import StepRefused
from refunds.lifecycle.redirect import redirect_terms
from refunds.models import Refund
from storefront import holders
from storefront.refund_answers import case_of

OTHER_BANK = "other"


class AccountForm(forms.Form):
    """What is typed in here is sealed, or goes to the provider; nothing of it is shown again."""

    kind = forms.ChoiceField(label=gettext_lazy("账户类别"), choices=PayeeKind.choices)
    bank = forms.ChoiceField(
        label=gettext_lazy("银行（银行卡必填）"),
        choices=[("", "–"), *((name, name) for name in BANKS.values()), (OTHER_BANK, gettext_lazy("其他银行"))],
        required=False,
    )
    other_bank = forms.CharField(label=gettext_lazy("其他银行的名称"), max_length=60, required=False)
    number = forms.CharField(
        label=gettext_lazy("账号"), max_length=60, widget=forms.TextInput(attrs={"autocomplete": "off"})
    )
    name = forms.CharField(
        label=gettext_lazy("户名"), max_length=40, help_text=gettext_lazy("须是您实名认证的姓名。"),
        widget=forms.TextInput(attrs={"autocomplete": "name"}),
    )  # fmt: skip
    id_number = holders.id_number_field()

    def __init__(self, *args: Any, by_channel_alone: bool, **kwargs: Any) -> None:
        """``by_channel_alone``: a shop's own merchant account has the money, so that only WeChat can send it on: to a
        card of a bank that it knows."""
        super().__init__(*args, **kwargs)
        if by_channel_alone:
            kind, bank = cast(forms.ChoiceField, self.fields["kind"]), cast(forms.ChoiceField, self.fields["bank"])
            kind.choices = [(PayeeKind.BANK.value, PayeeKind.BANK.label)]
            bank.choices = [("", "–"), *((name, name) for name in BANKS.values())]
            del self.fields["other_bank"]

    def account(self) -> payees.Account:
        said = self.cleaned_data
        bank = said["other_bank"] if said["bank"] == OTHER_BANK else said["bank"]
        return payees.Account(PayeeKind(said["kind"]), said["name"], said["number"], bank)


@login_required
@never_cache
@sensitive_post_parameters("name", "number", "id_number")
def sign(request: SignedIn, refund_no: str) -> HttpResponse:
    """The page, and each of its three buttons: 余额, 登记账户, 同意并签署."""
    case = case_of(request, refund_no)
    if "sign_redirect" not in lifecycle.allowed_steps(case, request.user):
        messages.info(request, _("这张退款单现在不能这样做。"))
        return redirect("storefront:refund", refund_no)
    if request.method != "POST":
        return _page(request, case)
    if not proved_by(request):
        return redirect(proof_page(request, reverse("storefront:refund_redirect", args=[refund_no])))
    if request.POST.get("way") == "details":
        return _lay_down(request, case)
    return _sign(request, case)


def _lay_down(request: SignedIn, case: Refund) -> HttpResponse:
    form = _form(case, request.POST)
    if not form.is_valid():
        return _page(request, case, form=form)
    if not ratelimit.consume(request, action="real_name"):
        return ratelimit.respond_429(request)
    payee = holders.lay_down(request, form)
    return _page(request, case, payee=payee) if payee else _page(request, case, form=form)


def _form(case: Refund, said: Any = None) -> AccountForm:
    return AccountForm(said, by_channel_alone=case.payment.account.shop_id is not None)


def _sign(request: SignedIn, case: Refund) -> HttpResponse:
    proof = request.POST.get("holder_proof", "")
    try:
        lifecycle.sign_redirect(
            case, by=request.user, at=clock.now(), verified_by=proved_by(request), holder_proof=proof
        )
    except StepRefused as refusal:
        messages.error(request, str(refusal))
        return redirect("storefront:refund_redirect", case.refund_no)
    messages.success(request, _("协议已签署，等待平台确认。"))
    return redirect("storefront:refund", case.refund_no)


def _page(
    request: SignedIn, case: Refund, *, form: AccountForm | None = None, payee: Payee | None = None
) -> HttpResponse:
    facts: dict[str, Any] = {
        "refund": case,
        "form": form or _form(case),
        "payee": payee,
        "holder_proof": own_account.proof_of(payee) if payee else "",
        "agreement": redirect_terms(case, payee),
        "may_have_balance": case.asked_by_id == case.buyer_id and not case.payment.account.shop_id,
        "is_verified": realname.passed(request.user) is not None,
        "is_proved": bool(proved_by(request)),
        "hours": case.order.policy.release_hours,
        "hours_of_account": case.order.policy.release_hours + payees.COOLING_HOURS,
    }
    return render(request, "storefront/redirect.html", facts)
