"""对账 on the desk (N3): the days' bills in plain words, and each difference with what to do about it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from functools import cached_property
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.widgets import UnfoldAdminSingleDateWidget

import clock
from accounts.desk import (
    ActsDesk,
    DeskList,
    DialogForm,
    ProgressDesk,
    badge,
    called,
    canned_field,
    choice_field,
    deadline,
    key,
    link,
    list_url,
    log,
    me,
    note_field,
    page_url,
    staff_act,
    when,
    yuan,
)
from accounts.models import User
from accounts.rights import Act
from accounts.roles import Role
from clock import SHANGHAI
from payments.models import Payment, RefundAttempt
from reconciliation import resolving, statements, wording
from reconciliation.models import Bearer, Discrepancy, DiscrepancyKind, DiscrepancyStatus, Statement, StatementStatus
from reconciliation.resolving import CannotResolve
from reconciliation.wording import EVENTS, LINKED, NEXT, NONE_OF_OURS, NONE_OF_THEIRS, USUAL

S, OPEN = StatementStatus, DiscrepancyStatus.OPEN
TONES: dict[str, str] = {OPEN: "attention", DiscrepancyStatus.EXPLAINED: "good", DiscrepancyStatus.CLOSED: "quiet"}
SHOWN = 20


# --- statements -------------------------------------------------------------------------------------------------------


class DayForm(DialogForm):
    """One day of all accounts; nothing is asked twice that is on its way."""

    day = forms.DateField(label="账期", widget=UnfoldAdminSingleDateWidget())

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["day"].initial = _yesterday()

    def clean_day(self) -> Any:
        day = self.cleaned_data["day"]
        if day > _yesterday():
            raise forms.ValidationError("当日账单次日 10 点以后才有，请选昨天或更早的一天。")
        if day < _yesterday() - timedelta(days=89):
            raise forms.ValidationError("渠道只保留三个月的账单，请选近 90 天内的一天。")
        return day


class StatementList(DeskList):
    """Knows how many differences of each listed bill are open or explained, from one query."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        listed: list[Statement] = list(self.result_list)
        found = counts_of(listed)
        for row in listed:
            row.counts = found[row.pk]  # type: ignore[attr-defined]
        self.result_list = listed


@admin.register(Statement)
class StatementDesk(ProgressDesk):
    change_form_template = "admin/reconciliation/statement.html"
    list_display = ("what", "account", "plainly", "lines_read", "matched", "theirs", "ours", "fetched")
    list_filter = ("kind", "account", "status")
    ordering = ("-day", "-pk")
    list_select_related = ("account",)
    list_before_template = "admin/reconciliation/above.html"
    fields = ("kind",)
    readonly_fields = ("kind",)
    actions_list = ("reconcile_day",)

    fetched = when("downloaded_at", "下载时间")

    def get_changelist(self, request: HttpRequest, **options: Any) -> type[DeskList]:
        return StatementList

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        act = self.get_unfold_action("reconcile_day")
        button = {"title": act.description, "icon": act.icon, "look": "plain"}
        button["url"] = reverse(f"admin:{act.action_name}")
        buttons = [button] if self.may_act(request, Act.RECONCILE_DAY) else []
        return super().changelist_view(request, {"buttons": buttons} | (extra_context or {}))

    @admin.display(description="账单")
    def what(self, row: Statement) -> str:
        return str(row)

    @admin.display(description="结果")
    def plainly(self, row: Statement) -> SafeString:
        return in_words(row, row.counts)  # type: ignore[attr-defined]

    @admin.display(description="渠道 收 / 退")
    def theirs(self, row: Statement) -> SafeString:
        return _both(row.theirs_in_fen, row.theirs_out_fen)

    @admin.display(description="我方 收 / 退")
    def ours(self, row: Statement) -> SafeString:
        return _both(row.ours_in_fen, row.ours_out_fen)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        row = self.get_object(request, object_id) if self.has_view_permission(request) else None
        context: dict[str, Any] = {}
        if isinstance(row, Statement):
            found = row.discrepancies.order_by("status", "pk")
            context = {
                "row": row,
                "title": f"{row.account} {row}",
                "subtitle": None,
                "progress": _progress(row),
                "counts": found.order_by().values_list("kind", "status").annotate(Count("pk")),
                "found": [_in_list(each) for each in found[:SHOWN]],
                "all_url": list_url(Discrepancy, statement__id__exact=row.pk),
            }
            context["counts"] = [
                (DiscrepancyKind(kind).label, DiscrepancyStatus(status).label, count)
                for kind, status, count in context["counts"]
            ]
        return super().change_view(request, object_id, form_url, context | (extra_context or {}))

    def progress_of(self, row: Any) -> SafeString:
        return _progress(row)

    def is_running(self, row: Any) -> bool:
        return _is_busy(row)

    @staff_act(DayForm, title="对账这一天", submit="开始对账", icon="event_repeat",
               description="重新下载这一天各账户的账单并对账。不会改动任何钱，也不会改动已说明的差错。")  # fmt: skip
    def reconcile_day(self, request: HttpRequest, form: DayForm) -> str:
        day = form.cleaned_data["day"]
        count = statements.want_again(day, at=clock.now())
        log(request, list(Statement.objects.filter(day=day)), f"对账 {day}")
        messages.success(request, f"{day} 的 {count} 张账单已排队，完成后这里显示结果。")
        return list_url(Statement)


def counts_of(rows: Sequence[Statement]) -> dict[int, Counter[str]]:
    """{bill: how many of its differences stand in each status}. One query."""
    found: dict[int, Counter[str]] = {row.pk: Counter() for row in rows}
    asked = Discrepancy.objects.filter(statement__in=list(found)).order_by().values_list("statement", "status")
    for statement_id, status, count in asked.annotate(Count("pk")):
        found[statement_id][status] = count
    return found


def in_words(row: Statement, counts: Counter[str]) -> SafeString:
    """The bill's state as one would say it. What was only explained does not agree for that."""
    if row.status != S.MATCHED:
        return badge(row.get_status_display(), "bad" if row.status == S.BROKEN else "progress")
    explained = counts[DiscrepancyStatus.EXPLAINED]
    if counts[OPEN]:
        return badge(f"{counts[OPEN]} 条差异{f'，另已说明 {explained} 条' if explained else ''}", "attention")
    if explained:
        return badge(f"已说明 {explained} 条，其余相符", "quiet")
    return badge("✓ 已对平" if row.lines_read else "✓ 当日无业务", "good")


def _progress(row: Statement) -> SafeString:
    return render_to_string(
        "admin/reconciliation/progress.html",
        {
            "row": row,
            "words": in_words(row, counts_of([row])[row.pk]),
            "is_busy": _is_busy(row),
            "address": reverse("admin:reconciliation_statement_progress", args=[row.pk]),
        },
    )


def _is_busy(row: Statement) -> bool:
    """Under way just now, not only wanted for later."""
    return row.status != S.MATCHED and row.next_due_at is not None and row.next_due_at <= clock.now()


def _both(in_fen: int, out_fen: int) -> SafeString:
    return format_html('<span class="desk-money">{} / {}</span>', yuan(in_fen), yuan(out_fen))


def _yesterday() -> Any:
    return clock.now().astimezone(SHANGHAI).date() - timedelta(days=1)


# --- differences ------------------------------------------------------------------------------------------------------


class ActForm(DialogForm):
    template = "admin/reconciliation/dialog.html"

    @cached_property
    def row(self) -> Discrepancy | None:
        return Discrepancy.objects.select_related("statement__account").filter(pk=key(self.object_id)).first()

    @cached_property
    def refusal(self) -> str:
        if self.row is None:
            return "没有这条差错。"
        return "" if self.row.status == OPEN else f"这条差错{self.row.get_status_display()}。"

    def facts(self) -> dict[str, Any]:
        return {"row": self.row, "next": NEXT.get(self.row.kind, "") if self.row else ""}


class ExplainForm(ActForm):
    canned = canned_field([(name, text[:20]) for name, text in USUAL.items()], USUAL)
    note = note_field(required=True, label="原因", placeholder="查了什么，结论是什么，渠道工单号。")


class HandOverForm(ActForm):
    to = choice_field(choices=[], label="转交给")
    note = note_field(required=False, label="附言")

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        people = User.objects.filter(role=Role.FINANCE, is_staff=True, is_active=True).exclude(pk=self.request.user.pk)
        self.fields["to"].choices = [("", "请选择"), *((str(each.pk), called(each)) for each in people.order_by("pk"))]


class BearerForm(ActForm):
    bearer = choice_field(choices=[(one.value, str(one.label)) for one in Bearer], label="由谁承担")
    note = note_field(required=True, label="依据", placeholder="谁、为什么在渠道后台退了款。")


class ConfirmForm(ActForm):
    proposal = forms.IntegerField(min_value=0, widget=forms.HiddenInput)  # the one that is read here, and no later one

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["proposal"].initial = resolving.proposal_of(self.row) if self.row else 0

    def facts(self) -> dict[str, Any]:
        return super().facts() | {"confirms": True}


@admin.register(Discrepancy)
class DiscrepancyDesk(ActsDesk):
    change_form_template = "admin/reconciliation/discrepancy.html"
    list_display = ("number", "kind", "bill", "ours", "theirs", "state", "until_when", "who")
    list_display_links = ("number",)
    list_filter = ("status", "kind", "statement__account", "is_urgent")
    exact_search = ("payment_no", "key")
    search_help_text = "收款单号 / 差错所指的单号"
    ordering = ("-pk",)
    list_select_related = ("statement__account", "owner")
    fields = ("kind",)
    readonly_fields = ("kind",)
    actions_detail = (
        "ask_again", "download_again", "adopt", "propose_bearer", "confirm_bearer", "explain", "hand_over",
    )  # fmt: skip

    def get_queryset(self, request: HttpRequest) -> QuerySet[Discrepancy]:
        return super().get_queryset(request).select_related("statement__account", "owner", "proposed_by", "resolved_by")

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        return lookup == "statement__id__exact" or super().lookup_allowed(lookup, value, request)

    @admin.display(description="单号")
    def number(self, row: Discrepancy) -> str:
        return row.number

    @admin.display(description="账单")
    def bill(self, row: Discrepancy) -> SafeString | str:
        return link(row.statement, f"{row.statement.account} {row.statement}")

    @admin.display(description="我方")
    def ours(self, row: Discrepancy) -> SafeString | str:
        return _side(row.ours_fen, wording.ours(row))

    @admin.display(description="渠道")
    def theirs(self, row: Discrepancy) -> SafeString | str:
        return _side(row.theirs_fen, wording.theirs(row))

    @admin.display(description="状态")
    def state(self, row: Discrepancy) -> SafeString:
        return _state(row)

    @admin.display(description="期限")
    def until_when(self, row: Discrepancy) -> SafeString | str:
        return deadline(row.due_at, clock.now()) if row.status == OPEN else "–"

    @admin.display(description="负责人")
    def who(self, row: Discrepancy) -> str:
        return called(row.owner) if row.owner else "财务"

    def advice(self, row: Discrepancy) -> list[tuple[str, str]]:
        if row.status != OPEN:
            return []
        return [("bad" if row.is_urgent else "attention", _next(row))]

    def acts_of(self, row: Discrepancy) -> list[str]:
        if row.status != OPEN:
            return []
        adopted = resolving.external(row) is not None
        allowed = {
            "ask_again": row.kind in resolving.CAN_BE_ASKED and bool(row.payment_no),
            "download_again": True,
            "adopt": row.kind == DiscrepancyKind.ONLY_THEIRS and not adopted,
            "propose_bearer": adopted,
            "confirm_bearer": bool(row.borne_by),
            "explain": not adopted,
            "hand_over": True,
        }
        return [name for name, is_so in allowed.items() if is_so]

    def not_for(self, row: Discrepancy, user: User) -> dict[str, str]:
        return {"confirm_bearer": "由谁承担由您提出，须由另一位财务确认。"} if row.proposed_by_id == user.pk else {}

    def about(self, row: Discrepancy) -> dict[str, Any]:
        payment = Payment.objects.filter(payment_no=row.payment_no).first() if row.payment_no else None
        attempt = RefundAttempt.objects.filter(request_no=row.request_no).first() if row.request_no else None
        return {
            "row": row,
            "title": str(row),
            "subtitle": None,
            "state": _state(row),
            "until": deadline(row.due_at, clock.now()) if row.status == OPEN else "",
            "owner": called(row.owner) if row.owner else "财务（未指定）",
            "ours_state": wording.ours(row),
            "theirs_state": wording.theirs(row),
            "payment": payment,
            "attempt": attempt,
            "detail": wording.detail(row),
            "none_of_ours": NONE_OF_OURS.get(row.kind, LINKED if payment or attempt else "我方没有这笔记录。"),
            "none_of_theirs": NONE_OF_THEIRS.get(row.kind, "账单里没有这一笔。"),
            "events": [
                (each, EVENTS.get(each.what, each.what), called(each.by))
                for each in row.events.select_related("by").order_by("pk")
            ],
        }

    # --- acts, each by its dialog

    @staff_act(ActForm, title="再次询问渠道", submit="询问", icon="sync", refused_by=(CannotResolve,),
               description="用原单号询问，不会重复退款，也不会新开单号。")  # fmt: skip
    def ask_again(self, request: HttpRequest, form: ActForm, object_id: str) -> str:
        row = _row(form)
        messages.success(request, resolving.ask_again(row, by=me(request), at=clock.now()))
        return _done(request, row, "再次询问渠道")

    @staff_act(ActForm, title="重新下载账单", submit="重新下载", icon="download", refused_by=(CannotResolve,),
               description="重新下载这一天的账单并对账。渠道已更正的，差错自动了结。")  # fmt: skip
    def download_again(self, request: HttpRequest, form: ActForm, object_id: str) -> str:
        row = _row(form)
        count = resolving.download_again(row, by=me(request), at=clock.now())
        messages.success(request, f"{count} 张账单已排队重新下载。")
        return _done(request, row, "重新下载账单")

    @staff_act(ActForm, title="补记渠道侧退款", submit="补记", icon="post_add", refused_by=(CannotResolve,),
               description="从这笔收款的可退金额中扣除，金额先记入待查。不会发出任何退款。")  # fmt: skip
    def adopt(self, request: HttpRequest, form: ActForm, object_id: str) -> str:
        row = _row(form)
        resolving.adopt(row, by=me(request), at=clock.now())
        messages.success(request, "已补记。请提出由谁承担，再由另一位财务确认。")
        return _done(request, row, "补记渠道侧退款")

    @staff_act(BearerForm, title="提出由谁承担", submit="提出", icon="balance", refused_by=(CannotResolve,),
               description="另一位财务确认后才记账。")  # fmt: skip
    def propose_bearer(self, request: HttpRequest, form: BearerForm, object_id: str) -> str:
        row, said = _row(form), form.cleaned_data
        bearer = Bearer(said["bearer"])
        resolving.propose_bearer(row, bearer=bearer, by=me(request), at=clock.now(), reason=said["note"])
        messages.success(request, "已提出，等另一位财务确认。")
        return _done(request, row, f"提出由{bearer.label}承担")

    @staff_act(ConfirmForm, title="确认由谁承担", submit="确认并记账", icon="done_all", refused_by=(CannotResolve,))
    def confirm_bearer(self, request: HttpRequest, form: ConfirmForm, object_id: str) -> str:
        row, proposal = _row(form), form.cleaned_data["proposal"]
        resolving.confirm_bearer(row, by=me(request), at=clock.now(), proposal=proposal)
        messages.success(request, "已记账，这条差错了结。")
        return _done(request, row, "确认由谁承担")

    @staff_act(ExplainForm, title="说明原因并了结", submit="了结", icon="task_alt", refused_by=(CannotResolve,),
               description="只留下说明，不动钱。")  # fmt: skip
    def explain(self, request: HttpRequest, form: ExplainForm, object_id: str) -> str:
        row, note = _row(form), form.cleaned_data["note"]
        resolving.explain(row, by=me(request), at=clock.now(), reason=note)
        messages.success(request, "已了结。")
        return _done(request, row, f"说明原因：{note}")

    @staff_act(HandOverForm, title="转交", submit="转交", icon="forward", refused_by=(CannotResolve,))
    def hand_over(self, request: HttpRequest, form: HandOverForm, object_id: str) -> str:
        row, said = _row(form), form.cleaned_data
        to = User.objects.get(pk=int(said["to"]))
        resolving.hand_over(row, to=to, by=me(request), at=clock.now(), note=said["note"])
        messages.success(request, f"已转交给 {called(to)}，期限不变。")
        return _done(request, row, f"转交给 {called(to)}")


def _row(form: ActForm) -> Discrepancy:
    assert form.row  # a form without a row has refused already
    return form.row


def _done(request: HttpRequest, row: Discrepancy, words: str) -> str:
    log(request, [row], words)
    return page_url(row)


def _next(row: Discrepancy) -> str:
    """What is to be done now. What was refunded in the channel's console is adopted first, then borne by somebody."""
    if row.borne_by:
        bearer = row.get_borne_by_display()
        return f"{called(row.proposed_by)} 已提出由{bearer}承担。另一位财务确认后记账；确认前可以改提。"
    if row.kind == DiscrepancyKind.ONLY_THEIRS and resolving.external(row) is not None:
        return "有人在渠道后台退了款，系统已补记并从可退金额中扣除。请提出由谁承担，再由另一位财务确认。"
    return NEXT[row.kind]


def _in_list(row: Discrepancy) -> dict[str, Any]:
    sides = {"ours": _side(row.ours_fen, wording.ours(row)), "theirs": _side(row.theirs_fen, wording.theirs(row))}
    return {"row": row, "number": row.number, "state": _state(row), **sides}


def _state(row: Discrepancy) -> SafeString:
    if row.status == OPEN and row.borne_by:
        return badge("待第二人确认", "progress")
    return badge(row.get_status_display(), "bad" if row.status == OPEN and row.is_urgent else TONES[row.status])


def _side(fen: int | None, state: str) -> SafeString | str:
    if fen is None:
        return "无"
    sign = "退 " if fen < 0 else ""
    return format_html('<span class="desk-money">{}{}</span> {}', sign, yuan(abs(fen)), state)
