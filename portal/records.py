"""订单存证 for the shop: the same record as the buyer's, without what is the buyer's alone."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache

from accounts.visitors import SignedIn
from orders.models import Order
from refunds import order_record
from shops import rights


@login_required
@never_cache
def order(request: SignedIn, order_no: str) -> HttpResponse:
    record = order_record.of(_order(request, order_no))
    return render(request, "portal/order_record.html", {"record": record})


@login_required
@never_cache
def order_file(request: SignedIn, order_no: str) -> HttpResponse:
    record = order_record.of(_order(request, order_no))
    return JsonResponse(
        order_record.as_file(record, reader=request.user),
        json_dumps_params={"ensure_ascii": False, "indent": 1},
        headers={"Content-Disposition": f'attachment; filename="record-{order_no}.json"'},
    )


def _order(request: SignedIn, order_no: str) -> Order:
    """Another shop's order is not there (X8); who belongs to no shop has no portal."""
    shops = list(rights.shops_of(request.user, "orders"))
    if not shops:
        raise PermissionDenied(_("这里只对店铺成员开放。"))
    return get_object_or_404(Order.objects.select_related("shop").filter(shop__in=shops), order_no=order_no)
