"""渠道对收款的答复: what one answer does to one payment and its order. Written down by ``charging.record``.

The rows are locked already, the payments before their orders; each is saved here.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from clock import scaled
from ledger import posting
from ledger.posting import Transfer
from orders import delivery, placing
from orders.models import Order, OrderStatus
from payments import pacing, refunding
from payments.gateways.base import GatewayError, OutcomeUnknown, PaymentOutcome, PaymentState
from payments.models import Payment, PaymentStatus
from payments.payers import payer_key

Answer = str | PaymentOutcome | GatewayError  # the till, where it stands, or what went wrong
OPEN = [PaymentStatus.PREPARED, PaymentStatus.OPEN]
NOT_ASKED_SECONDS = 15  # its account's calls fail just now, and another's wait
LOOK_AGAIN_SECONDS = 15 * 60  # after the deadline, at what the channel had not heard of when it was closed


def settle(payment: Payment, order: Order | None, answer: Answer, at: datetime, *, closing: bool, hinted: bool) -> None:
    """Fold one answer into one payment. ``order`` is there if the answer may end it (``may_end``)."""
    payment.leased_until = None
    if payment.status == PaymentStatus.PAID:
        payment.next_due_at = None  # somebody else has heard the answer already
    elif isinstance(answer, pacing.NotSentYet):
        payment.next_due_at = at + scaled(NOT_ASKED_SECONDS)
    elif isinstance(answer, GatewayError):
        payment.tries += 1
        payment.last_error = str(answer)[:200]
        payment.next_due_at = at + scaled(_pause_seconds(payment.tries, answer))
    elif isinstance(answer, str):
        _open_till(payment, answer, at)
    elif order and answer.state is PaymentState.PAID:
        _pay(payment, order, answer, at)
    elif order and _is_over(payment, order, answer.state, at, closing=closing):
        _close(payment, order, answer.state, at)
    else:
        payment.tries = 0  # not paid yet is an answer like any other
        payment.next_due_at = min(at + _poll_after(payment, at), max(payment.expires_at, at + scaled(5)))
    if hinted and payment.status != PaymentStatus.PAID:
        payment.next_due_at = at
    payment.save(update_fields=_WRITTEN)


# The reserve and the running index belong to refunding.py: giving a surplus back has just written them.
_WRITTEN = [
    "status", "is_surplus", "amount_fen", "till", "till_opened_at", "channel_transaction_id", "paid_at", "payer_key",
    "last_error", "next_due_at", "leased_until", "tries",
]  # fmt: skip


def _open_till(payment: Payment, till: str, at: datetime) -> None:
    if payment.status in OPEN:
        payment.status, payment.till, payment.till_opened_at = PaymentStatus.OPEN, till, at
        payment.next_due_at = at + scaled(5)


def _pause_seconds(tries: int, error: GatewayError) -> int:
    asked_for = error.retry_after_seconds if isinstance(error, OutcomeUnknown) else None
    return max(min(5 * 2 ** min(tries, 6), 300), asked_for or 0)


def _poll_after(payment: Payment, at: datetime) -> timedelta:
    """Every 5 s for the first two minutes, then every 30 s (WeChat's own advice)."""
    return scaled(5 if at - payment.created_at < scaled(120) else 30)


def _pay(payment: Payment, order: Order, outcome: PaymentOutcome, at: datetime) -> None:
    """已支付: to the order if it waits for exactly this, else as surplus that goes back by itself (PM13, G20)."""
    assert outcome.amount_fen is not None
    payment.status = PaymentStatus.PAID
    payment.paid_at = outcome.paid_at or at
    payment.channel_transaction_id = outcome.channel_transaction_id
    payment.payer_key = payer_key(payment.account, outcome.payer)
    payment.next_due_at = None
    is_waited_for = order.status == OrderStatus.PLACED and not _is_called_off(payment, order)
    payment.is_surplus = not is_waited_for or outcome.amount_fen != payment.amount_fen
    payment.amount_fen = outcome.amount_fen
    payment.save(update_fields=_WRITTEN)
    _post(payment, order, at)
    if payment.is_surplus:
        placing.cancel([order], at=at)  # called off, or a wrong amount; what was paid rightly before stays paid
        order.refresh_from_db()
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


def deadline(payment: Payment, order: Order) -> datetime:
    """Until when anybody waits for this payment."""
    return min(payment.expires_at, order.expires_at)


def _is_called_off(payment: Payment, order: Order) -> bool:
    """``placing.call_off`` has brought the order's end before that of its payments."""
    return order.expires_at < payment.expires_at


def _is_over(payment: Payment, order: Order, state: PaymentState, at: datetime, *, closing: bool) -> bool:
    """Closed there, or here before; or not heard of there and not wanted here any more."""
    if payment.status == PaymentStatus.CLOSED or state is PaymentState.CLOSED:
        return True
    return state is PaymentState.NOT_FOUND and (closing or deadline(payment, order) <= at)


def _close(payment: Payment, order: Order, state: PaymentState, at: datetime) -> None:
    """关闭. The order ends with its last payment, once its time is over."""
    payment.next_due_at = _look_again(payment, state, at)
    payment.status = PaymentStatus.CLOSED
    other = order.payments.filter(status__in=OPEN).exclude(pk=payment.pk)
    if order.expires_at <= at and not other.exists():
        placing.cancel([order], at=at)
        order.refresh_from_db()


def _look_again(payment: Payment, state: PaymentState, at: datetime) -> datetime | None:
    """When to look at what is closed here. At the order's end, for perhaps no other payment was begun to end it with;
    and where the channel had not heard of it, a till may still be opened and paid at: until it cannot (G20)."""
    if state is PaymentState.CLOSED:
        return payment.expires_at if payment.expires_at > at else None
    if payment.status != PaymentStatus.CLOSED:  # closed just now
        return max(payment.expires_at, at) + timedelta(seconds=LOOK_AGAIN_SECONDS)
    last = payment.expires_at + timedelta(seconds=LOOK_AGAIN_SECONDS)
    return last if last > at else None


def may_end(payment: Payment, answer: Answer) -> bool:
    """Whether this answer may make the payment's order paid, or cancel it."""
    if not isinstance(answer, PaymentOutcome):
        return False
    return answer.state is not PaymentState.UNPAID or payment.status == PaymentStatus.CLOSED
