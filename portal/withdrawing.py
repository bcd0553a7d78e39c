"""店铺的钱 for its owner: what may be withdrawn, asking for it, and where it goes to."""

from __future__ import annotations

import uuid
from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters

import clock
from accounts.proofs import proof_page, proved_by
from accounts.visitors import SignedIn
from payments import payees, transfers
from payments.forms import PayeeForm, TransferForm
from payments.transfers import CannotTransfer
from portal.door import Here, for_members, posted, show
from shops import money, rights

MOST_SHOWN = 20


@never_cache
@for_members("withdraw")
def withdraw(request: SignedIn, here: Here) -> HttpResponse:
    """店铺提现."""
    form = TransferForm(posted(request)[0], initial={"key": uuid.uuid4()})
    address = reverse("portal:withdraw")
    verified_by = proved_by(request)
    if request.method == "POST" and form.is_valid():
        if not verified_by:
            return redirect(proof_page(request, address))
        try:
            asked = transfers.withdraw(
                here.shop, amount_fen=form.cleaned_data["amount"], by=request.user, at=clock.now(),
                verified_by=verified_by, request_key=form.cleaned_data["key"],
            )  # fmt: skip
        except CannotTransfer as refusal:
            form.add_error("amount" if refusal.code in {"amount", "not_enough"} else None, str(refusal))
        else:
            messages.success(request, _("提现申请已提交，单号 %(no)s。") % {"no": asked.transfer_no})
            return redirect(address)
    facts: dict[str, Any] = {
        "form": form,
        "purse": money.purses([here.shop.pk])[here.shop.pk],
        "standing": transfers.standing(shop=here.shop),
        "at": clock.now(),
        "proof_page": "" if verified_by else proof_page(request, address),
    }
    return show(request, here, "withdraw.html", facts)


@never_cache
@sensitive_post_parameters("name", "number", "bank")
@for_members("withdraw")
def payee(request: SignedIn, here: Here) -> HttpResponse:
    """登记店铺的收款账户."""
    if not proved_by(request):
        return redirect(proof_page(request, reverse("portal:payee")))
    form = PayeeForm(*posted(request))
    if request.method == "POST" and form.is_valid():
        rights.demand(request.user, here.shop, "withdraw")
        try:
            payees.lay_down(form.account(), by=request.user, shop=here.shop, at=clock.now())
        except payees.CannotSet as refusal:
            form.add_error(refusal.field, str(refusal))
        else:
            messages.success(request, _("收款账户已登记，24 小时后可以提现。"))
            return redirect("portal:withdraw")
    return show(request, here, "payee.html", {"form": form, "back": reverse("portal:withdraw")})
