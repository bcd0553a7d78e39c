"""预览与进度: what a batch asks of whom, before somebody says yes; how far batches are, how many wait for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, QuerySet, Sum

from payments import attention, outgoing
from payments.attention import Waiting
from payments.models import AttemptStatus, ChannelAccount
from refunds.lifecycle import guards
from refunds.models import BatchStatus, Destination, Lane, LineStatus, PayoutBatch, PayoutLine, RefundEvent, Status
from refunds.payouts import ready


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
    waits: Waiting  # for money, of whatever batch or none
    own_waits: int  # of them, lines that this batch has released
    stopped: bool


@dataclass(frozen=True)
class Preview:
    accounts: list[OfAccount]
    to_balance: Share
    shops: list[Share]
    lanes: list[Share]
    deciders: list[Share]


def preview(batch: PayoutBatch) -> Preview:
    """预览: totals by account, shop and lane, what is known of the accounts' funds, and who decided. Eight queries."""
    lines = batch.lines.all()
    original = lines.filter(refund__destination=Destination.ORIGINAL)
    credited = lines.filter(refund__destination=Destination.BALANCE).aggregate(Count("pk"), fen=Sum("amount_fen"))
    named = {account.pk: account for account in _accounts_of(original)}
    waits, own_waits, stopped = attention.for_funds(list(named)), for_funds(batch), outgoing.now()
    accounts = [
        OfAccount(named[pk], count, fen, waits.get(pk, Waiting()), own_waits[pk], stopped.of(pk) is not None)
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


def for_funds(batch: PayoutBatch) -> Counter[int]:
    """等待余额: {account: how many lines of this batch are released and wait for its money}. One query."""
    rows = batch.lines.filter(status=LineStatus.SENT, disbursement__attempt__status=AttemptStatus.WAITING_FUNDS)
    found = rows.order_by().values_list("disbursement__attempt__payment__account").annotate(Count("pk"))
    return Counter(dict(found))


def next_up() -> tuple[int, int]:
    """What could go into a batch now: how many cases, and their sum, as far as one batch looks. One query."""
    rows = ready.cases().order_by("submitted_at", "pk")[: ready.MOST_WAITING]
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
    rest = [fen for refund, fen in batch.lines.values_list("refund", "amount_fen") if refund not in seen]
    shares = [Share(name, len(fens), sum(fens)) for name, fens in sorted(sums.items())]
    return shares + ([Share("店铺同意或到期未答复", len(rest), sum(rest))] if rest else [])
