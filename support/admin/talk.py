"""沟通 on the desk: what was said on an order, an answer as support, the note of a telephone call."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from unfold.widgets import UnfoldAdminSplitDateTimeWidget

import clock
from accounts import rights
from accounts.desk import DialogForm, choice_field, key, link, me, note_field, staff_act, when
from accounts.rights import Act
from orders import talk
from orders.models import Call, Order
from support.admin.acts import SupportDesk, found
from support.models import Talk


class TalkForm(DialogForm):
    """An act on the talk of one order."""

    @cached_property
    def row(self) -> Talk | None:
        return Talk.objects.select_related("shop").filter(pk=key(self.object_id)).first()

    @cached_property
    def refusal(self) -> str:
        if self.row is None:
            return "没有这张订单。"
        user = self.request.user
        return "" if talk.side_of(self.row, user) == "platform" else "这是您自己的订单，或属于您的店铺，须由同事处理。"


class AnswerForm(TalkForm):
    text = note_field(
        required=True,
        label="留言",
        placeholder="买卖双方都能看到，署您的工号，不可修改。",
        help_text="不能有站外链接、电话号码、QQ 或微信号；卡密会被遮盖。",
    )


class CallForm(TalkForm):
    call = choice_field(choices=[(call.value, str(call.label)) for call in Call], label="谁打给谁")
    called_at = forms.SplitDateTimeField(label="通话时间", widget=UnfoldAdminSplitDateTimeWidget())
    text = note_field(
        required=True,
        label="说了什么",
        placeholder="谁说了什么、约定了什么。",
        help_text="买卖双方都能看到，署您的工号，不可修改。不要写电话号码和卡密。",
    )


@admin.register(Talk)
class TalkDesk(SupportDesk):
    """An order looked at for what was said. Whoever sees the order reads it; support speaks."""

    list_display = ("order_no", "shop", "placed")
    exact_search = ("order_no", "buyer__username")
    search_help_text = "订单号 / 买家账号"
    ordering = ("-pk",)
    list_select_related = ("shop",)
    fields = readonly_fields = ("order_link", "shop", "placed")
    change_form_after_template = "admin/support/talk.html"
    actions_detail = ("answer_as_support", "log_call")

    placed = when("placed_at", "下单时间")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Talk]:
        return super().get_queryset(request).select_related("shop", "buyer")

    def may_act(self, request: HttpRequest, act: str) -> bool:
        return rights.may(request.user, Act.SPEAK, "orders.order")

    def acts_of(self, row: Talk) -> list[str]:
        return ["answer_as_support", "log_call"]

    def about(self, row: Talk) -> dict[str, Any]:
        return {"order": row}

    @admin.display(description="订单")
    def order_link(self, row: Talk) -> SafeString | str:
        return link(Order.objects.get(pk=row.pk))

    @staff_act(
        AnswerForm, title="以客服身份留言", submit="发送", icon="chat", refused_by=(talk.CannotSpeak,)
    )  # fmt: skip
    def answer_as_support(self, request: HttpRequest, form: AnswerForm, object_id: str) -> str:
        message = talk.answer(found(form.row), form.cleaned_data["text"], by=me(request), at=clock.now())
        return self._noted(request, form, message)

    @staff_act(CallForm, title="记录电话", submit="记入沟通", icon="call", refused_by=(talk.CannotSpeak,))
    def log_call(self, request: HttpRequest, form: CallForm, object_id: str) -> str:
        said = form.cleaned_data
        message = talk.log_call(
            found(form.row), said["text"], call=Call(said["call"]), called_at=said["called_at"], by=me(request),
            at=clock.now(),
        )  # fmt: skip
        return self._noted(request, form, message)

    def _noted(self, request: HttpRequest, form: TalkForm, message: Any) -> str:
        logged = f"沟通：{talk.number_of(message)}"
        return self.done(request, found(form.row), logged, "已记入沟通，买卖双方会收到通知。")
