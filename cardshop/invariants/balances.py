"""I1, I3, I6, I13: what went to buyers' balances, from the case by its payment to the ledger."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from django.db.models import CharField, Exists, F, OuterRef, Q, Subquery, Sum, Value
from django.db.models.functions import Cast, Coalesce, Concat

from ledger.balances import OWED
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

Broken = list[str]


def credits_fit_payments() -> Broken:
    """I1: what a payment says it gave to the balance is the sum of its cases' credits."""
    mine = BalanceCredit.objects.filter(refund__payment=OuterRef("pk")).order_by().values("refund__payment")
    rows = Payment.objects.annotate(credited_fen=Coalesce(Subquery(mine.values(fen=Sum("amount_fen"))), 0))
    return [
        f"{row.payment_no}: {row.balance_fen} to the balance, its cases say {row.credited_fen}"
        for row in rows.exclude(balance_fen=F("credited_fen"))
    ]


def credits_are_posted() -> Broken:
    """I3, I6: each credit is one posting from its shop to its buyer; these and penalties are what a balance was given.
    What was spent of it: ``transfers.balances_are_what_moved_them``."""
    rows = BalanceCredit.objects.annotate(
        ref=Concat(Value("credit:"), "refund__refund_no"),
        shop_code=_code(AccountKind.SHOP, "refund__shop_id"),  # before money was held for its case
        held_code=_code(AccountKind.HELD, "refund__shop_id"),
        buyer_code=_code(AccountKind.BALANCE, "user_id"),
    )
    from_shop = _entry(Side.DEBIT, "held_code") | _entry(Side.DEBIT, "shop_code")
    unposted = rows.exclude(from_shop, _entry(Side.CREDIT, "buyer_code"))
    credited = dict(rows.order_by().values_list("buyer_code").annotate(fen=Sum("amount_fen")))
    for user, fen in [*_given("penalty:"), *_given("compensation:")]:
        credited[user] = credited.get(user, 0) + fen
    given = Q(posting__ref__regex="^(credit|penalty|compensation):")
    entries = Entry.objects.filter(given, account__kind=AccountKind.BALANCE).order_by()
    held = dict(entries.values_list("account__code").annotate(fen=OWED))
    return [
        *(f"{row.refund}: credited, but not posted so" for row in unposted.select_related("refund")),
        *(f"{code}: was given {held.get(code, 0)} fen, the credits say {credited.get(code, 0)}"
          for code in sorted(credited.keys() | held.keys()) if credited.get(code, 0) != held.get(code, 0)),
    ]  # fmt: skip


def only_the_buyers_choice_leads_to_the_balance() -> Broken:
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
    return [
        *(f"{row.refund}: credited to the balance against the rules" for row in odd.select_related("refund")),
        *(f"{refund}: goes to the balance, yet was sent to a channel" for refund in both),
        *(f"{refund}: {refund.status}, but nothing was credited" for refund in without),
    ]


def only_a_signature_leads_to_another_account() -> Broken:
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
    return [
        *(f"{refund}: goes to another account, which nobody has signed so"
          for refund in to_account.exclude(Exists(sound))),
        *(f"{row.refund}: transferred against what was signed" for row in odd.select_related("refund")),
        *(f"{row.refund}: transferred, and its channel may pay it as well"
          for row in alive.filter(transfer__status="paid").select_related("refund")),
    ]  # fmt: skip


def _given(prefix: str) -> Iterable[tuple[str, int]]:
    """(whose balance, fen): 违约金 and 平台赔付 that was paid, by postings of their own."""
    to_buyers = Entry.objects.filter(side=Side.CREDIT, account__kind=AccountKind.BALANCE)
    rows = to_buyers.filter(posting__ref__startswith=prefix).order_by()
    return rows.values_list("account__code").annotate(Sum("amount_fen"))


def _code(kind: AccountKind, column: str) -> Concat:
    """An account's code, as ``ledger.posting`` writes it."""
    return Concat(Value(f"{kind}:"), Cast(column, CharField()), output_field=CharField())


def _entry(side: Side, code: str) -> Q:
    """The credit's posting has this side on that account, with the whole amount."""
    there = Entry.objects.filter(
        posting__ref=OuterRef("ref"), account__code=OuterRef(code), side=side, amount_fen=OuterRef("amount_fen")
    )
    return Q(Exists(there))
