"""原路退款: one attempt at a channel, from a committed number to the channel's final word.

Three phases, always: commit the intent, call with no transaction open, commit the outcome. No answer is UNKNOWN, never
a failure: ask again under the same number, since a new one could pay the buyer twice. Only this module writes an
attempt's status, and with it the payment's reserve and the ledger, in one transaction.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from time import monotonic

from django.db import OperationalError, connection, transaction
from django.db.models import Case, QuerySet, Value, When
from django.db.models.functions import Coalesce

import workqueue
from accounts.models import User
from clock import scaled
from ledger import posting
from ledger.posting import Transfer
from payments import cards, channels, found, funds, hearing, numbering, outgoing, pacing, sent
from payments.asking import BATCH, SWEEP
from payments.gateways.base import (
    Gateway,
    GatewayError,
    GatewayMisconfigured,
    NeverSent,
    RefundOutcome,
    RefundRequest,
    RefundState,
)
from payments.models import COUNTED, AttemptEvent, ChannelAccount, Payment, PaymentStatus, RefundAttempt
from payments.models import AttemptStatus as A
from writing import Watch, insert, write

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Instruction:
    """退款指令: what to give back of which payment. ``reason`` is shown to the buyer by the channel."""

    payment: Payment
    amount_fen: int
    reason: str


# --- opening --------------------------------------------------------------------------------------------------------


def why_not(payment: Payment, amount_fen: int, *, at: datetime) -> str:
    """Why the channel would refuse this refund, known without calling; empty if it would not."""
    if payment.status != PaymentStatus.PAID or payment.paid_at is None:
        return "该笔收款尚未成功，不能原路退回"
    if found.fits(payment, amount_fen):
        return ""  # the channel has done it, under a number that was forgotten
    limits = channels.limits(payment.account)
    if at - payment.paid_at >= timedelta(days=limits.refundable_days):
        return f"支付已超过 {limits.refundable_days} 天，渠道不再支持原路退回"
    if payment.last_attempt_index >= limits.most_refunds:
        return f"该笔支付已退款 {limits.most_refunds} 次，渠道不再支持原路退回"
    if amount_fen > payment.refundable_fen:
        return "退款金额超过该笔支付的剩余可退金额"
    return ""


def open_attempts(instructions: Sequence[Instruction], *, at: datetime, held: bool = False) -> list[RefundAttempt]:
    """Commit number, parameters and reserve of each refund, in the caller's transaction; the sweeper sends them.

    ``held``: the payments are as the caller has read them by ``locked_payments``.

    The database refuses more than was paid (I1). Numbers are the payment's own plus a running index, so that after a
    lost commit they can be found again by counting up (F6). What was found so is taken over: no second number.
    """
    given = [each.payment for each in instructions]
    payments = {row.pk: row for row in (given if held else locked_payments(workqueue.pks(given)))}
    attempts = [_found_or_open(payments[each.payment.pk], each, at) for each in instructions]
    written = ["reserved_fen", "external_fen", "last_attempt_index", "next_refund_from"]
    write(payments.values(), written)
    insert([attempt for attempt in attempts if attempt.pk is None])
    workqueue.ring(SWEEP)
    return attempts


def give_back(payment: Payment, *, at: datetime) -> list[RefundAttempt]:
    """多收退回: all of a surplus payment goes back, without a case (PM13). In the caller's transaction."""
    return open_attempts([Instruction(payment, payment.refundable_fen, "重复或超时付款，原路退回")], at=at)


def hint(account: ChannelAccount, request_no: str, *, at: datetime, payment_no: str = "") -> None:
    """A notification about this number came: look soon. What is closed stays closed (I14), what was found waits for a
    case or for two people (``found.py``).

    Alipay may say only which payment it is about: then all of its refunds that are under way. What has not been sent
    cannot be meant, and waits its turn.
    """
    if request_no:
        _look_at(request_no, account, at)
    else:
        _look_at_all(payment_no, account, at)
    workqueue.ring(SWEEP)


_OVER = sorted({*hearing.FINAL, A.EXTERNAL})
# No join: a row that somebody is writing to is looked at once more, as it is when he has done.
_LOOK_AT = """
UPDATE payments_refundattempt SET next_due_at = %s
WHERE request_no = %s AND first_sent_at IS NOT NULL AND status <> ALL (%s)
  AND payment_id IN (SELECT id FROM payments_payment WHERE account_id = %s)
"""


def _look_at(request_no: str, account: ChannelAccount, at: datetime) -> None:
    """One statement that is not built anew: channels notify of most of what they do."""
    with connection.cursor() as cursor:
        cursor.execute(_LOOK_AT, [at, request_no, list(map(str, _OVER)), account.pk])


def _look_at_all(payment_no: str, account: ChannelAccount, at: datetime) -> None:
    """Locked by key, as whoever records answers about the same payment does."""
    of_payment = RefundAttempt.objects.filter(payment__account=account, payment__payment_no=payment_no)
    mine = of_payment.filter(first_sent_at__isnull=False, next_due_at__isnull=False).exclude(status__in=_OVER)
    with transaction.atomic(savepoint=False):
        keys = list(mine.select_for_update(no_key=True, of=("self",)).order_by("pk").values_list("pk", flat=True))
        RefundAttempt.objects.filter(pk__in=keys).update(next_due_at=at)


def hear_again(attempts: Iterable[RefundAttempt], *, at: datetime) -> None:
    """The app above could not act on what it heard of these: it is news once more."""
    keys = [attempt.pk for attempt in attempts]
    if keys:
        RefundAttempt.objects.filter(pk__in=keys).update(news_at=at)
        workqueue.ring("refunds.sweep")


def noted(attempt: RefundAttempt, note: str, *, by: User | None, at: datetime) -> AttemptEvent:
    """A word about an attempt that stays where it is; to be saved."""
    stands = {"from_status": attempt.status, "to_status": attempt.status}
    return AttemptEvent(attempt=attempt, at=at, by=by, note=note, **stands)


def acknowledge(attempts: Sequence[RefundAttempt]) -> None:
    """The app above has acted on this news; it holds the rows locked, so that none is newer."""
    RefundAttempt.objects.filter(pk__in=workqueue.pks(attempts)).update(news_at=None)


def put_off_news(attempts: QuerySet[RefundAttempt], *, until: datetime) -> None:
    """The app above could not act on this news, and hears it again then; what is new before that, at once."""
    attempts.filter(news_at__isnull=False).update(news_at=until)


def _found_or_open(payment: Payment, instruction: Instruction, at: datetime) -> RefundAttempt:
    forgotten = found.fits(payment, instruction.amount_fen)
    return found.take_over(payment, forgotten, at=at) if forgotten else _open(payment, instruction, at)


def _open(payment: Payment, instruction: Instruction, at: datetime) -> RefundAttempt:
    payment.last_attempt_index += 1
    payment.reserved_fen += instruction.amount_fen
    starts = max(at, payment.next_refund_from or at)
    payment.next_refund_from = starts + scaled(channels.limits(payment.account).between_refunds_seconds)
    return RefundAttempt(
        request_no=numbering.request_no(payment.payment_no, payment.last_attempt_index),
        payment=payment,
        amount_fen=instruction.amount_fen,
        reason=instruction.reason[:80],
        notify_url=channels.notify_url(payment.account.code, "refund"),
        created_at=at,
        next_due_at=starts,
    )


# --- sending and asking: phase one commits, phase two calls, phase three commits --------------------------------------


def sweep(*, at: datetime) -> int:
    """Send or ask about a batch of due attempts; returns how many were dealt with, those that wait for money too."""
    sent.check(at)
    stopped = outgoing.now()
    due, short = _claim(at, stopped)
    began = monotonic()
    answers = _not_written_down(due, at) or pacing.ask_in_turn(
        due, lambda attempt: attempt.payment.account, _asker(stopped), about="refunds"
    )
    at += timedelta(seconds=monotonic() - began)  # a pause counts from the answer, which a channel may take long for
    try:
        record(answers, at=at)
    except OperationalError:
        raise  # the database is away: leases run out, and everything is asked again
    except Exception:
        log.exception("a batch of answers could not be written down, each is now written alone")
        for answer in answers:
            _record_alone(answer, at)
    return len(due) + len(short)


def _claim(at: datetime, stopped: outgoing.Stopped) -> tuple[list[RefundAttempt], list[RefundAttempt]]:
    """What may be asked about now, leased, and what was set aside to wait for money; both as they were before.

    What leaves us for the first time is UNKNOWN, with its time, *before* its first byte can leave.
    """
    with transaction.atomic():
        rows = RefundAttempt.objects.select_related("payment").prefetch_related("payment__account")
        rows = outgoing.may_be_sent(rows, stopped)
        held = workqueue.hold(pacing.with_budget(rows, at=at), at=at, limit=BATCH)
        due, short = _admit(held, at)
        _lease(due, at)
    return due, short


def _lease(due: Sequence[RefundAttempt], at: datetime) -> None:
    until = at + workqueue.LEASE
    resting = When(status__in=[A.PREPARED, A.WAITING_FUNDS, A.HELD], then=Value(A.UNKNOWN))
    RefundAttempt.objects.filter(pk__in=workqueue.pks(due)).update(
        leased_until=until, first_sent_at=Coalesce("first_sent_at", at), status=Case(resting, default="status")
    )
    for row in due:
        row.leased_until = until


def _not_written_down(
    due: Sequence[RefundAttempt], at: datetime
) -> list[tuple[RefundAttempt, RefundOutcome | GatewayError]]:
    """Write down outside the database what leaves us for the first time (F6). Where that fails, nothing is sent.

    So with what was about to leave and has no answer at all: whoever claimed it may have died before this line."""
    try:
        sent.write([row for row in due if row.first_sent_at is None or _is_unanswered(row)], at=at)
    except OSError as error:
        log.error("nothing is sent: the record of what was sent cannot be written: %s", error)
        return [(row, pacing.NotSentYet("no_sent_record", str(error))) for row in due]
    return []


def _is_unanswered(row: RefundAttempt) -> bool:
    return row.status == A.UNKNOWN and row.tries == 0


def _admit(held: Sequence[RefundAttempt], at: datetime) -> tuple[list[RefundAttempt], list[RefundAttempt]]:
    """Of what is held: what may be asked about now, and what waits for money. The rest is for later."""
    willing, short = funds.hold_back(held, at=at)
    due, later = pacing.admit(willing, at=at)
    funds.probe_soon(later, at=at)
    _wait_for_funds(short, at)
    return due, short


def _wait_for_funds(attempts: Sequence[RefundAttempt], at: datetime) -> None:
    note = "商户余额不足，尚未发送"
    AttemptEvent.objects.bulk_create(
        AttemptEvent(attempt=each, at=at, from_status=each.status, to_status=A.WAITING_FUNDS, note=note)
        for each in attempts
        if each.status != A.WAITING_FUNDS
    )
    for attempt in attempts:
        attempt.status = A.WAITING_FUNDS
        hearing.call_a_person_when_late(attempt, at)
    RefundAttempt.objects.bulk_update(attempts, ["status", "next_due_at", "attention", "news_at"])


def _asker(stopped: outgoing.Stopped) -> Callable[[RefundAttempt], RefundOutcome]:
    """How to ask, as the switches stand: where money may not leave, nothing is sent after the question."""
    return lambda attempt: _ask(attempt, may_send=stopped.of(attempt.payment.account_id) is None)


def _ask(attempt: RefundAttempt, *, may_send: bool) -> RefundOutcome:
    """Send what is new; ask about what may be there, and send it again only if the channel never heard of it."""
    gateway = channels.gateway(attempt.payment.account)
    request = _request(attempt)
    if attempt.first_sent_at is not None:  # as it was when claimed
        outcome = gateway.query_refund(request)
        if outcome.state is RefundState.RETURNED and attempt.redirect_to and attempt.status == A.UNKNOWN:
            _demand(may_send)
            return _send_on(attempt, gateway, request, outcome)
        # What it has said to have done is never sent again, whatever it says now.
        if outcome.state is not RefundState.NOT_FOUND or attempt.status in hearing.DONE_THERE:
            return outcome
    _demand(may_send)
    return gateway.refund(request)


def _demand(may_send: bool) -> None:
    if not may_send:
        raise outgoing.NotWhileStopped("outgoing_stopped", "not sent: outgoing money is stopped")


def _send_on(
    attempt: RefundAttempt, gateway: Gateway, request: RefundRequest, returned: RefundOutcome
) -> RefundOutcome:
    """异常退款. What the channel will not do, or we cannot ask, leaves the refund where it stands: RETURNED."""
    try:
        outcome = gateway.redirect_refund(request, returned.channel_refund_id, cards.of(attempt))
    except NeverSent as error:
        return replace(returned, code="never_sent", detail=str(error))
    except GatewayMisconfigured as error:  # the question before it was answered: only this we may not ask
        return replace(returned, code=error.code, detail="渠道不允许改退")
    if outcome.state is RefundState.REFUSED:
        return replace(returned, code=outcome.code, detail=outcome.detail)
    return outcome


def _request(attempt: RefundAttempt) -> RefundRequest:
    payment = attempt.payment
    return RefundRequest(
        request_no=attempt.request_no,
        payment_no=payment.payment_no,
        channel_transaction_id=payment.channel_transaction_id,
        amount_fen=attempt.amount_fen,
        payment_total_fen=payment.amount_fen,
        reason=attempt.reason,
        notify_url=attempt.notify_url,
    )


def record(answers: Sequence[tuple[RefundAttempt, RefundOutcome | GatewayError]], *, at: datetime) -> None:
    """Write down what the channel said, with reserve, ledger and news, in one transaction."""
    with transaction.atomic():
        payments = {row.pk: row for row in locked_payments([attempt.payment_id for attempt, _ in answers])}
        attempts = {row.pk: row for row in locked_attempts([attempt.pk for attempt, _ in answers])}
        watched = [Watch(payments.values(), _SUMS), Watch(attempts.values(), _WRITTEN)]
        transfers: list[Transfer] = []
        events: list[AttemptEvent] = []
        for asked, answer in answers:
            attempt = attempts[asked.pk]
            if not workqueue.is_unchanged(attempt, asked):
                continue  # somebody else asked after us and was faster: a late answer must not undo a newer one
            if isinstance(answer, pacing.NotSentYet) and attempt.leased_until != asked.leased_until:
                continue  # somebody else is sending it by now: that we did not is no news
            attempt.payment = payments[attempt.payment_id]
            hinted = attempt.next_due_at != asked.next_due_at  # a notification came while we asked
            attempt.leased_until = None
            if isinstance(answer, pacing.NotSentYet):
                attempt.first_sent_at, attempt.status = asked.first_sent_at, asked.status  # nothing left us
            transfers += hearing.hear(attempt, answer, at)
            attempt.next_due_at = at if hinted else attempt.next_due_at
            events += _event(attempt, A(asked.status), answer, at)
        posting.post(transfers, at=at)
        for each in watched:
            each.write()
        insert(events)
        _tell_accounts(answers, at)
    if any(attempt.news_at for attempt in attempts.values()):
        workqueue.ring("refunds.sweep")


def _event(attempt: RefundAttempt, before: A, answer: RefundOutcome | GatewayError, at: datetime) -> list[AttemptEvent]:
    """One row for each change of status since it was claimed; asking in vain leaves none."""
    if attempt.status == before:
        return []
    change = AttemptEvent(attempt=attempt, at=at, from_status=before, to_status=attempt.status)
    change.code, change.note = answer.code[:64], attempt.last_error
    return [change]


def _tell_accounts(answers: Sequence[tuple[RefundAttempt, RefundOutcome | GatewayError]], at: datetime) -> None:
    """What the answers say about the accounts: short of money or not any more, keys that work, budget used up."""
    short, paid, good, troubled = set(), set(), set(), set()
    unsent = [attempt for attempt, answer in answers if isinstance(answer, pacing.NotSentYet)]
    for attempt, answer in answers:
        account_id = attempt.payment.account_id
        if isinstance(answer, GatewayMisconfigured):
            troubled.add(account_id)
        if isinstance(answer, RefundOutcome):
            good.add(account_id)
            if answer.state is RefundState.NO_FUNDS:
                short.add(account_id)
            elif answer.state in {RefundState.ACCEPTED, RefundState.SUCCEEDED} and _was_probe(attempt):
                paid.add(account_id)
    accounts = funds.lock_accounts({attempt.payment.account_id for attempt, _ in answers})
    were_troubled = {account.pk for account in accounts if account.trouble}
    pacing.charge_failures(answers, at=at)
    pacing.all_is_well(were_troubled & good - troubled)
    funds.probe_soon(unsent, at=at)
    funds.ran_short(short, at=at)
    funds.resume(paid - short, at=at)


def _was_probe(asked: RefundAttempt) -> bool:
    """Whether this answer is about money asked for just now, not about what went through long ago."""
    return asked.first_sent_at is None or asked.status == A.WAITING_FUNDS


def _record_alone(answer: tuple[RefundAttempt, RefundOutcome | GatewayError], at: datetime) -> None:
    """One answer that cannot be written down waits for a human, its reserve kept; the others go on (F12)."""
    try:
        record([answer], at=at)
    except OperationalError:
        raise
    except Exception:
        attempt = RefundAttempt.objects.filter(pk=answer[0].pk)
        log.exception("refund %s: the answer could not be written down", answer[0].request_no)
        note = "渠道答复无法入账，详见日志"
        undecided = attempt.filter(status__in=[A.UNKNOWN, A.ACCEPTED])
        with transaction.atomic():
            attempt.update(next_due_at=at + timedelta(days=1), leased_until=None, last_error=note)
            if undecided.update(status=A.HELD, next_due_at=None, refused_at=None, news_at=at):
                asked, held = answer[0], A.HELD
                AttemptEvent.objects.create(attempt=asked, at=at, from_status=asked.status, to_status=held, note=note)


_SUMS = ["reserved_fen", "refunded_fen", "external_fen"]
_WRITTEN = [
    "status",
    "first_sent_at",
    "channel_refund_id",
    "received_account",
    "received_account_kind",
    "accepted_at",
    "finished_at",
    "arrival_expected_at",
    "bank_acknowledged_at",
    "refused_at",
    "redirect_to",
    "attention",
    "news_at",
    "last_error",
    "next_due_at",
    "leased_until",
    "tries",
    "money_moves",
]


def locked_payments(ids: Sequence[int]) -> list[Payment]:
    """Each with its order and its account. Many payments have few accounts: those are read once."""
    rows = Payment.objects.select_for_update(no_key=True, of=("self",)).select_related("order")
    return list(rows.prefetch_related("account").filter(pk__in=ids).order_by("pk"))


def locked_of_orders(order_ids: Collection[int]) -> dict[int, Payment]:
    """{order: the payment that it stands on}, locked by key; an order without one is not there."""
    rows = Payment.objects.select_for_update(no_key=True, of=("self",)).select_related("account")
    return {row.order_id: row for row in rows.filter(COUNTED, order__in=order_ids).order_by("pk")}


def lock_payments(ids: Sequence[int]) -> None:
    """The same, where nothing of them is looked at."""
    rows = Payment.objects.select_for_update(no_key=True).filter(pk__in=ids)
    list(rows.order_by("pk").values_list("pk"))


def locked_attempts(ids: Sequence[int]) -> list[RefundAttempt]:
    return list(RefundAttempt.objects.select_for_update(no_key=True).filter(pk__in=ids).order_by("pk"))
