"""极速退款 in the buyer's account: what it takes, whether that is met now, on and off; and 实名认证 (S0-19)."""

from __future__ import annotations

from typing import Any

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
from accounts.realname import CannotVerify, id_number
from accounts.visitors import SignedIn
from accounts.way_back import way_back
from refunds import express
from refunds import reading as case


class RealNameForm(forms.Form):
    """What is typed in here goes to the provider and nowhere else."""

    name = forms.CharField(label=gettext_lazy("真实姓名"), min_length=2, max_length=40)
    number = forms.CharField(
        label=gettext_lazy("身份证号"), max_length=40, help_text=gettext_lazy("18 位，末位可以是 X")
    )
    consent = forms.BooleanField(
        label=gettext_lazy("同意用这两项核对本人身份；本站不保存身份证号"),
        error_messages={"required": gettext_lazy("请先勾选同意，再核对。")},
    )

    def __init__(self, *args: object, **options: object) -> None:
        super().__init__(*args, **options)  # type: ignore[arg-type]
        for name in ("name", "number"):
            self.fields[name].widget.attrs["autocomplete"] = "name" if name == "name" else "off"

    def clean_number(self) -> str:
        number = id_number.normalized(self.cleaned_data["number"])
        if not id_number.is_valid(number):
            raise forms.ValidationError(_("身份证号有误，请核对 18 位号码。"), code="number")
        return number


@login_required
@never_cache
def show(request: SignedIn) -> HttpResponse:
    """The conditions beside what is so; POST ``on`` or ``off``."""
    at = clock.now()
    if request.method == "POST":
        return _switch(request)
    standing = express.standing(request.user, at=at)
    facts = {"standing": standing, "offers": _offers(standing), "is_offered": realname.is_offered()}
    return render(request, "storefront/express.html", facts)


def _offers(standing: express.Standing) -> list[dict[str, Any]]:
    """Each with every condition, and whether it is met now."""
    return [
        {
            "offer": offer,
            "names": case.localized("、".join(offer.names), ", ".join(offer.names_en)),
            "checks": [
                (standing.since is not None, _("已开通") if standing.since else _("还没有开通")),
                (standing.verified_at is not None, _("已实名认证") if standing.verified_at else _("还没有实名认证")),
                (offer.record.passed, case.localized(offer.record.sentence, offer.record.sentence_en)),
            ],
        }
        for offer in standing.offers
    ]


def _switch(request: SignedIn) -> HttpResponse:
    at = clock.now()
    if "off" in request.POST:
        express.turn_off(request.user, at=at)
        messages.success(request, _("极速退款已关闭，之后的退款走一般流程。"))
    elif "on" in request.POST:
        try:
            express.turn_on(request.user, at=at)
        except express.CannotOptIn as refusal:
            messages.error(request, str(refusal))
        else:
            messages.success(request, _("极速退款已开通。"))
    return redirect("storefront:express")


@login_required
@never_cache
@sensitive_post_parameters("name", "number")
def verify(request: SignedIn) -> HttpResponse:
    """实名认证. What fails says why; what passes leads back to where it was asked for."""
    if request.user.verified_at or not realname.is_offered():
        return redirect(_asked_at(request))
    form = RealNameForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        if not ratelimit.consume(request, action="real_name"):
            return ratelimit.respond_429(request)
        try:
            realname.verify(request.user, form.cleaned_data["name"], form.cleaned_data["number"], at=clock.now())
        except CannotVerify as refusal:
            form.add_error("number" if refusal.code in {"number", "too_many"} else None, str(refusal))
        else:
            messages.success(request, _("实名认证已通过。"))
            return redirect(_asked_at(request))
    return render(request, "storefront/real_name.html", {"form": form, "back": _asked_at(request)})


def _asked_at(request: SignedIn) -> str:
    """Where a real name was asked for: by a refund that came back (``?next=``), or else by the express lane."""
    return way_back(request, request.GET.get("next", ""), otherwise=reverse("storefront:express"))
