"""A buyer's orders: what became of them, the codes, the voucher. Paying stands in ``paying.py``."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache

import clock
import paging
from accounts.visitors import SignedIn
from orders import delivery
from orders.models import Order, OrderLine
from payments.models import Payment, PaymentStatus
from shops.models import CodeState
from shops.stock import CodeIsFrozen, Viewer
from storefront import reading
from storefront.paying import is_payable


@login_required
def order_list(request: SignedIn) -> HttpResponse:
    page = paging.newest_first(reading.orders_of(request.user), by="placed_at", after=request.GET.get("after", ""))
    return render(request, "storefront/orders.html", {"page": page})


@login_required
def order_page(request: SignedIn, order_no: str) -> HttpResponse:
    order = reading.order_of(request.user, order_no)
    at = clock.now()
    lines = reading.lines_now(order)
    facts = {
        "order": order,
        "lines": lines,
        "has_unseen": any(each.can_reveal and not each.is_seen for each in lines),
        "money_back": reading.money_back(order),
        "payment": _paid(order),
        "surpluses": reading.surplus_of(order),
        "entry": reading.refund_entry(order, at=at),
        "is_payable": is_payable(order, at),
    }
    return render(request, "storefront/order.html", facts)


@login_required
def voucher(request: SignedIn, order_no: str) -> HttpResponse:
    """订单凭证, to print or to keep (S1-25, S3-16)."""
    order = reading.order_of(request.user, order_no)
    payment = _paid(order)
    if payment is None:
        messages.info(request, _("付款成功后才有订单凭证。"))
        return redirect("storefront:order", order_no)
    return render(request, "storefront/voucher.html", {"order": order, "payment": payment, "lines": order.lines.all()})


# --- the codes --------------------------------------------------------------------------------------------------------


@login_required
@never_cache
def reveal(request: SignedIn, order_no: str, position: int) -> HttpResponse:
    """查看卡密: GET says what it means, POST shows the code, once and nowhere else (B4)."""
    line = get_object_or_404(_lines(request), order__order_no=order_no, position=position)
    code = line.delivery.code if hasattr(line, "delivery") else None
    if code is None or code.state not in {CodeState.DELIVERED, CodeState.REVEALED}:
        messages.info(request, _("这件商品的卡密现在不能查看，原因见订单页。"))
        return redirect("storefront:order", order_no)
    facts: dict[str, Any] = {"order": line.order, "line": line, "code": code}
    if request.method == "POST":
        viewer = Viewer(request.user, request.META.get("REMOTE_ADDR") or None, request.headers.get("User-Agent", ""))
        try:
            facts["text"] = delivery.reveal(line, viewer=viewer, at=clock.now())
        except (delivery.NothingToReveal, CodeIsFrozen):  # a refund was asked for in between
            messages.info(request, _("这件商品的卡密现在不能查看，原因见订单页。"))
            return redirect("storefront:order", order_no)
    response = render(request, "storefront/reveal.html", facts)
    response.headers["Cache-Control"] = "no-store"
    return response


def _lines(request: SignedIn) -> Any:
    lines = OrderLine.objects.filter(order__buyer=request.user)
    return lines.select_related("order__policy", "delivery__code").defer("delivery__code__sealed")


# --- what the pages look up -------------------------------------------------------------------------------------------


def _paid(order: Order) -> Payment | None:
    paid = (row for row in order.payments.all() if row.status == PaymentStatus.PAID and not row.is_surplus)
    return next(paid, None)
