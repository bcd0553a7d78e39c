"""退至余额: part of a payment goes to the buyer's balance here instead of back by the channel. No network, one posting.

It counts against its payment like any other refund (I1); the channel knows nothing of it (I2).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from ledger import posting
from ledger.posting import Transfer
from payments import found, outgoing
from payments.models import Payment, PaymentStatus
from payments.refunding import locked_payments


class ExceedsPayment(Exception):
    """More than is left of the payment. The message is for staff."""


@dataclass(frozen=True)
class Credit:
    """入余额: ``amount_fen`` of ``payment`` goes to this user's balance. ``ref`` names it, and serves once."""

    payment: Payment
    user_id: int
    amount_fen: int
    ref: str


def why_not(payment: Payment, amount_fen: int) -> str:
    """Why this cannot be credited; empty if it can. However old the payment is: no channel is asked."""
    if payment.status != PaymentStatus.PAID or payment.is_surplus:
        return "这笔收款不是订单的有效收款，不能退至余额"
    if payment.account.shop_id:  # we would give what we never got
        return "这笔款由店铺自己的商户号收取，平台不能代付，只能原路退回"
    if found.fits(payment, amount_fen):
        return "渠道已按遗忘的单号退过同样的金额：请原路认领它，或由两人确认由谁承担，再退至余额"
    if amount_fen > payment.refundable_fen:
        return "退款金额超过该笔支付的剩余可退金额"
    return ""


def credit(credits: Sequence[Credit], *, at: datetime) -> None:
    """Credit them all, in the caller's transaction. A ``ref`` used before is refused by the database (IntegrityError).

    Raises ExceedsPayment, outgoing.IsStopped.
    """
    outgoing.demand_open()
    payments = {row.pk: row for row in locked_payments([each.payment.pk for each in credits])}
    for each in credits:
        payment = payments[each.payment.pk]
        if obstacle := why_not(payment, each.amount_fen):
            raise ExceedsPayment(obstacle)
        payment.balance_fen += each.amount_fen
    Payment.objects.bulk_update(payments.values(), ["balance_fen"])
    posting.post([_transfer(payments[each.payment.pk], each) for each in credits], at=at)


def _transfer(payment: Payment, credit: Credit) -> Transfer:
    """From what is held of the shop's money to what we owe the buyer."""
    held, buyer = posting.held_account(payment.order.shop_id), posting.balance_account(credit.user_id)
    return Transfer(f"credit:{credit.ref}", debit=held, credit=buyer, amount_fen=credit.amount_fen)
