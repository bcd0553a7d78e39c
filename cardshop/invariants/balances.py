"""I1, I3, I6, I13: what went to buyers' balances, from the case by its payment to the ledger."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django.db.models import Exists, F, OuterRef, Q, QuerySet, Subquery, Sum, Value
from django.db.models.functions import Coalesce, Concat

from cardshop.invariants.asking import OWED_FEN, Asked, Question, account_code, differ, rows
from ledger.models import AccountKind, Entry, Side
from payments.models import AttemptStatus, Payment
from payments.payees import COOLING_HOURS
from refunds.models import (
    BalanceCredit,
    Destination,
    Disbursement,
    RedirectAgreement,
    RedirectTransfer,
    Refund,
    Status,
)


@Asked
def credits_fit_payments() -> Iterable[Question]:
    """I1: what a payment says it gave to the balance is the sum of its cases' credits."""
    mine = BalanceCredit.objects.filter(refund__payment=OuterRef("pk")).order_by().values("refund__payment")
    payments = Payment.objects.annotate(credited_fen=Coalesce(Subquery(mine.values(fen=Sum("amount_fen"))), 0))
    yield rows(
        "{payment_no}: {balance_fen} to the balance, its cases say {credited_fen}",
        payments.exclude(balance_fen=F("credited_fen")),
    )


@Asked
def credits_are_posted() -> Iterable[Question]:
    """I3, I6: each credit is one posting from its shop to its buyer; these and penalties are what a balance was given.
    What was spent of it: ``transfers.balances_are_what_moved_them``."""
    credited = BalanceCredit.objects.annotate(
        ref=Concat(Value("credit:"), "refund__refund_no"),
        shop_code=account_code(AccountKind.SHOP, "refund__shop_id"),  # before money was held for its case
        held_code=account_code(AccountKind.HELD, "refund__shop_id"),
        buyer_code=account_code(AccountKind.BALANCE, "user_id"),
    )
    from_shop = _entry(Side.DEBIT, "held_code") | _entry(Side.DEBIT, "shop_code")
    given = Q(posting__ref__regex="^(credit|penalty|compensation):", account__kind=AccountKind.BALANCE)
    yield rows(
        "{refund__refund_no}: credited, but not posted so",
        credited.exclude(from_shop, _entry(Side.CREDIT, "buyer_code")),
    )
    yield differ(
        "{key}: was given {posted} fen, the credits say {said}",
        said=[credited.values_list("buyer_code", "amount_fen"), _given("penalty:"), _given("compensation:")],
        posted=[Entry.objects.filter(given).values_list("account__code", OWED_FEN)],
    )


@Asked
def only_the_buyers_choice_leads_to_the_balance() -> Iterable[Question]:
    """I13: an own account's, asked for by its buyer, in full and once; and it did not go by the channel as well: what
    was sent came back for good before its buyer signed for the balance."""
    to_balance = Refund.objects.filter(destination=Destination.BALANCE)
    odd = BalanceCredit.objects.exclude(
        refund__destination=Destination.BALANCE,
        user=F("refund__buyer"),
        refund__asked_by=F("refund__buyer"),
        refund__buyer__is_guest=False,
        refund__payment__is_surplus=False,
        refund__status=Status.ARRIVED,
        amount_fen=F("refund__amount_fen"),
    )
    sent = Disbursement.objects.filter(refund=OuterRef("pk"))
    may_pay = sent.exclude(attempt__status__in=[AttemptStatus.CLOSED, AttemptStatus.BACK_WITH_MERCHANT])
    signed = RedirectAgreement.objects.filter(refund=OuterRef("pk"), confirmed_at__isnull=False)
    both = to_balance.filter(Exists(may_pay) | Exists(sent) & ~Exists(signed))
    without = to_balance.filter(status__in=[Status.PROCESSING, Status.PAID_OUT, Status.ARRIVED], balance_credit=None)
    yield rows("{refund__refund_no}: credited to the balance against the rules", odd)
    yield rows("{refund_no}: goes to the balance, yet was sent to a channel", both)
    yield rows("{refund_no}: {status}, but nothing was credited", without)


@Asked
def only_a_signature_leads_to_another_account() -> Iterable[Question]:
    """I13: signed by its buyer who had proved who he is, confirmed by somebody else a day after the account was laid
    down, released by a third, and nothing of the channel's can pay it as well."""
    to_account = Refund.objects.filter(destination=Destination.OTHER_ACCOUNT)
    sound = RedirectAgreement.objects.filter(
        refund=OuterRef("pk"),
        signed_by=OuterRef("buyer"),
        payee__user=OuterRef("buyer"),
        real_name__user=OuterRef("buyer"),
        confirmed_at__gte=F("payee__set_at") + timedelta(hours=COOLING_HOURS),
    ).exclude(Q(confirmed_by=F("signed_by")) | Q(verified_by=""))
    moved = RedirectTransfer.objects.exclude(transfer__status__in=["refused", "failed"])
    odd = moved.exclude(
        ~Q(released_by=F("agreement__confirmed_by")),
        transfer__payee=F("agreement__payee"),
        transfer__amount_fen=F("refund__amount_fen"),
    )
    closed = [AttemptStatus.CLOSED, AttemptStatus.BACK_WITH_MERCHANT]
    alive = moved.exclude(transfer__instead_of=None).exclude(transfer__instead_of__status__in=closed)
    yield rows("{refund_no}: goes to another account, which nobody has signed so", to_account.exclude(Exists(sound)))
    yield rows("{refund__refund_no}: transferred against what was signed", odd)
    yield rows(
        "{refund__refund_no}: transferred, and its channel may pay it as well", alive.filter(transfer__status="paid")
    )


def _given(prefix: str) -> QuerySet[Entry, Any]:
    """(whose balance, fen): 违约金 and 平台赔付 that was paid, by postings of their own."""
    to_buyers = Entry.objects.filter(side=Side.CREDIT, account__kind=AccountKind.BALANCE)
    return to_buyers.filter(posting__ref__startswith=prefix).values_list("account__code", "amount_fen")


def _entry(side: Side, code: str) -> Q:
    """The credit's posting has this side on that account, with the whole amount."""
    there = Entry.objects.filter(
        posting__ref=OuterRef("ref"), account__code=OuterRef(code), side=side, amount_fen=OuterRef("amount_fen")
    )
    return Q(Exists(there))
