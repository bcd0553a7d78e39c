"""余额: paid with, refunded to, cashed out; by two at once, only as far as it goes (P12)."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest
from django.db import connection

import clock
from cardshop import invariants
from ledger import balances, posting
from orders import cancellation, placing
from orders.models import Cause, OrderStatus
from orders.placing import Wish
from payments import charging, refunding, spending, transfers
from payments.models import BALANCE, Payment, PaymentStatus, RefundAttempt, Transfer
from payments.spending import CannotSpend
from payments.transfers import CannotTransfer
from refunds import applying, askable, disbursement, receipt, stages
from refunds.lifecycle import StepRefused
from refunds.models import Status
from tests.attacks import refusal
from tests.cases import own_card
from tests.refunds.test_races import at_once

pytestmark = pytest.mark.django_db


@pytest.fixture
def saved(approved, finance):
    """The buyer's ¥88 of a refund to the balance."""

    def save():
        refund = approved(price_fen=8800, destination="balance")
        disbursement.release([refund], by=finance, at=clock.now())
        return refund.buyer

    return save


@pytest.fixture
def placed(make_product):
    def place(buyer, fen=3000, **terms):
        return placing.place(make_product(fen, **terms), Wish(again=True), buyer=buyer, checkout_key=uuid.uuid4(),
                             at=clock.now())  # fmt: skip

    return place


def pay(order, **more):
    return spending.pay(order, by=order.buyer, at=clock.now(), **more)


def held(buyer):
    return balances.of_buyer(buyer.pk)


def test_an_order_paid_from_the_balance_is_delivered_and_refunded_to_it(saved, placed, apply, drain, finance):
    """S1-14, S2-10: one transaction each; no channel hears of it, and what is said names none."""
    buyer = saved()
    order = placed(buyer)
    payment = pay(order)
    order.refresh_from_db()
    assert (order.status, payment.status, held(buyer)) == (OrderStatus.DELIVERED, PaymentStatus.PAID, 5800)
    assert balances.owed([posting.shop_account(order.shop_id)])[posting.shop_account(order.shop_id)] == 3000

    with pytest.raises(StepRefused, match="原路退回"):
        askable.check_destination("balance", order, applying.paid_payment(order))
    refund = apply(order)  # never looked at: a machine lets it go
    drain()
    refund.refresh_from_db()
    assert (refund.status, held(buyer)) == (Status.ARRIVED, 8800)
    assert stages.headline(refund) == "已退至余额"
    assert receipt.of(refund).says is receipt.Says.CREDITED
    assert "本站的余额" in receipt.of(refund).sentence
    assert invariants.broken() == []


def test_a_canceled_order_goes_back_to_the_balance_too(saved, placed, drain):
    """Nobody asked for the refund: the machine's case needs no choice, the original route is the balance."""
    buyer = saved()
    order = placed(buyer, kind="service", fulfilment="service")
    pay(order)
    assert held(buyer) == 5800
    cancellation.cancel(order, cause=Cause.BUYER, by=buyer, at=clock.now())
    drain()
    assert held(buyer) == 8800
    assert invariants.broken() == []


def test_what_was_begun_at_a_channel_is_closed_first(saved, placed, simulator):
    buyer = saved()
    order = placed(buyer)
    begun = charging.start(order, charging.Way("wechat"), at=clock.now())
    assert begun.status == PaymentStatus.OPEN
    paid = pay(order)
    begun.refresh_from_db()
    assert (begun.status, paid.pk == begun.pk) == (PaymentStatus.CLOSED, False)
    assert Payment.objects.filter(order=order, status=PaymentStatus.PAID).count() == 1
    assert invariants.broken() == []


def test_who_may_and_how_much(saved, placed, stranger):
    buyer = saved()
    assert not spending.suffices(placed(buyer, 8801), buyer)
    with pytest.raises(CannotSpend, match="余额不足"):
        pay(placed(buyer, 8801))
    with pytest.raises(CannotSpend):
        spending.pay(placed(buyer), by=stranger, at=clock.now())
    dear = placed(buyer, 8000, step_up_from_fen=8000)
    with pytest.raises(CannotSpend, match="再次验证"):
        pay(dear)
    late = placed(buyer)
    with pytest.raises(charging.OrderIsNotPayable):
        spending.pay(late, by=buyer, at=late.expires_at)
    assert held(buyer) == 8800
    assert pay(dear, verified_by="password").method == BALANCE
    assert held(buyer) == 800


def test_the_balance_is_no_channel_account_of_anybody(saved, placed, client):
    buyer = saved()
    pay(placed(buyer))
    for column in ("shop_id = (SELECT min(id) FROM shops_shop)", "credentials_key_id = 'k1'", "merchant_id = '1'",
                   "code = 'own'"):  # fmt: skip
        assert "balance_is_the_platforms" in refusal(
            f"UPDATE payments_channelaccount SET {column} WHERE channel = 'balance'"
        )
    assert client.post("/notify/balance/payment", b"{}", content_type="application/json").status_code == 404


# --- two at once ------------------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_two_at_once_spend_what_there_is_and_no_more(saved, placed, simulator):
    """Two orders, an order and a cash-out, two cash-outs; past all that looks, two bare postings. Nor do more wait."""
    buyer = saved()
    own_card(buyer)

    def cash(fen):
        return transfers.cash_out(buyer, amount_fen=fen, at=clock.now(), verified_by="password")

    first, second = placed(buyer, 5000), placed(buyer, 5000)
    done = at_once(lambda: pay(first), lambda: pay(second))
    assert sorted(type(each) for each in done if isinstance(each, Exception)) == [CannotSpend]
    assert held(buyer) == 3800
    third = placed(buyer, 3000)
    done = at_once(lambda: pay(third), lambda: cash(3000))
    assert sum(isinstance(each, CannotSpend | CannotTransfer) for each in done) == 1
    assert held(buyer) == 800
    done = at_once(lambda: cash(500), lambda: cash(500))
    assert [type(each) for each in done if isinstance(each, Exception)] == [CannotTransfer]
    assert held(buyer) == 300

    def bare(ref):
        posting.post([posting.Transfer(ref, posting.balance_account(buyer.pk), "held:1", 200)], at=clock.now())

    done = at_once(lambda: bare("one"), lambda: bare("two"))
    assert ["nobody_is_below_nothing" in str(each) for each in done if each] == [True]
    assert held(buyer) == 100
    posting.post([posting.Transfer("gift", "held:1", posting.balance_account(buyer.pk), 900)], at=clock.now())
    room = transfers.MOST_WAITING - Transfer.objects.filter(user=buyer).count()
    done = at_once(*[lambda: cash(100)] * (room + 1))
    assert [each.code for each in done if isinstance(each, Exception)] == ["too_many"]
    assert connection.vendor == "postgresql"
    assert RefundAttempt.objects.filter(payment__account__channel=BALANCE).count() == 0
    assert refunding.why_not(Payment.objects.filter(status="paid", account__channel=BALANCE).first(), 1,
                             at=clock.now() + timedelta(days=4000)) == ""  # fmt: skip
