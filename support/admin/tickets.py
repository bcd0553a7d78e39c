"""工单 on the desk: by deadline; claimed, answered, handed over, closed in words. What each may do: ``tickets.py``."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import F, Q, QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from unfold.widgets import UnfoldAdminIntegerFieldWidget

import clock
from accounts import agents
from accounts.desk import DialogForm, badge, deadline, key, me, note_field, staff_act, tone_badge, when
from accounts.rights import Act
from orders.talk import CannotSpeak
from support import people, showing, tickets
from support.admin.acts import SupportDesk, found
from support.models import Ticket, TicketMessage, Tier
from support.models import TicketStatus as S
from support.words import CannotWrite

TONES: dict[str, str] = {S.WAITING: "attention", S.ANSWERED: "progress", S.CLOSED: "quiet"}
STEP_WORDS = {
    "open": "提交",
    "ask": "买家补充",
    "claim": "认领",
    "hand_over": "转交",
    "answer": "答复",
    "close": "关闭",
    "escalate": "超时升级",
    "lapse": "买家未回复，自动关闭",
    "reopen": "重开",
}
REFUSED_BY = (tickets.CannotDo, CannotWrite, CannotSpeak)


class TicketForm(DialogForm):
    """An act on one ticket."""

    @cached_property
    def row(self) -> Ticket | None:
        return Ticket.objects.select_related("buyer", "order").filter(pk=key(self.object_id)).first()

    @cached_property
    def refusal(self) -> str:
        if self.row is None:
            return "没有这张工单。"
        if self.row.status == S.CLOSED:
            return "这张工单已关闭。"
        user = self.request.user
        mine = people.may_work(user, Act.ANSWER, tickets.LABEL, buyer=self.row.buyer, order=self.row.order)
        return "" if mine else "这张工单与您本人或您的店铺有关，须由同事处理。"


class ClaimForm(TicketForm):
    pass


class WordsForm(TicketForm):
    """Words for the buyer, beside what he wrote last. Has he written more meanwhile, it is read first: what was typed
    stays."""

    template = "admin/support/dialog_words.html"
    typed = ""  # the field
    data: Any
    read = forms.IntegerField(min_value=0, widget=forms.HiddenInput)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["read"].initial = self.latest.pk if self.latest else 0

    @cached_property
    def latest(self) -> TicketMessage | None:
        return tickets.last_question(self.row) if self.row else None

    def facts(self) -> dict[str, Any]:
        return {"latest": self.latest}

    def clean(self) -> dict[str, Any]:
        said = super().clean() or {}
        if self.latest and said.get("read") not in {None, self.latest.pk}:
            self.data = self.data.copy()
            self.data["read"] = str(self.latest.pk)
            self.add_error(self.typed, "买家刚刚又写了一条（见上），请看过再发送。")
        return said


class AnswerForm(WordsForm):
    typed = "text"
    text = note_field(
        required=True,
        label="答复",
        placeholder="买家会看到，署您的工号，不可修改。",
        help_text="不能有站外链接、电话号码、QQ 或微信号；卡密会被遮盖。退款的事请引导到退款单。",
    )


class HandOverForm(TicketForm):
    agent = forms.IntegerField(
        label="转交给（工号）",
        min_value=1,
        max_value=10**12,
        widget=UnfoldAdminIntegerFieldWidget(),
        error_messages={"required": "请填写工号。", "invalid": "请填写工号。"},
    )
    note = note_field(required=True, label="交接说明", help_text="同事可见，买家看不到。")


class CloseForm(WordsForm):
    typed = "words"
    words = note_field(
        required=True, label="结语", help_text="买家会看到：结论是什么，还能怎么办。7 天内买家可重开一次。"
    )


class QueueFilter(admin.SimpleListFilter):
    """With whom they lie. Without a choice: what waits, the most urgent first."""

    title = "队列"
    parameter_name = "queue"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("mine", "我经手的"), ("late", "已超时"), ("senior", "已升级"), ("all", "全部")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Ticket]) -> QuerySet[Ticket]:
        rows = {
            "mine": Q(agent=request.user.pk) & ~Q(status=S.CLOSED),
            "late": Q(promised_by__lt=clock.now()),
            "senior": Q(tier__in=[Tier.SENIOR, Tier.OPERATOR], promised_by__isnull=False),
            "all": Q(),
        }
        searched = bool(request.GET.get("q"))
        return queryset.filter(rows.get(self.value() or "", Q() if searched else Q(promised_by__isnull=False)))


@admin.register(Ticket)
class TicketDesk(SupportDesk):
    list_display = ("ticket_no", "topic", "state", "due", "with_whom", "agent_no", "order_link", "opened")
    list_display_links = ("ticket_no",)
    list_filter = (QueueFilter, "topic")
    exact_search = ("ticket_no", "order__order_no", "refund__refund_no", "buyer__username")
    search_help_text = "工单号 / 订单号 / 退款单号 / 买家账号"
    ordering = (F("promised_by").asc(nulls_last=True), "-pk")
    list_select_related = ("order", "refund", "agent", "buyer")
    fields = readonly_fields = (
        "ticket_no", "topic", "state", "due", "with_whom", "agent_no", "order_link", "refund_link", "who", "opened",
        "answered", "closed", "closing_words",
    )  # fmt: skip
    change_form_after_template = "admin/support/ticket.html"
    actions_detail = ("claim", "answer", "hand_over", "close_with_words")

    state = tone_badge("status", "状态", TONES)
    opened = when("opened_at", "提交时间")
    answered = when("first_answered_at", "首次答复")
    closed = when("closed_at", "关闭时间")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Ticket]:
        return super().get_queryset(request).select_related("order", "refund", "agent", "buyer")

    def acts_of(self, row: Ticket) -> list[str]:
        return [] if row.status == S.CLOSED else ["answer", "claim", "hand_over", "close_with_words"]

    def advice(self, row: Ticket) -> list[tuple[str, str]]:
        found = [("bad", "已超过答复期限，请立即处理。")] if tickets.is_late(row, clock.now()) else []
        if case := row.refund or (tickets.pointer(row.order) if row.order else None):
            found.append(
                ("quiet", f"这件事有退款单 {case.refund_no}：结论在退款单里作，工单里只答复和引导，不另作承诺。")
            )
        return found

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> Any:
        row = self.get_queryset(request).filter(pk=key(object_id)).first()
        context: dict[str, Any] = extra_context or {}
        if row and self.has_view_permission(request):
            context = context | {
                "thread": showing.thread(row, before=request.GET.get("before", "")),
                "pictures": showing.pictures_of(row, me(request)),
                "steps": [
                    (event, STEP_WORDS.get(event.step, event.step), agents.number_of(event.actor_id or 0))
                    for event in row.events.select_related("actor").order_by("-pk")[:50]
                ],
                "buyer_id": row.buyer_id,
            }
        return super().change_view(request, object_id, form_url, context)

    # --- acts, each by its dialog

    @staff_act(ClaimForm, title="认领", submit="由我处理", icon="front_hand", refused_by=REFUSED_BY)
    def claim(self, request: HttpRequest, form: ClaimForm, object_id: str) -> str:
        tickets.claim(found(form.row), by=me(request), at=clock.now())
        return self.done(request, found(form.row), "认领工单", "已认领。")

    @staff_act(AnswerForm, title="答复", submit="发送答复", icon="chat", refused_by=REFUSED_BY)
    def answer(self, request: HttpRequest, form: AnswerForm, object_id: str) -> str:
        said = form.cleaned_data
        tickets.answer(found(form.row), said["text"], by=me(request), at=clock.now(), read=said["read"])
        return self.done(request, found(form.row), "答复工单", "已答复，买家会收到通知。")

    @staff_act(HandOverForm, title="转交", submit="转交", icon="swap_horiz", refused_by=REFUSED_BY)
    def hand_over(self, request: HttpRequest, form: HandOverForm, object_id: str) -> str:
        said = form.cleaned_data
        tickets.hand_over(found(form.row), to=said["agent"], note=said["note"], by=me(request), at=clock.now())
        return self.done(request, found(form.row), f"转交工单给工号 {said['agent']}", "已转交，对方会收到通知。")

    @staff_act(CloseForm, title="关闭", submit="关闭工单", icon="task_alt", refused_by=REFUSED_BY)
    def close_with_words(self, request: HttpRequest, form: CloseForm, object_id: str) -> str:
        said = form.cleaned_data
        tickets.close(found(form.row), said["words"], by=me(request), at=clock.now(), read=said["read"])
        return self.done(request, found(form.row), "关闭工单", "已关闭，买家会收到通知。")

    # --- columns

    @admin.display(description="答复期限")
    def due(self, row: Ticket) -> SafeString | str:
        return deadline(row.promised_by, clock.now())

    @admin.display(description="等谁处理")
    def with_whom(self, row: Ticket) -> SafeString | str:
        tone = "quiet" if row.tier == Tier.AGENT else "attention"
        return badge(row.get_tier_display(), tone) if row.promised_by else "–"

    @admin.display(description="经手工号")
    def agent_no(self, row: Ticket) -> str:
        return str(agents.number_of(row.agent_id)) if row.agent_id else "–"
