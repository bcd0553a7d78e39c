"""I11: what a payout batch says it paid is what was paid, once, and in the name of whoever checked it."""

from __future__ import annotations

from collections.abc import Iterable

from django.db.models import Count, F, Q, Sum

from cardshop.invariants.asking import Asked, Question, rows
from refunds.models import BatchStatus, LineStatus, PayoutBatch, PayoutLine


@Asked
def payouts_pay_each_line_once() -> Iterable[Question]:
    """Batches are the sum of their lines; a sent line names what paid this very case this very amount."""
    batches = PayoutBatch.objects.exclude(status=BatchStatus.DRAFT)
    summed = batches.annotate(count=Count("lines"), fen=Sum("lines__amount_fen"))
    waits = Q(lines__status=LineStatus.WAITING, status__in=[BatchStatus.DONE, BatchStatus.CALLED_OFF])
    sent = PayoutLine.objects.filter(status=LineStatus.SENT)
    true = sent.filter(
        Q(disbursement__refund=F("refund"), disbursement__attempt__amount_fen=F("amount_fen"))
        & Q(disbursement__released_by=F("batch__checked_by"))
        | Q(credit__refund=F("refund"), credit__amount_fen=F("amount_fen"), credit__released_by=F("batch__checked_by"))
    )
    yield rows(
        "payout {batch_no}: its lines are {count} of {fen} fen, it says {line_count} of {total_fen}",
        summed.exclude(count=F("line_count"), fen=F("total_fen")),
    )
    yield rows("payout {batch_no}: {status}, and lines still wait", batches.filter(waits).distinct())
    yield rows(
        "payout line {batch_id}-{position}: sent, but what paid it is about something else",
        sent.exclude(pk__in=true.values("pk")),
    )
    yield rows("payout {batch_no}: checked by whoever made it", batches.filter(checked_by=F("made_by")))
