"""平台赔付 on the desk: given from an order's page; above the limit another person checks it here."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.http import HttpRequest
from django.utils.safestring import SafeString

import clock
from accounts.desk import (
    ActsDesk,
    DialogForm,
    amount_field,
    badge,
    called,
    key,
    link,
    log,
    me,
    money,
    note_field,
    page_url,
    staff_act,
    text_field,
    when,
    yuan,
)
from orders import compensating
from orders.compensating import CannotCompensate
from orders.models import Compensation, Order
from orders.models.compensation import ALONE_A_DAY_FEN


class CompensateForm(DialogForm):
    """The platform gives this order's buyer something, on the balance."""

    template = "admin/orders/order/dialog_compensate.html"
    amount = amount_field()
    reason = note_field(required=True, label="原因", help_text="买家会看到这段话，不超过 300 字。")
    refund_no = text_field(label="退款单号", most=20, help_text="这笔赔付因哪张退款单而起；没有可留空。")
    seen = forms.IntegerField(min_value=0, widget=forms.HiddenInput)  # a form that is sent twice pays once

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["refund_no"].required = False
        self.fields["amount"].required = True
        self.fields["amount"].error_messages["required"] = "请填写金额，例如 12.50。"
        self.fields["seen"].initial = len(self.given)

    @cached_property
    def order(self) -> Order | None:
        return Order.objects.select_related("buyer", "policy").filter(pk=key(self.object_id)).first()

    @cached_property
    def refusal(self) -> str:
        if self.order is None:
            return "没有这张订单。"
        return "访客没有余额，请先让买家注册并认领订单。" if self.order.buyer.is_guest else ""

    @cached_property
    def given(self) -> list[Compensation]:
        """What the order's buyer was given before, paid or not."""
        return list(self.order.compensations.order_by("pk")) if self.order else []

    def facts(self) -> dict[str, Any]:
        if self.order is None:
            return {}
        given = [f"{yuan(row.amount_fen)} {row.reason}" for row in self.given if row.refused_at is None]
        limits = {"limit": yuan(self.order.policy.senior_above_fen), "a_day": yuan(ALONE_A_DAY_FEN)}
        return {"order": self.order, "given": given} | limits


class DecideForm(DialogForm):
    template = "admin/orders/compensation/dialog_decide.html"
    sure = forms.BooleanField(label="已核对原因与金额", error_messages={"required": "请先核对。"})

    @cached_property
    def row(self) -> Compensation | None:
        return Compensation.objects.select_related("order", "buyer", "made_by").filter(pk=key(self.object_id)).first()

    @cached_property
    def refusal(self) -> str:
        if self.row is None:
            return "没有这笔赔付。"
        return "" if compensating.is_open(self.row) else "这笔赔付已经入账或驳回。"

    def facts(self) -> dict[str, Any]:
        return {"row": self.row, "amount": yuan(self.row.amount_fen)} if self.row else {}


class OpenFilter(admin.SimpleListFilter):
    title = "状态"
    parameter_name = "open"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("1", "待复核")]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        return queryset.filter(paid_at=None, refused_at=None) if self.value() == "1" else queryset


@admin.register(Compensation)
class CompensationDesk(ActsDesk):
    list_display = ("moment", "order_link", "amount", "state", "maker", "checker", "reason")
    list_display_links = ("moment",)
    list_filter = (OpenFilter,)
    exact_search = ("order__order_no", "refund_no")
    search_help_text = "订单号 / 退款单号"
    ordering = ("-pk",)
    list_select_related = ("order", "made_by", "checked_by")
    fields = (
        ("order_link", "refund_no"), ("amount", "limit"), "reason", ("maker", "moment"), ("checker", "state"),
        ("paid", "refused"),
    )  # fmt: skip
    readonly_fields = (
        "order_link", "refund_no", "amount", "limit", "reason", "maker", "moment", "checker", "state", "paid",
        "refused",
    )  # fmt: skip
    actions_detail = ("confirm", "refuse")

    def acts_of(self, row: Compensation) -> list[str]:
        return ["confirm", "refuse"] if compensating.is_open(row) else []

    @staff_act(DecideForm, title="复核赔付", submit="通过并入账", icon="check", refused_by=(CannotCompensate,))
    def confirm(self, request: HttpRequest, form: DecideForm, object_id: str) -> str:
        row = _row(form)
        compensating.confirm(row, by=me(request), at=clock.now())
        log(request, [row], f"复核通过赔付 {yuan(row.amount_fen)}")
        messages.success(request, f"已入账，{yuan(row.amount_fen)} 存入买家余额。")
        return page_url(row)

    @staff_act(
        DecideForm, title="驳回赔付", submit="驳回", icon="close", danger=True, refused_by=(CannotCompensate,)
    )  # fmt: skip
    def refuse(self, request: HttpRequest, form: DecideForm, object_id: str) -> str:
        row = _row(form)
        compensating.refuse(row, by=me(request), at=clock.now())
        log(request, [row], f"驳回赔付 {yuan(row.amount_fen)}")
        messages.success(request, "已驳回，没有入账。")
        return page_url(row)

    amount = money("amount_fen", "金额")
    limit = money("limit_fen", "审批线")
    moment = when("made_at", "提出时间")
    paid = when("paid_at", "入账时间")
    refused = when("refused_at", "驳回时间")

    @admin.display(description="订单")
    def order_link(self, row: Compensation) -> SafeString | str:
        return link(row.order)

    @admin.display(description="状态")
    def state(self, row: Compensation) -> SafeString:
        if row.paid_at:
            return badge("已入账", "good")
        return badge("已驳回", "quiet") if row.refused_at else badge("待复核", "attention")

    @admin.display(description="提出人")
    def maker(self, row: Compensation) -> str:
        return called(row.made_by)

    @admin.display(description="复核人")
    def checker(self, row: Compensation) -> str:
        return called(row.checked_by)


def _row(form: DecideForm) -> Compensation:
    assert form.row  # a form without a row has refused already
    return form.row
