"""恢复核对: what the channels did, asked payment by payment, and written down where the database has forgotten it.

For a batch of payments: where each stands, each of its numbers, and upward from the last known one until ``PROBE``
numbers in a row are unknown there. Nothing is sent. Each payment's answers are committed by themselves, and hearing
them twice changes nothing. Who calls it, for which payments, and when money may leave again: ``cardshop/recovery.py``.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.db import OperationalError, transaction

import workqueue
from payments import channels, charging, found, hearing, numbering, refunding
from payments.asking import ask_all
from payments.gateways.base import (
    GatewayError,
    PaymentOutcome,
    PaymentState,
    RefundOutcome,
    RefundRequest,
    RefundState,
)
from payments.models import AttemptStatus as A
from payments.models import Payment, PaymentStatus, RefundAttempt

log = logging.getLogger(__name__)
PROBE = 3  # numbers in a row that the channel does not know: nothing lies beyond
RESTS = {A.CLOSED, A.BACK_WITH_MERCHANT, A.EXTERNAL}  # the channel's last word is here already


@dataclass
class Learned:
    """What one payment taught us: changes in words for the report, numbers that nobody has heard of, and what went
    wrong."""

    payment: Payment
    changes: list[tuple[str, str, int]] = field(default_factory=list)  # number, what, fen
    passed_over: list[str] = field(default_factory=list)
    error: str = ""


@dataclass
class _Heard:
    state: PaymentOutcome | None = None
    known: dict[str, RefundOutcome] = field(default_factory=dict)
    beyond: dict[int, RefundOutcome] = field(default_factory=dict)
    passed_over: list[int] = field(default_factory=list)


def recover(payments: Sequence[Payment], *, sent: Mapping[str, int], now: Callable[[], datetime]) -> list[Learned]:
    """Ask about these payments and write down what is new. ``sent``: {payment number: highest index that left us}."""
    rows = Payment.objects.select_related("account", "order").prefetch_related("attempts")
    whole = list(rows.filter(pk__in=[payment.pk for payment in payments]).order_by("pk"))
    answers = ask_all(whole, lambda payment: _ask(payment, sent.get(payment.payment_no, 0)))
    return [_write_down(payment, heard, now()) for payment, heard in answers]


# --- asking: no database here -----------------------------------------------------------------------------------------


def _ask(payment: Payment, sent_index: int) -> _Heard:
    """Everything that the channel knows of this payment. Raises GatewayError: then nothing of it is used."""
    gateway, heard = channels.gateway(payment.account), _Heard()
    transaction_id, total_fen = payment.channel_transaction_id, payment.amount_fen
    if payment.status != PaymentStatus.PAID:
        heard.state = gateway.query_payment(payment.payment_no)
        if heard.state.state is not PaymentState.PAID:
            return heard
        transaction_id, total_fen = heard.state.channel_transaction_id, heard.state.amount_fen or total_fen

    def query(request_no: str, amount_fen: int) -> RefundOutcome:
        notify_url = channels.notify_url(payment.account.code, "refund")
        return gateway.query_refund(
            RefundRequest(request_no, payment.payment_no, transaction_id, amount_fen, total_fen, "", notify_url)
        )

    for attempt in payment.attempts.all():
        if attempt.status not in RESTS:
            heard.known[attempt.request_no] = query(attempt.request_no, attempt.amount_fen)
    given = {attempt.request_no for attempt in payment.attempts.all()}
    for gap in range(1, payment.last_attempt_index + 1):  # left behind by an earlier run
        if (number := numbering.request_no(payment.payment_no, gap)) not in given:
            outcome = query(number, total_fen)
            if outcome.state is RefundState.NOT_FOUND:
                heard.passed_over.append(gap)
            else:
                heard.beyond[gap] = outcome
    unknown: list[int] = []
    index = payment.last_attempt_index
    while len(unknown) < PROBE or index < sent_index:
        index += 1
        outcome = query(numbering.request_no(payment.payment_no, index), total_fen)
        if outcome.state is RefundState.NOT_FOUND:
            unknown.append(index)
        else:
            heard.beyond[index] = outcome
            heard.passed_over += unknown
            unknown = []
    heard.passed_over += [each for each in unknown if each <= sent_index]
    return heard


# --- writing down: one payment at a time ------------------------------------------------------------------------------


def _write_down(payment: Payment, heard: _Heard | GatewayError, at: datetime) -> Learned:
    learned = Learned(payment)
    if isinstance(heard, GatewayError):
        learned.error = str(heard)[:200]
        return learned
    try:
        if heard.state and heard.state.state is PaymentState.PAID:
            charging.record([(payment, heard.state)], at=at)
            learned.changes.append((payment.payment_no, "paid", heard.state.amount_fen or 0))
        _adopt(learned, heard, at)
        for request_no, outcome in heard.known.items():
            _hear(learned, request_no, outcome, at)
    except OperationalError:
        raise
    except Exception as error:
        log.exception("payment %s: what the channel says could not be written down", payment.payment_no)
        learned.error = f"{type(error).__name__}: {error}"[:200]
    return learned


def _adopt(learned: Learned, heard: _Heard, at: datetime) -> None:
    """Numbers that we did not know. One that exists by now (a surplus on its way back) is heard like any other."""
    if not heard.beyond and not heard.passed_over:
        return
    with transaction.atomic():
        (payment,) = refunding.locked_payments([learned.payment.pk])
        here = {numbering.request_no(payment.payment_no, index): each for index, each in heard.beyond.items()}
        known = set(payment.attempts.filter(request_no__in=here).values_list("request_no", flat=True))
        new = {numbering.index_of(number): each for number, each in here.items() if number not in known}
        for row in found.adopt(payment, new, at=at):
            learned.changes.append((row.request_no, f"found {row.status}", row.amount_fen))
        payment.last_attempt_index = max([payment.last_attempt_index, *heard.passed_over])
        payment.save(update_fields=["last_attempt_index", "external_fen"])
        numbers = [numbering.request_no(payment.payment_no, index) for index in heard.passed_over]
        given = set(payment.attempts.filter(request_no__in=numbers).values_list("request_no", flat=True))
        learned.passed_over = [number for number in numbers if number not in given]
    for request_no in known:
        heard.known[request_no] = here[request_no]


def _hear(learned: Learned, request_no: str, outcome: RefundOutcome, at: datetime) -> None:
    """An attempt whose outcome was lost hears it now, as if it had been asked about in its turn."""
    with transaction.atomic():
        (payment,) = refunding.locked_payments([learned.payment.pk])
        (attempt,) = RefundAttempt.objects.select_for_update(no_key=True).filter(request_no=request_no)
        if outcome.state is RefundState.NOT_FOUND or hearing.STATUS_OF[outcome.state] == attempt.status:
            return
        before = attempt.status
        if attempt.status in {A.PREPARED, A.WAITING_FUNDS, A.HELD}:  # it had left us after all
            attempt.status = A.UNKNOWN
        attempt.first_sent_at = attempt.first_sent_at or at
        attempt.next_due_at, attempt.leased_until = attempt.next_due_at or at, at + workqueue.LEASE
        attempt.save(update_fields=["status", "first_sent_at", "next_due_at", "leased_until"])
    attempt.payment = payment
    refunding.record([(attempt, outcome)], at=at)
    attempt.refresh_from_db()
    if attempt.status != before:
        learned.changes.append((request_no, f"{before} → {attempt.status}", attempt.amount_fen))


__all__ = ["PROBE", "Learned", "recover"]
