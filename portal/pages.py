"""A shop's own orders and refunds, to read (M1). What a shop may do with them comes with its steps."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache

import clock
import paging
from accounts.visitors import SignedIn
from orders.models import Order
from refunds import reading
from refunds.models import Refund
from shops.models import Shop


@login_required
def order_list(request: SignedIn) -> HttpResponse:
    orders = Order.objects.filter(shop__in=_shops(request)).select_related("shop", "buyer", "policy")
    page = paging.newest_first(
        orders.prefetch_related("lines", "refunds"), by="placed_at", after=request.GET.get("after", "")
    )
    return render(request, "portal/orders.html", {"page": page})


@login_required
def refund_list(request: SignedIn) -> HttpResponse:
    refunds = Refund.objects.filter(order__shop__in=_shops(request)).select_related("order__shop", "buyer")
    page = paging.newest_first(
        refunds.prefetch_related("order__lines"), by="submitted_at", after=request.GET.get("after", "")
    )
    rows = [(refund, reading.reason_title(refund.reason)) for refund in page.rows]
    return render(request, "portal/refunds.html", {"page": page, "rows": rows})


@login_required
@never_cache
def refund_page(request: SignedIn, refund_no: str) -> HttpResponse:
    """Another shop's case is not there (X8)."""
    cases = Refund.objects.filter(order__shop__in=_shops(request))
    cases = cases.select_related("order__shop", "order__policy", "payment", "buyer")
    refund = get_object_or_404(cases, refund_no=refund_no)
    facts = {
        "refund": refund,
        "progress": reading.progress(refund, at=clock.now()),
        "lines": refund.lines.select_related("order_line").order_by("order_line__position"),
    }
    return render(request, "portal/refund.html", facts)


def _shops(request: SignedIn) -> list[Shop]:
    """The shops this person belongs to; nobody else has a portal."""
    shops = list(request.user.shops.all())
    if not shops:
        raise PermissionDenied(_("这里只对店铺成员开放。"))
    return shops
