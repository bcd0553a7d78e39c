"""余额 of a buyer: what is there, how it came to be, and cashing it out (S1-14, S2-10)."""

from __future__ import annotations

import uuid
from typing import Any

from allauth.core import ratelimit
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters

import clock
from accounts import realname
from accounts.proofs import proof_page, proved_by
from accounts.visitors import SignedIn
from ledger import balances
from payments import transfers
from payments.forms import PayeeForm, TransferForm
from payments.models import Transfer
from payments.transfer_models import Purpose
from payments.transfers import CannotTransfer
from refunds import statement
from storefront import holders

MOST_SHOWN = 20


class OwnPayeeForm(PayeeForm):
    id_number = holders.id_number_field()


@login_required
@never_cache
def show(request: SignedIn) -> HttpResponse:
    """余额与明细."""
    page = statement.page_of(request.user, before=request.GET.get("before", ""))
    facts = {"page": page, "waiting": _waiting(request)}
    return render(request, "storefront/balance.html", facts)


@login_required
@never_cache
def cash_out(request: SignedIn) -> HttpResponse:
    """余额提现: how much, to which account; what happens next and by when; what was asked for before."""
    form = TransferForm(request.POST if request.method == "POST" else None, initial={"key": uuid.uuid4()})
    here = reverse("storefront:cash_out")
    verified_by = proved_by(request)
    if request.method == "POST" and form.is_valid():
        if not verified_by:
            return redirect(proof_page(request, here))
        try:
            asked = transfers.cash_out(
                request.user, amount_fen=form.cleaned_data["amount"], at=clock.now(), verified_by=verified_by,
                request_key=form.cleaned_data["key"],
            )  # fmt: skip
        except CannotTransfer as refusal:
            form.add_error("amount" if refusal.code in {"amount", "not_enough"} else None, str(refusal))
        else:
            messages.success(request, _("提现申请已提交，单号 %(no)s。") % {"no": asked.transfer_no})
            return redirect(here)
    facts: dict[str, Any] = {
        "form": form,
        "held_fen": balances.of_buyer(request.user.pk),
        "standing": transfers.standing(user=request.user),
        "at": clock.now(),
        "proof_page": "" if verified_by else proof_page(request, here),
    }
    return render(request, "storefront/cash_out.html", facts)


@login_required
@never_cache
@sensitive_post_parameters("name", "number", "bank", "id_number")
def payee(request: SignedIn) -> HttpResponse:
    """登记收款账户: his own, in his real name."""
    if not proved_by(request):
        return redirect(proof_page(request, reverse("storefront:payee")))
    facts: dict[str, Any] = {"back": reverse("storefront:cash_out")}
    if realname.passed(request.user) is None:
        facts |= {"asks_real_name": True, "is_offered": realname.is_offered()}
        return render(request, "storefront/payee.html", facts)
    form = OwnPayeeForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        if not ratelimit.consume(request, action="real_name"):
            return ratelimit.respond_429(request)
        if holders.lay_down(request, form):
            messages.success(request, _("收款账户已登记，24 小时后可以提现。"))
            return redirect("storefront:cash_out")
    return render(request, "storefront/payee.html", facts | {"form": form})


def _waiting(request: SignedIn) -> list[Transfer]:
    return list(
        Transfer.objects.filter(user=request.user, purpose=Purpose.CASH_OUT, due_at__isnull=False).order_by("-pk")[
            :MOST_SHOWN
        ]
    )
