"""原路退款: one attempt at a channel, from a committed number to the channel's final word.

Three phases, always: commit the intent, call with no transaction open, commit the outcome. No answer is UNKNOWN, never
a failure: ask again under the same number, since a new one could pay the buyer twice. Only this module writes an
attempt's status, and with it the payment's reserve and the ledger, in one transaction.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import OperationalError, transaction

import workqueue
from clock import scaled
from ledger import posting
from ledger.posting import Transfer
from payments import channels
from payments.asking import BATCH, ask_all
from payments.gateways.base import (
    GatewayError,
    GatewayMisconfigured,
    NeverSent,
    OutcomeUnknown,
    RefundOutcome,
    RefundRequest,
    RefundState,
)
from payments.models import AttemptStatus as A
from payments.models import Payment, PaymentStatus, RefundAttempt

log = logging.getLogger(__name__)
SWEEP = "payments.sweep"
REFUNDABLE_FOR = timedelta(days=365)  # WeChat: TRADE_OVERDUE afterwards
MOST_ATTEMPTS = 50  # WeChat: partial refunds of one payment
BETWEEN_REFUNDS_SECONDS = 60  # WeChat: of one payment
MOST_TRIES = 40  # without an answer, then a human looks

# What may follow what. The channel's words are translated by its gateway; this is all that can come of them.
ATTEMPT_STEPS: dict[A, set[A]] = {
    A.PREPARED: {A.UNKNOWN, A.CLOSED},  # about to be sent; never sent
    A.UNKNOWN: {A.ACCEPTED, A.SUCCEEDED, A.RETURNED, A.CLOSED, A.WAITING_FUNDS, A.HELD},
    A.ACCEPTED: {A.UNKNOWN, A.SUCCEEDED, A.RETURNED, A.CLOSED, A.HELD},
    A.SUCCEEDED: {A.RETURNED},  # late failure after success (PM11)
    A.RETURNED: {A.UNKNOWN, A.SUCCEEDED, A.CLOSED, A.BACK_WITH_MERCHANT},
    A.WAITING_FUNDS: {A.UNKNOWN},  # the same number, after topping up (PM15)
    A.HELD: {A.UNKNOWN},  # by a human, or by news from the channel
    A.CLOSED: set(),  # final: only a new number can try again
    A.BACK_WITH_MERCHANT: set(),
    A.EXTERNAL: set(),
}
NEWS = {A.SUCCEEDED, A.RETURNED, A.CLOSED, A.HELD, A.BACK_WITH_MERCHANT}  # what the app above waits for

STATUS_OF = {
    RefundState.ACCEPTED: A.ACCEPTED,
    RefundState.SUCCEEDED: A.SUCCEEDED,
    RefundState.RETURNED: A.RETURNED,
    RefundState.CLOSED: A.CLOSED,
    RefundState.NO_FUNDS: A.WAITING_FUNDS,
    RefundState.REFUSED: A.HELD,
    RefundState.NOT_FOUND: A.UNKNOWN,
}


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
    if at - payment.paid_at >= REFUNDABLE_FOR:
        return "支付已超过 365 天，渠道不再支持原路退回"
    if payment.last_attempt_index >= MOST_ATTEMPTS:
        return "该笔支付已退款 50 次，渠道不再支持原路退回"
    if amount_fen > payment.refundable_fen:
        return "退款金额超过该笔支付的剩余可退金额"
    return ""


def open_attempts(instructions: Sequence[Instruction], *, at: datetime) -> list[RefundAttempt]:
    """Commit number, parameters and reserve of each refund, in the caller's transaction; the sweeper sends them.

    The database refuses more than was paid (I1). Numbers are the payment's own plus a running index, so that after a
    lost commit they can be found again by counting up (F6).
    """
    payments = {row.pk: row for row in _locked_payments([each.payment.pk for each in instructions])}
    attempts = [_open(payments[each.payment.pk], each, at) for each in instructions]
    Payment.objects.bulk_update(payments.values(), ["reserved_fen", "last_attempt_index", "next_refund_from"])
    RefundAttempt.objects.bulk_create(attempts)
    workqueue.ring(SWEEP)
    return attempts


def give_back(payment: Payment, *, at: datetime) -> None:
    """多收退回: all of a surplus payment goes back, without a case (PM13). In the caller's transaction."""
    open_attempts([Instruction(payment, payment.refundable_fen, "重复或超时付款，原路退回")], at=at)


def ask_again(attempts: Sequence[RefundAttempt], *, at: datetime) -> int:
    """A human has looked at HELD attempts, or topped up for WAITING_FUNDS: ask again under the same number."""
    waiting = RefundAttempt.objects.filter(pk__in=workqueue.pks(attempts), status__in=[A.HELD, A.WAITING_FUNDS])
    count = waiting.update(status=A.UNKNOWN, next_due_at=at, tries=0)
    workqueue.ring(SWEEP)
    return count


def hint(request_no: str, *, at: datetime) -> None:
    """A notification about this number came: look soon. What is closed stays closed (I14)."""
    RefundAttempt.objects.filter(request_no=request_no).exclude(status=A.CLOSED).update(next_due_at=at)
    workqueue.ring(SWEEP)


def acknowledge(attempts: Sequence[RefundAttempt]) -> None:
    """The app above has acted on this news; it holds the rows locked, so that none is newer."""
    RefundAttempt.objects.filter(pk__in=workqueue.pks(attempts)).update(news_at=None)


def _open(payment: Payment, instruction: Instruction, at: datetime) -> RefundAttempt:
    payment.last_attempt_index += 1
    payment.reserved_fen += instruction.amount_fen
    starts = max(at, payment.next_refund_from or at)
    payment.next_refund_from = starts + scaled(BETWEEN_REFUNDS_SECONDS)
    return RefundAttempt(
        request_no=f"{payment.payment_no}R{payment.last_attempt_index:02d}",
        payment=payment,
        amount_fen=instruction.amount_fen,
        reason=instruction.reason[:80],
        notify_url=channels.notify_url(payment.account.code, "refund"),
        created_at=at,
        next_due_at=starts,
    )


# --- sending and asking: phase one commits, phase two calls, phase three commits --------------------------------------


def sweep(*, at: datetime) -> int:
    """Send or ask about a batch of due attempts; returns how many."""
    due = _claim(at)
    answers = ask_all(due, _ask)
    try:
        record(answers, at=at)
    except OperationalError:
        raise  # the database is away: leases run out, and everything is asked again
    except Exception:
        log.exception("a batch of answers could not be written down, each is now written alone")
        for answer in answers:
            _record_alone(answer, at)
    return len(due)


def _claim(at: datetime) -> list[RefundAttempt]:
    """Lease due attempts. What was only prepared becomes UNKNOWN *before* its first byte can leave."""
    with transaction.atomic():
        due = workqueue.claim(RefundAttempt.objects.select_related("payment__account"), at=at, limit=BATCH)
        resting = [attempt.pk for attempt in due if attempt.status in {A.PREPARED, A.WAITING_FUNDS, A.HELD}]
        RefundAttempt.objects.filter(pk__in=resting, first_sent_at=None).update(first_sent_at=at)
        RefundAttempt.objects.filter(pk__in=resting).update(status=A.UNKNOWN)
    return due


def _ask(attempt: RefundAttempt) -> RefundOutcome:
    """Send what is new; ask about what may be there, and send it again only if the channel never heard of it."""
    gateway = channels.gateway(attempt.payment.account.code)
    if attempt.status != A.PREPARED:  # as it was when claimed
        outcome = gateway.query_refund(attempt.request_no)
        if outcome.state is not RefundState.NOT_FOUND:
            return outcome
    return gateway.refund(_request(attempt))


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
        payments = {row.pk: row for row in _locked_payments([attempt.payment_id for attempt, _ in answers])}
        attempts = {row.pk: row for row in _locked_attempts([attempt.pk for attempt, _ in answers])}
        transfers: list[Transfer] = []
        for asked, answer in answers:
            attempt = attempts[asked.pk]
            if not workqueue.is_unchanged(attempt, asked):
                continue  # somebody else asked after us and was faster: a late answer must not undo a newer one
            attempt.payment = payments[attempt.payment_id]
            hinted = attempt.next_due_at != asked.next_due_at  # a notification came while we asked
            attempt.leased_until = None
            transfers += _hear(attempt, answer, at)
            attempt.next_due_at = at if hinted else attempt.next_due_at
        posting.post(transfers, at=at)
        Payment.objects.bulk_update(payments.values(), ["reserved_fen", "refunded_fen"])
        RefundAttempt.objects.bulk_update(attempts.values(), _WRITTEN)
    if any(attempt.news_at for attempt in attempts.values()):
        workqueue.ring("refunds.sweep")


def _record_alone(answer: tuple[RefundAttempt, RefundOutcome | GatewayError], at: datetime) -> None:
    """One answer that cannot be written down waits for a human, its reserve kept; the others go on (F12)."""
    try:
        record([answer], at=at)
    except OperationalError:
        raise
    except Exception:
        attempt = RefundAttempt.objects.filter(pk=answer[0].pk)
        log.exception("refund %s: the answer could not be written down", answer[0].request_no)
        attempt.update(next_due_at=at + timedelta(days=1), leased_until=None, last_error="渠道答复无法入账，详见日志")
        undecided = attempt.filter(status__in=[A.UNKNOWN, A.ACCEPTED])
        undecided.update(status=A.HELD, next_due_at=None, news_at=at)


_WRITTEN = [
    "status",
    "channel_refund_id",
    "received_account",
    "received_account_kind",
    "accepted_at",
    "finished_at",
    "news_at",
    "last_error",
    "next_due_at",
    "leased_until",
    "tries",
    "money_moves",
]


def _hear(attempt: RefundAttempt, answer: RefundOutcome | GatewayError, at: datetime) -> list[Transfer]:
    """Fold one answer into one attempt; returns what it means for the ledger."""
    if isinstance(answer, GatewayError):
        _still_unknown(attempt, answer, at)
        return []
    status = STATUS_OF[answer.state]
    if answer.amount_fen not in {None, attempt.amount_fen}:  # never believed, whatever the state (G16)
        status, attempt.last_error = A.HELD, f"渠道金额 {answer.amount_fen} 分与申请不符"
    else:
        attempt.last_error = f"{answer.code} {answer.detail}".strip()[:200]
    attempt.channel_refund_id = answer.channel_refund_id or attempt.channel_refund_id
    if answer.received_account:
        attempt.received_account = answer.received_account
        attempt.received_account_kind = answer.received_account_kind.value
    transfers = _move(attempt, status, answer, at)
    attempt.next_due_at = _due(attempt, at)
    return transfers


def _move(attempt: RefundAttempt, status: A, answer: RefundOutcome, at: datetime) -> list[Transfer]:
    """Change the status along the table, and the payment's columns with it. An unlisted change is only noted."""
    before = A(attempt.status)
    if status == before:
        attempt.tries += 1
        if status != A.UNKNOWN or attempt.tries < MOST_TRIES:
            return []
        status = A.HELD  # asked often enough: a human looks, the reserve stays
    if status not in ATTEMPT_STEPS[before]:
        attempt.last_error = f"{before} → {status}: 渠道答复与记录不符"[:200]
        return []
    attempt.status, attempt.tries = status, 0
    if status in {A.ACCEPTED, A.SUCCEEDED, A.RETURNED, A.CLOSED}:
        attempt.accepted_at = attempt.accepted_at or at
    if status == A.SUCCEEDED:
        attempt.finished_at = answer.succeeded_at or at
    if status in NEWS:
        attempt.news_at = at
    return _shift_reserve(attempt, before, at)


def _shift_reserve(attempt: RefundAttempt, before: A, at: datetime) -> list[Transfer]:
    """Keep ``reserved_fen`` and ``refunded_fen`` the sums over the attempts; post when money has really moved."""
    payment, after = attempt.payment, A(attempt.status)
    if A.SUCCEEDED in {before, after}:
        attempt.money_moves += 1  # success, return, success again: rare, and each a posting of its own
    payment.reserved_fen += attempt.amount_fen * ((after in A.reserving()) - (before in A.reserving()))
    if after == A.SUCCEEDED:
        payment.refunded_fen += attempt.amount_fen
        return [_transfer(attempt, f"refund:{attempt.request_no}")]
    if before == A.SUCCEEDED:
        payment.refunded_fen -= attempt.amount_fen
        return [_transfer(attempt, f"refund_returned:{attempt.request_no}", back=True)]
    return []


def _transfer(attempt: RefundAttempt, ref: str, *, back: bool = False) -> Transfer:
    payment = attempt.payment
    owner = (
        posting.surplus_account(payment.account.code)
        if payment.is_surplus
        else posting.shop_account(payment.order.shop_id)
    )
    channel = posting.channel_account(payment.account.code)
    debit, credit = (channel, owner) if back else (owner, channel)
    return Transfer(f"{ref}:{attempt.money_moves}", debit=debit, credit=credit, amount_fen=attempt.amount_fen)


def _still_unknown(attempt: RefundAttempt, error: GatewayError, at: datetime) -> None:
    attempt.last_error = str(error)[:200]
    if isinstance(error, GatewayMisconfigured):  # our keys, not this refund: nothing works until they are mended
        log.error("channel %s is misconfigured: %s", attempt.payment.account.code, error)
        attempt.next_due_at = at + timedelta(seconds=60)
        return
    attempt.tries += 1
    if attempt.status == A.UNKNOWN and (attempt.tries >= MOST_TRIES or isinstance(error, NeverSent)):
        attempt.status, attempt.news_at, attempt.next_due_at = A.HELD, at, None
        return
    pause = min(5 * 2 ** min(attempt.tries, 8), 600) * random.uniform(0.8, 1.2)  # noqa: S311  jitter, no secret
    asked_for = error.retry_after_seconds if isinstance(error, OutcomeUnknown) else None
    attempt.next_due_at = at + scaled(max(pause, asked_for or 0))


def _due(attempt: RefundAttempt, at: datetime) -> datetime | None:
    """When to ask next: WeChat's advice for what is accepted (1 min × 5, then 5, 10, 20, 30 min)."""
    if attempt.status in {A.SUCCEEDED, A.CLOSED, A.HELD, A.BACK_WITH_MERCHANT, A.EXTERNAL}:
        return None
    if attempt.status == A.ACCEPTED:
        return at + scaled(60 * ([1] * 5 + [5, 10, 20, 30])[min(attempt.tries, 8)])
    if attempt.status == A.RETURNED:
        return at + scaled(3600)  # a human may mend it at the channel's own desk
    if attempt.status == A.WAITING_FUNDS:
        return at + scaled(600)
    return at + scaled(10)


def _locked_payments(ids: Sequence[int]) -> list[Payment]:
    rows = Payment.objects.select_for_update(of=("self",)).select_related("account", "order")
    return list(rows.filter(pk__in=ids).order_by("pk"))


def _locked_attempts(ids: Sequence[int]) -> list[RefundAttempt]:
    return list(RefundAttempt.objects.select_for_update().filter(pk__in=ids).order_by("pk"))
