"""店铺与商品 on the staff desk. Operators keep shops and products; codes are listed by state, their text by nobody.

A product never moves to another shop: its codes are sealed to the shop that they were sold by.
"""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Model, QuerySet
from django.forms import ModelForm
from django.http import HttpRequest
from django.utils.safestring import SafeString

import clock
from accounts.desk import Desk, called, link, money, tone_badge
from shops.models import CardCode, CodeEvent, CodeState, Product, RefundPolicy, Shop

CODE_TONES: dict[str, str] = {
    CodeState.IN_STOCK: "good",
    CodeState.DELIVERED: "progress",
    CodeState.REVEALED: "attention",
    CodeState.FROZEN: "attention",
}


class Dated(Desk):
    """Rows that remember when they came."""

    def save_model(self, request: HttpRequest, obj: Any, form: ModelForm, change: bool) -> None:
        if not change:
            obj.created_at = clock.now()
        super().save_model(request, obj, form, change)


@admin.register(Shop)
class ShopDesk(Dated):
    list_display = ("name", "about", "created_at")
    search_fields = ("name",)  # what the choice of a product's shop looks through
    exact_search = ("name", "members__username")
    search_help_text = "店铺名 / 成员账号"
    ordering = ("-pk",)
    sortable_by = ()
    fields = ("name", "about", "status", "guarantee_since", "created_at")
    readonly_fields = ("status", "guarantee_since", "created_at")


@admin.register(Product)
class ProductDesk(Dated):
    list_display = ("name", "shop", "kind", "face_value", "price", "policy", "is_listed", "created_at")
    list_filter = ("is_listed", "kind")
    exact_search = ("name", "shop__name")
    search_help_text = "商品名 / 店铺名"
    ordering = ("-pk",)
    sortable_by = ()
    list_select_related = ("shop", "policy")
    fields = (
        "shop", "name", "kind", "face_value", "description", "not_refundable_note", "price_fen", "policy",
        "delivery_promise_minutes", "is_listed", "created_at",
    )  # fmt: skip
    autocomplete_fields = ("shop",)

    price = money("price_fen", "价格")

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> tuple[str, ...]:
        return ("shop", "created_at") if obj else ("created_at",)


@admin.register(RefundPolicy)
class RefundPolicyDesk(Desk):
    """A published version never changes; a new one is published beside it (PM19)."""

    list_display = (
        "name",
        "code",
        "version",
        "window_days",
        "one_click",
        "senior_limit",
        "review_hours",
        "published_at",
    )
    ordering = ("code", "-version")
    sortable_by = ()

    one_click = money("one_click_below_fen", "一键退款上限（不含）")
    senior_limit = money("senior_above_fen", "高级审核员审批线")


@admin.register(CardCode)
class CardCodeDesk(Desk):
    """卡密: state and times. The sealed text, its key and its fingerprint are not even read from the database."""

    list_display = ("number", "product", "state_badge", "created_at", "delivered_at", "revealed_at")
    list_display_links = ("number",)
    list_filter = ("state",)
    exact_search = ("delivery__line__order__order_no",)
    search_help_text = "订单号"
    ordering = ("-pk",)
    sortable_by = ()
    list_select_related = ("product",)
    fields = ("number", "product_link", "state_badge", "created_at", "delivered_at", "revealed_at")
    readonly_fields = ("number", "product_link", "state_badge")

    state_badge = tone_badge("state", "状态", CODE_TONES)

    def get_queryset(self, request: HttpRequest) -> QuerySet[CardCode]:
        rows = super().get_queryset(request).select_related("product")
        return rows.defer("sealed", "key_id", "fingerprint")

    @admin.display(description="编号")
    def number(self, code: CardCode) -> str:
        return str(code.pk)

    @admin.display(description="商品")
    def product_link(self, code: CardCode) -> SafeString | str:
        return link(code.product)


@admin.register(CodeEvent)
class CodeEventDesk(Desk):
    """卡密记录: who looked, when, from where."""

    list_display = ("at", "code_link", "what", "who", "ip", "device")
    list_display_links = ("at",)
    exact_search = ("code__delivery__line__order__order_no", "actor__username")
    search_help_text = "订单号 / 账号"
    ordering = ("-pk",)
    sortable_by = ()
    fields = ("code_link", "what", "who", "at", "ip", "device")
    readonly_fields = ("code_link", "what", "who")

    def get_queryset(self, request: HttpRequest) -> QuerySet[CodeEvent]:
        rows = super().get_queryset(request).select_related("code", "actor")
        return rows.defer("code__sealed", "code__key_id", "code__fingerprint")

    @admin.display(description="卡密")
    def code_link(self, event: CodeEvent) -> SafeString | str:
        return link(event.code, str(event.code_id)[-12:])

    @admin.display(description="事件")
    def what(self, event: CodeEvent) -> str:
        return event.get_kind_display()

    @admin.display(description="账号")
    def who(self, event: CodeEvent) -> str:
        return called(event.actor)
