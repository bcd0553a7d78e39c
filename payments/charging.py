"""收款: an order's payment is prepared, shown to the buyer as a till, found paid or closed.

Paid is what the channel's query says: the buyer's page, the notification and the poller all only make us ask. What the
answer does to a payment stands in ``settling.py``; nothing else writes a payment's status.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, OperationalError, transaction
from django.utils.translation import gettext as _

import workqueue
from accounts.models import User
from clock import scaled
from orders import placing
from orders.models import Order, OrderStatus
from orders.placing import Wish
from payments import channels, pacing, settling
from payments.asking import BATCH, SWEEP, ask_all
from payments.gateways.base import (
    Gateway,
    GatewayError,
    GatewayMisconfigured,
    PaymentOrder,
    PaymentOutcome,
    PaymentState,
    PayMethod,
)
from payments.models import ChannelAccount, Payment, PaymentStatus
from payments.settling import OPEN, Answer
from shops.models import Product

log = logging.getLogger(__name__)
TILL_LASTS = {  # some tills close long before the payment does; asking again opens a new one
    PayMethod.PHONE: timedelta(minutes=4),  # WeChat H5: 5 minutes
    PayMethod.SCAN: timedelta(minutes=110),  # 2 hours
    PayMethod.IN_APP: timedelta(minutes=110),
}


class OrderIsNotPayable(Exception):
    """Paid, canceled or expired already."""


class StillOpenElsewhere(Exception):
    """The order has a payment open another way, and the channel has not closed it yet: try again in a moment."""


@dataclass(frozen=True)
class Way:
    """怎样付: through which account and method. The rest are facts about the buyer that some methods need."""

    account_code: str
    method: PayMethod = PayMethod.SCAN
    payer_id: str = ""
    payer_ip: str = ""
    return_url: str = ""


def checkout(
    product: Product, wish: Wish, *, buyer: User, checkout_key: uuid.UUID, at: datetime, way: Way | None = None
) -> Payment:
    """下单并备款: the order and its payment number in one commit, so that no order waits for a payment it has not.

    Raises CannotPlace, CouponRefused, OrderIsNotPayable.
    """
    with transaction.atomic():
        order = placing.place(product, wish, buyer=buyer, checkout_key=checkout_key, at=at)
        return prepare(order, at=at, way=way)


def start(order: Order, way: Way, *, at: datetime) -> Payment:
    """去付款: the till of this way, whatever way was begun before. Asks the channel while the buyer waits.

    Raises OrderIsNotPayable, StillOpenElsewhere.
    """
    begun = order.payments.select_related("account").filter(status__in=OPEN).first()
    if begun and not _turn_to(begun, way) and not _is_this_way(begun, way):
        _close_now(begun, at=at)
        order = Order.objects.get(pk=order.pk)  # the buyer may have been faster
    return present(prepare(order, at=at, way=way), at=at)


def prepare(order: Order, *, at: datetime, way: Way | None = None) -> Payment:
    """The order's open payment; commits a new number if there is none. Nothing is sent yet."""
    if order.status != OrderStatus.PLACED or order.expires_at <= at:
        raise OrderIsNotPayable(f"prepare: the order is {order.status}")
    known = order.payments.filter(status__in=OPEN).first()
    if known:
        return known
    way = way or _first_way(order)
    try:
        with transaction.atomic():
            return Payment.objects.create(
                order=order,
                account=channels.account(way.account_code),
                **_columns(way),
                amount_fen=order.total_fen,
                created_at=at,
                expires_at=order.expires_at,
                next_due_at=at + scaled(30),  # the buyer's own request asks first
            )
    except IntegrityError:  # another tab was faster
        known = order.payments.filter(status__in=OPEN).first()
        if known is None:  # and its payment has ended already
            raise OrderIsNotPayable("prepare: another payment of the order has just ended") from None
        return known


def present(payment: Payment, *, at: datetime) -> Payment:
    """Ask the channel for the till now, while the buyer waits. An unknown outcome leaves it to the sweeper."""
    if payment.status == PaymentStatus.PREPARED or till_has_closed(payment, at):
        look([payment], at=at, open_till=True)
        payment.refresh_from_db()
    return payment


def call_off(order: Order, *, at: datetime, by: User | None = None) -> Order:
    """取消 an unpaid order: its payment is closed at the channel, then the order ends. Asks while the buyer waits.

    What is paid all the same is surplus and goes back. Returns the order as it now is. Raises OrderIsNotPayable, or
    StillOpenElsewhere: the channel has not closed it yet, and the order ends by itself once it has.
    """
    with transaction.atomic():
        locked = Order.objects.select_for_update(no_key=True).get(pk=order.pk)
        if locked.status != OrderStatus.PLACED:
            raise OrderIsNotPayable(f"call_off: the order is {locked.status}")
        placing.call_off([locked], at=at, by=by)
    for payment in order.payments.select_related("account").filter(status__in=OPEN):
        _close_now(payment, at=at)
    with transaction.atomic():
        locked = Order.objects.select_for_update(no_key=True).get(pk=order.pk)
        if not locked.payments.filter(status__in=OPEN).exists():  # closed before, another way, or just now
            placing.cancel([locked], at=at)
    return locked


def look(payments: Sequence[Payment], *, at: datetime, open_till: bool = False) -> None:
    """Ask the channel about these payments, and record what it says. ``open_till`` also opens a till that closed."""
    keys = workqueue.pks(payments)
    # What we are about to ask for is committed before the first byte leaves: from now on it can only be closed there.
    Payment.objects.filter(pk__in=keys, status__in=OPEN, first_sent_at=None).update(first_sent_at=at)
    whole = Payment.objects.select_related("order", "account").filter(pk__in=keys)
    # Threads read no database: all is loaded.
    answers = pacing.ask_in_turn(
        list(whole),
        lambda payment: payment.account,
        lambda payment: _ask(payment, at, open_till),
        about="payments",
    )
    try:
        record(answers, at=at)
    except OperationalError:
        raise  # the database is away: leases run out, and everything is asked again
    except Exception:
        log.exception("a batch of payments could not be written down, each is now written alone")
        for answer in answers:
            _record_alone(answer, at)


def record(answers: Sequence[tuple[Payment, Answer]], *, at: datetime, closing: bool = False) -> None:
    """Write down what the channel said about each payment: paid goes to its order, late or double money goes back.

    ``closing`` says that it was asked to close them: what it has not heard of is closed here.
    """
    with transaction.atomic():
        locked = {row.pk: row for row in _locked([payment for payment, _ in answers])}
        orders = _locked_orders(locked, answers)
        for payment, answer in answers:
            row = locked[payment.pk]
            if workqueue.is_unchanged(row, payment):
                hinted = row.next_due_at != payment.next_due_at  # a notification came while we asked
                settling.settle(row, orders.get(row.order_id), answer, at, closing=closing, hinted=hinted)
        _tell_accounts(locked, answers, at)


def hint(account: ChannelAccount, payment_no: str, *, at: datetime) -> None:
    """A notification about this number came: look soon, also if it was closed here. What is paid stays as it is."""
    mine = Payment.objects.filter(account=account, payment_no=payment_no).exclude(status=PaymentStatus.PAID)
    mine.update(next_due_at=at)
    workqueue.ring(SWEEP)


def usual_channel(buyer: User) -> str:
    """The channel that this buyer paid through last; empty if never."""
    paid = Payment.objects.filter(order__buyer=buyer, status=PaymentStatus.PAID).order_by("-paid_at")
    return paid.values_list("account__channel", flat=True).first() or ""


def close_begun(order: Order, *, at: datetime) -> None:
    """What was begun at a channel is closed there, before the order is paid another way; what was not sent is left.

    Raises StillOpenElsewhere."""
    for payment in order.payments.select_related("account").filter(status__in=OPEN, first_sent_at__isnull=False):
        _close_now(payment, at=at)


def till_has_closed(payment: Payment, at: datetime) -> bool:
    """Whether the buyer can no longer pay at the till that is open; ``present`` opens another."""
    lasts = TILL_LASTS.get(PayMethod(payment.method))
    opened = payment.till_opened_at
    return payment.status == PaymentStatus.OPEN and lasts is not None and opened is not None and opened + lasts <= at


def sweep(*, at: datetime) -> int:
    """Look at a batch of due payments; returns how many."""
    with transaction.atomic():
        due = workqueue.claim(Payment.objects.all(), at=at, limit=BATCH)
    if due:
        look(due, at=at)
    return len(due)


# --- asking the channel: no database here ---------------------------------------------------------------------------


def _ask(payment: Payment, at: datetime, open_till: bool) -> str | PaymentOutcome:
    """The till of a payment that is to be paid now, else where it stands; what nobody needs any more is closed."""
    gateway = channels.gateway(payment.account)
    is_wanted = payment.order.status == OrderStatus.PLACED and settling.deadline(payment, payment.order) > at
    if is_wanted and (payment.status == PaymentStatus.PREPARED or (open_till and till_has_closed(payment, at))):
        return gateway.open_payment(_order_for(payment))
    outcome = gateway.query_payment(payment.payment_no)
    if outcome.state is PaymentState.UNPAID and (payment.status == PaymentStatus.CLOSED or not is_wanted):
        return _close_at_channel(gateway, payment)  # closed here before the channel had heard of it, or not wanted
    return outcome


def _close_at_channel(gateway: Gateway, payment: Payment) -> PaymentOutcome:
    outcome = gateway.close_payment(payment.payment_no)
    if outcome.state is PaymentState.PAID:  # the buyer was faster (G20): ask for the amount
        outcome = gateway.query_payment(payment.payment_no)
    return outcome


def _close_now(payment: Payment, *, at: datetime) -> None:
    """Close a payment that was begun another way, before the next opens. Raises StillOpenElsewhere."""
    answers = ask_all([payment], lambda each: _close_at_channel(channels.gateway(each.account), each))
    record(answers, at=at, closing=True)
    payment.refresh_from_db()
    if payment.status in OPEN:
        raise StillOpenElsewhere(payment.payment_no)


def _order_for(payment: Payment) -> PaymentOrder:
    return PaymentOrder(
        payment_no=payment.payment_no,
        amount_fen=payment.amount_fen,
        description=f"卡盟订单 {payment.order.order_no}",
        notify_url=channels.notify_url(payment.account.code, "payment"),
        expires_at=payment.expires_at,
        method=PayMethod(payment.method),
        payer_id=payment.payer_id,
        payer_ip=payment.payer_ip or "",
        return_url=payment.return_url,
    )


# --- one way and another ----------------------------------------------------------------------------------------------


def _first_way(order: Order) -> Way:
    """Where the buyer has not chosen yet: the first account that collects for this shop. Nothing is sent by that."""
    offers = channels.offered(order.shop)
    if not offers:
        raise placing.CannotPlace("no_channel", _("商城暂时不能收款，请稍后再试。"))
    return Way(offers[0].account_code, min(offers[0].methods, key=list(PayMethod).index))


def _columns(way: Way) -> dict[str, Any]:
    return {
        "method": way.method.value,
        "payer_id": way.payer_id,
        "payer_ip": way.payer_ip or None,
        "return_url": way.return_url,
    }


def _is_this_way(payment: Payment, way: Way) -> bool:
    same_payer = way.method is not PayMethod.IN_APP or payment.payer_id == way.payer_id
    return (payment.account.code, payment.method) == (way.account_code, way.method.value) and same_payer


def _turn_to(payment: Payment, way: Way) -> bool:
    """Nothing has been sent of it yet: it simply takes the other way, number and all."""
    account = channels.account(way.account_code)
    unsent = Payment.objects.filter(pk=payment.pk, status=PaymentStatus.PREPARED, first_sent_at=None)
    return bool(unsent.update(account=account, **_columns(way)))


# --- recording what it said: in one transaction, the payments locked --------------------------------------------------


def _locked(payments: Sequence[Payment]) -> list[Payment]:
    rows = Payment.objects.select_for_update(no_key=True, of=("self",)).select_related("account")
    return list(rows.filter(pk__in=workqueue.pks(payments)).order_by("pk"))


def _locked_orders(locked: Mapping[int, Payment], answers: Sequence[tuple[Payment, Answer]]) -> dict[int, Order]:
    """The orders that these answers may end, locked after the payments, all at once and by key (F4)."""
    ends = [locked[row.pk].order_id for row, answer in answers if settling.may_end(locked[row.pk], answer)]
    rows = Order.objects.select_for_update(no_key=True).filter(pk__in=ends).order_by("pk") if ends else ()
    return {row.pk: row for row in rows}


def _tell_accounts(locked: Mapping[int, Payment], answers: Sequence[tuple[Payment, Answer]], at: datetime) -> None:
    """Keys or permissions that are wrong are an account's trouble, until it answers (a till may be made by no call)."""
    wrong = {locked[row.pk].account_id: each for row, each in answers if isinstance(each, GatewayMisconfigured)}
    well = {locked[row.pk].account_id for row, each in answers
            if not isinstance(each, GatewayError) and locked[row.pk].account.trouble}  # fmt: skip
    if wrong:
        pacing.in_trouble(wrong, at=at)
    if well - wrong.keys():
        pacing.all_is_well(well - wrong.keys())


def _record_alone(answer: tuple[Payment, Answer], at: datetime) -> None:
    """One answer that cannot be written down is asked for again later, for ever; the others go on (F12)."""
    try:
        record([answer], at=at)
    except OperationalError:
        raise
    except Exception as error:
        log.exception("payment %s: the answer could not be written down", answer[0].payment_no)
        Payment.objects.filter(pk=answer[0].pk).exclude(status=PaymentStatus.PAID).update(
            next_due_at=at + scaled(300), leased_until=None, last_error=f"渠道答复无法入账：{error}"[:200]
        )
