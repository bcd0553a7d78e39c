"""I6, I11, I12: what is held, kept and owed of the shops' money is what the cases and the vouchers say."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db.models import CharField, F, Func, OuterRef, Q, QuerySet, Subquery, Value
from django.db.models.functions import Concat, Substr

from cardshop.invariants.asking import OWED_FEN, Asked, Question, Sql, differ, folded, select
from ledger.balances import FOLDED
from ledger.models import AccountKind, Entry, Side
from ledger.posting import FEES
from orders.models import Cancellation, Compensation, Order
from payments.models import AttemptStatus, Payment, PaymentStatus
from refunds.holding import TAKEN
from refunds.models import Destination, Disbursement, RedirectTransfer, Refund, Status
from shops.models import DepositEntry

OWED_BY_US = [
    AccountKind.SHOP, AccountKind.AVAILABLE, AccountKind.HELD, AccountKind.RESERVE, AccountKind.SURPLUS,
    AccountKind.BALANCE,
]  # fmt: skip
OWN = [AccountKind.AVAILABLE, AccountKind.RESERVE, AccountKind.ADVANCE]


@Asked
def checkpoints_are_what_was_posted() -> Iterable[Question]:
    """I6: a balance folded from its checkpoint is the one folded from every entry."""
    entries = Entry.objects.all()
    side = Concat("account__code", Value(" "), "side")
    sides = [Sql(f"SELECT code || ' {side}', {side}_fen FROM ({FOLDED}) AS folded") for side in Side.values]  # noqa: S608
    yield differ(
        "{key}: folded {posted}, its entries say {said}", said=[entries.values_list(side, "amount_fen")], posted=sides
    )
    yield differ(
        "trial balance: {posted} fen debited, {said} credited",
        said=[entries.filter(side=Side.CREDIT).values_list(Value("all"), "amount_fen")],
        posted=[entries.filter(side=Side.DEBIT).values_list(Value("all"), "amount_fen")],
    )


@Asked
def held_money_belongs_to_cases() -> Iterable[Question]:
    """I11, I12: what is held of a shop is what its cases hold, less what was paid and they have not heard of yet."""
    last = Disbursement.objects.filter(refund=OuterRef("pk")).order_by("-pk").values("attempt__status")[:1]
    moved = RedirectTransfer.objects.filter(refund=OuterRef("pk")).order_by("-pk").values("transfer__status")[:1]
    refunds = Refund.objects.annotate(attempt=Subquery(last), transfer=Subquery(moved))
    unheard = refunds.filter(Q(attempt=AttemptStatus.SUCCEEDED) | Q(transfer="paid"), held_fen__gt=0)
    gone = refunds.filter(status__in=TAKEN, balance_credit=None)
    by_channel = gone.filter(destination=Destination.ORIGINAL)
    came_back = by_channel.exclude(Q(attempt=AttemptStatus.SUCCEEDED) | Q(attempt=None))
    came_back |= gone.filter(destination=Destination.OTHER_ACCOUNT, transfer="failed")
    yield differ(
        "shop {key}: {posted} fen are held, its cases say {said}",
        said=[
            refunds.values_list("shop_id", "held_fen"),
            unheard.values_list("shop_id", -F("amount_fen")),
            came_back.values_list("shop_id", "amount_fen"),
        ],
        posted=[folded(AccountKind.HELD)],
    )


@Asked
def fees_were_earned() -> Iterable[Question]:
    """I12: the fees that were taken are those of the cases that were paid, where the platform has the money."""
    taken = Refund.objects.filter(status__in=TAKEN, payment__account__shop=None)
    yield differ(
        "fees: {posted} fen were taken, the cases that were paid say {said}",
        said=[taken.values_list(Value(FEES.partition(":")[2]), "fee_fen")],
        posted=[folded(AccountKind.FEES)],
    )


@Asked
def settled_orders_are_posted_once() -> Iterable[Question]:
    """I12: what an order says that its shop got is its posting, from what was unsettled, and there is no other."""
    orders = Order.objects.filter(settled_fen__gt=0).values_list("order_no", "settled_fen")
    yield differ(
        "order {key}: {said} fen settled, {posted} posted",
        said=[orders], posted=[_posted("settle:", Side.DEBIT, AccountKind.SHOP)],
    )  # fmt: skip


@Asked
def penalties_are_posted_once() -> Iterable[Question]:
    """I12, S4-16: each penalty that was paid is one posting of its own, to a buyer's balance."""
    paid = Cancellation.objects.filter(penalty_paid_at__isnull=False).values_list("pk", "penalty_fen")
    yield differ(
        "penalty {key}: {said} fen paid, {posted} posted",
        said=[paid], posted=[_posted("penalty:", Side.CREDIT, AccountKind.BALANCE)],
    )  # fmt: skip


@Asked
def compensation_is_posted_once() -> Iterable[Question]:
    """I12: what the platform gave is one posting each, of its own money, to a buyer's balance."""
    paid = Compensation.objects.filter(paid_at__isnull=False).values_list("pk", "amount_fen")
    for side, kind in ((Side.CREDIT, AccountKind.BALANCE), (Side.DEBIT, AccountKind.COMPENSATION)):
        posted = _posted("compensation:", side, kind)
        yield differ("compensation {key}: {said} fen given, {posted} posted", said=[paid], posted=[posted])


@Asked
def unsettled_money_is_that_of_orders() -> Iterable[Question]:
    """I11: 待结算 is what was paid for orders that are not settled, less what their cases hold or took. What left
    outside us stands there until somebody books it."""
    unsettled = _paid().filter(order__settled_at=None)
    promised = _promised().filter(order__settled_at=None)
    kept = Refund.objects.filter(status__in=TAKEN, payment__account__shop__isnull=False)  # the fee stays the shop's
    yield differ(
        "shop {key}: {posted} fen are unsettled, its orders say {said}",
        said=[
            unsettled.values_list("order__shop_id", "amount_fen"),
            promised.values_list("shop_id", -F("amount_fen") - F("fee_fen")),
            kept.values_list("shop_id", "fee_fen"),
        ],
        posted=[folded(AccountKind.SHOP)],
        unless=[_outside()],
    )


@Asked
def settled_money_is_that_of_orders() -> Iterable[Question]:
    """I11: what a shop has of its own, by what settled orders left it: less what cases took of them since, less its
    penalties, and with its deposit. What else moved it (a withdrawal) is not looked at here."""
    settled = _paid().filter(order__settled_at__isnull=False)
    promised = _promised().exclude(order__settled_at=None)
    penalties = Cancellation.objects.exclude(penalty_paid_at=None)
    known = Entry.objects.filter(account__kind__in=OWN, posting__ref__regex="^(settle|hold|penalty|deposit):")
    yield differ(
        "shop {key}: {posted} fen are its own, its orders and vouchers say {said}",
        said=[
            settled.values_list("order__shop_id", "amount_fen"),
            promised.values_list("shop_id", -F("amount_fen") - F("fee_fen")),
            penalties.values_list("order__shop_id", -F("penalty_fen")),
            DepositEntry.objects.values_list("shop_id", "amount_fen"),
        ],
        posted=[known.values_list(_whose("account__code"), OWED_FEN)],
        unless=[_outside()],
    )


@Asked
def nobody_is_below_nothing() -> Iterable[Question]:
    """I1, I6: what we owe a shop or a buyer is never less than nothing, and no advance is recovered more than once."""
    below = f"SELECT code, credit_fen - debit_fen FROM ({FOLDED}) AS folded WHERE"  # noqa: S608
    yield select(
        "{code}: {fen} fen", f"{below} kind = ANY(%s) AND credit_fen < debit_fen", [str(kind) for kind in OWED_BY_US]
    )
    yield select("{code}: {fen} fen", f"{below} kind = %s AND credit_fen > debit_fen", AccountKind.ADVANCE.value)


def _whose(code: str) -> Func:
    return Func(F(code), Value(":"), Value(2), function="split_part", output_field=CharField())


def _paid() -> QuerySet[Payment]:
    return Payment.objects.filter(status=PaymentStatus.PAID, is_surplus=False)


def _promised() -> QuerySet[Refund]:
    return Refund.objects.filter(status__in=Status.holding_money())


def _outside() -> QuerySet[Any, Any]:
    return _paid().filter(external_fen__gt=0).values_list("order__shop_id", "external_fen")


def _posted(prefix: str, side: Side, kind: AccountKind) -> QuerySet[Any, Any]:
    """(what a posting is about, what it moved on this side of such an account)."""
    entries = Entry.objects.filter(posting__ref__startswith=prefix, side=side, account__kind=kind)
    return entries.values_list(Substr("posting__ref", len(prefix) + 1), "amount_fen")
