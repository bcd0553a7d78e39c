"""商品 on the desk: operators keep products and categories; coupons are there to read. Policies: ``refunds/admin``.

A product never moves to another shop: its codes are sealed to the shop that they were sold by.
"""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Model
from django.forms import ModelForm
from django.http import HttpRequest

import clock
from accounts.desk import Desk, money, when, yuan
from shops.models import Category, Coupon, CouponKind, Product, RefundPolicy


class Dated(Desk):
    """Rows that remember when they came."""

    def save_model(self, request: HttpRequest, obj: Any, form: ModelForm, change: bool) -> None:
        if not change:
            obj.created_at = clock.now()
        super().save_model(request, obj, form, change)


@admin.register(Product)
class ProductDesk(Dated):
    list_display = ("name", "shop", "kind", "face_value", "price", "policy", "is_listed", "created_at")
    list_filter = ("is_listed", "kind")
    search_fields = ("name",)  # what the choice of a product to cancel looks through
    exact_search = ("name", "shop__name")
    search_help_text = "商品名 / 店铺名"
    ordering = ("-pk",)
    list_select_related = ("shop", "policy")
    fields = (
        "shop", "name", "kind", "fulfilment", "category", "face_value", "validity", "description",
        "not_refundable_note", "price_fen", "policy", "delivery_promise_minutes", "recipient_kind", "supplier",
        "supplier_sku", "is_cross_border", "is_listed", "created_at",
    )  # fmt: skip
    autocomplete_fields = ("shop",)

    price = money("price_fen", "价格")

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **options: Any) -> Any:
        """Under a draft nothing is sold."""
        if db_field.name == "policy":
            options["queryset"] = RefundPolicy.objects.filter(published_at__isnull=False).order_by("code", "-version")
        return super().formfield_for_foreignkey(db_field, request, **options)

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> tuple[str, ...]:
        """What it is, and how it is handed over, stays: codes and orders rest on it."""
        return ("shop", "kind", "fulfilment", "created_at") if obj else ("created_at",)


@admin.register(Category)
class CategoryDesk(Desk):
    list_display = ("name", "name_en", "slug", "position")
    ordering = ("position", "pk")
    fields = ("name", "name_en", "slug", "position")


@admin.register(Coupon)
class CouponDesk(Desk):
    """优惠券 of the shops, which keep them themselves."""

    list_display = ("code", "shop", "off", "from_sum", "starts", "ends", "most_uses", "is_active")
    exact_search = ("code", "shop__name")
    search_help_text = "券码 / 店铺名"
    ordering = ("-pk",)
    list_select_related = ("shop",)
    fields = ("shop", "code", "off", "from_sum", "starts", "ends", "most_uses", "is_active")
    readonly_fields = fields

    from_sum = money("minimum_fen", "满多少可用")
    starts = when("starts_at", "开始")
    ends = when("ends_at", "结束")

    @admin.display(description="优惠")
    def off(self, coupon: Coupon) -> str:
        return f"减 {yuan(coupon.off_fen)}" if coupon.kind == CouponKind.FIXED else f"减 {coupon.off_percent}%"
