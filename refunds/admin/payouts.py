"""分批发款 on the desk: a draft by its limits, its preview, the colleague's check, and how far it is (N1)."""

from __future__ import annotations

from collections import Counter
from typing import Any, cast

from django import forms
from django.contrib import admin, messages
from django.db.models import Count
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.loader import render_to_string
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.safestring import SafeString

import clock
from accounts.desk import (
    ActsDesk,
    DeskList,
    ProgressDesk,
    called,
    list_url,
    log,
    me,
    money,
    page_url,
    staff_act,
    tone_badge,
    when,
    yuan,
)
from accounts.models import User
from payments.models import ChannelAccount
from refunds import lanes
from refunds.admin import payout_funds, stuck
from refunds.admin.payout_dialogs import (
    NOT_BY_MAKER,
    ApproveForm,
    BatchForm,
    CallOffForm,
    GoOnForm,
    ProposeForm,
    RetryForm,
    StepForm,
    StopForm,
)
from refunds.admin.payout_lines import NOT_PAID_HERE, SETTLED
from refunds.models import BatchStatus as B
from refunds.models import LineStatus as L
from refunds.models import PayoutBatch, PayoutEvent, PayoutLine
from refunds.payouts import batches, totals
from refunds.payouts.batches import CannotPay

TONES: dict[str, str] = {
    B.DRAFT: "quiet", B.PROPOSED: "attention", B.APPROVED: "progress", B.SENDING: "progress", B.STOPPED: "bad",
    B.DONE: "good", B.CALLED_OFF: "quiet",
}  # fmt: skip
MOST_SHARES = 8
#: What one does about a batch, by where it stands.
ADVICE: dict[str, tuple[str, str]] = {
    B.DRAFT: ("attention", "这是草稿，还没有付出任何款项。核对下面的合计，再点“提交复核”。"),
    B.PROPOSED: ("attention", "等另一位财务复核：制单人不能复核自己的批次。"),
    B.APPROVED: ("quiet", "已复核，系统逐笔发款，一笔不成不影响其他。可以离开本页。"),
    B.SENDING: ("quiet", "正在逐笔发款，一笔不成不影响其他。可以离开本页。"),
}
STEPS = {
    "compose": "制单", "propose": "提交复核", "approve": "复核通过", "stop": "暂停", "go_on": "继续",
    "retry_failed": "重试未放款", "call_off": "撤下",
}  # fmt: skip


class BatchList(DeskList):
    """Knows how far each listed batch is, from one query."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        listed: list[PayoutBatch] = list(self.result_list)
        found = totals.progress(listed)
        for batch in listed:
            batch.done = found[batch.pk]  # type: ignore[attr-defined]
        self.result_list = listed


@admin.register(PayoutBatch)
class PayoutBatchDesk(ProgressDesk, ActsDesk):
    form = BatchForm
    list_display = ("batch_no", "state", "line_count", "total", "how_far", "maker", "checker", "made")
    list_display_links = ("batch_no",)
    list_filter = ("status",)
    exact_search = ("batch_no", "lines__refund__refund_no")
    search_help_text = "批次号 / 退款单号"
    ordering = ("-pk",)
    list_select_related = ("made_by", "checked_by", "account")
    list_before_template = "admin/refunds/payoutbatch/above.html"
    change_form_after_template = "admin/refunds/payoutbatch/preview.html"
    actions_detail = ("propose", "approve", "stop", "go_on", "retry_failed", "call_off")

    made = when("made_at", "制单时间")
    checked = when("checked_at", "复核时间")
    ended = when("ended_at", "结束时间")
    total = money("total_fen", "合计")
    state = tone_badge("status", "状态", TONES)

    def get_changelist(self, request: HttpRequest, **options: Any) -> type[DeskList]:
        return BatchList

    def get_fields(self, request: HttpRequest, obj: PayoutBatch | None = None) -> Any:
        if obj is None:
            return ("most_lines", "most_yuan", "account")
        shown: tuple[Any, ...] = (
            ("batch_no", "state"), ("line_count", "total"), "progress", ("maker", "made"), ("checker", "checked"),
            ("limits", "ended"), "lines_link",
        )  # fmt: skip
        return (*shown, "stop_reason") if obj.stop_reason else shown

    def get_readonly_fields(self, request: HttpRequest, obj: PayoutBatch | None = None) -> Any:
        shown = ("state", "total", "progress", "maker", "made", "checker", "checked", "limits", "ended", "lines_link")
        return shown if obj else ()

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **options: Any) -> Any:
        if db_field.name == "account":
            options["queryset"] = ChannelAccount.objects.defer("credentials").order_by("pk")
        return super().formfield_for_foreignkey(db_field, request, **options)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        context: dict[str, Any] = {}
        if self.has_view_permission(request):
            count, fen = totals.next_up()
            waits = {"count": count, "fen": fen}
            context = {"waits": waits, "lanes": _lanes(clock.now()), "stuck_url": _stuck_url()}
        return super().changelist_view(request, context | (extra_context or {}))

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        try:
            return super().add_view(request, form_url, extra_context)
        except CannotPay as refusal:
            messages.error(request, str(refusal))
            return HttpResponseRedirect(list_url(PayoutBatch))

    def save_model(self, request: HttpRequest, obj: PayoutBatch, form: forms.ModelForm, change: bool) -> None:
        """The form makes a draft; its lines and its total follow from the limits. Raises CannotPay."""
        found = batches.compose(
            by=me(request), at=clock.now(), most_lines=obj.most_lines, most_fen=form.cleaned_data["most_yuan"],
            account=obj.account,
        )  # fmt: skip
        obj.pk = found.pk
        obj.refresh_from_db()

    def response_add(
        self, request: HttpRequest, obj: PayoutBatch, post_url_continue: str | None = None
    ) -> HttpResponse:
        return HttpResponseRedirect(page_url(obj))

    def advice(self, row: PayoutBatch) -> list[tuple[str, str]]:
        if row.status == B.STOPPED:
            return [("bad", f"已暂停：{row.stop_reason}。可以继续，或撤下未发的。")]
        if row.status == B.DONE and (failed := _still_failed(row)):
            return [("attention", f"{failed} 笔未放款，原因见明细；处理后可以只重试这些。")]
        if row.status not in ADVICE:
            return []
        tone, words = ADVICE[row.status]
        if row.status in {B.DRAFT, B.PROPOSED} and row.next_due_at:
            words += f"{timezone.localtime(row.next_due_at):%m-%d %H:%M} 前没有复核，会自动撤下。"
        return [(tone, words)]

    def not_for(self, row: PayoutBatch, user: User) -> dict[str, str]:
        if row.made_by_id == user.pk:
            return {"approve": NOT_BY_MAKER}
        return {"propose": "由制单人提交复核。"}

    def acts_of(self, row: PayoutBatch) -> list[str]:
        return {
            B.DRAFT: ["propose", "call_off"],
            B.PROPOSED: ["approve", "call_off"],
            B.APPROVED: ["stop"],
            B.SENDING: ["stop"],
            B.STOPPED: ["go_on", "call_off"],
            B.DONE: ["retry_failed"] if _still_failed(row) else [],
        }.get(B(row.status), [])

    def about(self, row: PayoutBatch) -> dict[str, Any]:
        found = totals.preview(row)
        events = PayoutEvent.objects.filter(batch=row).select_related("by").order_by("pk")
        return {
            "found": found,
            "funds": [(each, payout_funds.said(row, each)) for each in found.accounts],
            "is_over": row.status in payout_funds.OVER,
            "shops": found.shops[:MOST_SHARES],
            "more_shops": max(0, len(found.shops) - MOST_SHARES),
            "steps": [(event, STEPS.get(event.step, event.step), called(event.by)) for event in events[:100]],
        }

    # --- columns

    @admin.display(description="进度")
    def how_far(self, row: PayoutBatch) -> str:
        done = _done(row)
        ended = sum(done.values()) - done[L.WAITING]
        return f"{ended} / {row.line_count}" if row.status not in {B.DRAFT, B.PROPOSED, B.CALLED_OFF} else "–"

    @admin.display(description="制单人")
    def maker(self, row: PayoutBatch) -> str:
        return called(row.made_by)

    @admin.display(description="复核人")
    def checker(self, row: PayoutBatch) -> str:
        return called(row.checked_by) if row.checked_by else "–"

    @admin.display(description="制单条件")
    def limits(self, row: PayoutBatch) -> str:
        account = row.account.name if row.account else "所有渠道账户"
        return f"最多 {row.most_lines} 笔、{yuan(row.most_fen)}，{account}"

    @admin.display(description="进度")
    def progress(self, row: PayoutBatch) -> SafeString:
        return _progress(row)

    @admin.display(description="明细")
    def lines_link(self, row: PayoutBatch) -> SafeString:
        return _lines_links(row)

    # --- pages beside it: the page asks for the progress every two seconds while it runs

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.stuck_view)
        return [path("stuck/", view, name="refunds_payoutbatch_stuck"), *super().get_urls()]

    def stuck_view(self, request: HttpRequest) -> HttpResponse:
        """没有动的款项 (N2)."""
        if not self.has_view_permission(request):
            return HttpResponse(status=403)
        return stuck.page(request, self.admin_site)

    def progress_of(self, row: Any) -> SafeString:
        return _progress(row)

    def is_running(self, row: Any) -> bool:
        return row.status in {B.APPROVED, B.SENDING}

    # --- acts

    @staff_act(ProposeForm, title="提交复核", submit="提交复核", icon="send", refused_by=(CannotPay,))
    def propose(self, request: HttpRequest, form: ProposeForm, object_id: str) -> str:
        row = _row(form)
        batches.propose(row, by=me(request), at=clock.now())
        return _told(request, row, "提交复核", "已提交，等另一位财务复核。")

    @staff_act(
        ApproveForm, title="复核通过，开始发款", submit="确认，开始发款", icon="payments", refused_by=(CannotPay,)
    )
    def approve(self, request: HttpRequest, form: ApproveForm, object_id: str) -> str:
        row = _row(form)
        batches.approve(row, by=me(request), at=clock.now())
        return _told(request, row, f"复核通过 {row.line_count} 笔 {yuan(row.total_fen)}", "已通过，系统开始逐笔发款。")

    @staff_act(StopForm, title="暂停", submit="确认暂停", icon="pause", danger=True, refused_by=(CannotPay,))
    def stop(self, request: HttpRequest, form: StopForm, object_id: str) -> str:
        row = _row(form)
        batches.stop(row, by=me(request), at=clock.now(), reason=form.cleaned_data["reason"])
        return _told(request, row, f"暂停：{form.cleaned_data['reason']}", "已暂停，未发的停在原处。")

    @staff_act(GoOnForm, title="继续", submit="继续发款", icon="play_arrow", refused_by=(CannotPay,))
    def go_on(self, request: HttpRequest, form: GoOnForm, object_id: str) -> str:
        row = _row(form)
        batches.go_on(row, by=me(request), at=clock.now())
        return _told(request, row, "继续", "已继续。")

    @staff_act(RetryForm, title="重试未放款的", submit="重试", icon="replay", refused_by=(CannotPay,))
    def retry_failed(self, request: HttpRequest, form: RetryForm, object_id: str) -> str:
        row = _row(form)
        count = batches.retry_failed(row, by=me(request), at=clock.now())
        return _told(request, row, f"重试 {count} 笔", f"{count} 笔正在重试。")

    @staff_act(CallOffForm, title="撤下", submit="确认撤下", icon="close", danger=True, refused_by=(CannotPay,))
    def call_off(self, request: HttpRequest, form: CallOffForm, object_id: str) -> str:
        row = _row(form)
        batches.call_off(row, by=me(request), at=clock.now(), reason=form.cleaned_data["reason"])
        return _told(request, row, f"撤下：{form.cleaned_data['reason']}", "已撤下，未发的可以放进别的批次。")


# --- small things -----------------------------------------------------------------------------------------------------


def _progress(row: PayoutBatch) -> SafeString:
    done, for_funds = _done(row), totals.for_funds(row).total()
    facts = {
        "row": row,
        "sent": done[L.SENT] - for_funds,
        "for_funds": for_funds,
        "set_aside": done[L.SET_ASIDE],
        "failed": done[L.FAILED],
        "waiting": done[L.WAITING],
        "elsewhere": sum(_gone_on(row).values()),
        "dropped": done[L.DROPPED],
        "done": sum(done.values()) - done[L.WAITING] - done[L.DROPPED],
        "moves": row.status in {B.APPROVED, B.SENDING},
        "address": reverse("admin:refunds_payoutbatch_progress", args=[row.pk]),
    }
    return render_to_string("admin/refunds/payoutbatch/progress.html", facts)


def _lines_links(row: PayoutBatch) -> SafeString:
    done = _done(row)
    links = [("全部", row.line_count, list_url(PayoutLine, of_batch=row.pk))]
    links += [
        (L(status).label, done[status], list_url(PayoutLine, of_batch=row.pk, status__exact=L(status).value))
        for status in (L.FAILED, L.SET_ASIDE, L.WAITING)
        if done[status]
    ]
    return render_to_string("admin/refunds/payoutbatch/links.html", {"links": links})


def _done(row: PayoutBatch) -> Counter[str]:
    """How many lines stand where; asked once for a row, and by the list once for all its rows."""
    if not hasattr(row, "done"):
        row.done = totals.progress([row])[row.pk]  # type: ignore[attr-defined]
    return row.done  # type: ignore[attr-defined]


def _gone_on(row: PayoutBatch) -> Counter[str]:
    """How many lines that this batch did not pay were settled another way since, by the line's status."""
    if not _done(row)[L.FAILED] and not _done(row)[L.SET_ASIDE]:
        return Counter()
    if not hasattr(row, "gone_on"):
        rows = PayoutLine.objects.filter(batch=row, status__in=NOT_PAID_HERE, refund__status__in=SETTLED)
        found = rows.order_by().values_list("status").annotate(Count("pk"))
        row.gone_on = Counter(dict(found))  # type: ignore[attr-defined]
    return cast("Counter[str]", row.gone_on)  # type: ignore[attr-defined]


def _still_failed(row: PayoutBatch) -> int:
    return _done(row)[L.FAILED] - _gone_on(row)[L.FAILED]


def _lanes(at: Any) -> list[dict[str, Any]]:
    """The automatic lanes, which pay within their caps without a batch."""
    used, limits = lanes.used_today(at=at), lanes.limits()
    return [
        {"title": lane.label, "is_on": row.is_on, "used_fen": used[lane], "most_fen": row.platform_fen}
        for lane, row in limits.items()
    ]


def _stuck_url() -> str:
    return reverse("admin:refunds_payoutbatch_stuck")


def _told(request: HttpRequest, row: PayoutBatch, act: str, words: str) -> str:
    log(request, [row], act)
    messages.success(request, words)
    return page_url(row)


def _row(form: StepForm) -> PayoutBatch:
    assert form.row  # noqa: S101 - a form without a row has refused already
    return form.row
