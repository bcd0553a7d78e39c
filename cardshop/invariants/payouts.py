"""I11: what a payout batch says it paid is what was paid, once, and in the name of whoever checked it."""

from __future__ import annotations

from django.db.models import Count, F, Q, Sum

from refunds.models import BatchStatus, LineStatus, PayoutBatch, PayoutLine

Broken = list[str]


def payouts_pay_each_line_once() -> Broken:
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
    return [
        *(f"payout {row}: its lines are {row.count} of {row.fen} fen, it says {row.line_count} of {row.total_fen}"
          for row in summed.exclude(count=F("line_count"), fen=F("total_fen"))),
        *(f"payout {row}: {row.status}, and lines still wait" for row in batches.filter(waits).distinct()),
        *(f"payout line {line}: sent, but what paid it is about something else"
          for line in sent.exclude(pk__in=true.values("pk"))),
        *(f"payout {row}: checked by whoever made it" for row in batches.filter(checked_by=F("made_by"))),
    ]  # fmt: skip
