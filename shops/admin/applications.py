"""入驻申请 on the desk: operators look at the papers, and approve or reject; an approved one opens its shop."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from django.contrib import admin, messages
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

import clock
from accounts.desk import (
    ActsDesk,
    DialogForm,
    called,
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
from shops import life
from shops.models import ApplicationStatus, ShopApplication

TONES: dict[str, str] = {
    ApplicationStatus.SUBMITTED: "attention",
    ApplicationStatus.APPROVED: "good",
    ApplicationStatus.REJECTED: "bad",
}


class DecisionForm(DialogForm):
    template = "admin/shops/shopapplication/dialog.html"
    told = ""

    @cached_property
    def application(self) -> ShopApplication | None:
        return ShopApplication.objects.select_related("applicant").filter(pk=key(self.object_id)).first()

    @cached_property
    def refusal(self) -> str:
        if self.application is None:
            return "没有这份申请。"
        if self.application.status != ApplicationStatus.SUBMITTED:
            return f"这份申请已处理：{self.application.get_status_display()}。"
        return ""

    def facts(self) -> dict[str, Any]:
        return {"application": self.application, "told": self.told}


class ApproveForm(DecisionForm):
    told = "店铺立即开张，申请人成为店主。"
    note = note_field(required=False, label="审核说明（选填）")


class RejectForm(DecisionForm):
    told = "申请人会看到原因，可以改好后重新申请。"
    note = note_field(
        required=True, label="不通过的原因", placeholder="写明缺什么、怎样补，例如：营业执照照片看不清编号。"
    )


@admin.register(ShopApplication)
class ShopApplicationDesk(ActsDesk):
    list_display = ("name", "who", "goods", "state", "moment")
    list_display_links = ("name",)
    list_filter = ("status",)
    exact_search = ("name", "applicant__username")
    search_help_text = "店铺名 / 申请人账号"
    ordering = ("-pk",)
    list_select_related = ("applicant",)
    fields = (
        ("name", "state"), ("who", "contact"), "goods", "about", "papers", ("moment", "decided"),
        ("decider", "shop_link"), "decision_note",
    )  # fmt: skip
    readonly_fields = (
        "name", "state", "who", "contact", "goods", "about", "papers", "moment", "decided", "decider", "shop_link",
        "decision_note",
    )  # fmt: skip
    actions_detail = ("approve", "reject")

    state = tone_badge("status", "状态", TONES)
    moment = when("submitted_at", "申请时间")
    decided = when("decided_at", "审核时间")

    def acts_of(self, row: ShopApplication) -> list[str]:
        return ["approve", "reject"] if row.status == ApplicationStatus.SUBMITTED else []

    @admin.display(description="申请人")
    def who(self, row: ShopApplication) -> str:
        return row.applicant.username

    @admin.display(description="审核人")
    def decider(self, row: ShopApplication) -> str:
        return called(row.decided_by) if row.decided_by else "–"

    @admin.display(description="店铺")
    def shop_link(self, row: ShopApplication) -> SafeString | str:
        return link(row.shop)

    @admin.display(description="材料")
    def papers(self, row: ShopApplication) -> SafeString | str:
        """Private pictures, each opened by a door that asks who is there."""
        rows = ((reverse("portal:document", args=[paper.pk]), paper.title) for paper in row.documents.order_by("pk"))
        shown = format_html_join(" ", '<a class="desk-link" href="{}" target="_blank" rel="noopener">{}</a>', rows)
        return format_html("{}", shown) if shown else "–"

    @staff_act(ApproveForm, title="通过", submit="通过并开店", icon="check", refused_by=(life.CannotDecide,))
    def approve(self, request: HttpRequest, form: ApproveForm, object_id: str) -> str:
        application = _application(form)
        shop = life.approve(application, by=me(request), at=clock.now(), note=form.cleaned_data["note"])
        log(request, [application], f"通过入驻申请，店铺 {shop.name}")
        messages.success(request, f"已通过，{shop.name}已开张。")
        return page_url(shop)

    @staff_act(RejectForm, title="驳回", submit="确认驳回", icon="close", danger=True, refused_by=(life.CannotDecide,))
    def reject(self, request: HttpRequest, form: RejectForm, object_id: str) -> str:
        application = _application(form)
        life.reject(application, by=me(request), at=clock.now(), note=form.cleaned_data["note"])
        log(request, [application], f"驳回入驻申请：{form.cleaned_data['note']}")
        messages.success(request, "已驳回，申请人会收到原因。")
        return page_url(application)


def _application(form: DecisionForm) -> ShopApplication:
    assert form.application  # a form without an application has refused already
    return form.application
