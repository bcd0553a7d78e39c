"""待办: which cases lie with whom, for the desk's queues, their counts and the start page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.db.models import Count, Q
from django.http import HttpRequest

import clock
from accounts.models import User
from accounts.roles import Role
from payments.models import RefundAttempt
from refunds.models import Lane, Queue, Refund
from refunds.models import Status as S


@dataclass(frozen=True)
class Worklist:
    """One tab. ``rows`` says which cases; ``by_deadline`` whether the most urgent comes first, else the newest."""

    title: str
    rows: Q
    hint: str = ""
    by_deadline: bool = True


IN_REVIEW = Q(status__in=[S.FIRST_REVIEW, S.SECOND_REVIEW, S.APPEAL_REVIEW])
TO_RELEASE = Q(status=S.APPROVED, lane=Lane.STANDARD)
RETURNED = Q(status__in=[S.RETURNED, S.REDIRECT_SIGNED])
MISSING = Q(status=S.PAID_OUT, queue=Queue.REVIEWER)

QUEUES: dict[str, Worklist] = {
    "review": Worklist("待审核", IN_REVIEW, "客服核对后通过、驳回或要求补充"),
    "second": Worklist("待复核", Q(status=S.SECOND_REVIEW), "超过审批线，等第二位同事"),
    "appeals": Worklist("申诉", Q(status=S.APPEAL_REVIEW), "由没有审核过的高级审核员处理"),
    "escalated": Worklist(
        "已升级",
        Q(status=S.FIRST_REVIEW, queue=Queue.SENIOR) | IN_REVIEW & Q(queue=Queue.OPERATOR),
        "超过承诺时间，由高级审核员接手，再晚由运营跟进",
    ),
    "merchant": Worklist("商家处理中", Q(status=S.MERCHANT_REVIEW), "等商家答复，逾期自动判定"),
    "evidence": Worklist("等待答复", Q(status__in=[S.AWAITING_EVIDENCE, S.OFFERED]), "审核计时已暂停，等对方"),
    "release": Worklist("待放款", TO_RELEASE, "审核通过，等财务放款"),
    "missing": Worklist("未到账", MISSING, "买家说没有收到，等客服核实"),
    "returned": Worklist("退款异常", RETURNED, "渠道没能退到买家，等财务处理"),
    "processing": Worklist("渠道处理中", Q(status=S.PROCESSING), "已放款，等渠道结果"),
    "all": Worklist("全部", Q(), by_deadline=False),
}
TABS = ["mine", "review", "release", "returned", "all"]
COUNTED = ["review", "second", "appeals", "escalated", "merchant", "evidence", "release", "returned", "processing"]

MINE: dict[str, Worklist] = {
    Role.REVIEWER: Worklist("我的待办", Q(status=S.FIRST_REVIEW) | MISSING),
    Role.SENIOR: Worklist("我的待办", IN_REVIEW | Q(queue=Queue.SENIOR)),
    Role.FINANCE: Worklist("我的待办", TO_RELEASE | RETURNED | Q(queue=Queue.FINANCE)),
    Role.OPERATOR: Worklist("我的待办", Q(status__in=[*S.active(), S.PROCESSING, S.RETURNED])),
}


def worklist(name: str, user: object) -> Worklist:
    """The named tab; what lies with the person's own role where no tab is named."""
    if name in QUEUES:
        return QUEUES[name]
    return MINE[user.role] if isinstance(user, User) and user.role in MINE else QUEUES["all"]


def queue_of(query: Mapping[str, str], user: object) -> str:
    """Which tab a list's address asks for. A search looks everywhere unless told where."""
    asked = query.get("queue", "")
    if asked in QUEUES:
        return asked
    return "all" if query.get("q") else "mine"


@dataclass(frozen=True)
class Waiting:
    count: int = 0
    late: int = 0


@dataclass(frozen=True)
class Backlog:
    by_queue: dict[str, Waiting] = field(default_factory=dict)

    def of(self, name: str) -> Waiting:
        return self.by_queue.get(name, Waiting())


def backlog(*, at: datetime) -> Backlog:
    """How many cases wait in each queue, and how many of them are late; one query."""
    open_cases = Refund.objects.filter(status__in=[*S.active(), S.PROCESSING, S.RETURNED])
    sums = {name: Count("pk", filter=QUEUES[name].rows) for name in COUNTED}
    late = {f"{name}_late": Count("pk", filter=QUEUES[name].rows & Q(promised_by__lt=at)) for name in COUNTED}
    found = open_cases.aggregate(**sums, **late)
    return Backlog({name: Waiting(found[name], found[f"{name}_late"]) for name in COUNTED})


def backlog_now(request: HttpRequest) -> Backlog:
    """The backlog for a page of the desk: asked once, however many parts of the page show it."""
    if not hasattr(request, "_backlog"):
        request._backlog = backlog(at=clock.now())  # type: ignore[attr-defined]
    return request._backlog  # type: ignore[attr-defined]


def attempts_by_status(statuses: Sequence[str]) -> dict[str, int]:
    """How many requests to a channel stand in each of these, which all are under way or held."""
    under_way = Q(next_due_at__isnull=False) | Q(status="held")  # what the small indexes are about
    rows = RefundAttempt.objects.filter(under_way, status__in=statuses).order_by().values("status")
    return {row["status"]: row["count"] for row in rows.annotate(count=Count("pk"))}
