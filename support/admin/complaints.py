"""投诉商家 on the desk: investigated, extended, upheld or dismissed. What each may do: ``complaints.py``."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from django.contrib import admin
from django.db.models import F, QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

import clock
from accounts.desk import (
    DialogForm,
    called,
    deadline,
    key,
    link,
    me,
    note_field,
    number_field,
    staff_act,
    tone_badge,
    when,
)
from support import complaints, showing
from support.admin.acts import SupportDesk, found
from support.models import ComplaintStatus as S
from support.models import ShopComplaint
from support.models.complaint import LONGEST_EXTENSION_HOURS
from support.words import CannotWrite

TONES: dict[str, str] = {S.OPEN: "attention", S.INVESTIGATING: "progress", S.UPHELD: "bad", S.DISMISSED: "quiet"}
REFUSED_BY = (complaints.CannotComplain, CannotWrite)


class ComplaintForm(DialogForm):
    """An act on one complaint; the step's own status is asked for."""

    step = ""

    @cached_property
    def row(self) -> ShopComplaint | None:
        return ShopComplaint.objects.select_related("shop", "order", "buyer").filter(pk=key(self.object_id)).first()

    @cached_property
    def refusal(self) -> str:
        if self.row is None:
            return "没有这件投诉。"
        fits = self.row.status == complaints.STEPS[self.step].source
        return "" if fits else f"这件投诉现在是“{self.row.get_status_display()}”，不能这样做。"


class InvestigateForm(ComplaintForm):
    step = "investigate"


class ExtendForm(ComplaintForm):
    step = "extend"
    hours = number_field(
        least=1,
        most=LONGEST_EXTENSION_HOURS,
        label="延长（小时）",
        help_text="只延长这张订单正在审核的退款单，一次；买家的承诺时间随之推后。",
    )
    reason = note_field(required=True, label="理由", help_text="买家会看到：查什么，为什么要等。")


class UpholdForm(ComplaintForm):
    step = "uphold"
    reason = note_field(
        required=True, label="结论理由", help_text="买家和商家都会看到；记入店铺数据，并通知运营管理员。"
    )


class DismissForm(ComplaintForm):
    step = "dismiss"
    reason = note_field(required=True, label="结论理由", help_text="买家和商家都会看到。")


@admin.register(ShopComplaint)
class ComplaintDesk(SupportDesk):
    list_display = ("complaint_no", "shop_link", "state", "due", "causes_shown", "investigator_shown", "opened")
    list_display_links = ("complaint_no",)
    list_filter = ("status",)
    exact_search = ("complaint_no", "order__order_no", "shop__name")
    search_help_text = "投诉号 / 订单号 / 店铺名"
    ordering = (F("promised_by").asc(nulls_last=True), "-pk")
    list_select_related = ("shop", "investigator")
    fields = readonly_fields = (
        "complaint_no", "state", "due", "tier", "shop_link", "order_link", "who", "opened", "causes_shown", "text",
        "investigator_shown", "begun", "shop_answer", "answered", "decided", "reason", "refund_link",
        "extends_review_hours", "extends_review_reason",
    )  # fmt: skip
    change_form_after_template = "admin/support/complaint.html"
    actions_detail = ("investigate", "extend_review", "uphold", "dismiss")

    state = tone_badge("status", "状态", TONES)
    opened = when("opened_at", "提交时间")
    begun = when("investigated_at", "开始调查")
    answered = when("shop_answered_at", "商家答复时间")
    decided = when("decided_at", "结论时间")

    def get_queryset(self, request: HttpRequest) -> QuerySet[ShopComplaint]:
        rows = super().get_queryset(request)
        return rows.select_related("shop", "order", "buyer", "investigator", "refund")

    def acts_of(self, row: ShopComplaint) -> list[str]:
        under_way = ["uphold", "dismiss", *([] if row.extends_review_hours else ["extend_review"])]
        return {S.OPEN: ["investigate"], S.INVESTIGATING: under_way}.get(S(row.status), [])

    def advice(self, row: ShopComplaint) -> list[tuple[str, str]]:
        if row.status == S.INVESTIGATING and not row.shop_answer:
            return [("quiet", "商家还没有答复。不答复不影响作结论。")]
        return []

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> Any:
        row = self.get_queryset(request).filter(pk=key(object_id)).first()
        context: dict[str, Any] = extra_context or {}
        if row and self.has_view_permission(request):
            context = context | {"pictures": showing.pictures_of(row, me(request)), "order": row.order}
        return super().change_view(request, object_id, form_url, context)

    # --- acts, each by its dialog

    @staff_act(
        InvestigateForm, title="开始调查", submit="开始调查", icon="search", refused_by=REFUSED_BY,
        description="商家会收到通知，并可答复一次；7 天内作结论。",
    )  # fmt: skip
    def investigate(self, request: HttpRequest, form: InvestigateForm, object_id: str) -> str:
        complaints.investigate(found(form.row), by=me(request), at=clock.now())
        return self.done(request, found(form.row), "开始调查投诉", "已开始调查，买家和商家会收到通知。")

    @staff_act(ExtendForm, title="延长退款审核", submit="延长", icon="more_time", refused_by=REFUSED_BY)
    def extend_review(self, request: HttpRequest, form: ExtendForm, object_id: str) -> str:
        said = form.cleaned_data
        complaints.extend_review(
            found(form.row), hours=said["hours"] or 0, reason=said["reason"], by=me(request), at=clock.now()
        )
        told = "已延长，买家会收到新的时间和理由。"
        return self.done(request, found(form.row), f"因调查延长退款审核 {said['hours']} 小时", told)

    @staff_act(UpholdForm, title="投诉成立", submit="确认成立", icon="gavel", danger=True, refused_by=REFUSED_BY)
    def uphold(self, request: HttpRequest, form: UpholdForm, object_id: str) -> str:
        complaints.uphold(found(form.row), reason=form.cleaned_data["reason"], by=me(request), at=clock.now())
        return self.done(request, found(form.row), "投诉成立", "已记录，运营管理员会收到通知。")

    @staff_act(DismissForm, title="投诉不成立", submit="确认不成立", icon="block", refused_by=REFUSED_BY)
    def dismiss(self, request: HttpRequest, form: DismissForm, object_id: str) -> str:
        complaints.dismiss(found(form.row), reason=form.cleaned_data["reason"], by=me(request), at=clock.now())
        return self.done(request, found(form.row), "投诉不成立", "已记录，买家和商家会收到通知。")

    # --- columns

    @admin.display(description="期限")
    def due(self, row: ShopComplaint) -> SafeString | str:
        return deadline(row.promised_by, clock.now())

    @admin.display(description="店铺")
    def shop_link(self, row: ShopComplaint) -> SafeString | str:
        return link(row.shop)

    @admin.display(description="事由")
    def causes_shown(self, row: ShopComplaint) -> str:
        return "、".join(showing.complaint(row).causes)

    @admin.display(description="调查人")
    def investigator_shown(self, row: ShopComplaint) -> str:
        return called(row.investigator) if row.investigator else "–"
