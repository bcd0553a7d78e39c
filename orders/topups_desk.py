"""直充单 on the desk: how each stands with its supplier, and what proves it. Nobody moves one by hand."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from accounts.desk import Desk, link, tone_badge
from accounts.desk_acts import when
from orders.models import TopUp, TopUpStatus

TONES: dict[str, str] = {
    TopUpStatus.UNKNOWN: "attention",
    TopUpStatus.ACCEPTED: "progress",
    TopUpStatus.SUCCEEDED: "good",
    TopUpStatus.FAILED: "bad",
}


@admin.register(TopUp)
class TopUpDesk(Desk):
    list_display = ("topup_no", "order_no", "supplier", "state", "sent", "tries", "last_error", "due")
    list_filter = ("status", "supplier")
    exact_search = ("topup_no", "line__order__order_no")
    search_help_text = "直充单号 / 订单号"
    ordering = ("-pk",)
    sortable_by = ()
    fields = (
        ("topup_no", "order_no"), ("supplier", "sku"), ("state", "reason"), ("made", "sent", "due"),
        ("arrived", "finished"), ("tries", "last_error"), "proof",
    )  # fmt: skip
    readonly_fields = (
        "topup_no", "order_no", "supplier", "sku", "state", "reason", "made", "sent", "due", "arrived", "finished",
        "tries", "last_error", "proof",
    )  # fmt: skip

    state = tone_badge("status", "状态", TONES)
    made = when("created_at", "建立时间")
    sent = when("first_sent_at", "首次提交")
    due = when("next_due_at", "下次询问")
    arrived = when("arrived_at", "到账时间")
    finished = when("finished_at", "结束时间")

    def get_queryset(self, request: HttpRequest) -> QuerySet[TopUp]:
        return super().get_queryset(request).select_related("supplier", "line__order", "answer")

    @admin.display(description="订单")
    def order_no(self, topup: TopUp) -> SafeString | str:
        return link(topup.line.order, topup.line.order.order_no)

    @admin.display(description="供应商答复")
    def proof(self, topup: TopUp) -> SafeString | str:
        return link(topup.answer, f"签名答复 {topup.answer_id}") if topup.answer else "–"
