"""G20: the buyer pays while we close, after we closed, twice, or at a till that we had given up. None is kept."""

from __future__ import annotations

import urllib.request

import pytest

import clock
from orders import placing
from orders.models import OrderStatus
from payments import charging, settling
from payments.charging import Way
from payments.models import PaymentStatus
from refunds.models import Refund
from tests.faults.stories import all_is_well, later, ledger_row, now

pytestmark = pytest.mark.django_db

CLOSING = {"wechat": "/close", "alipay": "alipay.trade.close"}
EXPIRED_SECONDS = 20 * 60


def opens(payment):
    """The buyer scans: from now on Alipay knows the trade too."""
    if payment.account.channel == "alipay":
        urllib.request.urlopen(payment.till, timeout=10).close()


def goes_back_by_itself(payment, simulator, amount_fen=3000):
    """All of it, once, without a case."""
    late = now(payment)
    assert (late.status, late.is_surplus) == (PaymentStatus.PAID, True)
    attempt = late.attempts.get()
    later(60)
    if ledger_row(simulator, attempt).get("status") == "PROCESSING":
        simulator.settle(attempt.request_no, "SUCCESS")
    for _ in range(3):
        later(60)
    assert (now(payment).reserved_fen, now(payment).refunded_fen) == (0, amount_fen)
    row = ledger_row(simulator, attempt)
    assert (row["status"], row["amount_fen"], row["effects"]) == ("SUCCESS", amount_fen, 1)
    assert not Refund.objects.exists()
    all_is_well(simulator)


def test_g20_between_our_last_look_and_the_close(channel, shown, simulator, recorder):
    """The close is on its way when the buyer pays: it fails, and the payment counts."""
    payment = shown(channel, price_fen=3000)
    opens(payment)

    def the_buyer_is_faster(exchange):
        if CLOSING[channel] in exchange.target:
            simulator.pay(payment.payment_no)

    recorder.before = the_buyer_is_faster
    later(EXPIRED_SECONDS)
    assert now(payment).status == PaymentStatus.PAID
    assert now(payment).is_surplus is False
    assert now(payment.order).status == OrderStatus.DELIVERED
    all_is_well(simulator)


def test_g20_after_the_close_it_goes_back(channel, shown, letters, simulator):
    """He was at the till when it closed: the notification makes us look again, and the money goes back in full."""
    payment = shown(channel, price_fen=3000)
    opens(payment)
    later(EXPIRED_SECONDS)
    assert (now(payment).status, now(payment.order).status) == (PaymentStatus.CLOSED, OrderStatus.CANCELED)
    simulator.post("pay", out_trade_no=payment.payment_no, race=True)
    assert letters.of_payment(payment).deliver() < 300
    later(1)
    assert now(payment.order).status == OrderStatus.CANCELED
    goes_back_by_itself(payment, simulator)


@pytest.mark.parametrize(("first", "second"), [("wechat", "alipay"), ("alipay", "wechat")])
def test_g20_paid_twice_by_two_ways(first, second, shown, letters, simulator):
    """Another way was chosen and paid; then the old till is paid too: one counts, the other goes back."""
    old = shown(first, price_fen=3000)
    opens(old)
    new = charging.start(old.order, Way(account_code=second), at=clock.now())
    assert now(old).status == PaymentStatus.CLOSED
    simulator.pay(new.payment_no)
    later(60)
    assert now(new.order).status == OrderStatus.DELIVERED
    simulator.post("pay", out_trade_no=old.payment_no, race=True)
    assert letters.of_payment(old).deliver() < 300
    later(1)
    assert (now(new).is_surplus, now(new).reserved_fen) == (False, 0)
    assert now(new.order).status == OrderStatus.DELIVERED
    goes_back_by_itself(old, simulator)


def test_g20_the_old_till_is_paid_before_the_new_one(channel, shown, letters, simulator):
    """Then the old payment is the one that counts, if it comes first and whole; nothing is delivered twice."""
    old = shown(channel, price_fen=3000)
    opens(old)
    other = {"wechat": "alipay", "alipay": "wechat"}[channel]
    new = charging.start(old.order, Way(account_code=other), at=clock.now())
    simulator.post("pay", out_trade_no=old.payment_no, race=True)
    assert letters.of_payment(old).deliver() < 300
    later(60)
    assert (now(old).status, now(old).is_surplus) == (PaymentStatus.PAID, False)
    assert now(old.order).status == OrderStatus.DELIVERED
    simulator.pay(new.payment_no)  # the new till was open all the time
    later(60)
    goes_back_by_itself(new, simulator)
    assert now(old).reserved_fen == 0


def test_g20_a_code_that_nobody_had_scanned_is_paid_after_all(shown, simulator):
    """Alipay has never heard of it and cannot close it: we look once more when its time is over, without a letter."""
    payment = shown("alipay", price_fen=3000)
    later(EXPIRED_SECONDS)
    assert now(payment).status == PaymentStatus.CLOSED
    assert now(payment).next_due_at is not None
    simulator.pay(payment.payment_no)
    later(settling.LOOK_AGAIN_SECONDS + 60)
    goes_back_by_itself(payment, simulator)


def test_g20_canceled_by_the_buyer_and_paid_all_the_same(channel, shown, simulator):
    payment = shown(channel, price_fen=3000)
    placing.cancel([payment.order], at=clock.now())
    simulator.pay(payment.payment_no)
    later(60)
    assert now(payment.order).status == OrderStatus.CANCELED
    goes_back_by_itself(payment, simulator)
