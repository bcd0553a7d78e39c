"""I1, I2, I3, I6: what is promised back and what went back, the ledger, and the numbers of requests."""

from __future__ import annotations

from django.db.models import Case, Count, F, OuterRef, Q, Subquery, Sum, When
from django.db.models.functions import Coalesce

from cardshop.models import PASSED_OVER, RecoveryFinding
from ledger.models import AccountKind, Entry, Posting, Side
from payments.models import BALANCE, AttemptStatus, Payment, PaymentStatus, RefundAttempt, Transfer

Broken = list[str]
NET = Sum(Case(When(side=Side.DEBIT, then=F("amount_fen")), default=-F("amount_fen")))


def refunds_fit_payments() -> Broken:
    """I1: reserved and refunded are the sums over the attempts, transferred that over the transfers; with what the
    balance got, never more than was paid."""
    reserving = Q(attempts__status__in=AttemptStatus.reserving())
    succeeded = Q(attempts__status=AttemptStatus.SUCCEEDED)
    standing = Transfer.objects.filter(payment=OuterRef("pk")).exclude(status__in=["refused", "failed"])
    redirected = standing.order_by().values("payment")
    rows = Payment.objects.annotate(
        reserved_sum=Coalesce(Sum("attempts__amount_fen", filter=reserving), 0),
        refunded_sum=Coalesce(Sum("attempts__amount_fen", filter=succeeded), 0),
        transferred_sum=Coalesce(Subquery(redirected.values(fen=Sum("amount_fen"))), 0),
    )
    wrong = rows.exclude(
        reserved_fen=F("reserved_sum"),
        refunded_fen=F("refunded_sum"),
        transferred_fen=F("transferred_sum"),
        amount_fen__gte=F("reserved_sum") + F("refunded_sum") + F("balance_fen") + F("transferred_sum"),
    )
    return [
        f"{row.payment_no}: paid {row.amount_fen}, reserved {row.reserved_fen} (attempts say {row.reserved_sum}),"
        f" refunded {row.refunded_fen} (attempts say {row.refunded_sum}), to the balance {row.balance_fen},"
        f" transferred {row.transferred_fen} (transfers say {row.transferred_sum})"
        for row in wrong
    ]


def ledger_says_the_same() -> Broken:
    """I2, our side of it: each payment is posted once, each success once more than its returns; balances agree.

    What went to a buyer's balance never left the channel: it is no part of this sum (``credits_are_posted``). Neither
    is what was paid from one.
    """
    postings = set(Posting.objects.values_list("ref", flat=True))
    paid = Payment.objects.filter(status=PaymentStatus.PAID)
    lines = [
        f"{no}: paid, not posted" for no in paid.values_list("payment_no", flat=True) if f"payment:{no}" not in postings
    ]
    for attempt in RefundAttempt.objects.only("request_no", "status", "money_moves"):
        moves = range(1, attempt.money_moves + 1)
        out = sum(f"refund:{attempt.request_no}:{n}" in postings for n in moves)
        back = sum(f"refund_returned:{attempt.request_no}:{n}" in postings for n in moves)
        if out - back != (attempt.status == AttemptStatus.SUCCEEDED) or out + back != attempt.money_moves:
            lines.append(f"{attempt.request_no}: {attempt.status}, posted {out} times out and {back} times back")
    balance = Entry.objects.filter(account__kind=AccountKind.CHANNEL).aggregate(fen=Coalesce(NET, 0))["fen"]
    kept = paid.exclude(account__channel=BALANCE).aggregate(fen=Coalesce(Sum(F("amount_fen") - F("refunded_fen")), 0))[
        "fen"
    ]
    outside = RefundAttempt.objects.filter(status=AttemptStatus.EXTERNAL)  # seen in the channel's bill (G21)
    kept -= outside.aggregate(fen=Coalesce(Sum("amount_fen"), 0))["fen"]
    return lines if balance == kept else [*lines, f"channel accounts hold {balance} fen, payments say {kept}"]


def numbers_are_used_once() -> Broken:
    """I3: a payment's attempts are numbered 1, 2, 3 … without a gap, so that a recovery can count up (F6). What a
    recovery passed over, because its channel may still hear of it, is given out no more."""
    passed = set(RecoveryFinding.objects.filter(what=PASSED_OVER).values_list("number", flat=True))
    lines = []
    for payment in Payment.objects.filter(last_attempt_index__gt=0).prefetch_related("attempts"):
        expected = {f"{payment.payment_no}R{n:02d}" for n in range(1, payment.last_attempt_index + 1)}
        actual = {
            attempt.request_no
            for attempt in payment.attempts.all()
            if attempt.status != AttemptStatus.EXTERNAL or attempt.request_no in expected  # found again
        }
        if actual | (expected & passed) != expected:
            lines.append(f"{payment.payment_no}: numbers {sorted(actual)}, expected {sorted(expected)}")
    return lines


def postings_balance() -> Broken:
    """I6: every posting sums to zero, and so do all accounts together."""
    rows = Posting.objects.annotate(sides=Count("entries"), net=Sum(_signed("entries__"))).exclude(net=0, sides__gte=2)
    return [f"{row.ref}: {row.sides} entries sum to {row.net}" for row in rows]


def _signed(prefix: str) -> Case:
    return Case(When(**{f"{prefix}side": Side.DEBIT}, then=F(f"{prefix}amount_fen")), default=-F(f"{prefix}amount_fen"))
