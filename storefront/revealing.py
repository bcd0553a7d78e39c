"""查看卡密 (B4): GET says what it means, POST shows the code, once and nowhere else. Dear ones ask again who looks.

How that is asked: ``accounts/proofs.py``.
"""

from __future__ import annotations

import time
from typing import Any

from allauth.core import ratelimit
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache

import clock
from accounts.guests import QueryPassword
from accounts.proofs import PROOF_OF_GUEST, proof_page, proved_by
from accounts.visitors import SignedIn, address_of
from orders import delivery
from orders.models import OrderLine, OrderStatus
from shops.models import CodeState
from shops.stock import CodeIsFrozen, Viewer
from storefront.forms import QueryPasswordForm


@login_required
@never_cache
def reveal(request: SignedIn, order_no: str, position: int) -> HttpResponse:
    line = _line(request, order_no, position)
    code = line.delivery.code if hasattr(line, "delivery") else None
    if code is None or code.state not in {CodeState.DELIVERED, CodeState.REVEALED}:
        return _not_now(request, order_no)
    asks_again = delivery.needs_step_up(line)
    verified_by = proved_by(request) if asks_again else ""
    facts: dict[str, Any] = {"order": line.order, "line": line, "code": code, "meaning": _what_looking_means(line)}
    facts["proof_page"] = _proof_page(request, line) if asks_again and not verified_by else ""
    if request.method == "POST" and facts["proof_page"]:
        return redirect(facts["proof_page"])
    if request.method == "POST":
        viewer = Viewer(request.user, address_of(request), request.headers.get("User-Agent", ""))
        try:
            facts["text"] = delivery.reveal(line, viewer=viewer, at=clock.now(), verified_by=verified_by)
        except (delivery.NothingToReveal, CodeIsFrozen):  # a refund was asked for in between
            return _not_now(request, order_no)
    return _kept_nowhere(render(request, "storefront/reveal.html", facts))


@login_required
@never_cache
def prove(request: SignedIn, order_no: str, position: int) -> HttpResponse:
    """A guest gives the query password once more; accounts do so at allauth's own page."""
    line = _line(request, order_no, position)
    form = QueryPasswordForm(request.POST or None)
    if not request.user.is_guest:
        return redirect("storefront:reveal", order_no, position)
    if request.method == "POST" and form.is_valid():
        if not ratelimit.consume(request, action="find_order", key=order_no):
            return ratelimit.respond_429(request)
        said = form.cleaned_data["query_password"]
        if QueryPassword().authenticate(request, guest=request.user, query_password=said):
            request.session[PROOF_OF_GUEST] = {"guest": request.user.pk, "at": time.time()}
            return redirect("storefront:reveal", order_no, position)
        form.add_error("query_password", _("查询密码不对。"))
    return render(request, "storefront/prove.html", {"form": form, "order": line.order, "line": line})


def _proof_page(request: SignedIn, line: OrderLine) -> str:
    about = [line.order.order_no, line.position]
    if request.user.is_guest:
        return reverse("storefront:prove", args=about)
    return proof_page(request, reverse("storefront:reveal", args=about))


def _line(request: SignedIn, order_no: str, position: int) -> OrderLine:
    """Somebody else's is not there (X8)."""
    lines = OrderLine.objects.filter(order__buyer=request.user, order__order_no=order_no, position=position)
    line = lines.select_related("order__policy", "delivery__code").defer("delivery__code__sealed").first()
    if line is None:
        raise Http404(order_no)
    return line


def _what_looking_means(line: OrderLine) -> str:
    """The order is delivered already: with the last code that is seen it is completed (``orders/delivery.py``)."""
    order = line.order
    if order.status != OrderStatus.DELIVERED:
        return _("查看可能影响退款。")
    if order.lines.count() > 1:
        return _("查看可能影响退款；全部查看后，订单即完成。")
    return _("查看后订单即完成，可能影响退款。")


def _not_now(request: SignedIn, order_no: str) -> HttpResponse:
    messages.info(request, _("这件商品的卡密现在不能查看，原因见订单页。"))
    return redirect("storefront:order", order_no)


def _kept_nowhere(response: HttpResponse) -> HttpResponse:
    response.headers["Cache-Control"] = "no-store"
    response.headers["Referrer-Policy"] = "same-origin"  # with "no-referrer" the page's own forms come from nowhere
    return response
