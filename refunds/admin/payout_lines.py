"""发款行 on the desk: what became of each case of a batch."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from accounts.desk import Desk, badge, key, link, money, when
from payments.models import AttemptStatus
from refunds.models import Destination, PayoutLine, Status
from refunds.models import LineStatus as L
from refunds.stages import TONE_OF

LINE_TONES: dict[str, str] = {
    L.WAITING: "progress", L.SENT: "good", L.SET_ASIDE: "bad", L.FAILED: "attention", L.DROPPED: "quiet",
}  # fmt: skip
#: A line that this batch did not pay, and whose case has gone on without it.
PAID = (Status.PROCESSING, Status.PAID_OUT, Status.ARRIVED)
SETTLED = (*PAID, Status.REJECTED, Status.WITHDRAWN, Status.CLOSED, Status.REPLACED)
NOT_PAID_HERE = (L.FAILED, L.SET_ASIDE)
#: What became of it, where it was or is being paid all the same.
PAID_ELSEWHERE: dict[str, str] = {
    Destination.ORIGINAL: "已另行原路退款",
    Destination.BALANCE: "已另行退至余额",
    Destination.OTHER_ACCOUNT: "已另行转账至本人账户",
}


class OfBatchFilter(admin.SimpleListFilter):
    """Those of one batch. Only a batch's own page leads here: a list of all batches would have no end."""

    title = "批次"
    parameter_name = "of_batch"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(self.value() or "", "这一批")] if self.value() else []

    def queryset(self, request: HttpRequest, queryset: QuerySet[PayoutLine]) -> QuerySet[PayoutLine]:
        return queryset.filter(batch=key(self.value() or "")) if self.value() else queryset


@admin.register(PayoutLine)
class PayoutLineDesk(Desk):
    """发款行: what became of each, with its case."""

    list_display = ("place", "case", "amount", "state", "case_state", "why", "handled", "batch_link")
    list_display_links = ("place",)
    list_filter = (OfBatchFilter, "status")
    exact_search = ("refund__refund_no", "batch__batch_no")
    search_help_text = "退款单号 / 批次号"
    ordering = ("pk",)
    list_select_related = ("refund", "batch", "disbursement__attempt")
    fields = (
        ("batch_link", "place"), ("case", "case_state"), ("amount", "state"), "why", ("handled", "paid_by"),
    )  # fmt: skip
    readonly_fields = ("batch_link", "place", "case", "case_state", "amount", "state", "why", "handled", "paid_by")

    amount = money("amount_fen", "金额")
    handled = when("handled_at", "处理时间")

    @admin.display(description="结果")
    def state(self, row: PayoutLine) -> SafeString:
        if row.disbursement and row.disbursement.attempt.status == AttemptStatus.WAITING_FUNDS:
            return badge("等待余额", "attention")
        return badge(L(row.status).label, LINE_TONES[row.status])

    @admin.display(description="次序")
    def place(self, row: PayoutLine) -> str:
        return f"第 {row.position} 笔"

    @admin.display(description="退款单")
    def case(self, row: PayoutLine) -> SafeString | str:
        return link(row.refund, row.refund.refund_no)

    @admin.display(description="退款单现在")
    def case_state(self, row: PayoutLine) -> SafeString:
        status = Status(row.refund.status)
        return badge(status.label, TONE_OF.get(status, "progress"))

    @admin.display(description="原因")
    def why(self, row: PayoutLine) -> str:
        later = _elsewhere(row)
        return "；".join(words for words in (row.reason, later) if words) or "–"

    @admin.display(description="批次")
    def batch_link(self, row: PayoutLine) -> SafeString | str:
        return link(row.batch, row.batch.batch_no)

    @admin.display(description="渠道退款")
    def paid_by(self, row: PayoutLine) -> SafeString | str:
        if row.credit_id:
            return "买家余额"
        return link(row.disbursement.attempt) if row.disbursement else "–"


def _elsewhere(line: PayoutLine) -> str:
    """What became of a case that this batch did not pay; empty while it waits for what the reason says."""
    case = line.refund
    if line.status not in NOT_PAID_HERE or case.status not in SETTLED:
        return ""
    return PAID_ELSEWHERE[case.destination] if case.status in PAID else f"没有退款：{Status(case.status).label}"
