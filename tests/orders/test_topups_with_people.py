"""A top-up whose supplier is silent for too long lies with a person: told, due, decided with proof, never by time."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import timedelta

import pytest

import clock
from cardshop import invariants
from notices.models import Notice
from orders import cancellation, placing, topups, topups_by_hand
from orders.models import Cancellation, Cause, Delivery, IfMissing, Order, OrderEvent, OrderStatus, TopUp
from orders.models import TopUpStatus as T
from orders.placing import Wish
from orders.recipients import Recipient
from orders.topups_by_hand import CannotDecide
from refunds import cancellations, lifecycle
from refunds.models import Refund
from shops.models import ShopMember, ShopRole
from tests import attacks

pytestmark = pytest.mark.django_db
HELD = "13800009999"  # stays pending until the test settles it
HOUR = timedelta(hours=1)
PROOF = "供应商工单 GD-8812：书面答复"


@pytest.fixture
def buy_topup(buyer, supplier, make_product, pay) -> Callable[..., Order]:
    """A paid order of one top-up, nothing sent yet: ``buy_topup(promise_minutes=90)``."""

    def buy(promise_minutes: int = 5, by=buyer) -> Order:
        words = {"kind": "top_up", "fulfilment": "top_up", "recipient_kind": "phone"}
        product = make_product(
            5000, supplier=supplier, supplier_sku="phone-50", delivery_promise_minutes=promise_minutes, **words
        )
        wish = Wish(recipient=Recipient("phone", HELD), again=True)
        return pay(placing.place(product, wish, buyer=by, checkout_key=uuid.uuid4(), at=clock.now()))

    return buy


def topup_of(order: Order) -> TopUp:
    return TopUp.objects.get(line__order=order)


@pytest.fixture
def waiting(buy_topup, operator) -> TopUp:
    """A top-up that the supplier has taken on and says nothing more about, for too long."""
    order = buy_topup()
    topups.sweep(at=clock.now())
    clock.advance(HOUR)
    topups.sweep(at=clock.now())
    return topup_of(order)


# --- when -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("promise_minutes", "patience"), [(5, HOUR), (90, 3 * HOUR)])
def test_after_twice_the_promise_and_an_hour_at_least_it_lies_with_a_person(
    promise_minutes, patience, buy_topup, operator
):
    order = buy_topup(promise_minutes)
    topups.sweep(at=clock.now())
    sent_at = topup_of(order).first_sent_at
    topups.sweep(at=sent_at + patience - timedelta(seconds=1))
    assert topup_of(order).person_due_at is None
    over_at = sent_at + patience + HOUR
    topups.sweep(at=over_at)
    topup = topup_of(order)
    assert (topup.status, topup.person_due_at) == (T.ACCEPTED, over_at + topups.PERSON_WITHIN)
    assert topup.next_due_at > over_at, "the machine asks on"


@pytest.mark.parametrize("fault", ["issuer_500", "no supplier"])
def test_without_any_answer_and_never_sent_too(fault, buy_topup, simulator, supplier, operator):
    order = buy_topup()
    if fault == "no supplier":
        supplier.is_active = False
        supplier.save()
    else:
        simulator.faults(fault, request_no=topup_of(order).topup_no, times=1000)
    for moment in (clock.now(), clock.now() + 2 * HOUR):
        topups.sweep(at=moment)
    topup = topup_of(order)
    assert topup.status == (T.PREPARED if fault == "no supplier" else T.UNKNOWN)
    assert topup.person_due_at is not None


def test_operators_are_told_once_however_many_wait(buy_topup, operator, reviewer):
    for _ in range(2):
        buy_topup()
    topups.sweep(at=clock.now())
    for hours in (2, 3, 4):
        topups.sweep(at=clock.now() + hours * HOUR)
    assert TopUp.objects.filter(person_due_at__isnull=False).count() == 2
    told = Notice.objects.get(kind=topups.NOTICE)
    assert (told.recipient, told.path) == (operator, "/admin/orders/topup/?queue=person")


def test_the_due_time_is_given_once(waiting):
    due = waiting.person_due_at
    topups.sweep(at=clock.now() + 5 * HOUR)
    waiting.refresh_from_db()
    assert waiting.person_due_at == due


def test_no_time_ends_it(waiting):
    for days in range(1, 40):
        topups.sweep(at=clock.now() + timedelta(days=days))
    waiting.refresh_from_db()
    assert waiting.status == T.ACCEPTED
    assert not Cancellation.objects.exists()


def test_the_suppliers_word_ends_it_and_nobody_has_to_do_anything(waiting, simulator):
    simulator.post("topup", reference=waiting.topup_no, state="DONE")
    topups.sweep(at=clock.now() + HOUR)
    waiting.refresh_from_db()
    assert (waiting.status, waiting.person_due_at, waiting.decided_by) == (T.SUCCEEDED, None, None)
    assert waiting.answer is not None


def test_what_is_stopped_lies_with_nobody(buy_topup, supplier, operator):
    order = buy_topup()
    supplier.is_active = False
    supplier.save()
    topups.sweep(at=clock.now() + 2 * HOUR)
    assert topup_of(order).person_due_at is not None
    cancellation.cancel(order, cause=Cause.BUYER, by=order.buyer, at=clock.now())
    topup = topup_of(order)
    assert (topup.status, topup.person_due_at) == (T.STOPPED, None)


def test_that_it_lies_with_nobody_is_found(waiting, buy_topup):
    """I4: the invariant says so whichever way it got lost, and nothing of one that we still wait for."""
    buy_topup()
    topups.sweep(at=clock.now())
    assert invariants.broken() == []
    with attacks.damaged(f"UPDATE orders_topup SET person_due_at = NULL WHERE id = {waiting.pk}"):
        (found,) = invariants.broken()
    assert found.startswith(f"I4: {waiting.topup_no}: accepted")
    assert "lies with nobody" in found


def test_that_one_is_to_be_asked_at_once_breaks_nothing(buy_topup, operator):
    """Put forward long after our patience was over, it is given to a person when it is asked."""
    order = buy_topup()
    topups.sweep(at=clock.now())
    clock.advance(2 * HOUR)
    topups_by_hand.ask_now(topup_of(order), at=clock.now())
    assert topup_of(order).person_due_at is None
    assert invariants.broken() == []
    topups.sweep(at=clock.now())
    assert topup_of(order).person_due_at is not None
    assert invariants.broken() == []


def test_what_goes_on_after_a_refund_that_came_to_nothing_lies_with_a_person_too(
    buy_topup, apply, simulator, buyer, operator
):
    """It got lost, and its supplier says so while the refund is withdrawn: sent anew, by now behind our patience."""
    order = buy_topup()
    simulator.faults("issuer_lost", request_no=topup_of(order).topup_no, times=1)
    topups.sweep(at=clock.now())
    refund = apply(order, precheck=False)
    late = clock.now() + 2 * HOUR
    due, _ = topups._claim(late)
    answers = topups.ask(due)
    lifecycle.withdraw(refund, by=buyer, at=clock.now())
    topups.record(answers, at=late)
    topup = topup_of(order)
    assert (topup.status, topup.if_missing) == (T.UNKNOWN, IfMissing.SEND)
    assert topup.person_due_at == late + topups.PERSON_WITHIN
    assert invariants.broken() == []


# --- deciding ---------------------------------------------------------------------------------------------------------


def test_a_person_decides_that_it_arrived(waiting, operator):
    topups_by_hand.decide(waiting, T.SUCCEEDED, proof=PROOF, by=operator, at=clock.now())
    waiting.refresh_from_db()
    order = waiting.line.order
    assert (waiting.status, waiting.decided_by, waiting.proof) == (T.SUCCEEDED, operator, PROOF)
    assert (waiting.person_due_at, waiting.leased_until) == (None, None)
    assert order.status == OrderStatus.DELIVERED
    assert Delivery.objects.filter(line=waiting.line).exists()
    event = OrderEvent.objects.get(order=order, step="decide_arrived")
    assert (event.actor, event.note) == (operator, f"{waiting.topup_no} {PROOF}")
    assert invariants.broken() == []


def test_a_person_decides_that_it_failed_and_the_money_goes_back(waiting, operator, drain):
    topups_by_hand.decide(waiting, T.FAILED, proof=PROOF, by=operator, at=clock.now())
    order = Order.objects.get(pk=waiting.line.order_id)
    canceled = Cancellation.objects.get(order=order)
    assert (canceled.cause, canceled.canceled_by, canceled.refund_fen) == (Cause.SUPPLIER_FAILED, operator, 5000)
    assert PROOF not in canceled.reason
    assert order.status == OrderStatus.CANCELED
    cancellations.hear(at=clock.now())
    drain()
    refund = Refund.objects.get(order=order)
    assert (refund.status, refund.amount_fen) == ("arrived", 5000)
    assert invariants.broken() == []


@pytest.mark.parametrize("proof", ["", "  \n", "\0"])
def test_no_decision_without_proof(waiting, operator, proof):
    with pytest.raises(CannotDecide):
        topups_by_hand.decide(waiting, T.FAILED, proof=proof, by=operator, at=clock.now())
    waiting.refresh_from_db()
    assert waiting.status == T.ACCEPTED


def test_nobody_decides_for_themselves_their_shop_or_without_the_job(
    waiting, operator, reviewer, merchant, buyer, shop
):
    """I10. The operator worked for the shop before."""
    ShopMember.objects.create(shop=shop, user=operator, role=ShopRole.CLERK)
    for nobody in (operator, reviewer, merchant, buyer):
        with pytest.raises(CannotDecide):
            topups_by_hand.decide(waiting, T.SUCCEEDED, proof=PROOF, by=nobody, at=clock.now())


def test_an_operator_who_bought_does_not_decide(buy_topup, operator):
    order = buy_topup(by=operator)
    topups.sweep(at=clock.now())
    topups.sweep(at=clock.now() + 2 * HOUR)
    with pytest.raises(CannotDecide):
        topups_by_hand.decide(topup_of(order), T.SUCCEEDED, proof=PROOF, by=operator, at=clock.now())


def test_before_our_patience_is_over_and_after_its_end_nobody_decides(buy_topup, operator, simulator, waiting):
    early = buy_topup()
    topups.sweep(at=clock.now())
    simulator.post("topup", reference=waiting.topup_no, state="DONE")
    topups.sweep(at=clock.now() + timedelta(minutes=20))
    for topup in (topup_of(early), waiting):
        with pytest.raises(CannotDecide):
            topups_by_hand.decide(topup, T.FAILED, proof=PROOF, by=operator, at=clock.now())


def test_an_answer_that_was_on_its_way_changes_no_decision(waiting, operator, simulator):
    simulator.post("topup", reference=waiting.topup_no, state="DONE")
    at = clock.now() + HOUR
    due, _ = topups._claim(at)
    answers = topups.ask(due)
    topups_by_hand.decide(waiting, T.FAILED, proof=PROOF, by=operator, at=at + topups.LEASE)
    topups.record(answers, at=at + topups.LEASE)
    waiting.refresh_from_db()
    assert (waiting.status, waiting.answer) == (T.FAILED, None)
    assert not Delivery.objects.filter(line=waiting.line).exists()


def test_asked_now_it_is_asked_under_the_same_number(waiting, simulator):
    simulator.post("topup", reference=waiting.topup_no, state="DONE")
    assert topups.sweep(at=clock.now()) == 0
    topups_by_hand.ask_now(waiting, at=clock.now())
    assert topups.sweep(at=clock.now()) == 1
    waiting.refresh_from_db()
    assert waiting.status == T.SUCCEEDED
    with pytest.raises(CannotDecide):
        topups_by_hand.ask_now(waiting, at=clock.now())


# --- a refund is asked for while the supplier is being asked ----------------------------------------------------------


def test_a_call_that_is_under_way_goes_on_though_a_refund_is_asked_for_and_the_page_says_so(
    buy_topup, apply, simulator, client
):
    """The mark of the sending is committed, the byte has not left: what is held is the next sending, not this one."""
    order = buy_topup()
    due, _ = topups._claim(clock.now())
    apply(order, precheck=False)
    client.force_login(order.buyer)
    said = client.get(f"/orders/{order.order_no}/").content.decode()
    assert "无法撤回：供应商没收到的不再充值，已收到或正在提交的照常充值" in said
    topups.record(topups.ask(due), at=clock.now())
    assert topup_of(order).status == T.ACCEPTED
    assert [row for row in simulator.ledger()["topups"] if row["reference"] == topup_of(order).topup_no]
    said = client.get(f"/orders/{order.order_no}/").content.decode()
    assert "无法撤回：供应商正在充值" in said
