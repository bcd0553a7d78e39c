"""What a machine does when a case is due. A row that fails is set aside for a human; the others go on (F12)."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import transaction

import workqueue
from refunds import disbursement, lifecycle, precheck
from refunds.models import Queue, Refund
from refunds.models import Status as S

log = logging.getLogger(__name__)
BATCH = 50
MOST_TRIES = 8


def sweep(*, at: datetime) -> int:
    """Work on a batch of due cases; returns how many. If one of them spoils the batch, each is done alone."""
    try:
        with transaction.atomic():
            due = _due(at, BATCH)
            _work(due, at)
            return len(due)
    except Exception:
        log.exception("sweep: a batch failed, its cases are done one by one")
        return sum(_alone(at) for _ in range(BATCH))


def _due(at: datetime, limit: int) -> list[Refund]:
    return workqueue.claim(Refund.objects.select_related("order__policy", "payment"), at=at, limit=limit)


def _work(due: Sequence[Refund], at: datetime) -> None:
    """By status: what lies with the machine is done, what lies with a person is late and escalates."""
    by_status: dict[S, list[Refund]] = {}
    for refund in due:
        by_status.setdefault(S(refund.status), []).append(refund)
    precheck.run(by_status.pop(S.SUBMITTED, []), at=at)
    if awaiting := by_status.pop(S.AWAITING_EVIDENCE, []):
        lifecycle.lapse_evidence(awaiting, at=at)
    if late := [r for r in by_status.get(S.FIRST_REVIEW, []) if r.queue == Queue.REVIEWER]:
        lifecycle.escalate(late, at=at)
    if automatic := [r for r in by_status.get(S.APPROVED, []) if r.queue == Queue.MACHINE]:
        disbursement.release(automatic, by=None, at=at)
    done = {refund.pk for refund in [*late, *automatic]}
    _look_again_later([r for rows in by_status.values() for r in rows if r.pk not in done], at)


def _look_again_later(late: Sequence[Refund], at: datetime) -> None:
    """Late with a person or with the channel: stays in their queue, shown as late, and is looked at daily.

    Paid-out cases whose arrival window is over come to rest here."""
    waiting = [refund.pk for refund in late if refund.status != S.PAID_OUT]
    Refund.objects.filter(pk__in=waiting).update(next_due_at=at + timedelta(days=1), leased_until=None)
    over = [refund.pk for refund in late if refund.status == S.PAID_OUT]
    Refund.objects.filter(pk__in=over).update(next_due_at=None, leased_until=None, queue=Queue.NOBODY)


def _alone(at: datetime) -> int:
    """One due case in its own transaction; a failing one waits, longer each time, and ends with a senior."""
    failing: Refund | None = None
    try:
        with transaction.atomic():
            due = _due(at, 1)
            failing = due[0] if due else None
            _work(due, at)
            return len(due)
    except Exception:
        if failing is None:
            raise
        log.exception("sweep: refund %s failed", failing.refund_no)
        _set_aside(failing, at)
        return 1


def _set_aside(refund: Refund, at: datetime) -> None:
    """Later, each time after a longer pause; a case that no rule can judge goes to a reviewer, the rest to a senior."""
    tries = refund.tries + 1
    if tries >= MOST_TRIES and refund.status == S.SUBMITTED:
        lifecycle.send_to_review([refund], at=at)
        return
    queue = Queue.SENIOR if tries >= MOST_TRIES else refund.queue
    pause = timedelta(days=1) if tries >= MOST_TRIES else timedelta(seconds=5 * 2**tries)
    Refund.objects.filter(pk=refund.pk).update(tries=tries, queue=queue, next_due_at=at + pause, leased_until=None)
