"""逐笔发款: what the worker does with a batch that was checked, or that nobody has checked in time.

The row is the queue. A turn takes some lines, releases their cases in the checker's name and writes what became of
each, in one transaction: killed anywhere, it goes on behind the last turn, and no case is paid twice.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from datetime import datetime

from django.db import OperationalError, transaction

import reason_given
import workqueue
from clock import scaled
from payments import outgoing
from refunds import disbursement
from refunds.models import BalanceCredit, BatchStatus, Destination, LineStatus, PayoutBatch, PayoutLine, Refund
from refunds.payouts import batches
from writing import write

log = logging.getLogger(__name__)

TURN = 50  # lines of one transaction

OTHER_AMOUNT = "金额在制单之后变了，须重新制单复核"
ANOTHER_ACCOUNT = "去向已改为买家账户，须单独放款，由转账付出"
BROKEN = "处理出错，见日志"


def sweep(*, at: datetime) -> int:
    """One turn of one batch; returns how many lines it was about. A line that spoils its turn is left behind (F12)."""
    stopped = outgoing.now()
    try:
        return _turn(at, TURN, stopped, [])
    except OperationalError:
        raise  # the database is away: it goes on where it was
    except Exception:
        log.exception("payout: a turn failed, its lines are paid one by one")
        return _one_line(at, stopped)


def _turn(at: datetime, limit: int, stopped: outgoing.Stopped, tried: list[PayoutLine]) -> int:
    """``tried``: filled with its lines."""
    with transaction.atomic():
        due = _claim(at, stopped)
        if due is None:
            return 0
        if due.status in batches.UNCHECKED:
            batches.lapse(due, at=at)
            return 1
        if not batches.may_be_paid(due):
            batches.stop_unpayable(due, at=at)
            return 1
        tried += _next(due, limit, stopped)
        return _pay(due, tried, at)


def _claim(at: datetime, stopped: outgoing.Stopped) -> PayoutBatch | None:
    """While all outgoing money is stopped, nobody is paid; what nobody checked in time ends all the same."""
    rows = PayoutBatch.objects.select_related("checked_by")
    if stopped.everything:
        rows = rows.filter(status__in=batches.UNCHECKED)
    return next(iter(workqueue.claim(rows, at=at, limit=1)), None)


def _next(batch: PayoutBatch, limit: int, stopped: outgoing.Stopped) -> list[PayoutLine]:
    """The next lines in their order; those of accounts that are stopped wait."""
    rows = PayoutLine.objects.select_for_update(no_key=True, of=("self",)).filter(
        batch=batch, status=LineStatus.WAITING
    )
    if stopped.accounts:
        rows = rows.exclude(
            refund__payment__account__in=list(stopped.accounts), refund__destination=Destination.ORIGINAL
        )
    return list(rows.select_related("refund").order_by("position")[:limit])


def _pay(batch: PayoutBatch, lines: Sequence[PayoutLine], at: datetime) -> int:
    _begin(batch)
    if lines:
        changed = {line.refund_id: why for line in lines if (why := _changed(line))}
        same = [line.refund for line in lines if line.refund_id not in changed]
        assert batch.checked_by  # noqa: S101 - for the type checker: what is paid was checked, says the database
        released = disbursement.release_each(same, by=batch.checked_by, at=at)
        _write(lines, changed, released, at)
    # At once behind what was paid; without lines the rest is of accounts that are stopped.
    _look_again(batch, at if lines else at + scaled(outgoing.PAUSE_SECONDS), at)
    return len(lines) or (1 if batch.status == BatchStatus.DONE else 0)


def _changed(line: PayoutLine) -> str:
    """Why this case is not the one that was checked any more; empty if it is."""
    if line.refund.destination == Destination.OTHER_ACCOUNT:  # came back meanwhile: its buyer signed for an account
        return ANOTHER_ACCOUNT
    return OTHER_AMOUNT if line.refund.amount_fen != line.amount_fen else ""


def _begin(batch: PayoutBatch) -> None:
    """Before its lines: no line of another batch moves."""
    if batch.status == BatchStatus.APPROVED:
        batch.status = BatchStatus.SENDING
        batch.save(update_fields=["status"])


def _look_again(batch: PayoutBatch, due_at: datetime, at: datetime) -> None:
    """At ``due_at`` while lines wait; else it is over."""
    batch.next_due_at, batch.leased_until = due_at, None
    if not batch.lines.filter(status=LineStatus.WAITING).exists():
        batch.status, batch.next_due_at, batch.ended_at = BatchStatus.DONE, None, at
    batch.save(update_fields=["status", "next_due_at", "leased_until", "ended_at"])


def _write(
    lines: Sequence[PayoutLine],
    changed: Mapping[int, str],
    released: disbursement.Released,
    at: datetime,
) -> None:
    """What became of each line, with what paid it."""
    paid_by = _what_paid(released.sent)
    why = {refund.pk: (LineStatus.SET_ASIDE, reason) for refund, reason in released.set_aside}
    why |= {refund.pk: (LineStatus.FAILED, str(refusal)) for refund, refusal in released.refused}
    why |= {refund_id: (LineStatus.FAILED, reason) for refund_id, reason in changed.items()}
    for line in lines:
        line.disbursement_id, line.credit_id = paid_by.get(line.refund_id, (None, None))
        is_sent = line.refund_id in paid_by
        line.status, reason = (LineStatus.SENT, "") if is_sent else why.get(line.refund_id, (LineStatus.FAILED, BROKEN))
        line.reason, line.handled_at = reason[: reason_given.LONGEST], at
    write(lines, ["status", "reason", "disbursement", "credit", "handled_at"])


def _what_paid(sent: Sequence[Refund]) -> dict[int, tuple[int | None, int | None]]:
    """{case: (its disbursement, its credit)}, one of the two."""
    by_channel = disbursement.latest([refund.pk for refund in sent])
    credited = dict(BalanceCredit.objects.filter(refund__in=sent).values_list("refund", "pk"))
    return {
        refund.pk: (None, credited[refund.pk])
        if refund.destination == Destination.BALANCE
        else (by_channel[refund.pk], None)
        for refund in sent
    }


def _one_line(at: datetime, stopped: outgoing.Stopped) -> int:
    """The next line alone; one that fails is marked and logged, and the others go on."""
    tried: list[PayoutLine] = []
    try:
        return _turn(at, 1, stopped, tried)
    except OperationalError:
        raise
    except Exception:
        log.exception("payout: a line cannot be paid, and is left behind")
    with transaction.atomic():
        due = _claim(at, stopped)
        if due is None or due.status in batches.UNCHECKED:
            return 0
        lines = [line for line in _next(due, 1, stopped) if line in tried]  # a colleague may have left it behind
        _pay(due, [], at) if not lines else _leave_behind(due, lines[0], at)
        return 1


def _leave_behind(batch: PayoutBatch, line: PayoutLine, at: datetime) -> None:
    _begin(batch)
    line.status, line.reason, line.handled_at = LineStatus.FAILED, BROKEN, at
    line.save(update_fields=["status", "reason", "handled_at"])
    _look_again(batch, at, at)
