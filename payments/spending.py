"""用余额付款: a whole order, from what the buyer has with us. One transaction: the posting, the payment, the order.

No channel is called. A payment that was begun another way is closed first (``charging.close_begun``): two ways at once
would be paid twice. A refund of it goes back the way it came: to the balance.
"""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext as _

from accounts.models import User
from ledger import balances, posting
from money import yuan
from orders import delivery
from orders.models import Order, OrderStatus
from payments import balance, channels, charging
from payments.charging import OrderIsNotPayable, StillOpenElsewhere
from payments.models import BALANCE, Payment, PaymentStatus
from payments.settling import OPEN


class CannotSpend(Exception):
    """``code`` for programs: guest, not_enough, step_up. The message is for the buyer."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def suffices(order: Order, buyer: User) -> bool:
    """Whether this buyer's balance pays for the whole order now."""
    return not buyer.is_guest and balances.of_buyer(buyer.pk) >= order.total_fen


def needs_step_up(order: Order) -> bool:
    """As for looking at a dear code, by the policy that the order was placed under."""
    return order.total_fen >= order.policy.step_up_from_fen


def pay(order: Order, *, by: User, at: datetime, verified_by: str = "") -> Payment:
    """付清. ``verified_by``: how the buyer has just proved who they are, where that is asked for.

    Raises CannotSpend, OrderIsNotPayable, StillOpenElsewhere.
    """
    if by.is_guest or order.buyer_id != by.pk:
        raise CannotSpend("guest", _("访客没有余额，请先注册或认领订单。"))
    if needs_step_up(order) and not verified_by:
        raise CannotSpend("step_up", _("请先再次验证身份。"))
    charging.close_begun(order, at=at)
    account = channels.balance_account()
    with transaction.atomic():
        payment = _claimed(order, at)
        locked = Order.objects.select_for_update(no_key=True).get(pk=order.pk)
        if locked.status != OrderStatus.PLACED or locked.expires_at <= at:
            raise OrderIsNotPayable(f"pay: the order is {locked.status}")
        payment.account, payment.method, payment.amount_fen = account, BALANCE, locked.total_fen
        payment.payer_id, payment.payer_ip, payment.return_url, payment.till = "", None, "", ""
        payment.status, payment.paid_at, payment.channel_transaction_id = PaymentStatus.PAID, at, payment.payment_no
        payment.next_due_at = payment.leased_until = None
        payment.save()
        delivery.mark_paid(locked, at=at)
        if balance.hold(by.pk) < payment.amount_fen:  # after all rows: the purse is the last lock
            raise CannotSpend(
                "not_enough", _("余额不足 %(fen)s，请换一种方式付款。") % {"fen": yuan(payment.amount_fen)}
            )
        posting.post([_transfer(payment, locked)], at=at)
    return payment


def _claimed(order: Order, at: datetime) -> Payment:
    """The number that was begun and never sent, or a new one; locked before its order."""
    rows = Payment.objects.select_for_update(no_key=True).filter(order=order, status__in=OPEN)
    begun = rows.order_by("pk").first()
    if begun and begun.first_sent_at is not None:  # somebody has just opened a till
        raise StillOpenElsewhere(begun.payment_no)
    return begun or Payment(order=order, created_at=at, expires_at=order.expires_at)


def _transfer(payment: Payment, order: Order) -> posting.Transfer:
    return posting.Transfer(
        f"payment:{payment.payment_no}",
        debit=posting.balance_account(order.buyer_id),
        credit=posting.shop_account(order.shop_id),
        amount_fen=payment.amount_fen,
    )
