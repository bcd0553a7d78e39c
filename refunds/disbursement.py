"""发款: approved → attempt opened and sent; its outcome moves the case. What goes to the balance is there at once.

The network moves attempts (``payments.refunding``); this file turns their news into steps of the case.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import OperationalError, transaction
from django.db.models import Max, QuerySet

import workqueue
from accounts.models import User
from clock import scaled
from payments import crediting, hearing, outgoing, refunding, transfers
from payments.models import AttemptStatus as A
from payments.models import RefundAttempt, Transfer
from payments.transfer_models import TransferStatus as T
from refunds import arrival_times, followups, goods, lifecycle
from refunds.lifecycle import StepRefused, guards, redirect
from refunds.models import Destination, Disbursement, Queue, RedirectTransfer, Refund
from refunds.models import Status as S

log = logging.getLogger(__name__)
BATCH = 200
BY_ANOTHER_CLOCK = timedelta(minutes=1)  # news may bear the time of a machine that is ahead of ours
HEARD_AGAIN = timedelta(hours=1)  # what could not be acted on
#: Why nothing more is sent: what was given up as closed is not (any more), and may still pay the buyer.
ALIVE = "上一笔渠道退款又有了结果，不再另发，以免重复退款"
#: Where another way was taken because the old attempt was closed: it comes to nothing if that is not so after all.
ALIVE_AGAIN = {S.REDIRECT_SIGNED: "lapse_redirect", S.APPROVED: "cannot_send"}
#: Where money is on its way, or gone.
GONE = {S.PROCESSING, S.PAID_OUT, S.ARRIVED}


@dataclass(frozen=True)
class Released:
    """What became of each case of a release: sent, set aside with the reason, or left where it was (PM7)."""

    sent: list[Refund]
    set_aside: list[tuple[Refund, str]]
    refused: list[tuple[Refund, StepRefused]]


def release(refunds: Sequence[Refund], *, by: User | None, at: datetime) -> Released:
    """放款, each the way that its buyer chose. What would be refused anyway is set aside before calling (G9)."""
    with transaction.atomic():
        rows = Refund.objects.select_for_update(no_key=True, of=("self",)).filter(pk__in=workqueue.pks(refunds))
        locked = list(rows.select_related("order").prefetch_related("order__policy").order_by("pk"))
        lifecycle.demand_right("disburse", locked, by=by)  # setting aside moves a case too
        lifecycle.demand_status("disburse", locked)
        hold_payments(locked)
        return _release(locked, by, at)


def release_by_rules(held: Sequence[Refund], *, at: datetime) -> Released:
    """放款 of what a lane of rules approved. The caller holds the cases locked, their payments (``hold_payments``) and
    orders too."""
    return _release(held, None, at)


def hold_payments(refunds: Sequence[Refund]) -> None:
    """Lock the payments of these cases, and read them only then: what was promised of them meanwhile, or refunded
    outside us, is not there to be sent."""
    held = {row.pk: row for row in refunding.locked_payments([refund.payment_id for refund in refunds])}
    for refund in refunds:
        refund.payment = held[refund.payment_id]


def _release(locked: Sequence[Refund], by: User | None, at: datetime) -> Released:
    if by is None:
        locked = _without_stopped(locked, at)
    alive = _alive(locked)
    reasons = {refund.pk: ALIVE if refund.pk in alive else why_not(refund, at=at) for refund in locked}
    sent = [refund for refund in locked if not reasons[refund.pk]]
    set_aside = [(refund, reasons[refund.pk]) for refund in locked if reasons[refund.pk]]
    ways = {way: [refund for refund in sent if refund.destination == way] for way in Destination}
    if ways[Destination.BALANCE] or ways[Destination.OTHER_ACCOUNT]:
        goods.lock_orders(sent)  # of all steps now, in one order; their payments are held
    if ways[Destination.BALANCE]:
        lifecycle.credit_balance(ways[Destination.BALANCE], by=by, at=at)
    if ways[Destination.OTHER_ACCOUNT] and by is not None:  # no lane of rules leads there
        lifecycle.request_transfer(ways[Destination.OTHER_ACCOUNT], by=by, at=at)
    lifecycle.disburse(ways[Destination.ORIGINAL], by=by, at=at, held=True)
    for reason in sorted({reason for _, reason in set_aside}):
        lifecycle.cannot_send([refund for refund, why in set_aside if why == reason], at=at, note=reason)
    refunding.hear_again(alive.values(), at=at)  # what was said of it while the case was elsewhere
    return Released(sent, set_aside, [])


def _without_stopped(refunds: Sequence[Refund], at: datetime) -> Sequence[Refund]:
    """停止出款: what would go to a balance by itself waits where it is, and is looked at again. A person is refused."""
    waits = [refund for refund in refunds if refund.destination == Destination.BALANCE]
    if not waits or not outgoing.stopped():
        return refunds
    later = at + scaled(outgoing.PAUSE_SECONDS)
    Refund.objects.filter(pk__in=workqueue.pks(waits)).update(next_due_at=later, leased_until=None)
    return [refund for refund in refunds if refund not in waits]


def lapse_revived(signed: Sequence[Refund], *, at: datetime) -> list[Refund]:
    """变更协议失效 where the old attempt may pay after all, though nothing is heard of it yet. Returns which."""
    alive = _alive(signed) if signed else {}
    found = [refund for refund in signed if refund.pk in alive and redirect.came_alive(alive[refund.pk])]
    if found:
        lifecycle.lapse_redirect(found, at=at)
    return found


def _alive(refunds: Sequence[Refund]) -> dict[int, RefundAttempt]:
    """{case: what was last sent for it, where that is not closed}. Nothing was sent for most."""
    return lifecycle.unclosed(refunds)


def why_not(refund: Refund, *, at: datetime) -> str:
    """Why this case's money cannot go where it should, known before anything is done; empty if it can."""
    if refund.destination == Destination.OTHER_ACCOUNT:
        return transfers.why_not_redirect(refund.payment, refund.amount_fen)
    if refund.destination == Destination.BALANCE:
        return crediting.why_not(refund.payment, refund.amount_fen)
    return refunding.why_not(refund.payment, refund.amount_fen, at=at)


def latest(refund_ids: Sequence[int]) -> dict[int, int]:
    """{case: its latest disbursement}."""
    return _latest_of(Disbursement.objects.filter(refund__in=refund_ids))


def release_each(refunds: Sequence[Refund], *, by: User, at: datetime) -> Released:
    """放款 of many: in one go if all may go, else each by itself, so that a refused one stops no other (PM7)."""
    try:
        return release(refunds, by=by, at=at)
    except StepRefused as refusal:
        if len(refunds) == 1:
            return Released([], [], [(refunds[0], refusal)])
    alone = [release_each([refund], by=by, at=at) for refund in refunds]
    return Released(
        sent=[refund for each in alone for refund in each.sent],
        set_aside=[line for each in alone for line in each.set_aside],
        refused=[line for each in alone for line in each.refused],
    )


def hear(*, at: datetime) -> int:
    """Act on a batch of news from the channels and of transfers; returns how many attempts and transfers they were
    about."""
    until = at + BY_ANOTHER_CLOCK
    waiting = Disbursement.objects.filter(attempt__news_at__lt=until).order_by("attempt__news_at", "pk")
    refund_ids = list(waiting.values_list("refund_id", flat=True)[:BATCH])
    redirected = RedirectTransfer.objects.filter(transfer__news_at__lt=until).order_by("transfer__news_at", "pk")
    refund_ids += redirected.values_list("refund_id", flat=True)[:BATCH]
    try:
        return _hear(refund_ids, at)
    except OperationalError:
        raise  # the database is away: the news waits
    except Exception:
        log.exception("hear: a batch failed, its cases are done one by one")
        return sum(_hear_alone(refund_id, at) for refund_id in refund_ids)


def _hear(refund_ids: Sequence[int], at: datetime) -> int:
    with transaction.atomic():
        cases = _locked(refund_ids)
        attempts, transferred = _news(cases), _transfer_news(cases)
        _move_cases(attempts, at)
        refunding.acknowledge(attempts)
        _move_redirected(transferred, at)
        transfers.acknowledge([row.transfer for row in transferred])
    return len(attempts) + len(transferred)


def _hear_alone(refund_id: int, at: datetime) -> int:
    """A case that cannot act on its news lies with finance, shown and logged, and hears it again in an hour; the others
    go on (F12)."""
    try:
        return _hear([refund_id], at)
    except OperationalError:
        raise
    except Exception:
        log.exception("hear: refund %s failed", refund_id)
        Refund.objects.filter(pk=refund_id).update(queue=Queue.FINANCE)
        refunding.put_off_news(RefundAttempt.objects.filter(disbursement__refund=refund_id), until=at + HEARD_AGAIN)
        transfers.put_off_news(Transfer.objects.filter(redirect__refund=refund_id), until=at + HEARD_AGAIN)
        return 0


def _locked(refund_ids: Sequence[int]) -> list[Refund]:
    """Cases with news, locked before anything else (lock order: refund before payment); those held by others wait."""
    rows = Refund.objects.select_for_update(no_key=True, skip_locked=True, of=("self",)).filter(pk__in=refund_ids)
    return list(rows.select_related("order", "payment").prefetch_related("order__policy").order_by("pk"))


def _news(cases: Sequence[Refund]) -> list[RefundAttempt]:
    attempts = RefundAttempt.objects.select_for_update(no_key=True, of=("self",)).select_related("disbursement")
    rows = list(attempts.filter(disbursement__refund__in=cases, news_at__isnull=False).order_by("pk"))
    held = {case.pk: case for case in cases}
    for row in rows:
        row.disbursement.refund = held[row.disbursement.refund_id]
    return [*rows, *_surplus_news()]


def _transfer_news(cases: Sequence[Refund]) -> list[RedirectTransfer]:
    """Transfers with news, locked so that none is newer."""
    transfers = Transfer.objects.select_for_update(no_key=True, of=("self",))
    rows = transfers.filter(redirect__refund__in=cases, news_at__isnull=False)
    locked = {row.pk: row for row in rows.order_by("pk")}
    found = list(RedirectTransfer.objects.filter(transfer__in=locked).select_related("refund__order").order_by("pk"))
    for row in found:
        row.transfer = locked[row.transfer_id]
    return found


def _move_redirected(rows: Sequence[RedirectTransfer], at: datetime) -> None:
    """改付: paid, or come to nothing: then the buyer is asked again, and the old attempt is heard once more."""
    newest = _latest_of(RedirectTransfer.objects.filter(refund__in=[row.refund_id for row in rows]))
    mine = [row for row in rows if newest[row.refund_id] == row.pk]
    paid = [row.refund for row in mine if row.transfer.status == T.PAID and row.refund.status == S.PROCESSING]
    back = [row for row in mine if row.transfer.status in {T.REFUSED, T.FAILED} and row.refund.status in GONE]
    if paid:
        lifecycle.mark_transferred(paid, at=at)
    for row in back:
        lifecycle.mark_returned([row.refund], at=at, note=f"转账没有成功：{row.transfer.reason}")
    refunding.hear_again(_alive([row.refund for row in back]).values(), at=at)


def _latest_of(rows: QuerySet[Any]) -> dict[int, int]:
    return dict(rows.order_by().values_list("refund").annotate(Max("pk")))


def _surplus_news() -> list[RefundAttempt]:
    """Surplus payments go back without a case: nobody waits for their news."""
    waiting = RefundAttempt.objects.select_for_update(no_key=True, skip_locked=True, of=("self",))
    return list(waiting.filter(news_at__isnull=False, disbursement=None).order_by("pk")[:BATCH])


def _move_cases(attempts: Sequence[RefundAttempt], at: datetime) -> None:
    """Each case goes where its attempt's status leads from where the case stands; in groups, a step for many.

    An earlier attempt was closed before the next was opened: what is still heard of it says nothing of that one.
    """
    todo: dict[str, list[Refund]] = defaultdict(list)
    sent = [(row, row.disbursement) for row in attempts if getattr(row, "disbursement", None) is not None]
    newest = latest([row.refund_id for _, row in sent])
    for attempt, disbursement in sent:
        if newest[disbursement.refund_id] == disbursement.pk:
            for step in _steps_of(attempt, disbursement.refund):
                todo[step].append(disbursement.refund)
    Refund.objects.filter(pk__in=workqueue.pks(todo["held"])).update(queue=Queue.FINANCE)  # no machine goes on (I4)
    are_as_read = not todo.keys() & {"lapse_redirect", "cannot_send", "resume"}  # those read them anew
    if todo["lapse_redirect"]:
        lifecycle.lapse_redirect(todo["lapse_redirect"], at=at)
    if todo["cannot_send"]:
        lifecycle.cannot_send(todo["cannot_send"], at=at, note=ALIVE)
    if todo["resume"]:
        lifecycle.resume(todo["resume"], at=at)
    if todo["mark_paid_out"]:
        lifecycle.mark_paid_out(todo["mark_paid_out"], at=at, held=are_as_read)
    if todo["expect"]:
        _expect_anew(todo["expect"], at)
    if todo["confirm_arrival"]:
        lifecycle.confirm_arrival(todo["confirm_arrival"], by=None, at=at, held=are_as_read)
    if todo["mark_returned"]:
        lifecycle.mark_returned(todo["mark_returned"], at=at, note="渠道未能退到原支付账户")


def _expect_anew(refunds: Sequence[Refund], at: datetime) -> None:
    """The channel says when the bank should have it, after it said that it has paid out. No step: nobody moves."""
    waiting = [refund for refund in refunds if refund.queue == Queue.MACHINE]
    arrival_times.expect(waiting, guards.last_attempts(waiting), at=at)
    for refund in waiting:
        refund.next_due_at = followups.after_arrival_window(refund)
    Refund.objects.bulk_update(waiting, [*arrival_times.WRITTEN, "next_due_at"])


def _steps_of(attempt: RefundAttempt, refund: Refund) -> list[str]:
    """Of a case that a transfer pays, the old attempt moves nothing: it is told of, and a person ends the transfer."""
    status = S(refund.status)
    if refund.destination == Destination.OTHER_ACCOUNT and status in GONE:
        if attempt.status not in hearing.FINAL:
            log.error("refund %s is paid by a transfer, and its attempt is %s", refund.refund_no, attempt.status)
        return []
    if status == S.REDIRECT_SIGNED and not redirect.came_alive(attempt):
        return []
    return _steps_from(status, attempt)


def _steps_from(status: S, attempt: RefundAttempt) -> list[str]:
    """News that the case has heard already leads to no step; neither does what a person should see to (HELD, or too
    slow), but a person owns the case then."""
    if status in ALIVE_AGAIN and attempt.status not in hearing.FINAL:
        return [ALIVE_AGAIN[status], *_steps_from(S.RETURNED, attempt)]
    if status == S.PROCESSING and (attempt.status == A.HELD or attempt.attention):
        return ["held"]
    if attempt.status == A.SUCCEEDED and status in {S.PROCESSING, S.RETURNED}:
        steps = ["resume"] if status == S.RETURNED else []
        steps += ["mark_paid_out"]
        return [*steps, "confirm_arrival"] if attempt.has_arrived else steps
    if status == S.PAID_OUT and attempt.has_arrived:
        return ["confirm_arrival"]
    if status == S.PAID_OUT and attempt.status == A.SUCCEEDED:
        return ["expect"]
    if attempt.status in {A.RETURNED, *hearing.FINAL} and status in GONE:
        return ["mark_returned"]
    return []
