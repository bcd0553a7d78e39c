"""A shop's goods and coupons: put up, changed, listed and unlisted. Orders placed before keep what they were shown."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

import clock
import paging
from accounts.visitors import SignedIn
from orders import discounts
from portal.door import Here, for_members, posted, show
from portal.forms import CouponForm, ProductForm
from shops import selling, stock
from shops.models import Coupon, Fulfilment, Product, RefundPolicy
from shops.rights import NotAllowed

MOST_COUPONS = 100


@for_members("products")
def product_list(request: SignedIn, here: Here) -> HttpResponse:
    products = Product.objects.filter(shop=here.shop).select_related("policy", "category")
    page = paging.newest_first(products, by="created_at", after=request.GET.get("after", ""))
    return show(request, here, "products.html", {"page": page})


@for_members("products")
def new_product(request: SignedIn, here: Here) -> HttpResponse:
    form = ProductForm(*posted(request), instance=Product(shop=here.shop, created_at=clock.now()))
    if request.method == "POST" and form.is_valid():
        try:
            product = selling.put_up(form.instance, here.shop, by=request.user, at=clock.now())
        except NotAllowed as refusal:
            form.add_error(None, str(refusal))
        else:
            messages.success(request, _("商品已上架。") + _stock_words(product))
            return redirect("portal:product", product.pk)
    return show(request, here, "product.html", {"form": form, "policies": _policies(form)})


@for_members("products")
def product_page(request: SignedIn, here: Here, product_id: int) -> HttpResponse:
    """修改商品."""
    product = _product(here, product_id)
    form = ProductForm(*posted(request), instance=product)
    if request.method == "POST" and form.is_valid():
        selling.change(form.instance, by=request.user)
        messages.success(request, _("已保存，新订单起生效；已有订单不受影响。"))
        return redirect("portal:product", product_id)
    facts = {
        "form": form,
        "product": product,
        "policies": _policies(form),
        "in_stock": stock.available(product.pk) if product.fulfilment == Fulfilment.CODES else None,
    }
    return show(request, here, "product.html", facts)


@for_members("products")
@require_POST
def set_listed(request: SignedIn, here: Here, product_id: int) -> HttpResponse:
    product = _product(here, product_id)
    is_listed = request.POST.get("listed") == "on"
    selling.set_listed(product, is_listed=is_listed, by=request.user)
    messages.success(request, _("商品已上架。") if is_listed else _("商品已下架，不再出售；已有订单照常交付。"))
    return redirect("portal:product", product_id)


def _product(here: Here, product_id: int) -> Product:
    """Another shop's product is not there (X8)."""
    return get_object_or_404(Product.objects.select_related("shop", "policy"), pk=product_id, shop=here.shop)


def _policies(form: ProductForm) -> list[RefundPolicy]:
    return list(form.fields["policy"].queryset)  # type: ignore[attr-defined]


def _stock_words(product: Product) -> str:
    return _("请接着导入卡密，有库存才能出售。") if product.fulfilment == Fulfilment.CODES else ""


# --- coupons ----------------------------------------------------------------------------------------------------------


@for_members("coupons")
def coupon_list(request: SignedIn, here: Here) -> HttpResponse:
    coupons = discounts.with_used(Coupon.objects.filter(shop=here.shop)).order_by("-pk")[:MOST_COUPONS]
    return show(request, here, "coupons.html", {"coupons": coupons, "at": clock.now()})


@for_members("coupons")
def new_coupon(request: SignedIn, here: Here) -> HttpResponse:
    return _edit_coupon(request, here, Coupon(shop=here.shop))


@for_members("coupons")
def coupon_page(request: SignedIn, here: Here, coupon_id: int) -> HttpResponse:
    """Another shop's coupon is not there (X8)."""
    return _edit_coupon(request, here, get_object_or_404(Coupon, pk=coupon_id, shop=here.shop))


def _edit_coupon(request: SignedIn, here: Here, coupon: Coupon) -> HttpResponse:
    form = CouponForm(*posted(request), instance=coupon, at=clock.now())
    if request.method == "POST" and form.is_valid():
        try:
            selling.keep_coupon(form.instance, here.shop, by=request.user)
        except selling.CodeIsTaken as refusal:
            form.add_error("code", str(refusal))
        else:
            messages.success(request, _("优惠券已保存。"))
            return redirect("portal:coupons")
    return show(request, here, "coupon.html", {"form": form, "coupon": coupon if coupon.pk else None})
