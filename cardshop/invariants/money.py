"""I1, I2, I3, I6: what is promised back and what went back, the ledger, and the numbers of requests."""

from __future__ import annotations

from collections.abc import Iterable

from django.db.models import Case, Count, Exists, F, OuterRef, Q, Subquery, Sum, Value, When
from django.db.models.functions import Coalesce, Concat

from cardshop.invariants.asking import OWED_FEN, Asked, Question, differ, rows, select
from cardshop.models import PASSED_OVER
from ledger.models import AccountKind, Entry, Posting, Side
from payments.models import BALANCE, AttemptStatus, Payment, PaymentStatus, RefundAttempt, Transfer


@Asked
def refunds_fit_payments() -> Iterable[Question]:
    """I1: reserved and refunded are the sums over the attempts, transferred that over the transfers; with what the
    balance got, never more than was paid."""
    reserving = Q(attempts__status__in=AttemptStatus.reserving())
    succeeded = Q(attempts__status=AttemptStatus.SUCCEEDED)
    standing = Transfer.objects.filter(payment=OuterRef("pk")).exclude(status__in=["refused", "failed"])
    redirected = standing.order_by().values("payment")
    payments = Payment.objects.annotate(
        reserved_sum=Coalesce(Sum("attempts__amount_fen", filter=reserving), 0),
        refunded_sum=Coalesce(Sum("attempts__amount_fen", filter=succeeded), 0),
        transferred_sum=Coalesce(Subquery(redirected.values(fen=Sum("amount_fen"))), 0),
    )
    yield rows(
        "{payment_no}: paid {amount_fen}, reserved {reserved_fen} (attempts say {reserved_sum}),"
        " refunded {refunded_fen} (attempts say {refunded_sum}), to the balance {balance_fen},"
        " transferred {transferred_fen} (transfers say {transferred_sum})",
        payments.exclude(
            reserved_fen=F("reserved_sum"),
            refunded_fen=F("refunded_sum"),
            transferred_fen=F("transferred_sum"),
            amount_fen__gte=F("reserved_sum") + F("refunded_sum") + F("balance_fen") + F("transferred_sum"),
        ),
    )


@Asked
def ledger_says_the_same() -> Iterable[Question]:
    """I2, our side of it: each payment is posted once, each success once more than its returns; balances agree.

    What went to a buyer's balance never left the channel: it is no part of this sum (``credits_are_posted``). Neither
    is what was paid from one.
    """
    paid = Payment.objects.filter(status=PaymentStatus.PAID).annotate(ref=Concat(Value("payment:"), "payment_no"))
    yield rows("{payment_no}: paid, not posted", paid.exclude(Exists(Posting.objects.filter(ref=OuterRef("ref")))))
    yield select(
        "{request_no}: {status}, posted {out} times out and {back} times back",
        _MOVES_POSTED, AttemptStatus.SUCCEEDED.value,
    )  # fmt: skip
    outside = RefundAttempt.objects.filter(status=AttemptStatus.EXTERNAL)  # seen in the channel's bill (G21)
    called = paid.exclude(account__channel=BALANCE)
    entries = Entry.objects.filter(account__kind=AccountKind.CHANNEL)
    yield differ(
        "channel accounts hold {posted} fen, payments say {said}",
        said=[
            called.values_list(Value("channel"), F("amount_fen") - F("refunded_fen")),
            outside.values_list(Value("channel"), -F("amount_fen")),
        ],
        posted=[entries.values_list(Value("channel"), -OWED_FEN)],
    )


_MOVES_POSTED = """
SELECT request_no, status, posted.out, posted.back
  FROM payments_refundattempt AS attempt CROSS JOIN LATERAL (
    SELECT count(*) FILTER (WHERE ref = 'refund:' || request_no || ':' || number) AS out,
           count(*) FILTER (WHERE ref = 'refund_returned:' || request_no || ':' || number) AS back
      FROM generate_series(1, attempt.money_moves) AS number JOIN ledger_posting
        ON ref IN ('refund:' || request_no || ':' || number, 'refund_returned:' || request_no || ':' || number)
  ) AS posted
 WHERE posted.out - posted.back <> (status = %s)::int OR posted.out + posted.back <> money_moves
"""


@Asked
def numbers_are_used_once() -> Iterable[Question]:
    """I3: a payment's attempts are numbered 1, 2, 3 … without a gap, so that a recovery can count up (F6). What a
    recovery passed over, because its channel may still hear of it, is given out no more."""
    yield select("{request_no}: neither an attempt's number nor passed over", _MISSING_NUMBERS, PASSED_OVER)
    yield select("{request_no}: no number of its payment", _STRAY_NUMBERS, AttemptStatus.EXTERNAL.value)


_NUMBERS = """
  SELECT payment.id, payment_no || 'R' || lpad(number::text, greatest(2, length(number::text)), '0') AS request_no
    FROM payments_payment AS payment CROSS JOIN generate_series(1, last_attempt_index) AS number
"""
_MISSING_NUMBERS = f"""
SELECT request_no FROM ({_NUMBERS}) AS due
 WHERE NOT EXISTS (SELECT FROM payments_refundattempt AS attempt
                    WHERE attempt.payment_id = due.id AND attempt.request_no = due.request_no)
   AND NOT EXISTS (SELECT FROM cardshop_recoveryfinding WHERE what = %s AND number = due.request_no)
"""  # noqa: S608  constants
# An external one under such a number is ours, found again; under any other it is the channel's own.
_STRAY_NUMBERS = f"""
SELECT attempt.request_no
  FROM payments_refundattempt AS attempt JOIN payments_payment AS payment ON payment.id = attempt.payment_id
 WHERE last_attempt_index > 0 AND attempt.status <> %s
   AND NOT EXISTS (SELECT FROM ({_NUMBERS}) AS due
                    WHERE due.id = attempt.payment_id AND due.request_no = attempt.request_no)
"""  # noqa: S608  constants


@Asked
def postings_balance() -> Iterable[Question]:
    """I6: every posting sums to zero, and so do all accounts together."""
    postings = Posting.objects.annotate(sides=Count("entries"), net=Sum(_signed("entries__")))
    yield rows("{ref}: {sides} entries sum to {net}", postings.exclude(net=0, sides__gte=2))


def _signed(prefix: str) -> Case:
    return Case(When(**{f"{prefix}side": Side.DEBIT}, then=F(f"{prefix}amount_fen")), default=-F(f"{prefix}amount_fen"))
