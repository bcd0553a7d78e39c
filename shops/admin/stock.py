"""卡密 on the desk: listed by state, with the record of each; their text is shown to nobody."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from accounts.desk import Desk, called, link, tone_badge
from shops.models import CardCode, CodeEvent, CodeState, ImportStatus, StockImport

CODE_TONES: dict[str, str] = {
    CodeState.IN_STOCK: "good",
    CodeState.DELIVERED: "progress",
    CodeState.REVEALED: "attention",
    CodeState.FROZEN: "attention",
}

IMPORT_TONES: dict[str, str] = {
    ImportStatus.CHECKING: "progress",
    ImportStatus.CHECKED: "attention",
    ImportStatus.IMPORTING: "progress",
    ImportStatus.IMPORTED: "good",
}


@admin.register(CardCode)
class CardCodeDesk(Desk):
    """卡密: state and times. The sealed text, its key and its fingerprint are not even read from the database."""

    list_display = ("number", "product", "state_badge", "created_at", "delivered_at", "revealed_at")
    list_display_links = ("number",)
    list_filter = ("state",)
    exact_search = ("delivery__line__order__order_no",)
    search_help_text = "订单号"
    ordering = ("-pk",)
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


@admin.register(StockImport)
class StockImportDesk(Desk):
    """入库批次: who took in how many, and whether a list is stuck. Its lines are not shown."""

    list_display = ("file_name", "product", "status_badge", "line_count", "problem_count", "uploader", "uploaded_at")
    list_filter = ("status",)
    exact_search = ("product__name", "product__shop__name", "uploaded_by__username")
    search_help_text = "商品名 / 店铺名 / 上传账号"
    ordering = ("-pk",)
    list_select_related = ("product", "uploaded_by")
    fields = (
        "file_name", "product_link", "shop_link", "status_badge", "line_count", "done_count", "problem_count",
        "uploader", "uploaded_at", "confirmer", "imported_at", "next_due_at", "tries",
    )  # fmt: skip
    readonly_fields = ("product_link", "shop_link", "status_badge", "uploader", "confirmer")

    status_badge = tone_badge("status", "状态", IMPORT_TONES)

    def get_queryset(self, request: HttpRequest) -> QuerySet[StockImport]:
        return super().get_queryset(request).select_related("product__shop", "uploaded_by", "confirmed_by")

    @admin.display(description="商品")
    def product_link(self, row: StockImport) -> SafeString | str:
        return link(row.product)

    @admin.display(description="店铺")
    def shop_link(self, row: StockImport) -> SafeString | str:
        return link(row.product.shop)

    @admin.display(description="上传")
    def uploader(self, row: StockImport) -> str:
        return called(row.uploaded_by)

    @admin.display(description="确认")
    def confirmer(self, row: StockImport) -> str:
        return called(row.confirmed_by) if row.confirmed_by else "–"
