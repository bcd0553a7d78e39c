"""财务的一天: the start page's list for finance, in the order of the day; then what left and came back in 30 days.

Each line is a number, a sum, what of it is late, and a link to where it is worked off. The queries are as many on a day
without work as on one with 60,000 open cases, and none counts further than ``MOST_COUNTED``.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, Exists, OuterRef, Q, Sum
from django.urls import reverse

from accounts.desk import MOST_COUNTED, how_long, list_url, page_url
from accounts.models import User
from ledger import daily
from money import yuan
from payments import attention, outgoing
from payments.models import ChannelAccount, OutgoingSwitch, RefundAttempt, Transfer
from payments.transfer_models import TransferStatus
from reconciliation.models import Discrepancy, DiscrepancyKind, DiscrepancyStatus
from refunds import worklist
from refunds.admin import overview
from refunds.models import BatchStatus, LineStatus, PayoutBatch, PayoutLine, Refund, Status
from shops.models import DepositReturn, ReturnStatus, Shop
from shops.money import owing

LEFT, BACK = "#0b5cad", "#b3261e"
TRANSFERS = {
    TransferStatus.REQUESTED: ("待审批的转账", "核对申请与收款账户"),
    TransferStatus.APPROVED: ("待付款的转账", "在网银转账后登记凭证"),
}
NO_TRANSFERS = {"count": 0, "fen": None, "late": 0, "own": 0}
FEW = 3  # switches whose reasons stand on the start page
DOUBTFUL = Q(in_doubt_at__isnull=False)


@dataclass(frozen=True)
class Line:
    """One thing of the day. ``count`` None: nothing to count; ``total_fen`` None: no sum of it would mean anything."""

    title: str
    url: str
    said: str
    count: int | None = None
    total_fen: int | None = None
    late: int = 0
    is_bad: bool = False

    @property
    def counted(self) -> str:
        return "" if self.count is None else worklist.said(self.count)

    @property
    def late_said(self) -> str:
        return worklist.said(self.late)

    @property
    def sum_said(self) -> str:
        """Of more than are counted the sum is that of the first ones, and says so."""
        if not self.count or self.total_fen is None:
            return ""
        return f"前 {MOST_COUNTED} 笔 {yuan(self.total_fen)}" if self.count >= MOST_COUNTED else yuan(self.total_fen)


@dataclass(frozen=True)
class Part:
    """A part of the day, in its order."""

    title: str
    hint: str
    lines: list[Line]


def parts(user: User, switches: outgoing.Stopped, backlog: worklist.Backlog, *, at: datetime) -> list[Part]:
    """今天要办的, for this person: what one made or approved oneself waits for the other."""
    return [
        Part("出款开关", "先看钱能不能出去", [_switch(switches)]),
        Part("今天要放的", "审核通过的放款，批次由制单人以外的人复核", [_release(backlog, at), *_batches(user)]),
        Part("等充值", "充值后点“已充值，继续发送”，原单号继续，不会重复退款", _funds(at)),
        Part("退回来的", "渠道没能退到买家：由买家选去向或重退，每一步由两人办", _came_back(backlog, at)),
        Part("转账", "申请、审批、付款是三个人；退还保证金是两个人", _by_hand(user, at)),
        Part("渠道账单的差错", "逐条核实后说明原因；渠道侧退款由两人确认谁承担", _differences(at)),
    ]


def chart(*, at: datetime) -> overview.Bar | None:
    """近 30 天出款与退回, in yuan; None before they were counted."""
    days = daily.latest(at=at)
    if not days:
        return None
    labels = [f"{day.day:%m-%d}" for day in days]
    left, back = ([round(fen / 100, 2) for fen in column] for column in zip(*map(_sums, days), strict=True))
    total, came = (sum(column) for column in zip(*map(_sums, days), strict=True))
    sets = [("出款", LEFT, left), ("退回", BACK, back)]
    data = [{"label": label, "backgroundColor": color, "data": numbers} for label, color, numbers in sets]
    return overview.Bar(
        "近 30 天出款与退回（元）",
        f"出款 {yuan(total)}，退回 {yuan(came)}；每小时统计",
        json.dumps({"labels": labels, "datasets": data}, ensure_ascii=False),
        ["日期", "出款", "退回"],
        [(f"{day.day:%m-%d}", [yuan(day.left_fen), yuan(day.back_fen)]) for day in reversed(days) if any(_sums(day))],
    )


def _sums(day: daily.Day) -> tuple[int, int]:
    return day.left_fen, day.back_fen


# --- the lines, in the order of the day -------------------------------------------------------------------------------


def _switch(now: outgoing.Stopped) -> Line:
    url = list_url(OutgoingSwitch)
    rows = [*([now.everything] if now.everything else []), *now.accounts.values()]
    if not rows:
        return Line("出款正常", url, "没有停止；发现账目或规则不对时，先停再查")
    first = [(row.account.name if row.account else "全部出款", row.reason.rstrip("。")) for row in rows[:FEW]]
    why = "；".join(f"{name}：{reason}" for name, reason in first)
    more = f"；等 {len(rows)} 处" if len(rows) > FEW else ""
    return Line("出款已停止", url, f"{why}{more}。由停止人以外的同事恢复", len(rows), is_bad=True)


def _release(backlog: worklist.Backlog, at: datetime) -> Line:
    rows = Refund.objects.filter(worklist.TO_RELEASE).order_by(*worklist.BY_DEADLINE)
    in_a_batch = Exists(PayoutLine.objects.filter(status=LineStatus.WAITING, refund=OuterRef("pk")))
    first = rows.annotate(is_listed=in_a_batch)[:MOST_COUNTED]
    sums = first.aggregate(fen=Sum("amount_fen"), listed=Count("pk", filter=Q(is_listed=True)))
    found = backlog.of("release")
    hint = _how_to_release(found.count, sums["listed"])
    return Line("待放款", list_url(Refund, queue="release"), hint, found.count, sums["fen"], found.late)


def _how_to_release(count: int, listed: int) -> str:
    """What stands in a batch already is the same money as in the line below."""
    if not count:
        return "都已放款"
    if listed == count:
        return "都已列入发款批次，由批次放款"
    hint = "单笔放款，或成批在“分批发款”里制单"
    return f"其中 {listed} 笔已列入发款批次；其余{hint}" if listed else hint


def _batches(user: User) -> list[Line]:
    open_ones = PayoutBatch.objects.filter(status__in=[BatchStatus.PROPOSED, BatchStatus.STOPPED])
    sums = (
        open_ones.order_by()
        .values_list("status")
        .annotate(count=Count("pk"), fen=Sum("total_fen"), own=Count("pk", filter=Q(made_by=user)))
    )
    found = {status: numbers for status, *numbers in sums}
    count, fen, own = found.get(BatchStatus.PROPOSED, (0, 0, 0))
    told = f"其中 {own} 批由您制单，请另一位财务复核" if own else "核对总额和资金后复核" if count else "没有等复核的"
    url = list_url(PayoutBatch, status__exact=BatchStatus.PROPOSED.value)
    lines = [Line("待复核的批次", url, told, count, fen)]
    stopped, stopped_fen, _ = found.get(BatchStatus.STOPPED, (0, 0, 0))
    failed = PayoutLine.objects.filter(status=LineStatus.FAILED, refund__status=Status.APPROVED).order_by()
    stuck = failed[:MOST_COUNTED].aggregate(count=Count("pk"), fen=Sum("amount_fen"))
    count, fen = stopped + stuck["count"], stopped_fen + (stuck["fen"] or 0)
    hint = "暂停的批次和没有放成的明细，逐条写明原因和下一步" if count else "没有暂停的批次，没有没放成的明细"
    return [*lines, Line("暂停或没有放成的", reverse("admin:refunds_payoutbatch_stuck"), hint, count, fen)]


def _funds(at: datetime) -> list[Line]:
    waits = attention.for_funds()
    accounts = ChannelAccount.objects.filter(attention.SHORT | Q(pk__in=list(waits))).defer("credentials")
    lines = []
    for account in accounts.order_by("short_since", "pk"):
        rows = waits.get(account.pk, attention.Waiting())
        since = f"余额不足已 {how_long(at - account.short_since)}" if account.short_since else "正在继续发送"
        lines.append(Line(account.name, page_url(account), since, rows.count, rows.total_fen))
    return lines or [Line("没有账户等余额", list_url(ChannelAccount), "余额都够", 0)]


def _came_back(backlog: worklist.Backlog, at: datetime) -> list[Line]:
    signed = Refund.objects.filter(status=Status.REDIRECT_SIGNED).order_by("promised_by", "pk")[:MOST_COUNTED]
    ready = signed.aggregate(count=Count("pk"), fen=Sum("amount_fen"), late=Count("pk", filter=Q(promised_by__lt=at)))
    found = backlog.of("returned")
    surplus, oldest_at = attention.surplus(most=MOST_COUNTED)
    held = attention.count("held", most=MOST_COUNTED)
    told = f"最早一笔已收 {how_long(at - oldest_at)}，请再次退回" if oldest_at else "多收的款项都已退回"
    return [
        Line("买家已签新去向", list_url(Refund, queue="returned", status__exact=Status.REDIRECT_SIGNED.value),
             "核对去向后确认，确认人不能自己放款" if ready["count"] else "没有等确认的", ready["count"], ready["fen"],
             ready["late"]),
        Line("退款异常", list_url(Refund, queue="returned"),
             "含上一行的、等买家选去向的；每单写明下一步" if found.count else "没有退不出去的", found.count, None,
             found.late),
        Line("待人工", list_url(RefundAttempt, queue="held"),
             "渠道拒绝或金额不符，请核对后决定" if held else "没有要人工决定的", held),
        Line("多收未退", list_url(RefundAttempt, queue="surplus"), told, surplus),
    ]  # fmt: skip


def _by_hand(user: User, at: datetime) -> list[Line]:
    return [*_transfers(user, at), _deposits(user, at), _advances()]


def _transfers(user: User, at: datetime) -> list[Line]:
    rows = Transfer.objects.filter(due_at__isnull=False).order_by("due_at", "pk").values("pk")
    asked, approved = (rows.filter(status=status)[:MOST_COUNTED] for status in TRANSFERS)
    waiting = Transfer.objects.filter(pk__in=asked.union(approved, all=True)).order_by().values("status")
    sums = waiting.annotate(
        count=Count("pk"), fen=Sum("amount_fen"), late=Count("pk", filter=Q(due_at__lt=at)),
        own=Count("pk", filter=Q(approved_by=user)), doubtful=Count("pk", filter=DOUBTFUL),
        doubtful_fen=Sum("amount_fen", filter=DOUBTFUL, default=0),
    )  # fmt: skip
    found = {row["status"]: row for row in sums}
    return [*_in_doubt(found.values()), *(_transfer(status, found.get(status, NO_TRANSFERS)) for status in TRANSFERS)]


def _transfer(status: TransferStatus, found: Mapping[str, Any]) -> Line:
    title, hint = TRANSFERS[status]
    return _by_another(title, list_url(Transfer, status__exact=status.value), hint, "审批", found)


def _by_another(title: str, url: str, hint: str, act: str, found: Mapping[str, Any]) -> Line:
    """``found["own"]``: so many have had this person's ``act``, and need another's."""
    own = f"；其中 {found['own']} 笔由您{act}，请另一位财务付款" if found["own"] else ""
    told = f"{hint}{own}" if found["count"] else "没有"
    return Line(title, url, told, found["count"], found["fen"], found["late"])


def _in_doubt(found: Collection[Mapping[str, Any]]) -> list[Line]:
    """存疑: the database was restored, and the bank may have paid them already. On other days there is no such line."""
    count, fen = (sum(row[name] for row in found) for name in ("doubtful", "doubtful_fen"))
    told = "数据库恢复过：先逐笔查银行流水，再付款"
    url = list_url(Transfer, in_doubt="1")
    return [Line("存疑的转账", url, told, count, fen, is_bad=True)] if count else []


def _deposits(user: User, at: datetime) -> Line:
    asked = DepositReturn.objects.filter(status=ReturnStatus.ASKED).order_by("due_at", "pk")[:MOST_COUNTED]
    found = asked.aggregate(
        count=Count("pk"), fen=Sum("amount_fen"), late=Count("pk", filter=Q(due_at__lt=at)),
        own=Count("pk", filter=Q(asked_by=user)),
    )  # fmt: skip
    url = list_url(DepositReturn, status__exact=ReturnStatus.ASKED.value)
    return _by_another("退还保证金", url, "在网银转账后登记凭证", "申请", found)


def _advances() -> Line:
    """垫付未还: the system takes it from what a shop earns next; a closed one earns nothing."""
    found = owing(most=MOST_COUNTED)
    told = "店铺以后的货款和保证金先归还；已关店的，请向店主追偿" if found else "没有"
    return Line("平台垫付未还", list_url(Shop, owes="1"), told, len(found), sum(found.values()))


def _differences(at: datetime) -> list[Line]:
    """By kind, the urgent ones first. Of more than are counted, the kinds of those that are due first."""
    open_ones = Discrepancy.objects.filter(status=DiscrepancyStatus.OPEN)
    rows = list(open_ones.order_by("due_at", "pk").values_list("kind", "due_at", "is_urgent")[:MOST_COUNTED])
    order = list(DiscrepancyKind.values)
    kinds = sorted({(not urgent, kind) for kind, _, urgent in rows}, key=lambda row: (row[0], order.index(row[1])))
    lines = [
        _difference(kind, [due for found, due, _ in rows if found == kind], at, is_urgent=not calm)
        for calm, kind in kinds
    ]
    return lines or [Line("没有待处理的差错", list_url(Discrepancy), "都已对平或说明了原因", 0)]


def _difference(kind: str, dues: Sequence[datetime], at: datetime, *, is_urgent: bool) -> Line:
    """``dues``: the earliest first."""
    url = list_url(Discrepancy, status__exact=DiscrepancyStatus.OPEN.value, kind__exact=kind)
    left = dues[0] - at
    when = f"最早的还有 {how_long(left)}" if left > timedelta() else f"最早的已超时 {how_long(-left)}"
    late = sum(due < at for due in dues)
    title, said = str(DiscrepancyKind(kind).label), f"紧急，{when}" if is_urgent else when
    return Line(title, url, said, len(dues), None, late, is_urgent)
