"""自动退款抽查 on the desk: decisions that no person took, for a person to judge. The oldest first."""

from __future__ import annotations

from functools import cached_property
from typing import Any, cast

from django.contrib import admin, messages
from django.db.models import F, QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

import clock
from accounts.desk import (
    ActsDesk,
    DialogForm,
    badge,
    called,
    choice_field,
    key,
    link,
    list_url,
    log,
    me,
    money,
    note_field,
    staff_act,
    when,
)
from accounts.models import User
from refunds import audits
from refunds.models import AuditSample, Lane

TONES = {"": "attention", AuditSample.Verdict.RIGHT: "good", AuditSample.Verdict.WRONG: "bad"}


class JudgeForm(DialogForm):
    template = "admin/refunds/auditsample/dialog.html"
    verdict = choice_field(choices=[(one.value, str(one.label)) for one in AuditSample.Verdict], label="结论")
    note = note_field(required=False, label="说明（判断有误时必填）", placeholder="错在哪里，规则或额度该怎样改。")

    @cached_property
    def sample(self) -> AuditSample | None:
        rows = AuditSample.objects.select_related("refund__order__shop", "refund__buyer", "checked_by")
        return rows.filter(pk=key(self.object_id)).first()

    @cached_property
    def refusal(self) -> str:
        if self.sample is None:
            return "没有这条抽查。"
        return audits.why_not(self.sample, cast(User, self.request.user))

    def facts(self) -> dict[str, Any]:
        return {"sample": self.sample}


class StateFilter(admin.SimpleListFilter):
    """What is still to be looked at, unless asked for otherwise."""

    title = "情况"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("waiting", "待抽查"), ("right", "判断正确"), ("wrong", "判断有误")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[AuditSample]) -> QuerySet[AuditSample]:
        states = {"waiting": "", "right": AuditSample.Verdict.RIGHT, "wrong": AuditSample.Verdict.WRONG}
        return queryset.filter(verdict=states[self.value() or ""]) if self.value() in states else queryset


@admin.register(AuditSample)
class AuditSampleDesk(ActsDesk):
    list_display = ("number", "lane_name", "amount", "shop", "drawn", "state", "checker", "note")
    list_display_links = ("number",)
    list_filter = (StateFilter, "lane")
    exact_search = ("refund__refund_no",)
    search_help_text = "退款单号"
    fields = (("case", "state"), ("lane_name", "amount"), ("shop", "drawn"), ("checker", "checked"), "note")
    readonly_fields = ("case", "state", "lane_name", "amount", "shop", "drawn", "checker", "checked", "note")
    actions_detail = ("judge",)

    amount = money("refund__amount_fen", "退款金额")
    drawn = when("drawn_at", "抽取时间")
    checked = when("checked_at", "抽查时间")

    def get_queryset(self, request: HttpRequest) -> QuerySet[AuditSample]:
        return super().get_queryset(request).select_related("refund__order__shop", "refund__buyer", "checked_by")

    def get_ordering(self, request: HttpRequest) -> tuple[Any, ...]:
        """Those to look at stand first, the oldest of them at the head; then the newest conclusions."""
        return (F("checked_at").desc(nulls_first=True), "drawn_at", "pk")

    def acts_of(self, row: AuditSample) -> list[str]:
        return [] if row.verdict else ["judge"]

    def advice(self, row: AuditSample) -> list[tuple[str, str]]:
        if row.verdict:
            return []
        return [("attention", "请打开退款单，核对依据与规则结果，再记结论。结论只进统计，不动钱，也不影响买家。")]

    @admin.display(description="退款单")
    def number(self, row: AuditSample) -> str:
        return row.refund.refund_no

    @admin.display(description="退款单")
    def case(self, row: AuditSample) -> SafeString | str:
        return link(row.refund)

    @admin.display(description="通道")
    def lane_name(self, row: AuditSample) -> str:
        return str(Lane(row.lane).label)

    @admin.display(description="店铺")
    def shop(self, row: AuditSample) -> SafeString | str:
        return link(row.refund.order.shop)

    @admin.display(description="结论")
    def state(self, row: AuditSample) -> SafeString:
        return badge(row.get_verdict_display() if row.verdict else "待抽查", TONES[row.verdict])

    @admin.display(description="抽查人")
    def checker(self, row: AuditSample) -> str:
        return called(row.checked_by) if row.checked_by else "–"

    @staff_act(JudgeForm, title="记结论", submit="记下结论", icon="fact_check", refused_by=(audits.CannotCheck,))
    def judge(self, request: HttpRequest, form: JudgeForm, object_id: str) -> str:
        assert form.sample  # a form without a sample has refused already
        verdict, note = form.cleaned_data["verdict"], form.cleaned_data["note"]
        audits.check(form.sample, verdict=verdict, note=note, by=me(request), at=clock.now())
        words = AuditSample.Verdict(verdict).label
        log(request, [form.sample], f"抽查 {form.sample.refund.refund_no}：{words}")
        messages.success(request, f"{form.sample.refund.refund_no} 已记为“{words}”。")
        return list_url(AuditSample, state="waiting")
