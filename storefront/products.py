"""What is for sale, and buying it."""

from __future__ import annotations

from typing import Any, cast
from uuid import uuid4

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache

import clock
import paging
from accounts.visitors import SignedIn
from orders.models import Order
from orders.placing import CannotPlace, Wish
from payments import charging
from shops import stock
from shops.models import Product
from storefront import guests, paying, policies, reading
from storefront.forms import BuyForm


def product_list(request: HttpRequest) -> HttpResponse:
    page = paging.newest_first(reading.products(), by="created_at", after=request.GET.get("after", ""), size=24)
    badges = {product.pk: policies.badge(product.policy, product.price_fen) for product in page.rows}
    goods = [(product, badges[product.pk]) for product in page.rows]
    return render(request, "storefront/products.html", {"page": page, "goods": goods})


@never_cache
def product_page(request: HttpRequest, product_id: int) -> HttpResponse:
    product = _product(product_id)
    return _show(request, product, BuyForm(policy=product.policy, is_signed_in=request.user.is_authenticated))


def buy(request: HttpRequest, product_id: int) -> HttpResponse:
    """下单. The order and its payment number are one commit; the first way to pay opens before the page is shown."""
    product = _product(product_id)
    if request.method != "POST":  # back from logging in
        return redirect("storefront:product", product_id)
    form = BuyForm(request.POST, policy=product.policy, is_signed_in=request.user.is_authenticated)
    if not form.is_valid():
        return _show(request, product, form)
    at = clock.now()
    said = form.cleaned_data
    try:
        payment = guests.checkout(
            request, product, Wish(said["quantity"], again=True), query_password=said.get("query_password", ""),
            checkout_key=said["checkout_key"], at=at,
        )  # fmt: skip
    except CannotPlace as refusal:
        if refusal.code == "checkout_key":  # the buyer may send the form again, as a new order
            again = request.POST.copy()
            again["checkout_key"] = str(uuid4())
            form = BuyForm(again, policy=product.policy, is_signed_in=request.user.is_authenticated)
        form.add_error(None, str(refusal))
        return _show(request, product, form)
    except charging.OrderIsNotPayable:  # the same form sent again, after its order was paid or canceled
        messages.info(request, _("这张订单已经处理过了，没有重复下单。"))
        known = Order.objects.filter(checkout_key=said["checkout_key"], buyer=request.user.pk).first()
        return redirect("storefront:order", known.order_no) if known else redirect("storefront:find")
    return paying.open_first(cast(SignedIn, request), payment.order, at=at)


def _product(product_id: int) -> Product:
    return get_object_or_404(reading.products(), pk=product_id)


def _show(request: HttpRequest, product: Product, form: BuyForm) -> HttpResponse:
    facts: dict[str, Any] = {
        "product": product,
        "form": form,
        "badge": policies.badge(product.policy, product.price_fen),
        "not_refundable": policies.not_refundable(product),
        "stock_count": stock.available(product.pk),
    }
    return render(request, "storefront/product.html", facts)
