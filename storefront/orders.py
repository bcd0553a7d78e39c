"""A buyer's orders: paying, the codes, the voucher."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

import segno
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.cache import cache
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django_htmx.http import HttpResponseClientRedirect

import clock
import paging
from accounts.visitors import SignedIn
from orders import delivery
from orders.models import Order, OrderLine, OrderStatus
from payments import charging
from payments.models import Payment, PaymentStatus
from shops.models import CodeState
from shops.stock import CodeIsFrozen, Viewer
from storefront import reading

CHECK_EVERY_SECONDS = 2  # how often one payment may make us ask the channel


@login_required
def order_list(request: SignedIn) -> HttpResponse:
    page = paging.newest_first(reading.orders_of(request.user), by="placed_at", after=request.GET.get("after", ""))
    return render(request, "storefront/orders.html", {"page": page})


@login_required
def order_page(request: SignedIn, order_no: str) -> HttpResponse:
    order = _order(request, order_no)
    at = clock.now()
    lines = reading.lines_now(order)
    facts = {
        "order": order,
        "lines": lines,
        "has_unseen": any(each.can_reveal and not each.is_seen for each in lines),
        "money_back": reading.money_back(order),
        "payment": _paid(order),
        "entry": reading.refund_entry(order, at=at),
        "is_payable": _is_payable(order, at),
    }
    return render(request, "storefront/order.html", facts)


# --- paying -----------------------------------------------------------------------------------------------------------


@login_required
@never_cache
def pay(request: SignedIn, order_no: str) -> HttpResponse:
    """The QR code. POST asks the channel for one; GET shows the one there is."""
    order = _order(request, order_no)
    at = clock.now()
    if request.method == "POST":
        try:
            charging.present(charging.prepare(order, at=at), at=at)
        except charging.OrderIsNotPayable:
            messages.info(request, _("这张订单已不能付款，请看订单状态。"))
        return redirect("storefront:pay", order_no)
    if not _is_payable(order, at):
        return redirect("storefront:order", order_no)
    payment = _open(order)
    code_url = payment.code_url if payment else ""
    facts: dict[str, Any] = {
        "order": order,
        "payment": payment,
        "qr": _qr(code_url) if code_url else "",
        "phone": _simulated_phone(code_url),
        "now": at,
    }
    return render(request, "storefront/pay.html", facts)


@login_required
def check(request: SignedIn, order_no: str) -> HttpResponse:
    """我已支付，刷新: ask the channel. The button works by itself; with htmx the page asks every few seconds."""
    order = _order(request, order_no)
    if request.method != "POST":
        return redirect("storefront:pay", order_no)
    before = payment = _open(order)
    if payment and cache.add(f"look:{payment.payment_no}", 1, timeout=CHECK_EVERY_SECONDS):
        charging.look([payment], at=clock.now())
        order = _order(request, order_no)
        payment = _open(order)
    place = "storefront:pay" if _is_payable(order, clock.now()) else "storefront:order"
    if not request.htmx:  # type: ignore[attr-defined]
        if place == "storefront:pay":
            messages.info(request, _("还没有收到付款。付款后通常几秒内更新，请稍等再刷新。"))
        return redirect(place, order_no)
    if place == "storefront:pay" and _is_same(before, payment):
        return HttpResponse(status=204)
    return HttpResponseClientRedirect(redirect(place, order_no).url)


@login_required
def voucher(request: SignedIn, order_no: str) -> HttpResponse:
    """订单凭证, to print or to keep (S1-25, S3-16)."""
    order = _order(request, order_no)
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


def _order(request: SignedIn, order_no: str) -> Order:
    """Somebody else's order is not there (X8)."""
    order = reading.orders_of(request.user).filter(order_no=order_no).first()
    if order is None:
        raise Http404(order_no)
    return order


def _open(order: Order) -> Payment | None:
    return next((payment for payment in order.payments.all() if payment.status in charging.OPEN), None)


def _paid(order: Order) -> Payment | None:
    paid = (row for row in order.payments.all() if row.status == PaymentStatus.PAID and not row.is_surplus)
    return next(paid, None)


def _is_payable(order: Order, at: Any) -> bool:
    return order.status == OrderStatus.PLACED and order.expires_at > at


def _is_same(before: Payment | None, after: Payment | None) -> bool:
    return before is not None and after is not None and (before.pk, before.code_url) == (after.pk, after.code_url)


def _qr(code_url: str) -> SafeString:
    """Inline SVG without a style attribute: the CSP allows none. Always dark on light, for every camera."""
    return mark_safe(segno.make(code_url, error="m").svg_inline(border=4, omitsize=True, light="#fff", svgclass="qr"))


def _simulated_phone(code_url: str) -> str:
    """Where the simulator plays the buyer's phone. Empty when the money is real."""
    code = parse_qs(urlsplit(code_url).query).get("pr", [""])[0]
    return f"{settings.WECHAT['gateway']}/phone/{code}" if settings.CHANNELS == "simulated" and code else ""
