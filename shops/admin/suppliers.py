"""供应商 on the desk: operators keep who they are, their keys stand in the settings; their signed answers, to read."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import Model, QuerySet
from django.http import HttpRequest

from accounts import rights
from accounts.desk import Desk
from accounts.desk_acts import when
from shops.admin.goods import Dated
from shops.models import Supplier, SupplierAnswer
from shops.models.supplier import ABOUT_TOPUP


@admin.register(Supplier)
class SupplierDesk(Dated):
    list_display = ("name", "code", "is_active", "created_at")
    exact_search = ("code", "name")
    search_help_text = "代号 / 名称"
    ordering = ("-pk",)
    sortable_by = ()
    fields = ("name", "code", "is_active", "created_at")

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> tuple[str, ...]:
        """Its code names its keys in the settings: set once."""
        return ("code", "created_at") if obj else ("created_at",)


@admin.register(SupplierAnswer)
class SupplierAnswerDesk(Desk):
    """供应商答复, word for word, with what proves it."""

    list_display = ("moment", "supplier", "about", "state", "happened")
    list_display_links = ("moment",)
    exact_search = ("about",)
    search_help_text = "关于（code:… 或 topup:…）"
    ordering = ("-pk",)
    sortable_by = ()
    list_select_related = ("supplier",)
    fields = (
        ("supplier", "about"), ("state", "happened"), "body", ("timestamp", "nonce"), "signature", "public_key_digest",
        "moment",
    )  # fmt: skip
    readonly_fields = (
        "supplier", "about", "state", "happened", "body", "timestamp", "nonce", "signature", "public_key_digest",
        "moment",
    )  # fmt: skip

    moment = when("at", "时间")
    happened = when("effective_at", "发生时间")

    def get_queryset(self, request: HttpRequest) -> QuerySet[SupplierAnswer]:
        """An answer about a code holds its digest: who may not see codes reads what was said of top-ups alone."""
        rows = super().get_queryset(request)
        return rows if rights.may(request.user, "see", "shops.codeevent") else rows.filter(ABOUT_TOPUP)
