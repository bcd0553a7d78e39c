"""退款回执 for the buyer to print (B11), and the page where anybody checks one: a bank, a channel's support."""

from __future__ import annotations

from typing import Any

import segno
from allauth.account.adapter import get_adapter
from allauth.core import ratelimit
from django import forms
from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from rest_framework.throttling import SimpleRateThrottle

import clock
from accounts.visitors import SignedIn
from refunds import receipt
from refunds.evidence_pack import Side, side_of
from refunds.models import Refund
from refunds.receipt import Receipt
from storefront.tills import Place, place_of


@login_required
@never_cache
def show(request: SignedIn, refund_no: str) -> HttpResponse:
    """For whom the money is, and for staff, who issue it to whoever cannot print (S0-16); not for the shop."""
    refund = Refund.objects.filter(refund_no=refund_no).select_related("order__shop", "payment__account").first()
    side = side_of(refund, request.user) if refund else None
    if refund is None or side not in {Side.BUYER, Side.STAFF}:
        raise Http404(refund_no)
    facts = about(receipt.of(refund)) | {"at": clock.now(), "is_buyer": side is Side.BUYER}
    return render(request, "storefront/receipt.html", facts | {"in_wechat": is_in_wechat(request)})


def about(made: Receipt) -> dict[str, Any]:
    """What a receipt's words are made of: here, and in an evidence pack."""
    facts = {"receipt": made, "refund": made.refund, "payment": made.refund.payment, "check_address": ""}
    if not made.code:
        return facts
    address = settings.SITE_URL + reverse("storefront:receipt_checked", args=[made.refund.refund_no, made.code])
    return facts | {"check_address": address, "qr": _qr(address)}


def is_in_wechat(request: HttpRequest) -> bool:
    """WeChat's browser prints nothing and keeps no file."""
    return place_of(request.headers.get("User-Agent", "")) is Place.WECHAT_APP


class CheckForm(forms.Form):
    """As it is read off a paper: blanks, dashes and small letters do not matter."""

    refund_no = forms.CharField(
        label=gettext_lazy("退款单号"),
        max_length=40,
        widget=forms.TextInput(attrs={"autocomplete": "off", "autocapitalize": "characters", "spellcheck": "false"}),
    )
    code = forms.CharField(
        label=gettext_lazy("校验码"),
        max_length=60,
        widget=forms.TextInput(attrs={"autocomplete": "off", "autocapitalize": "characters", "spellcheck": "false"}),
    )

    def clean_refund_no(self) -> str:
        return receipt.tidy_number(self.cleaned_data["refund_no"])


@never_cache
def check(request: HttpRequest) -> HttpResponse:
    """核验回执, by hand: the answer has an address of its own, the one in the receipt's QR code."""
    form = CheckForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        said = form.cleaned_data
        code = receipt.grouped(said["code"])
        if receipt.NUMBER.fullmatch(said["refund_no"]) and receipt.CODE.fullmatch(code):
            return redirect("storefront:receipt_checked", said["refund_no"], code)
        return _unknown(request, form)
    return render(request, "storefront/receipt_check.html", {"form": form})


class Guesses(SimpleRateThrottle):
    """So many looks from one address, right or wrong: allauth's limits never count a GET, and a QR code is one."""

    rate = "60/hour"

    def get_cache_key(self, request: Any, view: Any) -> str:
        return f"check_receipt:{get_adapter().get_client_ip(request)}"


@never_cache
def checked(request: HttpRequest, refund_no: str, code: str) -> HttpResponse:
    """Unknown number and wrong code get one answer (X8)."""
    if not Guesses().allow_request(request, None):  # type: ignore[arg-type]
        return ratelimit.respond_429(request)
    found = receipt.check(refund_no, code)
    if found is None:
        return _unknown(request, CheckForm())
    facts = {"found": found, "payment": found.refund.payment, "at": clock.now()}
    return render(request, "storefront/receipt_checked.html", facts)


def _unknown(request: HttpRequest, form: CheckForm) -> HttpResponse:
    facts = {"form": form, "refusal": _("没有这样的回执：退款单号或校验码不对。请对照回执重新输入。")}
    return render(request, "storefront/receipt_check.html", facts, status=404)


def _qr(text: str) -> SafeString:
    """Inline SVG without a style attribute: the CSP allows none. Always dark on light, for every camera."""
    return mark_safe(segno.make(text, error="m").svg_inline(border=4, omitsize=True, light="#fff", svgclass="qr"))
