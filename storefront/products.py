"""What is for sale, and buying it."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache

import clock
import paging
from accounts.visitors import SignedIn
from orders.placing import CannotPlace, Wish
from payments import charging
from shops import stock
from shops.models import Product
from storefront import paying, policies, reading
from storefront.forms import BuyForm


def product_list(request: HttpRequest) -> HttpResponse:
    page = paging.newest_first(reading.products(), by="created_at", after=request.GET.get("after", ""), size=24)
    badges = {product.pk: policies.badge(product.policy, product.price_fen) for product in page.rows}
    goods = [(product, badges[product.pk]) for product in page.rows]
    return render(request, "storefront/products.html", {"page": page, "goods": goods})


@never_cache
def product_page(request: HttpRequest, product_id: int) -> HttpResponse:
    product = _product(product_id)
    return _show(request, product, BuyForm(policy=product.policy))


@login_required
def buy(request: SignedIn, product_id: int) -> HttpResponse:
    """下单. The order and its payment number are one commit; the first way to pay opens before the page is shown."""
    product = _product(product_id)
    if request.method != "POST":  # back from logging in
        return redirect("storefront:product", product_id)
    form = BuyForm(request.POST, policy=product.policy)
    if not form.is_valid():
        return _show(request, product, form)
    at = clock.now()
    said = form.cleaned_data
    try:
        payment = charging.checkout(
            product, Wish(said["quantity"], again=True), buyer=request.user, checkout_key=said["checkout_key"], at=at
        )
    except CannotPlace as refusal:
        if refusal.code == "checkout_key":  # the buyer may send the form again, as a new order
            again = request.POST.copy()
            again["checkout_key"] = str(uuid4())
            form = BuyForm(again, policy=product.policy)
        form.add_error(None, str(refusal))
        return _show(request, product, form)
    except charging.OrderIsNotPayable:  # the same form sent again, after its order was paid or canceled
        order = reading.orders_of(request.user).get(checkout_key=said["checkout_key"])
        messages.info(request, _("这张订单已经处理过了，没有重复下单。"))
        return redirect("storefront:order", order.order_no)
    return paying.open_first(request, payment.order, at=at)


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
