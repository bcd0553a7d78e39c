"""What reviewers found in orders, top-ups and services: each was red before it was mended."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import timedelta

import pytest

import clock
from orders import masking, placing, reviews, service_jobs, topups
from orders.models import Order, OrderStatus, ServiceJob, ServiceStatus, TopUp
from orders.models import TopUpStatus as T
from orders.placing import CannotPlace, Wish
from orders.recipients import Recipient
from refunds import cancellations, disbursement, lifecycle
from refunds.models import Refund
from shops.models import CodeState
from shops.stock import add

pytestmark = pytest.mark.django_db
LONG = timedelta(hours=1)


@pytest.fixture
def refund_in_full(apply, reviewer, finance) -> Callable[[Order], Refund]:
    """A person approves all of it, and another releases the money."""

    def run(order: Order) -> Refund:
        refund = apply(order)
        assert refund.status == "first_review"
        lifecycle.approve([refund], by=reviewer, at=clock.now())
        disbursement.release([refund], by=finance, at=clock.now())
        return refund

    return run


# --- refunded, and carried out all the same ---------------------------------------------------------------------------


@pytest.fixture
def lost_topup(buyer, supplier, make_product, pay, simulator) -> Callable[..., TopUp]:
    """A top-up whose first sending got lost on the way: the supplier has never heard of it, and we do not know."""

    def build(quantity: int = 1) -> TopUp:
        product = make_product(
            5000, kind="top_up", fulfilment="top_up", recipient_kind="phone", supplier=supplier, supplier_sku="phone-50"
        )
        wish = Wish(quantity, recipient=Recipient("phone", "13800009999"))
        order = pay(placing.place(product, wish, buyer=buyer, checkout_key=uuid.uuid4(), at=clock.now()))
        topup = TopUp.objects.get(line__order=order)
        simulator.faults("issuer_lost", request_no=topup.topup_no)
        topups.sweep(at=clock.now())
        topup.refresh_from_db()
        assert topup.status == T.UNKNOWN
        return topup

    return build


def is_at_supplier(simulator, topup: TopUp) -> bool:
    return any(row["reference"] == topup.topup_no for row in simulator.ledger()["topups"])


def test_a_refunded_top_up_that_never_got_there_is_not_sent_again(lost_topup, refund_in_full, simulator):
    """The buyer has the money back: what the supplier never heard of must not be ordered behind the refund."""
    topup = lost_topup()
    order = topup.line.order
    refund_in_full(order)
    topups.sweep(at=clock.now() + LONG)
    topup.refresh_from_db()
    order.refresh_from_db()
    assert not is_at_supplier(simulator, topup)
    assert (topup.status, order.status) == (T.STOPPED, OrderStatus.CANCELED)
    while cancellations.hear(at=clock.now() + LONG):
        pass
    assert Refund.objects.filter(order=order).count() == 1


def test_while_a_refund_is_weighed_a_lost_top_up_waits_and_then_goes_on(lost_topup, apply, reviewer, simulator):
    topup = lost_topup()
    refund = apply(topup.line.order)
    topups.sweep(at=clock.now() + LONG)
    topup.refresh_from_db()
    assert (topup.status, is_at_supplier(simulator, topup)) == (T.STOPPED, False)
    lifecycle.reject([refund], by=reviewer, at=clock.now(), note="再等等")
    topups.sweep(at=clock.now() + 2 * LONG)
    topup.refresh_from_db()
    assert (topup.status, is_at_supplier(simulator, topup)) == (T.ACCEPTED, True)


def test_a_lost_top_up_whose_refund_is_refused_first_is_sent_again(lost_topup, apply, reviewer, simulator):
    topup = lost_topup()
    refund = apply(topup.line.order)
    lifecycle.reject([refund], by=reviewer, at=clock.now(), note="再等等")
    topups.sweep(at=clock.now() + LONG)
    topup.refresh_from_db()
    assert (topup.status, is_at_supplier(simulator, topup)) == (T.ACCEPTED, True)


def test_work_that_was_begun_and_refunded_in_full_is_over(buy, merchant, refund_in_full, drain):
    """Else the order stands as paid for ever, the shop could still hand it over, and never close."""
    order = buy(stock=0)
    job = ServiceJob.objects.get(line__order=order)
    service_jobs.start(job, by=merchant, at=clock.now())
    refund_in_full(order)
    order.refresh_from_db()
    job.refresh_from_db()
    assert (order.status, job.status) == (OrderStatus.CANCELED, ServiceStatus.STOPPED)
    with pytest.raises(service_jobs.CannotServe):
        service_jobs.hand_over(job, by=merchant, at=clock.now(), text="做完了")
    drain()
    assert Refund.objects.get(order=order).amount_fen == order.total_fen


# --- stock that nobody pays for ---------------------------------------------------------------------------------------


def test_nobody_keeps_the_stock_from_others_by_not_paying(make_product, buyer, stranger):
    product = make_product(stock=50)

    def take(by, quantity=10):
        return placing.place(product, Wish(quantity, again=True), buyer=by, checkout_key=uuid.uuid4(), at=clock.now())

    for _ in range(placing.MOST_UNPAID_UNITS // 10):
        take(buyer)
    with pytest.raises(CannotPlace) as refused:
        take(buyer, 1)
    assert refused.value.code == "unpaid"
    assert take(stranger).status == OrderStatus.PLACED


def test_nobody_piles_up_unpaid_orders_of_what_keeps_no_stock(make_product, buyer):
    product = make_product(fulfilment="service", kind="service")

    def take(quantity):
        return placing.place(
            product, Wish(quantity, again=True), buyer=buyer, checkout_key=uuid.uuid4(), at=clock.now()
        )

    for _ in range(placing.MOST_UNPAID_UNITS // 10):
        take(10)
    with pytest.raises(CannotPlace) as refused:
        take(1)
    assert refused.value.code == "unpaid"


def test_what_is_paid_or_over_is_not_counted_as_unpaid(make_product, buyer, pay):
    product = make_product(stock=60)
    for _ in range(4):
        order = placing.place(product, Wish(10, again=True), buyer=buyer, checkout_key=uuid.uuid4(), at=clock.now())
        pay(order)
    assert product.codes.filter(state=CodeState.DELIVERED).count() == 40


# --- codes in what is said --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "written",
    [
        "QK7XM-2PLD9-TR4WB",
        "qk 7x m2 pl d9 tr 4w b",
        "my code is Q K 7 X M 2 P L D 9 T R 4 W B thanks",
        "code: Q.K.7.X.M.2.P.L.D.9.T.R.4.W.B ok",
        "the code Q\nK\n7\nX\nM\n2\nP\nL\nD\n9\nT\nR\n4\nW\nB there",
        "Q\u200bK\u200b7\u200bX\u200bM\u200b2\u200bP\u200bL\u200bD\u200b9\u200bT\u200bR\u200b4\u200bW\u200bB",
        "QK7XM2 PLD9 TR4WB",
        "QK7XM 第二段 2PLD9 第三段 TR4WB",
    ],
)
def test_a_code_stays_hidden_however_it_is_taken_apart(written, buyer, make_product, pay):
    """PM16."""
    product = make_product(stock=0)
    add(product, ["QK7XM-2PLD9-TR4WB"], at=clock.now())
    order = pay(placing.place(product, Wish(), buyer=buyer, checkout_key=uuid.uuid4(), at=clock.now()))
    said = masking.mask(order, written)
    kept = "".join(letter for letter in said.upper() if letter.isascii() and letter.isalnum())
    assert "2PLD9" not in kept
    assert masking.MASK in said


# --- words that mean nothing ------------------------------------------------------------------------------------------


def test_a_shops_people_do_not_praise_their_own_shop(buy, merchant, reveal):
    order = buy(by=merchant)
    reveal(order)
    order.refresh_from_db()
    with pytest.raises(reviews.CannotReview) as refused:
        reviews.write(order, stars=5, text="太好了", by=merchant, at=clock.now(), about_refund=False)
    assert refused.value.code == "own_shop"
