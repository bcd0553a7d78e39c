"""找回的渠道退款: what a channel did under a number of ours that the database has forgotten (F6, F7).

It becomes an attempt again under its own number. Nobody knows yet which case it belongs to, so it stands as EXTERNAL,
its money in 待查, and less is left to promise. The first refund of that payment with the same amount takes it over
instead of a new number: the channel is asked under the old one, and the buyer is not paid twice. What nobody takes
over, two people book (``adopting.bear``).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from ledger import posting
from ledger.models import Posting
from ledger.posting import Transfer
from payments import channels
from payments.gateways.base import RefundOutcome, RefundState
from payments.models import AttemptEvent, Payment, RefundAttempt
from payments.models import AttemptStatus as A
from payments.numbering import request_no

IS_OUT = {RefundState.SUCCEEDED, RefundState.ACCEPTED, RefundState.RETURNED}  # the money has left, or is about to
IS_BACK = {RefundState.CLOSED: A.CLOSED, RefundState.BACK_WITH_MERCHANT: A.BACK_WITH_MERCHANT}
REASON = "恢复核对：渠道已有此号，本地记录丢失"


def fits(payment: Payment, amount_fen: int) -> RefundAttempt | None:
    """The found refund that one of this amount must take over; None if there is none."""
    if payment.external_fen < amount_fen:
        return None
    rows = RefundAttempt.objects.filter(
        payment=payment, status=A.EXTERNAL, amount_fen=amount_fen, request_no__startswith=f"{payment.payment_no}R"
    )
    borne = Posting.objects.filter(ref__in=[f"external_borne:{row.request_no}" for row in rows])
    refs = set(borne.values_list("ref", flat=True)) if rows else set()
    return next((row for row in rows.order_by("pk") if f"external_borne:{row.request_no}" not in refs), None)


def take_over(payment: Payment, attempt: RefundAttempt, *, at: datetime) -> RefundAttempt:
    """认领: it belongs to somebody now. Asked about at once, under its number. The payment is locked, and saved by the
    caller."""
    posting.reverse({f"external:{attempt.request_no}": f"external_back:{attempt.request_no}"}, at=at)
    payment.external_fen -= attempt.amount_fen
    payment.reserved_fen += attempt.amount_fen
    attempt.payment = payment
    attempt.status, attempt.tries, attempt.next_due_at, attempt.leased_until = A.UNKNOWN, 0, at, None
    attempt.accepted_at = attempt.finished_at = None  # as the channel tells it now
    attempt.save(update_fields=["status", "tries", "next_due_at", "leased_until", "accepted_at", "finished_at"])
    _note(attempt, A.EXTERNAL, "认领恢复核对找回的渠道退款，按原单号查询", at)
    return attempt


def adopt(payment: Payment, outcomes: Mapping[int, RefundOutcome], *, at: datetime) -> list[RefundAttempt]:
    """补记: numbers beyond the last that we know, by index. The payment is locked, and saved by the caller; its running
    index is raised above them all, for each may have been used."""
    rows = []
    for index, outcome in sorted(outcomes.items()):
        payment.last_attempt_index = max(payment.last_attempt_index, index)
        status = A.EXTERNAL if outcome.state in IS_OUT else IS_BACK.get(outcome.state)
        if status and outcome.amount_fen and outcome.amount_fen <= payment.amount_fen:
            rows.append(_row(payment, index, outcome, status, at))
    RefundAttempt.objects.bulk_create(rows)
    for row in rows:
        _note(row, A(row.status), REASON, at)
    out = [row for row in rows if row.status == A.EXTERNAL]
    payment.external_fen = min(payment.amount_fen, max(payment.external_fen, _adopted_fen(payment)))
    posting.post([to_suspense(row) for row in out], at=at)
    return rows


def _adopted_fen(payment: Payment) -> int:
    rows = RefundAttempt.objects.filter(payment=payment, status=A.EXTERNAL)
    return sum(rows.values_list("amount_fen", flat=True))


def _row(payment: Payment, index: int, outcome: RefundOutcome, status: A, at: datetime) -> RefundAttempt:
    assert outcome.amount_fen is not None
    return RefundAttempt(
        request_no=request_no(payment.payment_no, index),
        payment=payment,
        amount_fen=outcome.amount_fen,
        reason=REASON,
        notify_url=channels.notify_url(payment.account.code, "refund"),
        status=status,
        channel_refund_id=outcome.channel_refund_id,
        received_account=outcome.received_account,
        received_account_kind=outcome.received_account_kind.value,
        created_at=at,
        first_sent_at=at,
        accepted_at=at,
        finished_at=outcome.succeeded_at,
    )


def _note(attempt: RefundAttempt, before: A, note: str, at: datetime) -> None:
    AttemptEvent.objects.create(attempt=attempt, at=at, from_status=before, to_status=attempt.status, note=note)


def to_suspense(attempt: RefundAttempt) -> Transfer:
    """To 待查: money that has left the channel and is nobody's refund yet."""
    code = attempt.payment.account.code
    return Transfer(
        f"external:{attempt.request_no}",
        debit=posting.suspense_account(code),
        credit=posting.channel_account(code),
        amount_fen=attempt.amount_fen,
    )


__all__ = ["IS_OUT", "adopt", "fits", "take_over", "to_suspense"]
