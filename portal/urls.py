"""Shops' addresses."""

from __future__ import annotations

from django.urls import path, re_path

from portal import pages, records

app_name = "portal"
urlpatterns = [
    path("shop/", pages.order_list, name="orders"),
    re_path(r"^shop/orders/(?P<order_no>[0-9A-Z]{8,20})/record/$", records.order, name="order_record"),
    re_path(
        r"^shop/orders/(?P<order_no>[0-9A-Z]{8,20})/record/record.json$", records.order_file, name="order_record_file"
    ),
    path("shop/refunds/", pages.refund_list, name="refunds"),
    re_path(r"^shop/refunds/(?P<refund_no>[0-9A-Z]{8,20})/$", pages.refund_page, name="refund"),
]
