"""直充单 on the desk: how each stands with its supplier, and what proves it.

What is under way for too long is 待人工核实, and three ways lead out: 再次询问 under the same number, 认定已到账,
认定失败. Each is decided in ``topups_by_hand.py``, under its lock.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

import clock
from accounts.desk import (
    ActsDesk,
    DialogForm,
    called,
    deadline,
    key,
    link,
    log,
    me,
    note_field,
    page_url,
    staff_act,
    tone_badge,
    when,
)
from orders import topups_by_hand
from orders.models import IfMissing, TopUp, TopUpStatus
from orders.topups import UNDER_WAY
from orders.topups_by_hand import CannotDecide

TONES: dict[str, str] = {
    TopUpStatus.UNKNOWN: "attention",
    TopUpStatus.ACCEPTED: "progress",
    TopUpStatus.SUCCEEDED: "good",
    TopUpStatus.FAILED: "bad",
}


WAITS_ADVICE = (
    "供应商迟迟没有结果，这张单由您处理：凭直充单号联系供应商核实。系统仍在以原单号询问，供应商一有签名答复就自动了结；"
    "不会因为超时而退款。"
)
DECIDE_ADVICE = "供应商以其他方式给出了结论的，写明依据后“认定已到账”或“认定失败”；认定失败的款项自动全额退回买家。"
REFUNDED_ADVICE = "已退款；供应商之后仍报告到账。订单已取消，买家不会收到交付通知。请与供应商核对，能撤回的请其撤回。"
NOT_SENT_ADVICE = "这张单还没有提交给供应商。请启用供应商或修复密钥；供不了货的，到订单页取消订单。"


def advice(topup: TopUp) -> list[tuple[str, str]]:
    """What to do about a top-up: (tone, sentence)."""
    if topup.status == TopUpStatus.SUCCEEDED and topup.if_missing == IfMissing.END:
        return [("attention", REFUNDED_ADVICE)]
    if topup.person_due_at is None:
        return []
    if topup.status not in UNDER_WAY:
        return [("attention", NOT_SENT_ADVICE)]
    return [("attention", WAITS_ADVICE), ("quiet", DECIDE_ADVICE)]


# --- dialogs ----------------------------------------------------------------------------------------------------------


class TopUpForm(DialogForm):
    """An act on one top-up."""

    template = "admin/orders/topup/dialog.html"
    words = ""

    @cached_property
    def topup(self) -> TopUp | None:
        rows = TopUp.objects.select_related("line__order", "supplier").defer("line__product_page")
        return rows.filter(pk=key(self.object_id)).first()

    @cached_property
    def refusal(self) -> str:
        return self.why_not(self.topup) if self.topup else "没有这张直充单。"

    def why_not(self, topup: TopUp) -> str:
        can = topups_by_hand.can_be_decided(topup)
        return "" if can else f"这张直充单现在是“{topup.get_status_display()}”，不需要或不能人工认定。"

    def facts(self) -> dict[str, Any]:
        return {"topup": self.topup, "words": self.words}


class AskForm(TopUpForm):
    words = "立即以原单号再问供应商一次，不会重复充值。"

    def why_not(self, topup: TopUp) -> str:
        return "" if topup.next_due_at else f"这张直充单现在是“{topup.get_status_display()}”，无需再问。"


def _proof() -> Any:
    text = "供应商的流水号、工单号或书面答复的要点；记入订单记录，买卖双方都能看到，不可更改。"
    return note_field(required=True, label="依据", help_text=text)


class ArrivedForm(TopUpForm):
    words = "认定后订单视为已交付，不能撤回。"
    proof = _proof()


class FailedForm(TopUpForm):
    words = "认定后这一件取消，款项自动全额原路退回买家，并记商家违约金；不能撤回。供应商仍可能到账的，请勿认定。"
    proof = _proof()


# --- the list and the page --------------------------------------------------------------------------------------------


class QueueFilter(admin.SimpleListFilter):
    """Which of them wait for a person."""

    title = "队列"
    parameter_name = "queue"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("person", "待人工核实")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[TopUp]) -> QuerySet[TopUp]:
        return queryset.filter(person_due_at__isnull=False) if self.value() == "person" else queryset


@admin.register(TopUp)
class TopUpDesk(ActsDesk):
    list_display = ("topup_no", "order_no", "supplier", "state", "sent", "tries", "last_error", "due", "person_due")
    list_filter = (QueueFilter, "status", "supplier")
    exact_search = ("topup_no", "line__order__order_no")
    search_help_text = "直充单号 / 订单号"
    ordering = ("-pk",)
    fields = (
        ("topup_no", "order_no"), ("supplier", "sku"), ("state", "reason"), ("made", "sent", "due"),
        ("arrived", "finished"), ("tries", "last_error"), ("person_due", "decided"), ("answered", "proof"),
    )  # fmt: skip
    readonly_fields = (
        "topup_no", "order_no", "supplier", "sku", "state", "reason", "made", "sent", "due", "arrived", "finished",
        "tries", "last_error", "person_due", "decided", "answered", "proof",
    )  # fmt: skip
    actions_detail = ("ask_now", "decide_arrived", "decide_failed")

    state = tone_badge("status", "状态", TONES)
    made = when("created_at", "建立时间")
    sent = when("first_sent_at", "首次提交")
    due = when("next_due_at", "下次询问")
    arrived = when("arrived_at", "到账时间")
    finished = when("finished_at", "结束时间")

    def get_queryset(self, request: HttpRequest) -> QuerySet[TopUp]:
        rows = super().get_queryset(request).select_related("supplier", "line__order", "answer", "decided_by")
        return rows.defer("line__product_page")

    def get_ordering(self, request: HttpRequest) -> list[str]:
        """What waits for a person: the most urgent first."""
        return ["person_due_at", "pk"] if request.GET.get("queue") == "person" else ["-pk"]

    def advice(self, row: TopUp) -> list[tuple[str, str]]:
        return advice(row)

    def acts_of(self, row: TopUp) -> list[str]:
        decisions = ["decide_arrived", "decide_failed"] if topups_by_hand.can_be_decided(row) else []
        return ["ask_now", *decisions] if row.next_due_at else []

    # --- acts, each by its dialog

    @staff_act(AskForm, title="再次询问供应商", submit="再次询问", icon="sync", refused_by=(CannotDecide,))
    def ask_now(self, request: HttpRequest, form: AskForm, object_id: str) -> str:
        topup = _topup(form)
        topups_by_hand.ask_now(topup, at=clock.now())
        log(request, [topup], "再次询问供应商")
        messages.success(request, "将以原单号再次询问供应商。")
        return page_url(topup)

    @staff_act(ArrivedForm, title="认定已到账", submit="确认已到账", icon="check", refused_by=(CannotDecide,))
    def decide_arrived(self, request: HttpRequest, form: ArrivedForm, object_id: str) -> str:
        return self._decide(request, form, TopUpStatus.SUCCEEDED, "已认定到账，买家已收到通知。")

    @staff_act(
        FailedForm, title="认定失败", submit="确认失败并退款", icon="block", danger=True, refused_by=(CannotDecide,)
    )
    def decide_failed(self, request: HttpRequest, form: FailedForm, object_id: str) -> str:
        return self._decide(request, form, TopUpStatus.FAILED, "已认定失败，款项将自动原路退回买家。")

    def _decide(self, request: HttpRequest, form: TopUpForm, outcome: TopUpStatus, words: str) -> str:
        topup, proof = _topup(form), form.cleaned_data["proof"]
        decided = topups_by_hand.decide(topup, outcome, proof=proof, by=me(request), at=clock.now())
        log(request, [topup], f"人工认定：{outcome.label}，{decided.proof}")
        messages.success(request, words)
        return page_url(topup)

    # --- columns

    @admin.display(description="订单")
    def order_no(self, topup: TopUp) -> SafeString | str:
        return link(topup.line.order, topup.line.order.order_no)

    @admin.display(description="供应商答复")
    def answered(self, topup: TopUp) -> SafeString | str:
        return link(topup.answer, f"签名答复 {topup.answer_id}") if topup.answer else "–"

    @admin.display(description="人工核实期限")
    def person_due(self, topup: TopUp) -> SafeString | str:
        return deadline(topup.person_due_at, clock.now())

    @admin.display(description="谁认定")
    def decided(self, topup: TopUp) -> str:
        return called(topup.decided_by) if topup.decided_by else "–"


def _topup(form: TopUpForm) -> TopUp:
    assert form.topup  # noqa: S101 - a form without a top-up has refused already
    return form.topup
