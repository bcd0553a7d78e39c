"""分批发款: one of finance puts a batch together, another checks it, and a worker pays its lines (S2-18, S2-19, I11).

    draft → proposed → approved → sending ⇄ done (what failed is tried again)
      └────────┴──→ called_off ←── stopped ⇄ ┘

The row is the queue. A turn takes some lines, releases their cases in the checker's name and writes what became of
each, in one transaction: killed anywhere, it goes on behind the last turn, and no case is paid twice. Triggers hold
what this file promises: lines and total are fixed once proposed, a sent line names what paid it.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from django.db import OperationalError, connection, transaction
from django.db.models import Count, Exists, OuterRef, Q, QuerySet, Sum

import workqueue
from accounts import rights
from accounts.models import User
from clock import scaled
from money import yuan
from payments import outgoing, waiting
from payments.models import ChannelAccount
from payments.waiting import Waiting
from refunds import disbursement, lifecycle, payout_order
from refunds.lifecycle import SWEEP, StepRefused, guards
from refunds.models import (
    BalanceCredit,
    BatchStatus,
    Destination,
    Lane,
    LineStatus,
    PayoutBatch,
    PayoutEvent,
    PayoutLine,
    Refund,
    RefundEvent,
    Status,
)
from writing import write

log = logging.getLogger(__name__)

MODEL = "refunds.payoutbatch"
TURN = 50  # lines of one transaction
MOST_LINES = 2_000
MOST_WAITING = 20_000  # looked at for one batch
LAPSES_AFTER = timedelta(days=3)  # what nobody has checked by then is called off, and its cases are free again
LONGEST_REASON = 200
LOCK = 4902  # names this lock among the database's advisory ones
MOST_NAMED = 12
ALONE_MOST_FEN = 2_000_000  # of several cases that one person releases in one go, ¥20,000; more is a batch

UNCHECKED = {BatchStatus.DRAFT, BatchStatus.PROPOSED}  # lapses if nobody checks it

OTHER_AMOUNT = "金额在制单之后变了，须重新制单复核"
ANOTHER_ACCOUNT = "去向已改为买家账户，须单独放款，由转账付出"
BROKEN = "处理出错，见日志"


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
        _demand_right(by, "propose")
        _one_at_a_time()
        found = payout_order.choose(_waiting(by, account), most_lines=most_lines, most_fen=most_fen)
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
        row = _locked(batch, by, "propose", {BatchStatus.DRAFT})
        if row.made_by_id != by.pk:
            raise CannotPay("not_the_maker", "只有制单人可以提交复核。")
        row.status, row.proposed_at, row.next_due_at = BatchStatus.PROPOSED, at, at + LAPSES_AFTER
        row.save(update_fields=["status", "proposed_at", "next_due_at"])
        _record(row, "propose", by, at)


def approve(batch: PayoutBatch, *, by: User, at: datetime) -> None:
    """复核通过, by another person, who has decided on none of its cases and has nothing to do with them (I10). A worker
    pays from now on, in this person's name. Raises CannotPay."""
    with transaction.atomic():
        row = _locked(batch, by, "approve", {BatchStatus.PROPOSED})
        if row.made_by_id == by.pk:
            raise CannotPay("same_person", "制单人不能复核自己的批次，请由另一位同事复核。")
        if theirs := _lines(row).filter(refund__in=_not_for(by).values("pk")).count():
            raise CannotPay("decided_before", f"其中 {theirs} 笔由您审核过，或与您有关，请由别的同事复核。")
        row.status, row.checked_by, row.checked_at, row.next_due_at = BatchStatus.APPROVED, by, at, at
        row.save(update_fields=["status", "checked_by", "checked_at", "next_due_at"])
        _record(row, "approve", by, at)
        workqueue.ring(SWEEP)


def stop(batch: PayoutBatch, *, by: User, at: datetime, reason: str) -> None:
    """暂停: what is not released yet waits. Raises CannotPay."""
    words = _demand_reason(reason)
    with transaction.atomic():
        _stop(_locked(batch, by, "stop", {BatchStatus.APPROVED, BatchStatus.SENDING}), by, at, words)


def go_on(batch: PayoutBatch, *, by: User, at: datetime) -> None:
    """继续. Raises CannotPay."""
    with transaction.atomic():
        row = _locked(batch, by, "go_on", {BatchStatus.STOPPED})
        if not _may_check(row.checked_by):
            raise CannotPay("checker_left", "复核人已不能放款。请撤下这一批，重新制单复核。")
        _send_on(row, at)
        _record(row, "go_on", by, at)


def retry_failed(batch: PayoutBatch, *, by: User, at: datetime) -> int:
    """重试未放款: the lines that failed and whose cases still wait to be paid, no other. Raises CannotPay."""
    with transaction.atomic():
        row = _locked(batch, by, "retry_failed", {BatchStatus.DONE})
        _one_at_a_time()
        elsewhere = PayoutLine.objects.filter(refund=OuterRef("refund"), status=LineStatus.WAITING)
        failed = _lines(row).filter(
            status=LineStatus.FAILED, refund__status=Status.APPROVED, refund__lane=Lane.STANDARD
        )
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
        _call_off(_locked(batch, by, "call_off", UNCHECKED | {BatchStatus.STOPPED}), by, at, words)


def release_chosen(refunds: Sequence[Refund], *, by: User, at: datetime) -> disbursement.Released:
    """放款 of some cases that one person has ticked. One case has two people already, who decided and who releases; of
    several together above ``ALONE_MOST_FEN`` a colleague checks the list: they go as a batch. Raises StepRefused."""
    if len(refunds) > 1 and sum(refund.amount_fen for refund in refunds) > ALONE_MOST_FEN:
        most = yuan(ALONE_MOST_FEN)
        raise StepRefused("needs_batch", f"一次放款合计超过 {most}，请制成发款批次，由另一位同事复核。")
    waits = waiting_in(refunds)
    alone = [refund for refund in refunds if refund.pk not in waits]
    released = disbursement.release_each(alone, by=by, at=at) if alone else disbursement.Released([], [], [])
    refused = [(refund, _refusal(refund, line=waits[refund.pk], by=by)) for refund in refunds if refund.pk in waits]
    return replace(released, refused=[*released.refused, *refused])


def release_alone(refund: Refund, *, by: User, at: datetime) -> disbursement.Released:
    """放款 of one case, unless a batch pays it in its turn. Raises StepRefused."""
    demand_alone(refund, by=by)
    return disbursement.release([refund], by=by, at=at)


def demand_alone(refund: Refund, *, by: User) -> None:
    """Raises StepRefused where a batch pays it in its turn."""
    if line := waiting_in([refund]).get(refund.pk):
        raise _refusal(refund, line=line, by=by)


def waiting_in(refunds: Sequence[Refund]) -> dict[int, PayoutLine]:
    """{case: its line in the batch that it waits in}."""
    rows = PayoutLine.objects.filter(refund__in=refunds, status=LineStatus.WAITING)
    return {line.refund_id: line for line in rows.select_related("batch")}


def _refusal(refund: Refund, *, line: PayoutLine, by: User) -> StepRefused:
    """Whoever may not release it at all hears of no batch."""
    try:
        with transaction.atomic():
            lifecycle.demand_right("disburse", [refund], by=by)
    except StepRefused as refusal:
        return refusal
    batch, state = line.batch.batch_no, line.batch.get_status_display()
    return StepRefused("in_batch", f"已列入发款批次 {batch}（{state}），由批次放款。要单独放款，请先把这一批撤下。")


# --- what a worker does -----------------------------------------------------------------------------------------------


def sweep(*, at: datetime) -> int:
    """One turn of one batch; returns how many lines it was about. A line that spoils its turn is left behind (F12)."""
    stopped = outgoing.now()
    try:
        return _turn(at, TURN, stopped)
    except OperationalError:
        raise  # the database is away: it goes on where it was
    except Exception:
        log.exception("payout: a turn failed, its lines are paid one by one")
        return _one_line(at, stopped)


def _turn(at: datetime, limit: int, stopped: outgoing.Stopped) -> int:
    with transaction.atomic():
        due = _claim(at, stopped)
        if due is None:
            return 0
        if due.status in UNCHECKED:
            _call_off(due, None, at, "超过时限没有复核")
            return 1
        if not _may_check(due.checked_by):
            _stop(due, None, at, "复核人已不能放款")
            return 1
        return _pay(due, _next(due, limit, stopped), at)


def _claim(at: datetime, stopped: outgoing.Stopped) -> PayoutBatch | None:
    """While all outgoing money is stopped, nobody is paid; what nobody checked in time ends all the same."""
    rows = PayoutBatch.objects.select_related("checked_by")
    if stopped.everything:
        rows = rows.filter(status__in=UNCHECKED)
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
    if not _lines(batch).filter(status=LineStatus.WAITING).exists():
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
        line.reason, line.handled_at = reason[:LONGEST_REASON], at
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
    try:
        return _turn(at, 1, stopped)
    except OperationalError:
        raise
    except Exception:
        log.exception("payout: a line cannot be paid, and is left behind")
    with transaction.atomic():
        due = _claim(at, stopped)
        if due is None or due.status in UNCHECKED:
            return 0
        lines = _next(due, 1, stopped)
        _pay(due, [], at) if not lines else _leave_behind(due, lines[0], at)
        return 1


def _leave_behind(batch: PayoutBatch, line: PayoutLine, at: datetime) -> None:
    _begin(batch)
    line.status, line.reason, line.handled_at = LineStatus.FAILED, BROKEN, at
    line.save(update_fields=["status", "reason", "handled_at"])
    _look_again(batch, at, at)


# --- what is shown before somebody says yes ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Share:
    """How much of a batch belongs to somebody, or goes somewhere."""

    title: str
    count: int
    total_fen: int


@dataclass(frozen=True)
class OfAccount:
    """What a batch asks of one account, and what is known of that account's money."""

    account: ChannelAccount
    count: int
    total_fen: int
    waits: Waiting  # for money, before this batch
    stopped: bool


@dataclass(frozen=True)
class Preview:
    accounts: list[OfAccount]
    to_balance: Share
    shops: list[Share]
    lanes: list[Share]
    deciders: list[Share]


def preview(batch: PayoutBatch) -> Preview:
    """预览: totals by account, shop and lane, what is known of the accounts' funds, and who decided. Seven queries."""
    lines = _lines(batch)
    original = lines.filter(refund__destination=Destination.ORIGINAL)
    credited = lines.filter(refund__destination=Destination.BALANCE).aggregate(Count("pk"), fen=Sum("amount_fen"))
    named = {account.pk: account for account in _accounts_of(original)}
    waits, stopped = waiting.for_funds(list(named)), outgoing.now()
    accounts = [
        OfAccount(named[pk], count, fen, waits.get(pk, Waiting()), stopped.of(pk) is not None)
        for pk, count, fen in _sums(original, "refund__payment__account")
    ]
    return Preview(
        accounts=accounts,
        to_balance=Share("买家余额", credited["pk__count"], credited["fen"] or 0),
        shops=[Share(name, count, fen) for name, count, fen in _sums(lines, "refund__shop__name")],
        lanes=[Share(str(Lane(lane).label), count, fen) for lane, count, fen in _sums(lines, "refund__lane")],
        deciders=_deciders(batch),
    )


def progress(batches: Sequence[PayoutBatch]) -> dict[int, Counter[str]]:
    """{batch: how many of its lines stand in each status}. One query."""
    found: dict[int, Counter[str]] = {batch.pk: Counter() for batch in batches}
    rows = PayoutLine.objects.filter(batch__in=list(found)).order_by().values_list("batch", "status")
    for batch_id, status, count in rows.annotate(Count("pk")):
        found[batch_id][status] = count
    return found


def next_up() -> tuple[int, int]:
    """What could go into a batch now: how many cases, and their sum, as far as one batch looks. One query."""
    rows = _ready().order_by("submitted_at", "pk")[:MOST_WAITING]
    found = rows.aggregate(count=Count("pk"), fen=Sum("amount_fen"))
    return found["count"], found["fen"] or 0


def waiting_for_people(*, most: int) -> dict[str, int]:
    """How many batches wait to be checked or to go on, and lines to be tried again; none counted beyond ``most``."""
    waits = [BatchStatus.PROPOSED, BatchStatus.STOPPED]
    counts: dict[str, int] = {
        status: PayoutBatch.objects.filter(status=status).order_by()[:most].count() for status in waits
    }
    failed = PayoutLine.objects.filter(status=LineStatus.FAILED, refund__status=Status.APPROVED).order_by()
    return counts | {LineStatus.FAILED: failed[:most].count()}


def _sums(lines: QuerySet[PayoutLine], of: str) -> list[tuple[Any, int, int]]:
    """(whose, how many, how much), the largest first."""
    rows = lines.order_by().values_list(of).annotate(count=Count("pk"), fen=Sum("amount_fen")).order_by("-fen", of)
    return list(rows)


def _accounts_of(lines: QuerySet[PayoutLine]) -> QuerySet[ChannelAccount]:
    keys = lines.order_by().values("refund__payment__account")
    return ChannelAccount.objects.filter(pk__in=keys).defer("credentials").order_by("pk")


def _deciders(batch: PayoutBatch) -> list[Share]:
    """Who was for these cases; where nobody of the platform was, the shop agreed or let its time pass."""
    decided = RefundEvent.objects.filter(refund__payout_lines__batch=batch, step__in=guards.FAVORABLE)
    rows = decided.order_by().values_list("actor__username", "refund__payout_lines__amount_fen", "refund").distinct()
    sums: dict[str, list[int]] = {}
    seen = set()
    for name, fen, refund in rows:
        sums.setdefault(name, []).append(fen)
        seen.add(refund)
    rest = [fen for refund, fen in _lines(batch).values_list("refund", "amount_fen") if refund not in seen]
    shares = [Share(name, len(fens), sum(fens)) for name, fens in sorted(sums.items())]
    return shares + ([Share("店铺同意或到期未答复", len(rest), sum(rest))] if rest else [])


# --- which cases ------------------------------------------------------------------------------------------------------


def _ready() -> QuerySet[Refund]:
    """Decided by people, or by a shop; what lanes of rules decided goes out by itself. In no other batch."""
    waits = PayoutLine.objects.filter(refund=OuterRef("pk"), status=LineStatus.WAITING)
    rows = Refund.objects.filter(status=Status.APPROVED, lane=Lane.STANDARD).exclude(Exists(waits))
    return rows.exclude(destination=Destination.OTHER_ACCOUNT)  # released each by itself, and paid by transfer


def _waiting(by: User, account: ChannelAccount | None) -> list[payout_order.Waits]:
    """Those that ``by`` may release, the oldest first."""
    rows = _ready().exclude(pk__in=_not_for(by).values("pk"))
    if account is not None:
        rows = rows.filter(payment__account=account, destination=Destination.ORIGINAL)
    found = rows.order_by("submitted_at", "pk").values_list("pk", "shop_id", "submitted_at", "amount_fen")
    return [payout_order.Waits(*row) for row in found[:MOST_WAITING]]


def _not_for(by: User) -> QuerySet[Refund]:
    """Approved cases that this person may not release: their own, their shop's, or what they were for (I10)."""
    was_for_it = RefundEvent.objects.filter(refund=OuterRef("pk"), step__in=guards.FAVORABLE, actor=by)
    own = Q(buyer=by) | Q(asked_by=by, asked_by__isnull=False) | Q(shop__in=list(by.shops.values_list("pk", flat=True)))
    return Refund.objects.filter(status=Status.APPROVED).filter(own | Exists(was_for_it))


# --- small things -----------------------------------------------------------------------------------------------------


def _locked(batch: PayoutBatch, by: User, act: str, sources: set[BatchStatus]) -> PayoutBatch:
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


def _demand_right(by: User, act: str) -> None:
    """Rights are read inside the transaction that needs them. Raises CannotPay."""
    actor = User.objects.filter(pk=by.pk, is_active=True).first()
    if actor is None or not rights.may(actor, act, MODEL):
        raise CannotPay("not_yours", "只有财务可以制单、复核和发款。")


def _may_check(checker: User | None) -> bool:
    """Whether money may still leave in this person's name."""
    return checker is not None and rights.may(checker, "approve", MODEL)


def _demand_reason(reason: str) -> str:
    words = reason.strip()
    if not 0 < len(words) <= LONGEST_REASON:
        raise CannotPay("reason_missing", f"请写明原因，不超过 {LONGEST_REASON} 字。")
    return words


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
    _lines(row).filter(status=LineStatus.WAITING).update(status=LineStatus.DROPPED, handled_at=at)
    row.status, row.ended_at, row.next_due_at, row.leased_until = BatchStatus.CALLED_OFF, at, None, None
    row.save(update_fields=["status", "ended_at", "next_due_at", "leased_until"])
    _record(row, "call_off", by, at, reason)


def _lines(batch: PayoutBatch) -> QuerySet[PayoutLine]:
    return PayoutLine.objects.filter(batch=batch)


def _record(batch: PayoutBatch, step: str, by: User | None, at: datetime, note: str = "") -> None:
    PayoutEvent.objects.create(batch=batch, step=step, by=by, at=at, note=note[:LONGEST_REASON])


def _too_large(cases: Sequence[payout_order.Waits]) -> str:
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
