"""What a machine does when a case is due. A row that fails is set aside for a human; the others go on (F12)."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import OperationalError, transaction

import workqueue
from refunds import clocking, disbursement, goods, lifecycle, precheck, reminding, silence
from refunds.models import Queue, Refund
from refunds.models import Status as S

log = logging.getLogger(__name__)
BATCH = 100
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
    rows = Refund.objects.select_related("order", "payment")
    return workqueue.hold(rows.prefetch_related("order__policy"), at=at, limit=limit)  # of many cases, few policies


def _work(due: Sequence[Refund], at: datetime) -> None:
    """What lies with the machine is done; then what lies with people.

    Payments before orders, orders before codes, and a shop's purse last: all rows are locked before the first step,
    since any step may take a purse.
    """
    submitted, automatic = _in(due, S.SUBMITTED), [refund for refund in due if lifecycle.is_automatic(refund)]
    disbursement.hold_payments(automatic)
    goods.lock_orders(due)
    if automatic:
        disbursement.release_by_rules(automatic, at=at)
    precheck.run(submitted, at=at)
    ours = {refund.pk for refund in [*submitted, *automatic]}
    _wait_for_others([refund for refund in due if refund.pk not in ours], at)


def _wait_for_others(due: Sequence[Refund], at: datetime) -> None:
    """What is late with people goes as the table says; others are reminded."""
    late = [refund for refund in due if refund.promised_by is not None and refund.promised_by <= at]
    silence.settle(unanswered := _in(late, S.MERCHANT_REVIEW), at=at)
    if offered := _in(late, S.OFFERED):
        lifecycle.lapse_offer(offered, at=at)
    if awaiting := _in(late, S.AWAITING_EVIDENCE):
        of_shop = [refund for refund in awaiting if refund.queue == Queue.MERCHANT]
        reminding.remind(_over(of_shop), at=at)  # the step tells the buyer alone
        lifecycle.lapse_evidence(awaiting, at=at)
    lapsed = disbursement.lapse_revived(_in(due, S.REDIRECT_SIGNED), at=at)
    if overdue := [refund for refund in due if _goes_up(refund, at)]:
        _send_up(overdue, at)
    done = {refund.pk for refund in [*unanswered, *offered, *awaiting, *lapsed, *overdue]}
    _look_again([refund for refund in due if refund.pk not in done], at)


def _in(refunds: Sequence[Refund], status: S) -> list[Refund]:
    return [refund for refund in refunds if refund.status == status]


def _goes_up(refund: Refund, at: datetime) -> bool:
    """A review that is late, or a case without a conclusion on its last day; the operator's stays where it is."""
    ends = [moment for moment in (refund.promised_by, refund.decide_by) if moment is not None]
    is_over = bool(ends) and min(ends) <= at
    return refund.status in lifecycle.PLATFORM and refund.queue != Queue.OPERATOR and is_over


def _send_up(overdue: Sequence[Refund], at: datetime) -> None:
    """Who had it reads that its time is over, who has it now that it went up."""
    reminding.remind(_over(overdue), at=at)
    lifecycle.escalate(overdue, at=at)
    reminding.went_up(list(Refund.objects.filter(pk__in=workqueue.pks(overdue))), at=at)


def _over(refunds: Sequence[Refund]) -> Sequence[Refund]:
    for refund in refunds:
        refund.reminded_percent = reminding.OVER
    return refunds


def _is_past_last_day(refund: Refund, at: datetime) -> bool:
    over = refund.decide_by is not None and refund.decide_by <= at
    return over and refund.status in S.undecided() and refund.queue != Queue.OPERATOR


def _look_again(waiting: Sequence[Refund], at: datetime) -> None:
    """Whoever's turn it is, is reminded; late with the channel, finance or the operator: shown as late, looked at and
    told of daily. The last day of what waits for another side is the operators' alarm.

    Paid-out cases whose arrival window is over come to rest here."""
    told = []
    for refund in waiting:
        refund.leased_until = None
        if refund.status == S.PAID_OUT and refund.queue == Queue.MACHINE:
            refund.queue, refund.next_due_at = Queue.NOBODY, None
            continue
        percent = clocking.percent_gone(refund, at=at)
        reached = max((mark for mark in (*clocking.REMINDERS, reminding.OVER) if mark <= percent), default=0)
        if reached > refund.reminded_percent or (reached == reminding.OVER and refund.queue in reminding.ROLE_OF):
            refund.reminded_percent = reached
            told.append(refund)
        refund.next_due_at = clocking.next_look(refund, at=at)
    reminding.remind(told, at=at)
    reminding.last_day([refund for refund in waiting if _is_past_last_day(refund, at)], at=at)
    Refund.objects.bulk_update(waiting, ["queue", "next_due_at", "leased_until", "reminded_percent"])


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


def _set_aside(failing: Refund, at: datetime) -> None:
    """Later, each time after a longer pause; a case that no rule can judge goes to a reviewer, the rest to a senior.

    Read anew: what failed was undone, and ``failing`` may stand where its step had led it."""
    with transaction.atomic():
        for refund in workqueue.hold(Refund.objects.filter(pk=failing.pk), at=at, limit=1):
            _pause(refund, at)


def _pause(refund: Refund, at: datetime) -> None:
    tries = refund.tries + 1
    if tries >= MOST_TRIES and refund.status == S.SUBMITTED and _goes_to_review(refund, at):
        return
    queue = Queue.SENIOR if tries >= MOST_TRIES else refund.queue
    pause = timedelta(days=1) if tries >= MOST_TRIES else timedelta(seconds=5 * 2**tries)
    Refund.objects.filter(pk=refund.pk).update(tries=tries, queue=queue, next_due_at=at + pause, leased_until=None)


def _goes_to_review(refund: Refund, at: datetime) -> bool:
    """Unless that step fails, too: then a senior has it, for whoever comes behind it must not wait for it."""
    try:
        lifecycle.send_to_review([refund], at=at)
        return True
    except OperationalError:
        raise
    except Exception:
        log.exception("sweep: refund %s cannot be sent to review", refund.refund_no)
        return False
