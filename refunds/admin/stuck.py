"""没有动的款项 (N2): everything whose money does not move by itself, on one page: why, since when, by when, and the one
next step. Each list is the one that its own page shows; here stand its first rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.contrib.admin import AdminSite
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse

import clock
from accounts import rights
from accounts.desk import list_url, me, page_url, yuan
from accounts.rights import Act
from payments import attention, funds, outgoing
from payments.admin.attempts import advice, can_be_sent_back
from payments.attention import Waiting
from payments.models import ChannelAccount, OutgoingSwitch, RefundAttempt
from refunds import doubts, lifecycle, worklist
from refunds.lifecycle import STEPS
from refunds.models import BatchStatus, LineStatus, PayoutBatch, PayoutLine, Refund, Status
from refunds.payouts import releasing

FIRST = 10  # rows of each list; the rest is behind its link
#: Of the channels' queues: what waits for money stands by account, what came back by case.
STUCK = ("held", "follow", "surplus")
TOPPED_UP = "充值后点“已充值，继续发送”：原单号继续，不会重复退款。"
NO_STEP = "渠道还没有给出最终结果，系统会继续询问；退款单上写明在等谁，和下一步。"
NOT_CLOSED = "渠道还没有给出最终结果：等买家在退款单上选择去向；不等的，打开退款单，那里写明怎样让钱先回到商户号。"
IN_DOUBT = "渠道账单显示上一笔已退：先查清并了结这条紧急差错，之后才能再发。"
RELEASE = "放款，或制成发款批次由同事复核。"
LISTED = "已列入发款批次 {}（{}），由那一批放款。"


@dataclass(frozen=True)
class Item:
    """One thing that stands still. ``since`` and ``due`` may be unknown; ``button`` opens the act's dialog."""

    title: str
    url: str
    said: str
    amount_fen: int | None
    since: datetime | None
    due: datetime | None
    next_step: str
    button: dict[str, str] | None = None


@dataclass(frozen=True)
class Section:
    title: str
    hint: str
    items: Sequence[Item]
    more_url: str  # empty: all of it stands here


def page(request: HttpRequest, site: AdminSite) -> HttpResponse:
    at = clock.now()
    found = [section for section in sections(request, at=at) if section.items]
    context = site.each_context(request) | {"title": "没有动的款项", "sections": found, "looked_at": at}
    return TemplateResponse(request, "admin/refunds/payoutbatch/stuck.html", context)


def sections(request: HttpRequest, *, at: datetime) -> list[Section]:
    stopped = outgoing.now()
    return [
        Section("已停止出款", "停止的人不能自己恢复", _switches(stopped), ""),
        Section(
            "等待余额", "商户号余额不足，充值后以原单号继续", _short(request), list_url(RefundAttempt, queue="funds")
        ),
        Section("发款批次", "等人复核、已暂停，或有未放款的", _batches(), list_url(PayoutBatch)),
        Section("退款异常", "渠道没能退到买家", _returned(request), list_url(Refund, queue="returned")),
        *(_attempts(name) for name in STUCK),
        Section("放款超时", "审核通过，超过了承诺的放款时间", _late(at), list_url(Refund, queue="release")),
    ]


def _switches(stopped: outgoing.Stopped) -> list[Item]:
    rows = [stopped.everything] if stopped.everything else []
    rows += [row for _, row in sorted(stopped.accounts.items())]
    return [
        Item(
            row.account.name if row.account else "全部出款",
            page_url(row.account) if row.account else list_url(OutgoingSwitch),
            row.reason, None, row.at, None, f"由 {row.by.username} 以外的同事核对后恢复。",
        )
        for row in rows
    ]  # fmt: skip


def _short(request: HttpRequest) -> list[Item]:
    accounts = list(ChannelAccount.objects.filter(attention.SHORT).defer("credentials").order_by("short_since", "pk"))
    waits = attention.for_funds([account.pk for account in accounts])
    return [
        Item(
            account.name,
            page_url(account),
            f"{waits.get(account.pk, Waiting()).count} 笔在等",
            waits.get(account.pk, Waiting()).total_fen,
            account.short_since,
            account.short_since + funds.PATIENCE if account.short_since else None,
            TOPPED_UP,
            _button(request, account),
        )
        for account in accounts
    ]


def _button(request: HttpRequest, account: ChannelAccount) -> dict[str, str] | None:
    if not rights.may(request.user, Act.TOPPED_UP, "payments.channelaccount"):
        return None
    address = reverse("admin:payments_channelaccount_topped_up", args=[account.pk])
    return {"title": "已充值，继续发送", "icon": "", "look": "plain", "url": address, "about": account.name}


def _batches() -> list[Item]:
    """Those that wait for somebody: to be checked, to go on, or for what failed to be tried again."""
    waits = PayoutBatch.objects.filter(status__in=[BatchStatus.DRAFT, BatchStatus.PROPOSED, BatchStatus.STOPPED])
    failed = PayoutLine.objects.filter(status=LineStatus.FAILED, refund__status=Status.APPROVED)
    done = PayoutBatch.objects.filter(status=BatchStatus.DONE, pk__in=failed.values("batch")).order_by("pk")
    steps = {
        BatchStatus.DRAFT: "由制单人提交复核，或撤下。",
        BatchStatus.PROPOSED: "由另一位财务复核；到期自动撤下。",
        BatchStatus.STOPPED: "继续，或撤下未发的。",
        BatchStatus.DONE: "看清未放款的原因，再重试它们。",
    }
    return [
        Item(
            f"{row.batch_no}（{row.get_status_display()}）", page_url(row), row.stop_reason or f"{row.line_count} 笔",
            row.total_fen, row.proposed_at or row.made_at, row.next_due_at, steps[BatchStatus(row.status)],
        )
        for row in [*waits.order_by("pk")[:FIRST], *done[:FIRST]]
    ]  # fmt: skip


def _returned(request: HttpRequest) -> list[Item]:
    """The first step that this person may take; else what is waited for."""
    rows = Refund.objects.filter(worklist.RETURNED).select_related("order__policy", "payment__account")
    cases = list(rows.order_by(*worklist.BY_DEADLINE)[:FIRST])
    allowed = lifecycle.allowed_each(cases, me(request))
    unclosed, doubtful = lifecycle.unclosed(cases), doubts.of(cases)
    return [
        Item(
            case.refund_no, page_url(case), case.get_status_display(), case.amount_fen, case.entered_at,
            case.promised_by,
            IN_DOUBT if case.pk in doubtful else _step_of(case, allowed[case.pk], unclosed.get(case.pk)),
        )
        for case in cases
    ]  # fmt: skip


def _step_of(case: Refund, allowed: Sequence[str], attempt: RefundAttempt | None) -> str:
    titles = [str(STEPS[name].title) for name in allowed if STEPS[name].title]
    if titles:
        return f"打开后点“{titles[0]}”。"
    if attempt is None or attempt.redirect_to:
        return NO_STEP
    attempt.payment = case.payment  # known already, with its account
    return NOT_CLOSED if can_be_sent_back(attempt) else NO_STEP


def _attempts(name: str) -> Section:
    queue = attention.QUEUES[name]
    rows = RefundAttempt.objects.filter(queue.rows).select_related("payment__account", "disbursement__refund")
    items = [_attempt(row) for row in rows.order_by("pk")[:FIRST]]
    return Section(queue.title, queue.hint, items, list_url(RefundAttempt, queue=name))


def _attempt(row: RefundAttempt) -> Item:
    disbursement = getattr(row, "disbursement", None)
    told = advice(row)
    return Item(
        row.request_no, page_url(row), row.last_error or row.get_status_display(), row.amount_fen,
        row.first_sent_at or row.created_at, disbursement.refund.promised_by if disbursement else None,
        told[0][1] if told else "",
    )  # fmt: skip


def _late(at: datetime) -> list[Item]:
    """What stands in a batch is released by that one alone."""
    rows = Refund.objects.filter(worklist.TO_RELEASE, promised_by__lt=at).order_by(*worklist.BY_DEADLINE)
    cases = list(rows[:FIRST])
    waits = releasing.waiting_in(cases)
    return [
        Item(
            case.refund_no, page_url(case), f"{yuan(case.amount_fen)} 待放款", case.amount_fen, case.entered_at,
            case.promised_by, _how_to_release(waits.get(case.pk)),
        )
        for case in cases
    ]  # fmt: skip


def _how_to_release(line: PayoutLine | None) -> str:
    return LISTED.format(line.batch.batch_no, line.batch.get_status_display()) if line else RELEASE
