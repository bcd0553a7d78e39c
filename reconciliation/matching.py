"""逐笔对账: one staged bill against our books and the other bill, by set operations of the database (comparisons.py).

What is found is added, what is found no longer closes by itself, what a person has explained stays as it is: running a
day again changes nothing but what has become known.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, time, timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import OuterRef, Subquery

import workqueue
from clock import SHANGHAI
from payments import adopting, charging, refunding
from payments.adopting import Found
from payments.gateways.base import BillKind
from payments.models import AttemptStatus, Payment, RefundAttempt
from reconciliation import comparisons, deadlines, wording
from reconciliation.models import (
    URGENT,
    Discrepancy,
    DiscrepancyEvent,
    DiscrepancyKind,
    DiscrepancyStatus,
    Statement,
    StatementStatus,
)

SKEW = timedelta(minutes=5)  # between the channel's clock and ours, and between trade and movement
AGAIN_AFTER = timedelta(minutes=30)
AT_ONCE = 500
WAITS_FOR_TRADES = "等待同日交易账单"
K = DiscrepancyKind
S = StatementStatus
#: What a person must have seen, whatever becomes of it.
NEVER_BY_ITSELF = [K.CLOSED_PAID, K.ONLY_THEIRS, K.UNKNOWN_PAYMENT]


def compare(statement: Statement, *, at: datetime) -> None:
    """对账. The bill of movements waits for that of trades."""
    if statement.kind == BillKind.FUNDS.value and not _other(statement, BillKind.TRADES, 0):
        rows = Statement.objects.filter(pk=statement.pk)
        rows.update(next_due_at=at + AGAIN_AFTER, leased_until=None, last_error=WAITS_FOR_TRADES)
        return
    with transaction.atomic():
        given = _given(statement)
        _find(statement, given)
        _keep(statement, at)
        _answer_who_asked(statement, at)
        _count(statement, given)
        is_new = statement.matched_at is None or (statement.downloaded_at or at) > statement.matched_at
        statement.status, statement.matched_at, statement.last_error = S.MATCHED, at, ""
        statement.next_due_at = statement.leased_until = None
        statement.save()
        _wake_neighbors(statement, at, is_new=is_new)
    _act_on(statement, at)


def is_late(statement: Statement, *, at: datetime) -> None:
    """账单迟到: a difference of its own, which closes once the bill is compared."""
    due_at = deadlines.of(K.LATE, at=at)
    about = {"statement": statement, "kind": K.LATE, "key": "late"}
    told = {"detail": statement.last_error or "渠道还没有这张账单"}
    with transaction.atomic():
        row, is_new = Discrepancy.objects.get_or_create(
            **about, defaults={"found_at": at, "due_at": due_at, "next_due_at": due_at, **told}
        )
        if is_new:
            DiscrepancyEvent.objects.create(discrepancy=row, at=at, what="found")


def _given(statement: Statement) -> dict[str, Any]:
    """What the comparisons are told of this bill."""
    begins = datetime.combine(statement.day, time(), SHANGHAI)
    other = BillKind.FUNDS if statement.kind == BillKind.TRADES.value else BillKind.TRADES
    before, after = (
        all(_other(statement, kind, days) for kind in (BillKind(statement.kind), other)) for days in (-1, 1)
    )
    return {
        "statement": statement.pk,
        "account": statement.account_id,
        "day": statement.day,
        "begins": begins,
        "ends": begins + timedelta(days=1),
        "skew": SKEW,
        "before": bool(_other(statement, BillKind(statement.kind), -1)),
        "both_before": before,
        "both_after": after,
        "is_empty": statement.is_empty,
    }


def _other(statement: Statement, kind: BillKind, days: int) -> bool:
    """Whether the bill of that kind, so many days from this one, has its lines here."""
    day = statement.day + timedelta(days=days)
    rows = Statement.objects.filter(account=statement.account_id, kind=kind.value, day=day)
    return rows.filter(status__in=[S.DOWNLOADED, S.MATCHED]).exists()


def _find(statement: Statement, given: dict[str, Any]) -> None:
    """All that differs now, in a table of this transaction."""
    with connection.cursor() as cursor:
        cursor.execute(comparisons.FOUND_TABLE)
        cursor.execute(comparisons.UNREAD_TABLE, given)
        for query in comparisons.of(BillKind(statement.kind)):
            cursor.execute(query, given)
        cursor.execute("ANALYZE found")  # should every line differ, each would be looked for among all


def _keep(statement: Statement, at: datetime) -> None:
    """Write what is new, open what came back, close what is gone; each with its event."""
    given: dict[str, Any] = {
        "statement": statement.pk,
        "at": at,
        "due_at": deadlines.of(K.AMOUNT, at=at),
        "urgent_due_at": deadlines.of(K.CLOSED_PAID, at=at),
        "urgent": [kind.value for kind in URGENT],
        "never_by_itself": [kind.value for kind in NEVER_BY_ITSELF],
    }
    with connection.cursor() as cursor:
        for query in comparisons.KEEP:
            cursor.execute(query, given)


def _answer_who_asked(statement: Statement, at: datetime) -> None:
    """再次询问 and 重新下载 have their answer in the record, once: what is gone was closed, the rest still differs."""
    rows = _unanswered(statement, ["asked", "downloaded"])
    if not rows:
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT kind, left(key, 150) FROM found WHERE NOT is_waiting")
        still = set(cursor.fetchall())
    states = _states_now(rows)
    answer(rows, at=at, notes=[
        wording.still_differs(row, states.get(row.request_no or row.payment_no, ""))
        if (row.kind, row.key) in still else "账单里已没有这条差异，请说明原因并了结"
        for row in rows
    ])  # fmt: skip


def tell_not_there(statement: Statement, said: str, *, at: datetime) -> None:
    """Whoever wanted the bill again reads that it could not be had, and when it is asked for next."""
    rows = _unanswered(statement, ["downloaded"])
    answer(rows, at=at, notes=[said] * len(rows))


def answer(rows: Sequence[Discrepancy], *, at: datetime, notes: Sequence[str]) -> None:
    DiscrepancyEvent.objects.bulk_create(
        DiscrepancyEvent(discrepancy=row, at=at, what="answered", note=note[:500])
        for row, note in zip(rows, notes, strict=True)
    )


def _unanswered(statement: Statement, asked: Sequence[str]) -> list[Discrepancy]:
    """Open, and last in their record somebody's question that has no answer of its own."""
    last = DiscrepancyEvent.objects.filter(discrepancy=OuterRef("discrepancy")).order_by("-pk").values("pk")[:1]
    asking = DiscrepancyEvent.objects.filter(
        discrepancy__statement=statement, discrepancy__status=DiscrepancyStatus.OPEN, what__in=asked, note="",
        pk=Subquery(last),
    )  # fmt: skip
    return [event.discrepancy for event in asking.select_related("discrepancy").order_by("pk")[:AT_ONCE]]


def _states_now(rows: Sequence[Discrepancy]) -> dict[str, str]:
    """{number: its status with us by now}."""
    refunds = RefundAttempt.objects.filter(request_no__in=[row.request_no for row in rows if row.request_no])
    payments = Payment.objects.filter(payment_no__in=[row.payment_no for row in rows if not row.request_no])
    return dict(payments.values_list("payment_no", "status")) | dict(refunds.values_list("request_no", "status"))


def _count(statement: Statement, given: dict[str, Any]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(comparisons.COUNTS, given)
        names = [column[0] for column in cursor.description]
        for name, value in zip(names, cursor.fetchone(), strict=True):
            setattr(statement, name, value)


def _wake_neighbors(statement: Statement, at: datetime, *, is_new: bool) -> None:
    """The other bill of the day, and the days beside it that waited for this one."""
    near = [statement.day + timedelta(days=days) for days in (-1, 0, 1)]
    rows = Statement.objects.filter(account=statement.account_id, day__in=near).exclude(pk=statement.pk)
    rows.filter(status=S.DOWNLOADED, last_error=WAITS_FOR_TRADES, leased_until=None).update(next_due_at=at)
    if is_new:  # else two neighbors would wake each other for ever
        waiting = rows.filter(status=S.MATCHED, waiting__gt=0, leased_until=None)
        waiting.update(status=S.DOWNLOADED, next_due_at=at)


# --- what follows, without a person -----------------------------------------------------------------------------------


def _act_on(statement: Statement, at: datetime) -> None:
    """Less is promised of what was refunded outside us; and the channel is asked about what stands differently."""
    fresh = Discrepancy.objects.filter(statement=statement, status=DiscrepancyStatus.OPEN).order_by("pk")
    is_of_trades = statement.kind == BillKind.TRADES.value
    if is_of_trades and statement.flaws == 0:  # one that is not sound says nothing by itself; a person may adopt
        adopt(fresh.filter(kind=K.ONLY_THEIRS), at=at)
    for row in fresh.filter(kind=K.STATE).exclude(events__what="asked")[:AT_ONCE]:
        ask_again(row, at=at)


def adopt(rows: Any, *, at: datetime, by: Any = None) -> int:
    """补记: each refund that is only the channel's becomes EXTERNAL; once. Returns how many are new."""
    count, after = 0, 0
    rows = rows.filter(kind=K.ONLY_THEIRS, ours_state="").select_related("statement__account")
    while batch := list(rows.filter(pk__gt=after).order_by("pk")[:AT_ONCE]):
        after = batch[-1].pk
        account = batch[0].statement.account
        with transaction.atomic():
            count += adopting.adopt(account, [as_found(row) for row in batch], at=at, by=by)
            known = _adopted(batch)
            taken = [row for row in batch if row.channel_no in known]
            Discrepancy.objects.filter(pk__in=workqueue.pks(taken)).update(ours_state=AttemptStatus.EXTERNAL.value)
            DiscrepancyEvent.objects.bulk_create(
                DiscrepancyEvent(discrepancy=row, at=at, by=by, what="adopted", note=known[row.channel_no])
                for row in taken
            )
    return count


def as_found(row: Discrepancy) -> Found:
    amount_fen = abs(row.theirs_fen or 0)
    return Found(row.payment_no, row.channel_no, row.request_no, amount_fen, row.happened_at or row.found_at)


def _adopted(batch: list[Discrepancy]) -> dict[str, str]:
    numbers = [row.channel_no for row in batch]
    payments = [row.payment_no for row in batch]
    rows = RefundAttempt.objects.filter(status=AttemptStatus.EXTERNAL, payment__payment_no__in=payments)
    return dict(rows.filter(channel_refund_id__in=numbers).values_list("channel_refund_id", "request_no"))


def ask_again(row: Discrepancy, *, at: datetime, by: Any = None) -> None:
    """再次询问: the payment, or the refund, is asked about at the channel under its own number; the bill, matched as it
    is, is compared once more when the answer is there."""
    account = row.statement.account
    with transaction.atomic():
        if row.request_no:
            refunding.hint(account, row.request_no, at=at, payment_no=row.payment_no)
        elif row.payment_no:
            charging.hint(account, row.payment_no, at=at)
        DiscrepancyEvent.objects.create(discrepancy=row, at=at, by=by, what="asked")
        mine = Statement.objects.filter(pk=row.statement_id, status=S.MATCHED, leased_until=None)
        mine.update(next_due_at=at + AGAIN_AFTER)
