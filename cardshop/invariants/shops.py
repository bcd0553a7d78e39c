"""I6, I11, I12: what is held, kept and owed of the shops' money is what the cases and the vouchers say."""

from __future__ import annotations

from collections import Counter

from django.db.models import OuterRef, Q, Subquery, Sum

from ledger import balances
from ledger.models import Account, AccountKind
from ledger.posting import FEES
from payments.models import AttemptStatus
from refunds.holding import TAKEN
from refunds.models import Disbursement, Refund

Broken = list[str]
LENT = f"{AccountKind.ADVANCE}:"
OWED_BY_US = {
    AccountKind.SHOP, AccountKind.AVAILABLE, AccountKind.HELD, AccountKind.RESERVE, AccountKind.SURPLUS,
    AccountKind.BALANCE,
}  # fmt: skip


def checkpoints_are_what_was_posted() -> Broken:
    """I6: a balance folded from its checkpoint is the one folded from every entry."""
    truth = balances.recomputed()
    folded = balances.turnovers(truth)
    wrong = [
        f"{code}: folded {folded[code]}, its entries say {each}" for code, each in truth.items() if folded[code] != each
    ]
    debit, credit = (sum(getattr(each, side) for each in truth.values()) for side in ("debit_fen", "credit_fen"))
    return wrong if debit == credit else [*wrong, f"trial balance: {debit} fen debited, {credit} credited"]


def held_money_belongs_to_cases() -> Broken:
    """I11, I12: what is held of a shop is what its cases hold, less what was paid and they have not heard of yet."""
    last = Disbursement.objects.filter(refund=OuterRef("pk")).order_by("-pk").values("attempt__status")[:1]
    rows = Refund.objects.annotate(attempt=Subquery(last))
    cases: Counter[int] = Counter(dict(rows.order_by().values_list("shop").annotate(Sum("held_fen"))))
    unheard = rows.filter(attempt=AttemptStatus.SUCCEEDED, held_fen__gt=0)
    cases.subtract(dict(unheard.order_by().values_list("shop").annotate(Sum("amount_fen"))))
    by_channel = rows.filter(status__in=TAKEN, balance_credit=None)
    came_back = by_channel.exclude(Q(attempt=AttemptStatus.SUCCEEDED) | Q(attempt=None))
    cases.update(dict(came_back.order_by().values_list("shop").annotate(Sum("amount_fen"))))
    held = _owed(AccountKind.HELD)
    return [
        f"shop {key}: {held.get(key, 0)} fen are held, its cases say {cases[key]}"
        for key in sorted(cases.keys() | held.keys())
        if held.get(key, 0) != cases[key]
    ]


def fees_were_earned() -> Broken:
    """I12: the fees that were taken are those of the cases that were paid."""
    due = Refund.objects.filter(status__in=TAKEN).aggregate(fen=Sum("fee_fen"))["fen"] or 0
    taken = balances.owed([FEES])[FEES]
    return [] if due == taken else [f"fees: {taken} fen were taken, the cases that were paid say {due}"]


def nobody_is_below_nothing() -> Broken:
    """I1, I6: what we owe a shop or a buyer is never less than nothing, and no advance is recovered more than once."""
    kinds = [*OWED_BY_US, AccountKind.ADVANCE]
    folded = balances.owed(list(Account.objects.filter(kind__in=kinds).values_list("code", flat=True)))
    wrong = {code: fen for code, fen in folded.items() if (-fen if code.startswith(LENT) else fen) < 0}
    return [f"{code}: {fen} fen" for code, fen in wrong.items()]


def _owed(kind: AccountKind) -> dict[int, int]:
    """{whose: what we owe}, by the fold, which ``checkpoints_are_what_was_posted`` proves."""
    codes = list(Account.objects.filter(kind=kind).values_list("code", flat=True))
    return {int(code.partition(":")[2]): fen for code, fen in balances.owed(codes).items()}
