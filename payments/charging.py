"""收款: an order's payment is prepared, shown as a QR code, found paid or closed.

Paid is what the channel's query says: the buyer's page, the notification and the poller all only make us ask. Only this
module writes a payment's status.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import IntegrityError, transaction

import workqueue
from accounts.models import User
from clock import scaled
from ledger import posting
from ledger.posting import Transfer
from orders import delivery, placing
from orders.models import Order, OrderStatus
from payments import channels, refunding
from payments.asking import BATCH, ask_all
from payments.gateways.base import GatewayError, PaymentOrder, PaymentOutcome, PaymentState
from payments.models import Payment, PaymentStatus
from shops.models import Product

Answer = str | PaymentOutcome | GatewayError  # the QR code's text, where it stands, or what went wrong
OPEN = [PaymentStatus.PREPARED, PaymentStatus.OPEN]


class OrderIsNotPayable(Exception):
    """Paid, canceled or expired already."""


def checkout(product: Product, *, quantity: int, buyer: User, checkout_key: uuid.UUID, at: datetime) -> Payment:
    """下单并备款: the order and its payment number in one commit, so that no order waits for a payment it has not."""
    with transaction.atomic():
        order = placing.place(product, quantity=quantity, buyer=buyer, checkout_key=checkout_key, at=at)
        return prepare(order, at=at)


def prepare(order: Order, *, at: datetime) -> Payment:
    """The order's open payment; commits a new number if there is none. Nothing is sent yet."""
    if order.status != OrderStatus.PLACED or order.expires_at <= at:
        raise OrderIsNotPayable(f"prepare: the order is {order.status}")
    known = order.payments.filter(status__in=OPEN).first()
    if known:
        return known
    try:
        with transaction.atomic():
            return Payment.objects.create(
                order=order,
                account=channels.wechat_account(),
                amount_fen=order.total_fen,
                created_at=at,
                expires_at=order.expires_at,
                next_due_at=at + scaled(30),  # the buyer's own request asks first
            )
    except IntegrityError:  # another tab was faster
        return order.payments.get(status__in=OPEN)


def present(payment: Payment, *, at: datetime) -> Payment:
    """Ask the channel for the QR code now, while the buyer waits. An unknown outcome leaves it to the sweeper."""
    if payment.status == PaymentStatus.PREPARED:
        look([payment], at=at)
        payment.refresh_from_db()
    return payment


def look(payments: Sequence[Payment], *, at: datetime) -> None:
    """Ask the channel about these payments, and record what it says."""
    whole = Payment.objects.select_related("order", "account").filter(pk__in=workqueue.pks(payments))
    record(ask_all(list(whole), lambda payment: _ask(payment, at)), at=at)  # threads read no database: all is loaded


def record(answers: Sequence[tuple[Payment, Answer]], *, at: datetime) -> None:
    """Write down what the channel said about each payment: paid goes to its order, late or double money goes back."""
    with transaction.atomic():
        locked = {row.pk: row for row in _locked([payment for payment, _ in answers])}
        for payment, answer in answers:
            if workqueue.is_unchanged(locked[payment.pk], payment):
                _record(locked[payment.pk], answer, at)


def sweep(*, at: datetime) -> int:
    """Look at a batch of due payments; returns how many."""
    with transaction.atomic():
        due = workqueue.claim(Payment.objects.all(), at=at, limit=BATCH)
    if due:
        look(due, at=at)
    return len(due)


# --- asking the channel: no database here ---------------------------------------------------------------------------


def _ask(payment: Payment, at: datetime) -> str | PaymentOutcome:
    """The QR code's text for a prepared payment, else where it stands."""
    gateway = channels.gateway(payment.account.code)
    if payment.status == PaymentStatus.PREPARED and payment.expires_at > at:
        return gateway.open_payment(_order_for(payment))
    outcome = gateway.query_payment(payment.payment_no)
    if outcome.state is PaymentState.UNPAID and payment.expires_at <= at:
        outcome = gateway.close_payment(payment.payment_no)
        if outcome.state is PaymentState.PAID:  # the buyer was faster (G20): ask for the amount
            outcome = gateway.query_payment(payment.payment_no)
    return outcome


def _order_for(payment: Payment) -> PaymentOrder:
    return PaymentOrder(
        payment_no=payment.payment_no,
        amount_fen=payment.amount_fen,
        description=f"卡盟订单 {payment.order.order_no}",
        notify_url=channels.notify_url(payment.account.code, "payment"),
        expires_at=payment.expires_at,
    )


# --- recording what it said: in one transaction, the payments locked --------------------------------------------------


def _locked(payments: Sequence[Payment]) -> list[Payment]:
    rows = Payment.objects.select_for_update(of=("self",)).select_related("account")
    return list(rows.filter(pk__in=workqueue.pks(payments)).order_by("pk"))


def _record(payment: Payment, answer: Answer, at: datetime) -> None:
    payment.leased_until = None
    if payment.status not in OPEN:
        payment.next_due_at = None  # somebody else has heard the answer already
    elif isinstance(answer, GatewayError):
        payment.tries += 1
        payment.last_error = str(answer)[:200]
        payment.next_due_at = at + scaled(min(5 * 2**payment.tries, 300))
    elif isinstance(answer, str):
        payment.status, payment.code_url = PaymentStatus.OPEN, answer
        payment.next_due_at = at + scaled(5)
    elif answer.state is PaymentState.PAID:
        _settle(payment, answer, at)
    elif answer.state is PaymentState.CLOSED:
        _close(payment, at)
    elif answer.state is PaymentState.NOT_FOUND and payment.expires_at <= at:
        _close(payment, at)  # never reached the channel, and no code for it was ever shown
    else:
        payment.tries += 1
        payment.next_due_at = min(at + _poll_after(payment, at), max(payment.expires_at, at + scaled(5)))
    payment.save(update_fields=_WRITTEN)


# The reserve and the running index belong to refunding.py: giving a surplus back has just written them.
_WRITTEN = [
    "status", "is_surplus", "amount_fen", "code_url", "channel_transaction_id", "paid_at", "last_error",
    "next_due_at", "leased_until", "tries",
]  # fmt: skip


def _poll_after(payment: Payment, at: datetime) -> timedelta:
    """Every 5 s for the first two minutes, then every 30 s (WeChat's own advice)."""
    return scaled(5 if at - payment.created_at < scaled(120) else 30)


def _settle(payment: Payment, outcome: PaymentOutcome, at: datetime) -> None:
    """已支付: to the order if it waits for exactly this, else as surplus that goes back by itself (PM13, G20)."""
    order = Order.objects.select_for_update().get(pk=payment.order_id)
    assert outcome.amount_fen is not None
    payment.status = PaymentStatus.PAID
    payment.paid_at = outcome.paid_at or at
    payment.channel_transaction_id = outcome.channel_transaction_id
    payment.next_due_at = None
    payment.is_surplus = order.status != OrderStatus.PLACED or outcome.amount_fen != payment.amount_fen
    payment.amount_fen = outcome.amount_fen
    payment.save(update_fields=_WRITTEN)
    _post(payment, order, at)
    if payment.is_surplus:
        placing.cancel([order], at=at)  # of a wrong amount; an order that was paid rightly before stays paid
        refunding.give_back(payment, at=at)
    else:
        delivery.mark_paid(order, at=at)


def _post(payment: Payment, order: Order, at: datetime) -> None:
    owed_to = (
        posting.surplus_account(payment.account.code) if payment.is_surplus else posting.shop_account(order.shop_id)
    )
    received_in = posting.channel_account(payment.account.code)
    posting.post(
        [Transfer(f"payment:{payment.payment_no}", debit=received_in, credit=owed_to, amount_fen=payment.amount_fen)],
        at=at,
    )


def _close(payment: Payment, at: datetime) -> None:
    payment.status, payment.next_due_at = PaymentStatus.CLOSED, None
    order = Order.objects.select_for_update().get(pk=payment.order_id)
    if order.expires_at <= at:
        placing.cancel([order], at=at)
