"""渠道 on the staff desk: what was paid, what was asked back of the channels, and what they told us.

To look at; the one act is asking again about a request that waits for a human or for money.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.http import HttpRequest
from django.utils.safestring import SafeString

import clock
from accounts.desk import Desk, DialogForm, badge, chosen_keys, link, list_url, money, page_url, staff_act, tone_badge
from payments import refunding
from payments.models import (
    AttemptStatus,
    ChannelAccount,
    ChannelNotification,
    Payment,
    PaymentStatus,
    RefundAttempt,
    RefusedNotification,
)

A = AttemptStatus
CAN_ASK_AGAIN = (A.HELD, A.WAITING_FUNDS)
ATTEMPT_TONES: dict[str, str] = {
    A.UNKNOWN: "attention",
    A.HELD: "bad",
    A.WAITING_FUNDS: "attention",
    A.RETURNED: "bad",
    A.ACCEPTED: "progress",
    A.SUCCEEDED: "good",
}
PAYMENT_TONES: dict[str, str] = {PaymentStatus.PAID: "good", PaymentStatus.OPEN: "progress"}


class AskAgainForm(DialogForm):
    """再次询问: under the same number, so that the buyer can never be paid twice."""

    template = "admin/payments/refundattempt/dialog_ask_again.html"

    @cached_property
    def rows(self) -> list[RefundAttempt]:
        keys = chosen_keys(self.request) if self.object_id is None else [_key(self.object_id)]
        return list(RefundAttempt.objects.filter(pk__in=keys).select_related("payment__account").order_by("pk"))

    @cached_property
    def ready(self) -> list[RefundAttempt]:
        return [row for row in self.rows if row.status in CAN_ASK_AGAIN]

    @cached_property
    def refusal(self) -> str:
        if not self.rows:
            return "请先在列表中勾选渠道退款。"
        return "" if self.ready else "所选的渠道退款已不在“待人工”或“等待商户余额”状态，无需再次询问。请刷新。"

    def facts(self) -> dict[str, Any]:
        total_fen = sum(row.amount_fen for row in self.ready)
        return {"ready": self.ready, "left_out": len(self.rows) - len(self.ready), "total_fen": total_fen}


@admin.register(RefundAttempt)
class RefundAttemptDesk(Desk):
    list_display = ("request_no", "amount", "state", "payment_link", "created_at", "next_due_at", "tries", "last_error")
    list_filter = ("status", "payment__account")
    exact_search = ("request_no", "channel_refund_id", "payment__payment_no")
    search_help_text = "商户退款单号 / 渠道退款单号 / 收款单号"
    ordering = ("-pk",)
    sortable_by = ()
    list_select_related = ("payment__account",)
    fields = (
        ("request_no", "state"), ("channel_refund_id", "payment_link"), ("amount", "reason"),
        ("received_account", "last_error"), ("created_at", "first_sent_at"), ("accepted_at", "finished_at"),
        ("next_due_at", "tries"),
    )  # fmt: skip
    readonly_fields = ("payment_link", "amount", "state")
    chosen_acts = ("ask_again",)
    actions_detail = ("ask_again_one",)

    amount = money("amount_fen", "金额")
    state = tone_badge("status", "状态", ATTEMPT_TONES)

    @admin.display(description="收款")
    def payment_link(self, row: RefundAttempt) -> SafeString | str:
        return link(row.payment, row.payment.payment_no)

    def may_act(self, request: HttpRequest, act: str) -> bool:
        return super().may_act(request, "ask_again")

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        row = RefundAttempt.objects.filter(pk=_key(object_id), status__in=CAN_ASK_AGAIN).first()
        return super().get_actions_detail(request, object_id) if row and self.may_act(request, "ask_again") else []

    @staff_act(AskAgainForm, title="再次询问渠道", submit="再次询问", icon="sync")
    def ask_again_one(self, request: HttpRequest, form: AskAgainForm, object_id: str) -> str:
        self._ask_again(request, form)
        return page_url(form.rows[0])

    @staff_act(AskAgainForm, title="再次询问渠道", submit="再次询问", icon="sync")
    def ask_again(self, request: HttpRequest, form: AskAgainForm) -> str:
        self._ask_again(request, form)
        return list_url(RefundAttempt)

    def _ask_again(self, request: HttpRequest, form: AskAgainForm) -> None:
        count = refunding.ask_again(form.ready, at=clock.now())
        LogEntry.objects.log_actions(request.user.pk, form.ready, CHANGE, "再次询问渠道")  # type: ignore[arg-type]
        if count:
            messages.success(request, f"{count} 笔将以原单号再次询问渠道。")
        if count < len(form.rows):
            messages.warning(request, f"{len(form.rows) - count} 笔已不在等待状态，没有改动。")


@admin.register(Payment)
class PaymentDesk(Desk):
    list_display = (
        "payment_no",
        "order_link",
        "account",
        "amount",
        "reserved",
        "refunded",
        "state",
        "surplus",
        "paid_at",
    )
    list_filter = ("status", "is_surplus", "account")
    exact_search = ("payment_no", "channel_transaction_id", "order__order_no")
    search_help_text = "收款单号 / 渠道流水号 / 订单号"
    ordering = ("-pk",)
    sortable_by = ()
    list_select_related = ("order", "account")
    fields = (
        ("payment_no", "state"), ("order_link", "account"), ("channel_transaction_id", "amount"),
        ("reserved", "refunded"), ("created_at", "expires_at"), ("paid_at", "surplus"),
        ("next_refund_from", "next_due_at"), "last_error",
    )  # fmt: skip
    readonly_fields = ("order_link", "amount", "reserved", "refunded", "surplus", "state")

    amount = money("amount_fen", "金额")

    @admin.display(description="多收")
    def surplus(self, row: Payment) -> SafeString | str:
        return badge("多收待退", "attention") if row.is_surplus else "–"

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


@admin.register(ChannelNotification)
class ChannelNotificationDesk(FromChannel):
    """渠道通知 that passed every check. What they say is a hint; a query decided (I14)."""

    list_display = ("received_at", "channel", "kind", "payment_no", "request_no", "notification_id")
    list_filter = ("kind", "account")
    exact_search = ("payment_no", "request_no", "notification_id")
    search_help_text = "收款单号 / 商户退款单号 / 通知编号"
    ordering = ("-pk",)
    sortable_by = ()
    list_select_related = ("account",)
    fields = ("received_at", "channel", "kind", "payment_no", "request_no", "notification_id", "facts")
    readonly_fields = ("channel",)


@admin.register(RefusedNotification)
class RefusedNotificationDesk(FromChannel):
    list_display = ("hour", "channel", "code", "times", "last_at")
    list_filter = ("account",)
    ordering = ("-hour", "-pk")
    sortable_by = ()
    list_select_related = ("account",)
    fields = ("hour", "channel", "code", "times", "last_at")
    readonly_fields = ("channel", "times")

    @admin.display(description="次数")
    def times(self, row: RefusedNotification) -> SafeString:
        return badge(row.count, "attention")


@admin.register(ChannelAccount)
class ChannelAccountDesk(Desk):
    list_display = ("name", "code", "merchant_id")
    sortable_by = ()


def _key(object_id: object) -> int:
    text = str(object_id)
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else 0
