"""发款批次: what happens to a batch as a whole, by people and by the machine. Its lines are paid by ``paying``.

Triggers hold what this file promises: lines and total are fixed once proposed, a sent line names what paid it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import connection, transaction
from django.db.models import Exists, OuterRef

import reason_given
import workqueue
from accounts import rights
from accounts.models import User
from accounts.rights import Act
from payments.models import ChannelAccount
from refunds.lifecycle import SWEEP, StepRefused
from refunds.models import (
    BatchStatus,
    Destination,
    Lane,
    LineStatus,
    PayoutBatch,
    PayoutEvent,
    PayoutLine,
    Refund,
    Status,
)
from refunds.payouts import ready, whose_turn

MODEL = "refunds.payoutbatch"
MOST_LINES = 2_000
LAPSES_AFTER = timedelta(days=3)  # what nobody has checked by then is called off, and its cases are free again
LOCK = 4902  # names this lock among the database's advisory ones
MOST_NAMED = 12

UNCHECKED = {BatchStatus.DRAFT, BatchStatus.PROPOSED}  # lapses if nobody checks it


class CannotPay(StepRefused):
    """A step of a batch that cannot be taken. ``code`` is for programs; the message says what to do."""


# --- what people do ---------------------------------------------------------------------------------------------------


def compose(
    *, by: User, at: datetime, most_lines: int, most_fen: int, account: ChannelAccount | None = None
) -> PayoutBatch:
    """制单: a draft of what waits longest, within these limits. Nothing is paid. Raises CannotPay."""
    if not 0 < most_lines <= MOST_LINES or most_fen < 1:
        raise CannotPay("payout_limits", f"一批至少 1 笔，至多 {MOST_LINES} 笔，金额须大于 0。")
    with transaction.atomic():
        _demand_right(by, Act.PROPOSE)
        _one_at_a_time()
        found = whose_turn.choose(ready.oldest(by, account), most_lines=most_lines, most_fen=most_fen)
        if not found.taken:
            raise CannotPay("nothing_waits", "没有可以放进这一批的退款：都在别的批次里，或单笔超过本批上限。")
        batch = PayoutBatch.objects.create(
            account=account, most_lines=most_lines, most_fen=most_fen, line_count=len(found.taken),
            total_fen=found.total_fen, made_by=by, made_at=at, next_due_at=at + LAPSES_AFTER,
        )  # fmt: skip
        PayoutLine.objects.bulk_create(
            PayoutLine(batch=batch, refund_id=each.pk, position=number, amount_fen=each.amount_fen)
            for number, each in enumerate(found.taken, start=1)
        )
        _record(batch, "compose", by, at, _too_large(found.too_large))
    return batch


def propose(batch: PayoutBatch, *, by: User, at: datetime) -> None:
    """提交复核, by whoever made it: from now on its lines stand. Raises CannotPay."""
    with transaction.atomic():
        row = _locked(batch, by, Act.PROPOSE, {BatchStatus.DRAFT})
        if row.made_by_id != by.pk:
            raise CannotPay("not_the_maker", "只有制单人可以提交复核。")
        row.status, row.proposed_at, row.next_due_at = BatchStatus.PROPOSED, at, at + LAPSES_AFTER
        row.save(update_fields=["status", "proposed_at", "next_due_at"])
        _record(row, "propose", by, at)


def approve(batch: PayoutBatch, *, by: User, at: datetime) -> None:
    """复核通过, by another person, who has decided on none of its cases and has nothing to do with them (I10). A worker
    pays from now on, in this person's name. Raises CannotPay."""
    with transaction.atomic():
        row = _locked(batch, by, Act.APPROVE, {BatchStatus.PROPOSED})
        if row.made_by_id == by.pk:
            raise CannotPay("same_person", "制单人不能复核自己的批次，请由另一位同事复核。")
        if theirs := row.lines.filter(refund__in=ready.not_for(by).values("pk")).count():
            raise CannotPay("decided_before", f"其中 {theirs} 笔由您审核过，或与您有关，请由别的同事复核。")
        row.status, row.checked_by, row.checked_at, row.next_due_at = BatchStatus.APPROVED, by, at, at
        row.save(update_fields=["status", "checked_by", "checked_at", "next_due_at"])
        _record(row, "approve", by, at)
        workqueue.ring(SWEEP)


def stop(batch: PayoutBatch, *, by: User, at: datetime, reason: str) -> None:
    """暂停: what is not released yet waits. Raises CannotPay."""
    words = _demand_reason(reason)
    with transaction.atomic():
        _stop(_locked(batch, by, Act.STOP, {BatchStatus.APPROVED, BatchStatus.SENDING}), by, at, words)


def go_on(batch: PayoutBatch, *, by: User, at: datetime) -> None:
    """继续. Raises CannotPay."""
    with transaction.atomic():
        row = _locked(batch, by, Act.GO_ON, {BatchStatus.STOPPED})
        if not may_be_paid(row):
            raise CannotPay("checker_left", "复核人已不能放款。请撤下这一批，重新制单复核。")
        _send_on(row, at)
        _record(row, "go_on", by, at)


def retry_failed(batch: PayoutBatch, *, by: User, at: datetime) -> int:
    """重试未放款: the lines that failed and whose cases still wait to be paid, no other. Raises CannotPay."""
    with transaction.atomic():
        row = _locked(batch, by, Act.RETRY_FAILED, {BatchStatus.DONE})
        _one_at_a_time()
        elsewhere = PayoutLine.objects.filter(refund=OuterRef("refund"), status=LineStatus.WAITING)
        failed = row.lines.filter(status=LineStatus.FAILED, refund__status=Status.APPROVED, refund__lane=Lane.STANDARD)
        failed = failed.exclude(refund__destination=Destination.OTHER_ACCOUNT)
        keys = list(failed.exclude(Exists(elsewhere)).values_list("pk", flat=True))
        if not keys:
            raise CannotPay("nothing_to_retry", "没有可以重试的：未放款的退款单已被处理，或在别的批次里。")
        _send_on(row, at)
        PayoutLine.objects.filter(pk__in=keys).update(status=LineStatus.WAITING, reason="", handled_at=None)
        _record(row, "retry_failed", by, at, f"{len(keys)} 笔")
    return len(keys)


def call_off(batch: PayoutBatch, *, by: User, at: datetime, reason: str) -> None:
    """撤下: what was not paid leaves the batch, and may go into another. Raises CannotPay."""
    words = _demand_reason(reason)
    with transaction.atomic():
        _call_off(_locked(batch, by, Act.CALL_OFF, UNCHECKED | {BatchStatus.STOPPED}), by, at, words)


# --- what the machine does --------------------------------------------------------------------------------------------


def lapse(row: PayoutBatch, *, at: datetime) -> None:
    """Nobody has checked it in time: its cases are free again."""
    _call_off(row, None, at, "超过时限没有复核")


def may_be_paid(row: PayoutBatch) -> bool:
    """Whether money may still leave in the name of who checked it."""
    return row.checked_by is not None and rights.may(row.checked_by, Act.APPROVE, MODEL)


def stop_unpayable(row: PayoutBatch, *, at: datetime) -> None:
    _stop(row, None, at, "复核人已不能放款")


# --- small things -----------------------------------------------------------------------------------------------------


def _locked(batch: PayoutBatch, by: User, act: Act, sources: set[BatchStatus]) -> PayoutBatch:
    """The batch as it is now, before somebody who may do this to it now. Raises CannotPay."""
    _demand_right(by, act)
    rows = PayoutBatch.objects.select_for_update(no_key=True, of=("self",)).select_related("checked_by")
    row = rows.get(pk=batch.pk)
    if BatchStatus(row.status) not in sources:
        raise CannotPay(
            "wrong_status",
            f"这一批已是“{row.get_status_display()}”，不能再做这一步。请刷新页面。",
        )
    return row


def _demand_right(by: User, act: Act) -> None:
    """Rights are read inside the transaction that needs them. Raises CannotPay."""
    actor = User.objects.filter(pk=by.pk, is_active=True).first()
    if actor is None or not rights.may(actor, act, MODEL):
        raise CannotPay("not_yours", "只有财务可以制单、复核和发款。")


def _demand_reason(reason: str) -> str:
    if missing := reason_given.why_not(reason):
        raise CannotPay("reason_missing", missing)
    return reason.strip()


def _stop(row: PayoutBatch, by: User | None, at: datetime, reason: str) -> None:
    row.status, row.stop_reason, row.next_due_at, row.leased_until = BatchStatus.STOPPED, reason, None, None
    row.save(update_fields=["status", "stop_reason", "next_due_at", "leased_until"])
    _record(row, "stop", by, at, reason)


def _send_on(row: PayoutBatch, at: datetime) -> None:
    row.status, row.stop_reason, row.next_due_at, row.ended_at = BatchStatus.SENDING, "", at, None
    row.save(update_fields=["status", "stop_reason", "next_due_at", "ended_at"])
    workqueue.ring(SWEEP)


def _call_off(row: PayoutBatch, by: User | None, at: datetime, reason: str) -> None:
    """Its lines first: a batch that ended has none that wait."""
    row.lines.filter(status=LineStatus.WAITING).update(status=LineStatus.DROPPED, handled_at=at)
    row.status, row.ended_at, row.next_due_at, row.leased_until = BatchStatus.CALLED_OFF, at, None, None
    row.save(update_fields=["status", "ended_at", "next_due_at", "leased_until"])
    _record(row, "call_off", by, at, reason)


def _record(batch: PayoutBatch, step: str, by: User | None, at: datetime, note: str = "") -> None:
    PayoutEvent.objects.create(batch=batch, step=step, by=by, at=at, note=note[: reason_given.LONGEST])


def _too_large(cases: Sequence[whose_turn.Waits]) -> str:
    """What no batch of this size could hold, for whoever made it."""
    if not cases:
        return ""
    numbers = Refund.objects.filter(pk__in=[each.pk for each in cases[:MOST_NAMED]]).values_list("refund_no", flat=True)
    return f"单笔超过本批上限，未放入 {len(cases)} 笔：{'、'.join(numbers)}"


def _one_at_a_time() -> None:
    """Whoever puts cases into batches does it alone: two would wait for each other's cases. Until the transaction
    ends."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, 0)", [LOCK])
