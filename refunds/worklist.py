"""待办: which cases lie with whom, for the desk's queues, their counts, the start page; and the next to claim."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import Any

from django.db import connection, transaction
from django.db.models import Count, Exists, OuterRef, Q, QuerySet
from django.http import HttpRequest

import clock
from accounts.models import User
from accounts.roles import Role
from paging import MOST_COUNTED
from payments.models import RefundAttempt
from refunds import lifecycle, objections
from refunds.lifecycle import guards
from refunds.models import Lane, Queue, Refund, RefundEvent
from refunds.models import Status as S

#: 客服台的次序, one index (``refund_on_desk``): who urged, whoever urged first; then what can be decided at once
#: (complete material), frequent buyers' (S4-24: order only, decided alike), and by deadline.
DESK_ORDER = ["urged_at", "-is_complete", "-is_frequent", "promised_by", "pk"]
BY_DEADLINE = ["promised_by", "pk"]
NEWEST = ["-pk"]
NOW = datetime(9000, 1, 1, tzinfo=UTC)  # stands for the moment in a statement that is made once


@dataclass(frozen=True)
class Worklist:
    """One tab. ``rows`` says which cases, ``order`` which comes first."""

    title: str
    rows: Q
    hint: str = ""
    order: Sequence[str] = tuple(BY_DEADLINE)


ON_DESK = Q(queue__in=[Queue.REVIEWER, Queue.SENIOR, Queue.OPERATOR])  # what the desk's index is about
REVIEWS = Q(status__in=[S.FIRST_REVIEW, S.SECOND_REVIEW, S.APPEAL_REVIEW])
IN_REVIEW = ON_DESK & REVIEWS  # said twice, "on the desk" misleads the planner: it takes half of the half for all
FIRST = ON_DESK & Q(status=S.FIRST_REVIEW)
TO_RELEASE = Q(status=S.APPROVED, lane=Lane.STANDARD)
RETURNED = Q(status__in=[S.RETURNED, S.REDIRECT_SIGNED])
MISSING = Q(status=S.PAID_OUT, queue=Queue.REVIEWER)
OBJECTED = Q(objection__verdict="")

QUEUES: dict[str, Worklist] = {
    "review": Worklist("待审核", IN_REVIEW, "客服核对后通过、驳回或要求补充", DESK_ORDER),
    "second": Worklist("待复核", ON_DESK & Q(status=S.SECOND_REVIEW), "超过审批线，等第二位同事", DESK_ORDER),
    "appeals": Worklist("申诉", ON_DESK & Q(status=S.APPEAL_REVIEW), "由没有审核过的高级审核员处理", DESK_ORDER),
    "escalated": Worklist(
        "已升级",
        ON_DESK & (Q(status=S.FIRST_REVIEW, queue=Queue.SENIOR) | REVIEWS & Q(queue=Queue.OPERATOR)),
        "超过承诺时间，由高级审核员接手，再晚由运营跟进",
        DESK_ORDER,
    ),
    "objections": Worklist("商家异议", OBJECTED, "不动款项，由没有审核过的高级审核员答复", ("objection__due_at", "pk")),
    "merchant": Worklist("商家处理中", Q(status=S.MERCHANT_REVIEW), "等商家答复，逾期自动判定"),
    "evidence": Worklist("等待答复", Q(status__in=[S.AWAITING_EVIDENCE, S.OFFERED]), "审核计时已暂停，等对方"),
    "release": Worklist("待放款", TO_RELEASE, "审核通过，等财务放款"),
    "missing": Worklist("未到账", MISSING, "买家说没有收到，等客服核实"),
    "returned": Worklist("退款异常", RETURNED, "渠道没能退到买家，等财务处理"),
    "processing": Worklist("渠道处理中", Q(status=S.PROCESSING), "已放款，等渠道结果"),
    "all": Worklist("全部", Q(), order=NEWEST),
}
#: What each role's page offers beside "mine" and what lies on one's own desk; the tab of the address is always there.
TABS: dict[str, list[str]] = {
    Role.REVIEWER: ["mine", "desk", "review", "merchant", "evidence", "missing", "all"],
    Role.SENIOR: ["mine", "desk", "second", "appeals", "escalated", "objections", "review", "evidence", "all"],
    Role.FINANCE: ["mine", "release", "returned", "missing", "processing", "all"],
    Role.OPERATOR: ["mine", "review", "escalated", "appeals", "objections", "merchant", "evidence", "release",
                    "missing", "returned", "all"],
}  # fmt: skip
OF_CASES = [
    "review", "second", "appeals", "escalated", "merchant", "evidence", "release", "missing", "returned", "processing",
]  # fmt: skip
COUNTED = [*OF_CASES, "objections"]

MINE: dict[str, Worklist] = {
    Role.REVIEWER: Worklist("我的待办", ON_DESK & (Q(status=S.FIRST_REVIEW) | MISSING), order=DESK_ORDER),
    Role.SENIOR: Worklist("我的待办", ON_DESK & (REVIEWS | Q(queue=Queue.SENIOR)), order=DESK_ORDER),
    Role.FINANCE: Worklist("我的待办", Q(queue=Queue.FINANCE)),
    Role.OPERATOR: Worklist("我的待办", Q(status__in=[*S.active(), S.PROCESSING, S.RETURNED])),
}
#: Who claims, and what of it first.
CLAIMED = {
    Role.REVIEWER: FIRST,
    Role.SENIOR: IN_REVIEW,
}


def worklist(name: str, user: object) -> Worklist:
    """The named tab; what lies with the person's own role where no tab is named."""
    if name in QUEUES:
        return QUEUES[name]
    if name == "desk" and isinstance(user, User):
        return Worklist("我认领的", on_my_desk(user, at=clock.now()), order=DESK_ORDER)
    return MINE[user.role] if isinstance(user, User) and user.role in MINE else QUEUES["all"]


def queue_of(query: Mapping[str, str], user: object) -> str:
    """Which tab a list's address asks for. A search looks everywhere unless told where."""
    asked = query.get("queue", "")
    if asked in {*QUEUES, "desk"}:
        return asked
    return "all" if query.get("q") else "mine"


def tabs_of(user: object) -> list[str]:
    return TABS.get(user.role, ["all"]) if isinstance(user, User) else ["all"]


# --- claimed ----------------------------------------------------------------------------------------------------------


def on_my_desk(user: User, *, at: datetime) -> Q:
    """What this person has claimed, while the claim lasts."""
    return ON_DESK & Q(claimed_by=user, claimed_at__gt=at - guards.CLAIM_LASTS)


def unclaimed(*, at: datetime) -> Q:
    return Q(claimed_by=None) | Q(claimed_at__lte=at - guards.CLAIM_LASTS)


def claim_next(by: User, *, at: datetime) -> Refund | None:
    """认领下一张: the first in the desk's order that this person may decide and nobody has on their desk; None if there
    is none. Two at once never get the same: what a colleague is just claiming is passed over. Raises StepRefused."""
    if by.role not in CLAIMED:
        return None
    with transaction.atomic():
        rows = _decidable(by).filter(CLAIMED[Role(by.role)], unclaimed(at=at)).order_by(*DESK_ORDER)
        found = rows.select_for_update(no_key=True, skip_locked=True, of=("self",)).first()
        if found is not None:
            lifecycle.claim([found], by=by, at=at)
    return found


def _decidable(by: User) -> QuerySet[Refund]:
    """Nobody decides on an own case, on one of an own shop, or twice on one (I10, P18)."""
    decided = RefundEvent.objects.filter(refund=OuterRef("pk"), actor=by, step__in=guards.DECIDES)
    again = Q(status__in=[S.SECOND_REVIEW, S.APPEAL_REVIEW]) & Exists(decided)
    own = Q(buyer=by) | Q(asked_by=by, asked_by__isnull=False)
    shops = list(by.shops.values_list("pk", flat=True))
    return Refund.objects.exclude(own).exclude(shop__in=shops).exclude(again)


# --- counted ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Waiting:
    """How many, and how many of them late; neither counted beyond ``MOST_COUNTED``."""

    count: int = 0
    late: int = 0

    @property
    def said(self) -> str:
        return said(self.count)

    @property
    def late_said(self) -> str:
        return said(self.late)


def said(count: int) -> str:
    """A count that stops at ``MOST_COUNTED``: 57, 999+."""
    return str(count) if count < MOST_COUNTED else f"{MOST_COUNTED - 1}+"


@dataclass(frozen=True)
class Backlog:
    by_queue: dict[str, Waiting] = field(default_factory=dict)

    def of(self, name: str) -> Waiting:
        return self.by_queue.get(name, Waiting())


def backlog(*, at: datetime) -> Backlog:
    """How many cases wait in each queue, and how many of them are late; one query, and however many wait it reads no
    more of each than ``MOST_COUNTED``: every page of the desk asks."""
    sql, values = _counting(MOST_COUNTED)
    with connection.cursor() as cursor:
        cursor.execute(sql, [at if value == NOW else value for value in values])
        found = cursor.fetchone()
    return Backlog({name: Waiting(*found[2 * number : 2 * number + 2]) for number, name in enumerate(COUNTED)})


@cache
def _counting(most: int) -> tuple[str, list[Any]]:
    """The statement, made once: putting together so many takes longer than the database needs to answer."""
    parts: list[QuerySet[Any]] = []
    for name in OF_CASES:
        asked = QUEUES[name]
        by_deadline = list(asked.order) == BY_DEADLINE  # along the queue's index; of the others one by status knows
        rows = Refund.objects.filter(asked.rows).order_by(*(BY_DEADLINE if by_deadline else []))
        parts += [rows, rows.filter(promised_by__lt=NOW)]
    parts += [objections.waiting(), objections.waiting().filter(due_at__lt=NOW)]
    asked_for = [rows.values("pk")[:most].query.sql_with_params() for rows in parts]
    counts = ", ".join(f"(SELECT COUNT(*) FROM ({sql}) AS found)" for sql, _ in asked_for)  # noqa: S608 - Django's SQL
    return f"SELECT {counts}", [value for _, values in asked_for for value in values]


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
