"""工作台: the start page of the staff desk. What waits for whom, each number a link to where it waits."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count, Q
from django.http import HttpRequest
from django.urls import reverse

import clock
from accounts import rights
from accounts.desk import MOST_COUNTED, how_long, list_url
from accounts.models import User
from accounts.rights import Act
from accounts.roles import Role
from cardshop import finance_day
from cardshop.desk import switches_now
from money import yuan
from notices.models import DeliveryStatus, NoticeDelivery
from orders.models import TopUp
from payments import attention
from payments.models import AttemptStatus as A
from payments.models import ChannelAccount, RefundAttempt
from reconciliation.models import Discrepancy, DiscrepancyStatus
from refunds import audits, lanes, worklist
from refunds.admin import overview
from refunds.models import AuditSample, BatchStatus, Lane, LineStatus, PayoutBatch, Refund
from refunds.payouts import totals

MOST_NAMED = 5


@dataclass(frozen=True)
class Tile:
    """One number on the start page: how much waits, how much of it is late, and where it waits."""

    title: str
    count: int
    late: int
    url: str
    hint: str
    share: int  # of the longest tile of its row, in percent

    @property
    def said(self) -> str:
        return worklist.said(self.count)

    @property
    def late_said(self) -> str:
        return worklist.said(self.late)

    @property
    def late_share(self) -> int:
        return round(self.late * self.share / self.count) if self.count else 0


@dataclass(frozen=True)
class Row:
    """One row of tiles, for whoever has one of these rights."""

    title: str
    hint: str
    needs: Sequence[tuple[Act, str]]
    tiles: Callable[[HttpRequest, datetime], list[Tile]]
    is_in_day: bool = False  # finance reads it in the order of its day

    def is_for(self, user: object) -> bool:
        return any(rights.may(user, act, model) for act, model in self.needs)


def dashboard(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """The start page: what waits for whom, each a link; then what will be late, and how long it takes."""
    at, user = clock.now(), request.user
    if has_its_day := isinstance(user, User) and user.role == Role.FINANCE:
        day = finance_day.parts(user, switches_now(request), worklist.backlog_now(request), at=at)
        context |= {"day": day, "moved": finance_day.chart(at=at)}
    rows = [row for row in ROWS if row.is_for(user) and not (has_its_day and row.is_in_day)]
    return context | {
        "tile_rows": [(row.title, row.hint, row.tiles(request, at)) for row in rows],
        "looked_at": at,
        "my_role": user.get_role_display() if isinstance(user, User) else "",
        "my_queue": list_url(Refund),
        **overview.of(user, at=at),
    }


ROWS = [
    Row("退款单", "等谁处理", [(Act.SEE, "refunds.refund")],
        lambda request, at: _cases(worklist.backlog_now(request)), is_in_day=True),
    Row("分批发款", "等人复核、继续或重试的批次", [(Act.SEE, "refunds.payoutbatch")],
        lambda request, at: _payouts(), is_in_day=True),
    Row("渠道退款", "已放款，渠道侧的情况", [(Act.SEE, "payments.refundattempt")],
        lambda request, at: _attempts(at), is_in_day=True),
    Row("渠道账户", "需要充值或修复的商户号", [(Act.SEE, "payments.refundattempt")], lambda request, at: _accounts()),
    Row("对账", "渠道账单与我方账目", [(Act.SEE, "reconciliation.discrepancy")],
        lambda request, at: _discrepancies(at), is_in_day=True),
    Row("直充单", "供应商迟迟没有结果的", [(Act.SEE, "orders.topup")], lambda request, at: _topups(at)),
    Row("自动退款", "系统自动通过的，抽出一部分给人看",
        [(Act.JUDGE, "refunds.auditsample"), (Act.PAUSE, "refunds.lanelimits")], lambda request, at: _audits(at)),
    Row("通知", "发到站外的邮件、短信与微信消息", [(Act.SEE, "notices.noticedelivery")],
        lambda request, at: _messages()),
]  # fmt: skip


def _cases(backlog: worklist.Backlog) -> list[Tile]:
    found = [(name, backlog.of(name)) for name in worklist.COUNTED]
    return _side_by_side(
        (worklist.QUEUES[name].title, waits.count, waits.late, list_url(Refund, queue=name), worklist.QUEUES[name].hint)
        for name, waits in found
    )


ATTEMPT_HINTS: dict[A, str] = {
    A.HELD: "需要财务核对后决定",
    A.WAITING_FUNDS: "没有退款在等余额",
    A.RETURNED: "收款账户没有收下，钱还在渠道",
    A.UNKNOWN: "正在用同一单号询问，不会重复退款",
    A.ACCEPTED: "渠道处理中",
}
PAYOUT_HINTS: dict[BatchStatus, str] = {
    BatchStatus.PROPOSED: "由制单人以外的财务复核",
    BatchStatus.STOPPED: "继续，或撤下未发的",
}
QUEUE_OF = {A.HELD: "held", A.WAITING_FUNDS: "funds", A.RETURNED: "returned"}


def _attempts(at: datetime) -> list[Tile]:
    """By status, and the sum that each account must be topped up by; then the surplus that no case tells of."""
    counts = worklist.attempts_by_status(list(ATTEMPT_HINTS))
    hints = ATTEMPT_HINTS | ({A.WAITING_FUNDS: f"{sums}，请充值"} if (sums := _sums_that_wait()) else {})
    rows = [
        (str(status.label), counts.get(status, 0), 0, _attempts_url(status), hint) for status, hint in hints.items()
    ]
    surplus, oldest_at = attention.surplus(most=MOST_COUNTED)
    said = f"最早一笔已收 {how_long(at - oldest_at)}，请再次退回" if oldest_at else "多收的款项都已退回"
    rows.append((attention.QUEUES["surplus"].title, surplus, 0, list_url(RefundAttempt, queue="surplus"), said))
    return _side_by_side(rows)


def _payouts() -> list[Tile]:
    """Batches that wait for somebody; then the page of everything that does not move."""
    counts = totals.waiting_for_people(most=MOST_COUNTED)
    rows = [
        (str(status.label), counts[status], 0, list_url(PayoutBatch, status__exact=status.value), hint)
        for status, hint in PAYOUT_HINTS.items()
    ]
    failed = counts[LineStatus.FAILED]
    rows.append(("没有动的款项", failed, 0, reverse("admin:refunds_payoutbatch_stuck"), "批次里未放款的，和停在别处的"))
    return _side_by_side(rows)


def _topups(at: datetime) -> list[Tile]:
    """Those that lie with the operators, and how many of them are past their time."""
    waits = TopUp.objects.filter(person_due_at__isnull=False)
    found = waits.aggregate(count=Count("pk"), late=Count("pk", filter=Q(person_due_at__lt=at)))
    hint = "凭直充单号向供应商核实，再作认定" if found["count"] else "没有超时的直充"
    url = list_url(TopUp, queue="person")
    return _side_by_side([("待人工核实", found["count"], found["late"], url, hint)])


def _discrepancies(at: datetime) -> list[Tile]:
    """Differences that nobody has explained yet, and how many of them are past their time."""
    waits = Discrepancy.objects.filter(status=DiscrepancyStatus.OPEN).order_by()
    count = waits[:MOST_COUNTED].count()
    late = waits.filter(due_at__lt=at)[:MOST_COUNTED].count()
    url = list_url(Discrepancy, status__exact=DiscrepancyStatus.OPEN.value)
    hint = "逐条核实后说明原因" if count else "都已对平或说明了原因"
    return _side_by_side([("待处理差错", count, late, url, hint)])


def _audits(at: datetime) -> list[Tile]:
    """Samples that wait to be looked at, how often they were wrong, and which lanes are paused."""
    found = audits.figures(at=at).values()
    waiting, checked, wrong = (sum(getattr(row, name) for row in found) for name in ("waiting", "checked", "wrong"))
    paused = "、".join(str(Lane(lane).label) for lane in lanes.closed(lanes.limits()))
    said = f"近 30 天抽查 {checked} 件，有误 {wrong} 件" if checked else "近 30 天没有抽查结论"
    hint = f"{said}；暂停中：{paused}" if paused else said
    return _side_by_side([("待抽查", waiting, 0, list_url(AuditSample, state="waiting"), hint)])


def _messages() -> list[Tile]:
    """Those that did not get through, counted so far as a person may work them off."""
    given_up = NoticeDelivery.objects.filter(status=DeliveryStatus.GIVEN_UP)
    count = given_up.order_by()[:MOST_COUNTED].count()
    hint = "系统已停止重试；站内通知仍在，急的请另外联系" if count else "没有送不到的消息"
    url = list_url(NoticeDelivery, status__exact=DeliveryStatus.GIVEN_UP.value)
    return _side_by_side([("未能送达", count, 0, url, hint)])


def _attempts_url(status: A) -> str:
    queue = QUEUE_OF.get(status)
    return list_url(RefundAttempt, queue=queue) if queue else list_url(RefundAttempt, status__exact=status.value)


def _sums_that_wait() -> str:
    waits = attention.for_funds()
    names = ChannelAccount.objects.filter(pk__in=list(waits)).order_by("pk").values_list("pk", "name")
    return "、".join(f"{name} {yuan(waits[pk].total_fen)}" for pk, name in names)


def _accounts() -> list[Tile]:
    """Accounts that are short of money, in trouble or closed, by name."""
    accounts = attention.accounts_to_see_to()
    rows = [
        ("余额不足", "short", [row.name for row in accounts if row.short_since], "余额都够"),
        ("渠道故障", "trouble", [row.name for row in accounts if row.trouble], "密钥与权限都正常"),
        ("暂停收款", "closed", [row.name for row in accounts if not row.is_open], "都在收款"),
    ]
    return _side_by_side(
        (title, len(names), 0, list_url(ChannelAccount, state=state), _named(names) or fine)
        for title, state, names, fine in rows
    )


def _named(names: Sequence[str]) -> str:
    return "、".join(names[:MOST_NAMED]) + ("等" if len(names) > MOST_NAMED else "")


def _side_by_side(found: Iterable[tuple[str, int, int, str, str]]) -> list[Tile]:
    """A row of (title, count, how many of it are late, address, hint), each as long as its share of the longest."""
    rows = list(found)
    longest = max((count for _, count, *_ in rows), default=0) or 1
    return [Tile(*row, share=round(100 * row[1] / longest)) for row in rows]
