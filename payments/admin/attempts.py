"""渠道退款 on the desk: what waits for a person, what the channel said when, and the four ways out.

再次询问 under the same number, 按渠道拒绝关闭, 退回商户账户, 再次退回 of a surplus. Each is decided in ``by_hand.py``,
under its lock.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

import clock
from accounts.desk import (
    MOST_COUNTED,
    ActsDesk,
    DialogForm,
    badge,
    called,
    chosen_keys,
    key,
    link,
    list_url,
    log,
    me,
    money,
    page_url,
    staff_act,
    tone_badge,
    when,
)
from accounts.rights import Act
from payments import attention, by_hand, refunding
from payments.models import AttemptEvent, AttemptStatus, Attention, Channel, RefundAttempt

A = AttemptStatus
CAN_ASK_AGAIN = (A.HELD, A.WAITING_FUNDS)
WAITS_FOR_A_PERSON = (*CAN_ASK_AGAIN, A.RETURNED, A.BACK_WITH_MERCHANT)
MOST_EVENTS = 50
TONES: dict[str, str] = {
    A.UNKNOWN: "attention",
    A.HELD: "bad",
    A.WAITING_FUNDS: "attention",
    A.RETURNED: "bad",
    A.ACCEPTED: "progress",
    A.SUCCEEDED: "good",
    A.BACK_WITH_MERCHANT: "bad",
}
ADVICE: dict[str, str] = {
    A.UNKNOWN: "渠道还没有给出可信的答复。系统正以同一单号查询，不会重复退款，无需处理。",
    A.WAITING_FUNDS: "商户号余额不足。充值后到渠道账户点“已充值，继续发送”，等待的退款以原单号继续；不点也会定时试探。",
    A.RETURNED: "买家的收款账户没有收下，钱还在支付宝，由支付宝自行退入买家余额；系统会自行查到结果。",
    A.BACK_WITH_MERCHANT: "已退回商户号，买家没有收到。还没有重退的，请在退款单上“重新原路退款”，或等买家选去向。",
    A.CLOSED: "这个单号已作废，占用已释放。要再退，请在退款单上“重新原路退款”，或等买家选去向。",
    A.EXTERNAL: "这一笔不是从这里发起的，是在渠道侧退的。",
}
SURPLUS_ADVICE = "这是重复或超时付款，没有退成，背后没有退款单，钱还在商户号。请“再次退回”，会以新的单号原路退回。"
SEND_BACK_ADVICE = (
    "买家的收款账户没有收下，钱还在微信支付。先等买家在退款单上选择去向；不等了，请点“退回商户账户”，"
    "钱回到商户号后再在退款单上重退。"
)
SURPLUS_BACK_ADVICE = "付款人的收款账户没有收下，背后没有退款单。请点“退回商户账户”，钱回到商户号后再点“再次退回”。"
HELD_ADVICE = {
    "refused": "渠道拒绝了这一笔，查询也没有它。原因已排除的，“再次询问渠道”会以原单号再发；"
    "不再用这个单号的，“按渠道拒绝关闭”。",
    "never_sent": "这一笔没有发往渠道。原因已排除的，“再次询问渠道”会发出；不再用这个单号的，可以关闭。",
    "unsure": "这一笔可能已经退了，也可能没有。请先在商户平台以此单号核对，再“再次询问渠道”。结果未定，不能关闭。",
}
ATTENTION_ADVICE: dict[str, str] = {
    Attention.SLOW: "渠道受理已超过 5 天仍无结果。请凭渠道退款单号联系渠道客服；系统仍在定时查询，请勿另开新单。",
    Attention.FUNDS: "商户余额不足已超过 3 天，买家在等。请尽快充值。",
}


def advice(row: RefundAttempt) -> list[tuple[str, str]]:
    """What to do about an attempt: (tone, sentence)."""
    said = [("bad", ATTENTION_ADVICE[row.attention])] if row.attention else []
    words = ADVICE.get(row.status, "")
    if row.status == A.HELD:
        words = HELD_ADVICE[
            "refused" if row.refused_at else "never_sent" if row.first_sent_at is None else "unsure"
        ]  # as ``by_hand.can_be_closed`` has it
    if by_hand.can_be_given_back_again(row):
        return [*said, ("bad", SURPLUS_ADVICE)]
    if can_be_sent_back(row):
        words = SURPLUS_BACK_ADVICE if row.payment.is_surplus else SEND_BACK_ADVICE
    if row.redirect_to and row.status in {A.UNKNOWN, A.ACCEPTED}:
        words = f"已决定改退至：{row.get_redirect_to_display()}。系统正在告知渠道，结果会自动更新，无需处理。"
    tone = "attention" if row.status in WAITS_FOR_A_PERSON else "quiet"
    return [*said, (tone, words)] if words else said


# --- dialogs --------------------------------------------------------------------------------------------------------


class AskAgainForm(DialogForm):
    """再次询问: under the same number, so that the buyer can never be paid twice."""

    template = "admin/payments/refundattempt/dialog_ask_again.html"

    @cached_property
    def rows(self) -> list[RefundAttempt]:
        keys = chosen_keys(self.request) if self.object_id is None else [key(self.object_id)]
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
        return {
            "ready": self.ready,
            "left_out": len(self.rows) - len(self.ready),
            "total_fen": sum(row.amount_fen for row in self.ready),
            "short": {row.payment.account for row in self.ready if row.payment.account.short_since},
        }


class AttemptForm(DialogForm):
    """An act on one attempt."""

    @cached_property
    def row(self) -> RefundAttempt | None:
        return RefundAttempt.objects.filter(pk=key(self.object_id)).select_related("payment__account").first()

    @cached_property
    def refusal(self) -> str:
        return self.why_not(self.row) if self.row else "没有这笔渠道退款。"

    def why_not(self, row: RefundAttempt) -> str:
        raise NotImplementedError

    def facts(self) -> dict[str, Any]:
        return {"row": self.row}


class CloseForm(AttemptForm):
    template = "admin/payments/refundattempt/dialog_close.html"

    def why_not(self, row: RefundAttempt) -> str:
        if row.status not in CAN_ASK_AGAIN:
            return gone_on(row)
        return "" if by_hand.can_be_closed(row) else "渠道没有拒绝这一笔，它可能已经退了：结果未定，不能关闭。"


class SendBackForm(AttemptForm):
    template = "admin/payments/refundattempt/dialog_send_back.html"

    def why_not(self, row: RefundAttempt) -> str:
        if row.status != A.RETURNED:
            return gone_on(row)
        return "" if can_be_sent_back(row) else "支付宝没有这个办法：银行退回的钱由支付宝自行退入买家余额。"


class GiveBackForm(AttemptForm):
    """再次退回: the first number is closed; the reserve, under its lock, lets only one new one through."""

    template = "admin/payments/refundattempt/dialog_give_back.html"

    def why_not(self, row: RefundAttempt) -> str:
        if not by_hand.can_be_given_back_again(row):
            return gone_on(row)
        return refunding.why_not(row.payment, row.payment.refundable_fen, at=clock.now())


def can_be_sent_back(row: RefundAttempt) -> bool:
    """异常退款 is WeChat's; Alipay puts what a bank returns into the buyer's balance by itself."""
    return row.status == A.RETURNED and row.payment.account.channel == Channel.WECHAT


def gone_on(row: RefundAttempt) -> str:
    """A colleague, or the channel, was faster: who, when, and what stands now (P2)."""
    last = AttemptEvent.objects.filter(attempt=row).select_related("by").order_by("-pk").first()
    who = f"{called(last.by)}已处理，" if last and last.by else ""
    return f"{who}这笔渠道退款现为“{row.get_status_display()}”，您的操作没有执行。"


# --- the list and the page --------------------------------------------------------------------------------------------


class QueueFilter(admin.SimpleListFilter):
    """Which tab: what waits for somebody, the oldest first; without one all, the newest first."""

    title = "队列"
    parameter_name = "queue"
    template = "admin/desk/nothing.html"  # shown as tabs instead

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(name, queue.title) for name, queue in attention.QUEUES.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[RefundAttempt]) -> QuerySet[RefundAttempt]:
        queue = attention.QUEUES.get(self.value() or "")
        return queryset.filter(queue.rows) if queue else queryset


@admin.register(RefundAttempt)
class RefundAttemptDesk(ActsDesk):
    list_display = ("request_no", "amount", "state", "said", "account", "due", "created")
    list_display_links = ("request_no",)
    list_filter = (QueueFilter, "status", "payment__account")
    exact_search = ("request_no", "channel_refund_id", "payment__payment_no")
    search_help_text = "商户退款单号 / 渠道退款单号 / 收款单号"
    list_select_related = ("payment__account",)
    list_before_template = "admin/payments/refundattempt/tabs.html"
    change_form_after_template = "admin/payments/refundattempt/history.html"
    fieldsets = (
        (None, {"fields": (
            ("request_no", "state"), ("amount", "reason"), ("payment_link", "account_link"),
            ("channel_refund_id", "answer"), ("received_account", "redirect_to"), "case_link",
        )}),
        ("时间", {"fields": (
            ("created_at", "first_sent_at"), ("accepted_at", "refused_at"), ("arrival_expected_at", "finished_at"),
            ("bank_acknowledged_at", "next_due_at"), "tries",
        )}),
    )  # fmt: skip
    readonly_fields = ("payment_link", "account_link", "case_link", "amount", "state", "answer")
    chosen_acts = ("ask_again",)
    actions_detail = ("ask_again_one", "close_refused", "send_back", "give_back")

    amount = money("amount_fen", "金额")
    created, due = when("created_at", "创建时间"), when("next_due_at", "下次处理")
    status_badge = tone_badge("status", "状态", TONES)

    def get_ordering(self, request: HttpRequest) -> list[str]:
        return ["pk"] if request.GET.get("queue") in attention.QUEUES else ["-pk"]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        context: dict[str, Any] = {}
        if self.has_view_permission(request):
            queue = attention.QUEUES.get(request.GET.get("queue", ""))
            context = {"tabs": tabs(request), "queue": queue}
        return super().changelist_view(request, context | (extra_context or {}))

    def get_queryset(self, request: HttpRequest) -> QuerySet[RefundAttempt]:
        return super().get_queryset(request).select_related("payment__account")

    def advice(self, row: RefundAttempt) -> list[tuple[str, str]]:
        return advice(row)

    def acts_of(self, row: RefundAttempt) -> list[str]:
        waits = row.status in CAN_ASK_AGAIN
        allowed = {
            "ask_again_one": waits,
            "close_refused": waits and by_hand.can_be_closed(row),
            "send_back": can_be_sent_back(row),
            "give_back": by_hand.can_be_given_back_again(row),
        }
        return [name for name, is_so in allowed.items() if is_so]

    def about(self, row: RefundAttempt) -> dict[str, Any]:
        newest = AttemptEvent.objects.filter(attempt=row).select_related("by").order_by("-pk")
        events = list(newest[: MOST_EVENTS + 1])
        return {
            "events": [
                (event, event.note.removeprefix(event.code).strip(), called(event.by)) for event in events[:MOST_EVENTS]
            ],
            "older": len(events) > MOST_EVENTS,
        }

    # --- columns

    @admin.display(description="状态")
    def state(self, row: RefundAttempt) -> SafeString:
        if not row.attention:
            return self.status_badge(row)
        return format_html("{} {}", self.status_badge(row), badge(row.get_attention_display(), "bad"))

    @admin.display(description="渠道账户")
    def account(self, row: RefundAttempt) -> str:
        return row.payment.account.name

    @admin.display(description="渠道账户")
    def account_link(self, row: RefundAttempt) -> SafeString | str:
        return link(row.payment.account)

    @admin.display(description="收款")
    def payment_link(self, row: RefundAttempt) -> SafeString | str:
        return link(row.payment, row.payment.payment_no)

    @admin.display(description="退款单")
    def case_link(self, row: RefundAttempt) -> SafeString:
        address = f"{reverse('admin:refunds_refund_changelist')}?queue=all&q={row.request_no}"
        return format_html('<a class="desk-link" href="{}">查找所属退款单</a>', address)

    @admin.display(description="最近答复")
    def answer(self, row: RefundAttempt) -> str:
        return row.last_error or "–"

    @admin.display(description="最近答复")
    def said(self, row: RefundAttempt) -> SafeString | str:
        return format_html('<span class="desk-clip" title="{0}">{0}</span>', row.last_error) if row.last_error else "–"

    # --- acts, each by its dialog

    def may_act(self, request: HttpRequest, act: str) -> bool:
        return super().may_act(request, Act.ASK_AGAIN if act == "ask_again_one" else act)

    @staff_act(AskAgainForm, title="再次询问渠道", submit="再次询问", icon="sync")
    def ask_again_one(self, request: HttpRequest, form: AskAgainForm, object_id: str) -> str:
        self._ask_again(request, form)
        return page_url(form.rows[0])

    @staff_act(AskAgainForm, title="再次询问渠道", submit="再次询问", icon="sync")
    def ask_again(self, request: HttpRequest, form: AskAgainForm) -> str:
        self._ask_again(request, form)
        return list_url(RefundAttempt)

    @staff_act(CloseForm, title="按渠道拒绝关闭", submit="确认关闭", icon="block", danger=True)
    def close_refused(self, request: HttpRequest, form: CloseForm, object_id: str) -> str:
        count = by_hand.close_refused(_rows(form), by=me(request), at=clock.now())
        return self._told(request, form, count, "按渠道拒绝关闭", "已关闭，占用已释放。可在退款单上“重新原路退款”。")

    @staff_act(SendBackForm, title="退回商户账户", submit="确认退回商户账户", icon="undo", danger=True)
    def send_back(self, request: HttpRequest, form: SendBackForm, object_id: str) -> str:
        count = by_hand.send_on(_rows(form)[0], card=None, by=me(request), at=clock.now())
        return self._told(request, form, count, "退回商户账户", "正在告知渠道把钱退回商户账户。买家没有收到这笔钱。")

    @staff_act(GiveBackForm, title="再次退回", submit="确认再次退回", icon="undo")
    def give_back(self, request: HttpRequest, form: GiveBackForm, object_id: str) -> str:
        count = by_hand.give_back_again(_rows(form), by=me(request), at=clock.now())
        return self._told(request, form, count, "再次退回", "正在以新的单号原路退回。")

    def _ask_again(self, request: HttpRequest, form: AskAgainForm) -> None:
        count = by_hand.ask_again(form.ready, by=me(request), at=clock.now())
        log(request, form.ready, "再次询问渠道")
        if count:
            messages.success(request, f"{count} 笔将以原单号再次询问渠道。")
        if count < len(form.rows):
            messages.warning(request, f"{len(form.rows) - count} 笔已不在等待状态，没有改动。")

    def _told(self, request: HttpRequest, form: AttemptForm, count: int, act: str, words: str) -> str:
        row = _rows(form)[0]
        if count:
            log(request, [row], act)
            messages.success(request, words)
        else:
            row.refresh_from_db()
            messages.error(request, gone_on(row))
        return page_url(row)


def tabs(request: HttpRequest) -> list[dict[str, Any]]:
    """The queues with how much waits in each, counted no further than a list is."""
    here = request.GET.get("queue", "")
    counts = {name: attention.count(name, most=MOST_COUNTED + 1) for name in attention.QUEUES}
    shown = {name: f"{MOST_COUNTED}+" if count > MOST_COUNTED else count for name, count in counts.items()}
    queues = [
        {"title": queue.title, "url": list_url(RefundAttempt, queue=name), "count": shown[name], "here": here == name}
        for name, queue in attention.QUEUES.items()
    ]
    return [*queues, {"title": "全部", "url": list_url(RefundAttempt), "here": here not in attention.QUEUES}]


def _rows(form: AttemptForm) -> list[RefundAttempt]:
    return [form.row] if form.row else []  # a form without a row has refused already
