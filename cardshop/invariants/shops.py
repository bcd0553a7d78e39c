"""I6, I11, I12: what is held, kept and owed of the shops' money is what the cases and the vouchers say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from django.db.models import F, OuterRef, Q, Subquery, Sum

from ledger import balances
from ledger.balances import OWED
from ledger.models import Account, AccountKind, Entry, Side
from ledger.posting import FEES
from orders.models import Cancellation, Compensation, Order
from payments.models import AttemptStatus, Payment, PaymentStatus
from refunds.holding import TAKEN
from refunds.models import Destination, Disbursement, RedirectTransfer, Refund, Status
from shops.models import DepositEntry

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
    moved = RedirectTransfer.objects.filter(refund=OuterRef("pk")).order_by("-pk").values("transfer__status")[:1]
    rows = Refund.objects.annotate(attempt=Subquery(last), transfer=Subquery(moved))
    cases: Counter[int] = Counter(dict(rows.order_by().values_list("shop").annotate(Sum("held_fen"))))
    unheard = rows.filter(Q(attempt=AttemptStatus.SUCCEEDED) | Q(transfer="paid"), held_fen__gt=0)
    cases.subtract(dict(unheard.order_by().values_list("shop").annotate(Sum("amount_fen"))))
    gone = rows.filter(status__in=TAKEN, balance_credit=None)
    by_channel = gone.filter(destination=Destination.ORIGINAL)
    came_back = by_channel.exclude(Q(attempt=AttemptStatus.SUCCEEDED) | Q(attempt=None))
    came_back |= gone.filter(destination=Destination.OTHER_ACCOUNT, transfer="failed")
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


def settled_orders_are_posted_once() -> Broken:
    """I12: what an order says that its shop got is its posting, from what was unsettled, and there is no other."""
    rows = Order.objects.filter(settled_fen__gt=0).values_list("order_no", "settled_fen")
    said = {order_no: fen or 0 for order_no, fen in rows}
    return _differ("order", said, _posted("settle:", Side.DEBIT, AccountKind.SHOP), "settled")


def penalties_are_posted_once() -> Broken:
    """I12, S4-16: each penalty that was paid is one posting of its own, to a buyer's balance."""
    paid = Cancellation.objects.filter(penalty_paid_at__isnull=False).values_list("pk", "penalty_fen")
    posted = _posted("penalty:", Side.CREDIT, AccountKind.BALANCE)
    return _differ("penalty", {str(key): fen for key, fen in paid}, posted, "paid")


def compensation_is_posted_once() -> Broken:
    """I12: what the platform gave is one posting each, of its own money, to a buyer's balance."""
    paid = Compensation.objects.filter(paid_at__isnull=False).values_list("pk", "amount_fen")
    posted = _posted("compensation:", Side.CREDIT, AccountKind.BALANCE)
    borne = _posted("compensation:", Side.DEBIT, AccountKind.COMPENSATION)
    said = {str(key): fen for key, fen in paid}
    return _differ("compensation", said, posted, "given") + _differ("compensation", said, borne, "given")


def unsettled_money_is_that_of_orders() -> Broken:
    """I11: 待结算 is what was paid for orders that are not settled, less what their cases hold or took. What left
    outside us stands there until somebody books it."""
    paid = Payment.objects.filter(status=PaymentStatus.PAID, is_surplus=False)
    due = _by_shop(paid.filter(order__settled_at=None), "order__shop", "amount_fen")
    due.subtract(_by_shop(_promised().filter(order__settled_at=None), "shop", F("amount_fen") + F("fee_fen")))
    outside = _by_shop(paid.filter(external_fen__gt=0), "order__shop", "external_fen")
    there = _owed(AccountKind.SHOP)
    return [
        f"shop {key}: {there.get(key, 0)} fen are unsettled, its orders say {due[key]}"
        for key in sorted(due.keys() | there.keys())
        if not -outside[key] <= there.get(key, 0) - due[key] <= outside[key]
    ]


def settled_money_is_that_of_orders() -> Broken:
    """I11: what a shop has of its own, by what settled orders left it: less what cases took of them since, less its
    penalties, and with its deposit. What else moved it (a withdrawal) is not looked at here."""
    paid = Payment.objects.filter(status=PaymentStatus.PAID, is_surplus=False, order__settled_at__isnull=False)
    due = _by_shop(paid, "order__shop", "amount_fen")
    due.subtract(_by_shop(_promised().exclude(order__settled_at=None), "shop", F("amount_fen") + F("fee_fen")))
    due.subtract(_by_shop(Cancellation.objects.exclude(penalty_paid_at=None), "order__shop", "penalty_fen"))
    due.update(_by_shop(DepositEntry.objects.all(), "shop", "amount_fen"))
    outside = _by_shop(paid.filter(external_fen__gt=0), "order__shop", "external_fen")
    own = Entry.objects.filter(account__kind__in=[AccountKind.AVAILABLE, AccountKind.RESERVE, AccountKind.ADVANCE])
    known = own.filter(posting__ref__regex="^(settle|hold|penalty|deposit):").order_by()
    there: Counter[int] = Counter()
    for code, fen in known.values_list("account__code").annotate(fen=OWED):
        there[int(code.partition(":")[2])] += fen
    return [
        f"shop {key}: {there[key]} fen are its own, its orders and vouchers say {due[key]}"
        for key in sorted(due.keys() | there.keys())
        if not -outside[key] <= there[key] - due[key] <= outside[key]
    ]


def nobody_is_below_nothing() -> Broken:
    """I1, I6: what we owe a shop or a buyer is never less than nothing, and no advance is recovered more than once."""
    kinds = [*OWED_BY_US, AccountKind.ADVANCE]
    folded = balances.owed(list(Account.objects.filter(kind__in=kinds).values_list("code", flat=True)))
    wrong = {code: fen for code, fen in folded.items() if (-fen if code.startswith(LENT) else fen) < 0}
    return [f"{code}: {fen} fen" for code, fen in wrong.items()]


def _promised() -> Any:
    return Refund.objects.filter(status__in=Status.holding_money())


def _by_shop(rows: Any, shop: str, fen: Any) -> Counter[int]:
    return Counter(dict(rows.order_by().values_list(shop).annotate(fen_of_shop=Sum(fen))))


def _posted(prefix: str, side: Side, kind: AccountKind) -> dict[str, int]:
    """{what a posting is about: what it moved on this side of such an account}."""
    rows = Entry.objects.filter(posting__ref__startswith=prefix, side=side, account__kind=kind).order_by()
    sums = rows.values_list("posting__ref").annotate(Sum("amount_fen"))
    return {ref.removeprefix(prefix): fen for ref, fen in sums}


def _differ(what: str, said: dict[str, int], posted: dict[str, int], word: str) -> Broken:
    keys: Iterable[str] = sorted(said.keys() | posted.keys())
    return [
        f"{what} {key}: {said.get(key, 0)} fen {word}, {posted.get(key, 0)} posted"
        for key in keys
        if said.get(key, 0) != posted.get(key, 0)
    ]


def _owed(kind: AccountKind) -> dict[int, int]:
    """{whose: what we owe}, by the fold, which ``checkpoints_are_what_was_posted`` proves."""
    codes = list(Account.objects.filter(kind=kind).values_list("code", flat=True))
    return {int(code.partition(":")[2]): fen for code, fen in balances.owed(codes).items()}
