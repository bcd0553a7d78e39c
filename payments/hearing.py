"""渠道的答复: what one answer does to one attempt, its payment and the ledger. Written down by ``refunding.record``.

Nothing is saved here: the rows are locked already, and the caller saves them all at once.
"""

from __future__ import annotations

import logging
import random
from datetime import datetime, timedelta

from clock import scaled
from ledger import posting
from ledger.posting import Transfer
from payments import channels, funds, outgoing, pacing
from payments.gateways.base import (
    GatewayError,
    GatewayMisconfigured,
    NeverSent,
    OutcomeUnknown,
    RefundOutcome,
    RefundState,
)
from payments.models import BALANCE, Attention, Payment, RefundAttempt
from payments.models import AttemptStatus as A

log = logging.getLogger(__name__)
MOST_TRIES = 40  # without an answer, then a human looks
BANK_IS_ASKED_FOR = timedelta(days=7)  # after the day that the channel expected it on
ASKED_AGAIN_AFTER = (timedelta(hours=24), timedelta(days=5))
SLOW_AFTER = timedelta(days=5)  # without an end for that long: a human asks, and the machine goes on (G6)

# What may follow what. The channel's words are translated by its gateway; this is all that can come of them.
ATTEMPT_STEPS: dict[A, set[A]] = {
    A.PREPARED: {A.UNKNOWN, A.WAITING_FUNDS, A.CLOSED},  # about to be sent; held back; never sent
    A.UNKNOWN: {
        A.ACCEPTED, A.SUCCEEDED, A.RETURNED, A.BACK_WITH_MERCHANT, A.CLOSED, A.WAITING_FUNDS, A.HELD,
    },
    A.ACCEPTED: {A.UNKNOWN, A.SUCCEEDED, A.RETURNED, A.BACK_WITH_MERCHANT, A.CLOSED, A.HELD},
    A.SUCCEEDED: {A.RETURNED, A.BACK_WITH_MERCHANT},  # late failure after success (PM11)
    A.RETURNED: {A.UNKNOWN, A.ACCEPTED, A.SUCCEEDED, A.BACK_WITH_MERCHANT, A.CLOSED},  # sent on; mended at the channel
    A.WAITING_FUNDS: {A.UNKNOWN, A.CLOSED},  # the same number, after topping up (PM15); never sent
    A.HELD: {A.UNKNOWN, A.CLOSED},  # by a human, or by news from the channel
    A.CLOSED: set(),  # final: only a new number can try again
    A.BACK_WITH_MERCHANT: set(),  # final: the merchant has the money, the buyer is not paid
    A.EXTERNAL: set(),
}  # fmt: skip
NEWS = {A.SUCCEEDED, A.RETURNED, A.CLOSED, A.HELD, A.BACK_WITH_MERCHANT}  # what the app above waits for
FINAL = {A.CLOSED, A.BACK_WITH_MERCHANT}  # the buyer's money is still ours to give: a new number may be opened
DONE_THERE = {A.SUCCEEDED, A.RETURNED, A.EXTERNAL, *FINAL}  # by the channel's own word, or never to be

STATUS_OF = {
    RefundState.ACCEPTED: A.ACCEPTED,
    RefundState.SUCCEEDED: A.SUCCEEDED,
    RefundState.RETURNED: A.RETURNED,
    RefundState.BACK_WITH_MERCHANT: A.BACK_WITH_MERCHANT,
    RefundState.CLOSED: A.CLOSED,
    RefundState.NO_FUNDS: A.WAITING_FUNDS,
    RefundState.REFUSED: A.HELD,
    RefundState.NOT_FOUND: A.UNKNOWN,
}


def hear(attempt: RefundAttempt, answer: RefundOutcome | GatewayError, at: datetime) -> list[Transfer]:
    """Fold one answer into one attempt; returns what it means for the ledger."""
    if isinstance(answer, pacing.NotSentYet):  # no try is used up
        is_stopped = isinstance(answer, outgoing.NotWhileStopped)
        attempt.next_due_at = at + scaled(outgoing.PAUSE_SECONDS if is_stopped else 1)
        return []
    if isinstance(answer, GatewayError):
        _still_unknown(attempt, answer, at)
        call_a_person_when_late(attempt, at)
        return []
    status = STATUS_OF[answer.state]
    refused = answer.state is RefundState.REFUSED
    if answer.amount_fen not in {None, attempt.amount_fen}:  # never believed, whatever the state (G16)
        status, attempt.last_error = A.HELD, f"渠道金额 {answer.amount_fen} 分与申请不符"
    elif attempt.channel_refund_id and not answer.channel_refund_id and status in {A.HELD, A.CLOSED}:
        # It was there, and now it is said to be none. A new number might pay twice: only a person untangles this.
        status, refused, attempt.last_error = A.HELD, False, f"{answer.code}: 渠道受理后又拒绝，请联系渠道"
    else:
        attempt.last_error = f"{answer.code} {answer.detail}".strip()[:200]
    attempt.channel_refund_id = answer.channel_refund_id or attempt.channel_refund_id
    had_arrived, was_expected_at = attempt.has_arrived, attempt.arrival_expected_at
    if answer.received_account:
        attempt.received_account = answer.received_account
        attempt.received_account_kind = answer.received_account_kind.value
    attempt.arrival_expected_at = answer.arrival_expected_at or attempt.arrival_expected_at
    attempt.bank_acknowledged_at = answer.bank_acknowledged_at or attempt.bank_acknowledged_at
    attempt.refused_at = at if refused else None
    transfers = _move(attempt, status, answer, at)
    attempt.next_due_at = _due(attempt, at)
    if attempt.has_arrived and not had_arrived:
        attempt.news_at = at  # also long after the success: the bank has it now
    if attempt.status == A.SUCCEEDED and attempt.arrival_expected_at != was_expected_at:
        attempt.news_at = at  # or says when it will
    call_a_person_when_late(attempt, at)
    _see_what_was_refunded_outside(attempt, answer)
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
    if status in {A.ACCEPTED, A.SUCCEEDED, A.RETURNED, A.BACK_WITH_MERCHANT, A.CLOSED}:
        attempt.accepted_at = attempt.accepted_at or at
    if status == A.RETURNED:
        attempt.redirect_to = ""  # where a person sent an earlier return on to says nothing about this one
    if status == A.SUCCEEDED:
        attempt.finished_at = answer.succeeded_at or at
        attempt.accepted_at = min(attempt.accepted_at or at, attempt.finished_at)  # by the channel's clock, in seconds
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


def call_a_person_when_late(attempt: RefundAttempt, at: datetime) -> None:
    """太久: the machine goes on, and a person hears of it once (G5, G6)."""
    decided_at = _sent_on_at(attempt) if attempt.redirect_to else None
    since, patience, word = {
        A.UNKNOWN: (decided_at or attempt.first_sent_at, SLOW_AFTER, Attention.SLOW),  # wrong keys use up no tries
        A.ACCEPTED: (decided_at or attempt.accepted_at, SLOW_AFTER, Attention.SLOW),
        A.WAITING_FUNDS: (attempt.created_at, funds.PATIENCE, Attention.FUNDS),
    }.get(A(attempt.status), (None, SLOW_AFTER, ""))
    if since is None or at - since < patience:
        attempt.attention = ""
    elif attempt.attention != word:
        attempt.attention, attempt.news_at = word, at


def _sent_on_at(attempt: RefundAttempt) -> datetime | None:
    """When a person sent it on to another account: what it took before says nothing about that. Rarely asked."""
    decided = attempt.events.filter(from_status=A.RETURNED, to_status=A.UNKNOWN, by__isnull=False)
    return decided.order_by("-pk").values_list("at", flat=True).first()


def _see_what_was_refunded_outside(attempt: RefundAttempt, answer: RefundOutcome) -> None:
    """渠道侧退款: the channel has given back more of this payment than we know of (G21). What we asked for and do not
    know the end of yet may explain it; only what nothing explains counts."""
    payment = attempt.payment
    if answer.payment_refunded_fen is None:
        return
    unexplained = answer.payment_refunded_fen - payment.refunded_fen - payment.reserved_fen
    if unexplained > payment.external_fen:
        log.error("payment %s: %s fen were refunded outside us", payment.payment_no, unexplained)
        payment.external_fen = min(unexplained, payment.amount_fen)


def _transfer(attempt: RefundAttempt, ref: str, *, back: bool = False) -> Transfer:
    payment = attempt.payment
    owner = (
        posting.surplus_account(payment.account.code)
        if payment.is_surplus
        else posting.held_account(payment.order.shop_id)
    )
    channel = received_in(payment)
    debit, credit = (channel, owner) if back else (owner, channel)
    return Transfer(f"{ref}:{attempt.money_moves}", debit=debit, credit=credit, amount_fen=attempt.amount_fen)


def received_in(payment: Payment) -> str:
    """Where its money came from, and goes back to: the channel's account, or its buyer's balance."""
    if payment.account.channel == BALANCE:
        return posting.balance_account(payment.order.buyer_id)
    return posting.channel_account(payment.account.code)


def _still_unknown(attempt: RefundAttempt, error: GatewayError, at: datetime) -> None:
    attempt.last_error = str(error)[:200]
    attempt.refused_at = None  # an older refusal says nothing about what was sent just now
    if isinstance(error, GatewayMisconfigured):  # our keys, not this refund: nothing works until they are mended
        log.error("channel account %s is misconfigured: %s", attempt.payment.account.code, error)
        attempt.next_due_at = at + pacing.MISCONFIGURED_PAUSE
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
    if _may_hear_of_arrival(attempt, at):
        return at + scaled([15, 600, 6 * 3600][min(attempt.tries, 2)])
    if attempt.status == A.SUCCEEDED and not attempt.has_arrived:
        return _asked_again_at(attempt, at)
    if attempt.status in {A.SUCCEEDED, A.CLOSED, A.HELD, A.BACK_WITH_MERCHANT, A.EXTERNAL}:
        return None
    if attempt.status == A.ACCEPTED:
        return at + scaled(60 * ([1] * 5 + [5, 10, 20, 30])[min(attempt.tries, 8)])
    if attempt.status == A.RETURNED:
        return at + scaled(3600)  # a human may mend it at the channel's own desk
    if attempt.status == A.WAITING_FUNDS:
        return at  # funds.hold_back finds its place among those that wait, the smallest first
    return at + scaled(10)


def _asked_again_at(attempt: RefundAttempt, at: datetime) -> datetime | None:
    """回查 of what was paid out to a card, by a channel that never hears of the bank: it may still learn that the bank
    did not take it (S0-25, PM11)."""
    paid_out_at = attempt.finished_at or at
    moments = (paid_out_at + scaled(after.total_seconds()) for after in ASKED_AGAIN_AFTER)
    return next((moment for moment in moments if moment > at), None)


def _may_hear_of_arrival(attempt: RefundAttempt, at: datetime) -> bool:
    """Paid out, and the channel will still tell when the bank has it (Alipay's 银行卡冲退)."""
    if attempt.status != A.SUCCEEDED or attempt.has_arrived:
        return False
    until = attempt.arrival_expected_at or attempt.finished_at or at
    return channels.gateway(attempt.payment.account).tells_bank_arrival and at < until + BANK_IS_ASKED_FOR
