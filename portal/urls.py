"""Shops' addresses."""

from __future__ import annotations

from django.urls import path, re_path

from portal import pages

app_name = "portal"
urlpatterns = [
    path("shop/", pages.order_list, name="orders"),
    path("shop/refunds/", pages.refund_list, name="refunds"),
    re_path(r"^shop/refunds/(?P<refund_no>[0-9A-Z]{8,20})/$", pages.refund_page, name="refund"),
]
