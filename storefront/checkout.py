"""下单: the form on a product's page, the price after a coupon, the recipient read once more, the order (B1, B2).

All of it works without JavaScript: 试算 and the second look at a number are answers to the same form.
"""

from __future__ import annotations

from typing import Any, cast
from uuid import uuid4

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache

import clock
from accounts.visitors import SignedIn
from orders import discounts, reviews
from orders.discounts import CouponRefused
from orders.models import Order
from orders.placing import CannotPlace, SameAgain, Wish
from payments import charging
from shops import catalog, stock
from shops.models import Fulfilment, Product
from storefront import guests, paying, policies, trust
from storefront.buy_form import BuyForm

REVIEWS_SHOWN = 3


@never_cache
def buy(request: HttpRequest, product_id: int) -> HttpResponse:
    """下单. The order and its payment number are one commit; the first way to pay opens before the page is shown."""
    product = get_object_or_404(catalog.for_sale(at=clock.now()), pk=product_id)
    if request.method != "POST":  # back from logging in
        return redirect("storefront:product", product_id)
    form = BuyForm(request.POST, product=product, is_signed_in=request.user.is_authenticated)
    is_whole = form.is_valid()
    if "quote" in request.POST or "change" in request.POST:
        quote = _quote(product, form)
        form.forget_errors_but("quantity", "coupon")
        return show(request, product, form, quote=quote)
    if not is_whole:
        return _show_refused(request, product, form)
    if form.recipient and "confirmed" not in request.POST:
        return _ask_once_more(request, product, form)
    return _place(request, product, form)


def empty_form(request: HttpRequest, product: Product) -> BuyForm:
    return BuyForm(product=product, is_signed_in=request.user.is_authenticated)


def show(request: HttpRequest, product: Product, form: BuyForm, **more: Any) -> HttpResponse:
    """The product's page with this form in it."""
    shown = reviews.of_product(product).order_by("-at", "-pk")[:REVIEWS_SHOWN]
    facts: dict[str, Any] = {
        "product": product,
        "form": form,
        "refundability": policies.refundability(product),
        "not_refundable": policies.not_refundable(product),
        "handed_over": trust.handed_over(product),
        "promise": trust.minutes(product.delivery_promise_minutes),
        "stock_count": stock.available(product.pk) if product.fulfilment == Fulfilment.CODES else None,
        "reviews": [(review, reviews.shown_author(review)) for review in shown],
    }
    return render(request, "storefront/product.html", facts | trust.of(product.shop) | more)


def _show_refused(request: HttpRequest, product: Product, form: BuyForm, **more: Any) -> HttpResponse:
    """The page again, with what is wrong; the price stays what it would be, the coupon taken off."""
    return show(request, product, form, quote=_quote(product, form), **more)


def _place(request: HttpRequest, product: Product, form: BuyForm) -> HttpResponse:
    at = clock.now()
    said = form.cleaned_data
    wish = Wish(said["quantity"], said["coupon"], form.recipient, again=said["again"])
    try:
        payment = guests.checkout(
            request, product, wish, query_password=said.get("query_password", ""),
            checkout_key=said["checkout_key"], at=at,
        )  # fmt: skip
    except SameAgain as refusal:  # S4-26
        form.add_error(None, str(refusal))
        return _show_refused(request, product, form, same_order_no=refusal.order_no)
    except CouponRefused as refusal:
        form.add_error("coupon", str(refusal))
        return _show_refused(request, product, form)
    except CannotPlace as refusal:
        if refusal.code == "checkout_key":  # the buyer may send the form again, as a new order
            form = form.with_key(uuid4())
            form.is_valid()
        form.add_error(None, str(refusal))
        return _show_refused(request, product, form)
    except charging.OrderIsNotPayable:  # the same form sent again, after its order was paid or canceled
        messages.info(request, _("这张订单已经处理过了，没有重复下单。"))
        known = Order.objects.filter(checkout_key=said["checkout_key"], buyer=request.user.pk).first()
        return redirect("storefront:order", known.order_no) if known else redirect("storefront:find")
    return paying.open_first(cast(SignedIn, request), payment.order, at=at)


def _ask_once_more(request: HttpRequest, product: Product, form: BuyForm) -> HttpResponse:
    """核对: the whole number before it is paid for. What cannot be bought anyway is said at once."""
    quote = _quote(product, form)
    if form.errors:
        return show(request, product, form, quote=quote)
    facts = {"product": product, "form": form, "recipient": form.recipient, "quote": quote}
    return render(request, "storefront/confirm_recipient.html", facts)


def _quote(product: Product, form: BuyForm) -> discounts.Quote | None:
    """What it would cost now; a coupon's refusal goes to its field. None if the quantity cannot be read."""
    quantity, code = form.cleaned_data.get("quantity"), form.cleaned_data.get("coupon", "")
    if quantity is None:
        return None
    goods_fen = product.price_fen * quantity
    try:
        return discounts.quote(product.shop_id, code, goods_fen, quantity, at=clock.now())
    except CouponRefused as refusal:
        form.add_error("coupon", str(refusal))
        return discounts.Quote(goods_fen, 0)
