"""收款与通知 on the desk, to look at: what was paid, what was refunded outside us, and what the channels told us."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from accounts.desk import Desk, badge, link, money, tone_badge, when, yuan
from payments.models import ChannelAccount, ChannelNotification, Payment, PaymentStatus, RefusedNotification

PAYMENT_TONES: dict[str, str] = {PaymentStatus.PAID: "good", PaymentStatus.OPEN: "progress"}

KINDS = {"payment": "支付", "refund": "退款", "complaint": "投诉"}


class OutsideFilter(admin.SimpleListFilter):
    title = "渠道侧已退"
    parameter_name = "outside"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("yes", "有")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Payment]) -> QuerySet[Payment]:
        return queryset.filter(external_fen__gt=0) if self.value() == "yes" else queryset


@admin.register(Payment)
class PaymentDesk(Desk):
    list_display = ("payment_no", "order_link", "amount", "state", "oddity", "way", "reserved", "refunded", "paid")
    list_filter = ("status", "is_surplus", OutsideFilter, "method", "account")
    exact_search = ("payment_no", "channel_transaction_id", "order__order_no")
    search_help_text = "收款单号 / 渠道流水号 / 订单号"
    ordering = ("-pk",)
    list_select_related = ("order", "account")
    fields = (
        ("payment_no", "state"), ("order_link", "channel_transaction_id"), ("account_link", "channel"),
        ("method", "surplus"), ("amount", "reserved"), ("refunded", "external"), ("created_at", "first_sent_at"),
        ("paid_at", "expires_at"), ("next_refund_from", "next_due_at"), "last_error",
    )  # fmt: skip
    readonly_fields = (
        "order_link", "account_link", "channel", "amount", "reserved", "refunded", "external", "surplus", "state",
    )  # fmt: skip

    amount = money("amount_fen", "金额")
    paid = when("paid_at", "支付时间")

    @admin.display(description="支付方式")
    def way(self, row: Payment) -> SafeString:
        words = f"{row.account.name} {row.get_method_display()}"
        return format_html('<span class="desk-clip" title="{0}">{0}</span>', words)

    @admin.display(description="多收")
    def surplus(self, row: Payment) -> SafeString | str:
        if not row.is_surplus:
            return "–"
        return badge("多收已退", "good") if row.refunded_fen >= row.amount_fen else badge("多收待退", "attention")

    @admin.display(description="渠道侧已退")
    def external(self, row: Payment) -> SafeString | str:
        """Refunded outside us (G21): a person must find out by whom."""
        return badge(f"渠道侧已退 {yuan(row.external_fen)}", "bad") if row.external_fen else "–"

    @admin.display(description="异常")
    def oddity(self, row: Payment) -> SafeString | str:
        """What is out of the ordinary, in one column of the list."""
        found = [shown for shown in (self.surplus(row), self.external(row)) if shown != "–"]
        return format_html_join(" ", "{}", ((shown,) for shown in found)) if found else "–"

    @admin.display(description="渠道账户")
    def account_link(self, row: Payment) -> SafeString | str:
        return link(row.account)

    @admin.display(description="渠道")
    def channel(self, row: Payment) -> str:
        return row.account.get_channel_display()

    reserved = money("reserved_fen", "退款占用")
    refunded = money("refunded_fen", "已退")
    state = tone_badge("status", "状态", PAYMENT_TONES)

    @admin.display(description="订单")
    def order_link(self, row: Payment) -> SafeString | str:
        return link(row.order, row.order.order_no)


class FromChannel(Desk):
    """What a channel sent us."""

    @admin.display(description="渠道账户")
    def channel(self, row: ChannelNotification | RefusedNotification) -> str:
        return row.account.name


class AccountFilter(admin.SimpleListFilter):
    title = "渠道账户"
    parameter_name = "account"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(str(pk), name) for pk, name in ChannelAccount.objects.order_by("pk").values_list("pk", "name")[:100]]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        chosen = self.value() or ""
        return (
            queryset.filter(account=int(chosen)) if chosen in {value for value, _ in self.lookup_choices} else queryset
        )


@admin.register(ChannelNotification)
class ChannelNotificationDesk(FromChannel):
    """渠道通知 that passed every check. What they say is a hint; a query decided (I14)."""

    list_display = ("received", "channel", "about", "payment_no", "request_no", "complaint_id", "notification_id")
    list_filter = ("kind", AccountFilter)
    exact_search = ("payment_no", "request_no", "complaint_id", "notification_id")
    search_help_text = "收款单号 / 商户退款单号 / 投诉单号 / 通知编号"
    ordering = ("-pk",)
    list_select_related = ("account",)
    fields = (
        "received_at", "channel", "about", "payment_no", "request_no", "complaint_id", "notification_id", "facts",
    )  # fmt: skip
    readonly_fields = ("channel", "about")

    received = when("received_at", "收到时间")

    @admin.display(description="类别")
    def about(self, row: ChannelNotification) -> str:
        return KINDS.get(row.kind, row.kind)


@admin.register(RefusedNotification)
class RefusedNotificationDesk(FromChannel):
    list_display = ("hour", "channel", "code", "times", "last_at")
    list_filter = (AccountFilter,)
    ordering = ("-hour", "-pk")
    list_select_related = ("account",)
    fields = ("hour", "channel", "code", "times", "last_at")
    readonly_fields = ("channel", "times")

    @admin.display(description="次数")
    def times(self, row: RefusedNotification) -> SafeString:
        return badge(row.count, "attention")
