"""A shop's refunds, to read (M1): the case is between the buyer and the platform, whose steps the shop watches."""

from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.cache import never_cache

import clock
import paging
from accounts.visitors import SignedIn
from portal.door import Here, for_members, show
from refunds import reading
from refunds.models import Refund
from shops import rights


@for_members("orders")
def refund_list(request: SignedIn, here: Here) -> HttpResponse:
    refunds = Refund.objects.filter(shop=here.shop).select_related("order__shop", "buyer")
    page = paging.newest_first(
        refunds.prefetch_related("order__lines"), by="submitted_at", after=request.GET.get("after", "")
    )
    rows = [(refund, reading.reason_title(refund.reason)) for refund in page.rows]
    return show(request, here, "refunds.html", {"page": page, "rows": rows})


@for_members("orders")
@never_cache
def refund_page(request: SignedIn, here: Here, refund_no: str) -> HttpResponse:
    """Another shop's case is not there (X8)."""
    cases = Refund.objects.filter(order__shop__in=rights.shops_of(request.user, "orders"))
    cases = cases.select_related("order__shop", "order__policy", "payment", "buyer")
    refund = get_object_or_404(cases, refund_no=refund_no)
    facts = {
        "refund": refund,
        "progress": reading.progress(refund, at=clock.now()),
        "lines": refund.lines.select_related("order_line").order_by("order_line__position"),
    }
    return show(request, here, "refund.html", facts)
