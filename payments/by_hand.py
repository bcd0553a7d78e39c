"""人工处理: what a person may decide about an attempt that waits. Each decision is recorded with who made it.

HELD, WAITING_FUNDS → asked again; HELD → closed on the channel's refusal; RETURNED → sent on to another account; a
surplus that could not go back → under a new number.
Nothing is sent here: a decision is committed, and the sweeper (``refunding.py``) acts on it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db import transaction

import workqueue
from accounts.models import User
from payments import cards, hearing, refunding
from payments.asking import SWEEP
from payments.gateways.base import BankCard
from payments.models import AttemptEvent, Payment, Redirect, RefundAttempt
from payments.models import AttemptStatus as A


def ask_again(attempts: Sequence[RefundAttempt], *, by: User, at: datetime) -> int:
    """再次询问: a person has looked, or topped up; the channel is asked again under the same number."""
    return _decide(attempts, {A.HELD, A.WAITING_FUNDS}, A.UNKNOWN, by=by, at=at, note="再次询问渠道")


def close_refused(attempts: Sequence[RefundAttempt], *, by: User, at: datetime) -> int:
    """按渠道拒绝关闭: the channel said no and has no such refund; the reserve is free for a new number (G7).

    What was sent and never answered is left where it is: only the channel's own word closes that.
    """
    closable = [row for row in attempts if can_be_closed(row)]
    return _decide(closable, {A.HELD, A.WAITING_FUNDS}, A.CLOSED, by=by, at=at, note="按渠道拒绝关闭")


def send_on(attempt: RefundAttempt, *, card: BankCard | None, by: User, at: datetime) -> int:
    """异常退款: what the buyer's account did not take goes to the buyer's ``card``, or with None to the merchant (G8).

    The decision, and the card sealed to this row, are committed before the first byte leaves.
    """
    to = Redirect.MERCHANT if card is None else Redirect.BUYER_CARD
    columns: dict[str, Any] = {"redirect_to": to}
    if card is not None:
        sealed = cards.seal(card, attempt)
        columns |= {"redirect_card": sealed.ciphertext, "redirect_key_id": sealed.key_id}
    return _decide([attempt], {A.RETURNED}, A.UNKNOWN, by=by, at=at, note=f"改退至：{to.label}", columns=columns)


def give_back_again(attempts: Sequence[RefundAttempt], *, by: User, at: datetime) -> int:
    """多收款再退: the first number is closed, no case stands behind it, and the money is not ours (PM13)."""
    count = 0
    with transaction.atomic():
        payments = refunding.locked_payments([each.payment_id for each in attempts if can_be_given_back_again(each)])
        for payment in payments:  # as it is now, under its lock
            if payment.is_surplus and not refunding.why_not(payment, max(1, payment.refundable_fen), at=at):
                (attempt,) = refunding.give_back(payment, at=at)
                refunding.noted(attempt, "多收款再次退回", by=by, at=at).save()
                count += 1
    return count


def can_be_given_back_again(attempt: RefundAttempt) -> bool:
    """Whether this was to give a surplus back, did not, and nothing else does."""
    return attempt.status in hearing.FINAL and attempt.payment.is_surplus and attempt.payment.refundable_fen > 0


def can_be_closed(attempt: RefundAttempt) -> bool:
    """Whether nothing of it can be at the channel: refused there, or never sent."""
    return attempt.refused_at is not None or attempt.first_sent_at is None


def _decide(
    attempts: Sequence[RefundAttempt],
    sources: set[A],
    target: A,
    *,
    by: User,
    at: datetime,
    note: str,
    columns: dict[str, Any] | None = None,
) -> int:
    """Move what still stands in one of ``sources``; returns how many that were."""
    columns = columns or {}
    with transaction.atomic():
        payments = {row.pk: row for row in refunding.locked_payments([each.payment_id for each in attempts])}
        locked = refunding.locked_attempts(workqueue.pks(attempts))
        rows = [row for row in locked if row.status in sources and (target != A.CLOSED or can_be_closed(row))]
        events = []
        for row in rows:
            events.append(AttemptEvent(attempt=row, at=at, from_status=row.status, to_status=target, by=by, note=note))
            row.status, row.tries, row.attention, row.leased_until = target, 0, "", None
            row.next_due_at = at
            for name, value in columns.items():
                setattr(row, name, value)
            if target == A.CLOSED:
                payments[row.payment_id].reserved_fen -= row.amount_fen
                row.next_due_at, row.news_at = None, at
        Payment.objects.bulk_update(payments.values(), ["reserved_fen"])
        written = ["status", "tries", "attention", "leased_until", "next_due_at", "news_at", *columns]
        RefundAttempt.objects.bulk_update(rows, written)
        AttemptEvent.objects.bulk_create(events)
        workqueue.ring(SWEEP)
        workqueue.ring("refunds.sweep")
    return len(rows)
