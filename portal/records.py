"""订单存证 for the shop: the same record as the buyer's, without what is the buyer's alone."""

from __future__ import annotations

from django.http import HttpResponse
from django.views.decorators.cache import never_cache

from accounts.visitors import SignedIn
from portal.door import Here, for_members, order_of, show
from records import downloads
from refunds import order_record


@for_members("orders")
@never_cache
def order(request: SignedIn, here: Here, order_no: str) -> HttpResponse:
    return show(request, here, "order_record.html", {"record": order_record.of(order_of(request, order_no))})


@for_members("orders")
@never_cache
def order_file(request: SignedIn, here: Here, order_no: str) -> HttpResponse:
    record = order_record.of(order_of(request, order_no))
    return downloads.of_order(order_record.as_file(record, reader=request.user), order_no)
