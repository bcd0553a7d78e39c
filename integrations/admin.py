"""商家接口 on the desk: which keys and addresses a shop has, and how the last calls went. All of it to read."""

from __future__ import annotations

from django.contrib import admin
from django.utils.safestring import SafeString

from accounts.desk import Desk, badge, when
from integrations.models import DeliveryStatus, ShopKey, WebhookDelivery, WebhookEndpoint
from integrations.words import trouble

TONES = {DeliveryStatus.DELIVERED: "good", DeliveryStatus.GIVEN_UP: "bad", DeliveryStatus.WAITING: "attention"}


@admin.register(ShopKey)
class ShopKeyDesk(Desk):
    list_display = ("name", "shop", "prefix", "state", "made", "used")
    exact_search = ("prefix", "shop__name")
    search_help_text = "密钥开头（12 位）/ 店铺名"
    ordering = ("-pk",)
    list_select_related = ("shop",)
    fields = readonly_fields = (
        "shop", "name", "prefix", "scopes", "created_by", "made", "used", "revoked_by", "revoked",
    )  # fmt: skip

    made, used, revoked = (
        when("created_at", "创建时间"),
        when("last_used_at", "最近使用"),
        when("revoked_at", "吊销时间"),
    )

    @admin.display(description="状态")
    def state(self, row: ShopKey) -> SafeString:
        return badge("已吊销", "quiet") if row.revoked_at else badge("有效", "good")


@admin.register(WebhookEndpoint)
class WebhookEndpointDesk(Desk):
    """The host alone: the path behind it may be the shop's secret."""

    list_display = ("host", "shop", "state", "failing", "made")
    list_filter = ("is_on",)
    exact_search = ("shop__name",)
    search_help_text = "店铺名"
    ordering = ("-pk",)
    list_select_related = ("shop",)
    fields = readonly_fields = ("shop", "host", "events", "state", "failing", "created_by", "made")

    made, failing = when("created_at", "创建时间"), when("failing_since", "连续失败自")

    @admin.display(description="主机")
    def host(self, row: WebhookEndpoint) -> str:
        return row.host

    @admin.display(description="状态")
    def state(self, row: WebhookEndpoint) -> SafeString:
        return badge("启用", "good") if row.is_on else badge(row.get_switched_off_display(), "bad")


@admin.register(WebhookDelivery)
class WebhookDeliveryDesk(Desk):
    list_display = ("number", "endpoint", "kind", "state", "tries", "answer", "made")
    list_display_links = ("number",)
    list_filter = ("status",)
    exact_search = ("endpoint__shop__name",)
    search_help_text = "店铺名"
    ordering = ("-pk",)
    list_select_related = ("endpoint",)
    fields = readonly_fields = (
        "number", "endpoint", "event", "kind", "state", "tries", "answer", "made", "tried", "next_time", "delivered",
    )  # fmt: skip

    made, tried = when("created_at", "创建时间"), when("last_tried_at", "最近发送")
    next_time, delivered = when("next_due_at", "下次发送"), when("delivered_at", "送达时间")

    @admin.display(description="编号")
    def number(self, row: WebhookDelivery) -> str:
        return str(row)

    @admin.display(description="状态")
    def state(self, row: WebhookDelivery) -> SafeString:
        return badge(row.get_status_display(), TONES[DeliveryStatus(row.status)])

    @admin.display(description="对方回答")
    def answer(self, row: WebhookDelivery) -> str:
        return " ".join(word for word in (str(row.last_status_code or ""), trouble(row.last_error)) if word)
