"""供应商 on the desk: operators keep who they are, their keys stand in the settings; their signed answers, to read."""

from __future__ import annotations

from collections.abc import Callable

from django.contrib import admin
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from accounts import rights
from accounts.desk import Desk, badge, when
from accounts.rights import Act
from shops.admin.goods import Dated
from shops.models import Supplier, SupplierAnswer
from shops.models.supplier import ABOUT_TOPUP
from shops.suppliers import registry
from shops.suppliers.base import CodeFact, NeverSent, TopUpState


def whole(column: str, title: str) -> Callable[..., SafeString]:
    """Long text as it is, broken where the page ends."""

    @admin.display(description=title)
    def show(self: object, row: Model) -> SafeString:
        return format_html('<span class="desk-words">{}</span>', getattr(row, column))

    return show


@admin.register(Supplier)
class SupplierDesk(Dated):
    list_display = ("name", "code", "is_active", "created_at")
    exact_search = ("code", "name")
    search_help_text = "代号 / 名称"
    ordering = ("-pk",)
    fields = ("name", "code", "is_active", "created_at")

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> tuple[str, ...]:
        """Its code names its keys in the settings: set once."""
        return ("code", "created_at") if obj else ("created_at",)


# In Chinese, and with what each means for whoever asked; keys are the words of ``shops/suppliers/base.py``.
STATES: dict[str, tuple[str, str]] = {
    CodeFact.UNUSED: ("未兑换", "good"),
    CodeFact.REDEEMED: ("已兑换", "attention"),
    TopUpState.PENDING: ("充值中", "progress"),
    TopUpState.DONE: ("已到账", "good"),
    TopUpState.FAILED: ("充值失败", "bad"),
    TopUpState.REFUSED: ("拒绝受理", "bad"),
    TopUpState.NOT_FOUND: ("没有收到过", "quiet"),
}


@admin.register(SupplierAnswer)
class SupplierAnswerDesk(Desk):
    """供应商答复, word for word, with what proves it."""

    list_display = ("moment", "supplier", "about", "what", "happened")
    list_display_links = ("moment",)
    exact_search = ("about",)
    search_help_text = "关于（code:… 或 topup:…）"
    ordering = ("-pk",)
    list_select_related = ("supplier",)
    fields = (
        ("supplier", "about"), ("what", "happened"), "words", ("moment", "proof"), "stamp", "nonce_sent", "signed",
        "key_digest",
    )  # fmt: skip
    readonly_fields = (
        "supplier", "about", "what", "happened", "words", "moment", "proof", "stamp", "nonce_sent", "signed",
        "key_digest",
    )  # fmt: skip

    moment = when("at", "时间")
    happened = when("effective_at", "发生时间")

    def get_queryset(self, request: HttpRequest) -> QuerySet[SupplierAnswer]:
        """An answer about a code holds its digest: who may not see codes reads what was said of top-ups alone."""
        rows = super().get_queryset(request)
        return rows if rights.may(request.user, Act.SEE, "shops.codeevent") else rows.filter(ABOUT_TOPUP)

    @admin.display(description="答复")
    def what(self, row: SupplierAnswer) -> SafeString:
        return badge(*STATES.get(row.state, (row.state, "quiet")))

    @admin.display(description="验签")
    def proof(self, row: SupplierAnswer) -> SafeString:
        """Checked again each time somebody looks."""
        try:
            is_genuine = registry.is_genuine(row)
        except NeverSent:
            return badge("没有这个供应商的公钥，无法核对", "attention")
        return badge("签名有效", "good") if is_genuine else badge("与现用公钥不符，请用当时的公钥核对", "bad")

    words = whole("body", "答复原文")
    stamp = whole("timestamp", "应答时间戳")
    nonce_sent = whole("nonce", "应答随机串")
    signed = whole("signature", "签名")
    key_digest = whole("public_key_digest", "公钥摘要")
