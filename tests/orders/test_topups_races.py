"""A top-up is never carried out behind a refund that says that nothing was sent, whoever is slow meanwhile."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import timedelta
from time import monotonic

import pytest
from django.db import transaction

import clock
from cardshop import invariants
from notices.models import Notice
from orders import placing, stopping, topups, topups_by_hand
from orders.models import IfMissing, Order, TopUp
from orders.models import TopUpStatus as T
from orders.placing import Wish
from orders.recipients import Recipient
from orders.topups_by_hand import CannotDecide
from refunds import lifecycle
from shops.models import SupplierAnswer
from shops.suppliers import registry
from shops.suppliers.base import NeverSent, OutcomeUnknown, TopUpOrder, TopUpState
from shops.suppliers.issuer import Issuer

pytestmark = pytest.mark.django_db
HELD = "13800009999"  # stays pending until the test settles it
HOUR = timedelta(hours=1)
SECOND = timedelta(seconds=1)
PROOF = "供应商工单 GD-8812：没有这张单"
PAID = {"arrived", "paid_out"}


@pytest.fixture
def buy_topup(buyer, supplier, make_product, pay) -> Callable[..., Order]:
    """A paid order of one top-up, nothing sent yet."""

    def buy() -> Order:
        words = {"kind": "top_up", "fulfilment": "top_up", "recipient_kind": "phone", "delivery_promise_minutes": 5}
        product = make_product(5000, supplier=supplier, supplier_sku="phone-50", **words)
        wish = Wish(recipient=Recipient("phone", HELD), again=True)
        return pay(placing.place(product, wish, buyer=buyer, checkout_key=uuid.uuid4(), at=clock.now()))

    return buy


@pytest.fixture
def waiting(buy_topup, operator) -> TopUp:
    """A top-up that the supplier has taken on and says nothing more about, for too long."""
    order = buy_topup()
    topups.sweep(at=clock.now())
    clock.advance(HOUR)
    topups.sweep(at=clock.now())
    return topup_of(order)


@pytest.fixture
def in_transit(monkeypatch) -> list[TopUpOrder]:
    """Orders that leave us and time out; they land when the test says so (``land``)."""
    left: list[TopUpOrder] = []

    def time_out(self: Issuer, order: TopUpOrder) -> None:
        left.append(order)
        raise OutcomeUnknown("no_answer", "ReadTimeout")

    monkeypatch.setattr(Issuer, "order", time_out)
    return left


def land(order: TopUpOrder, topup: TopUp, monkeypatch) -> None:
    monkeypatch.undo()
    registry.of(topup.supplier).order(order)


def topup_of(order: Order) -> TopUp:
    return TopUp.objects.select_related("supplier", "line__order").get(line__order=order)


def ordered(simulator, topup: TopUp) -> list[dict]:
    return [row for row in simulator.ledger()["topups"] if row["reference"] == topup.topup_no]


# --- the lease is over ------------------------------------------------------------------------------------------------


def test_what_is_not_sent_while_its_lease_lasts_is_not_sent(buy_topup, apply, simulator, drain):
    """A sweeper claims and is held up; another hears that nothing got there; the money goes back; the first goes on."""
    order = buy_topup()
    at = clock.now()
    due, _ = topups._claim(at)
    refund = apply(order, precheck=False)
    topups.sweep(at=at + topups.LEASE + SECOND)
    topups.sweep(at=at + topups.LANDS_WITHIN + SECOND)
    assert topup_of(order).status == T.STOPPED
    drain()
    refund.refresh_from_db()
    assert refund.status in PAID
    clock.advance(topups.LANDS_WITHIN)
    topups.record(topups.ask(due), at=clock.now())
    assert not ordered(simulator, topup_of(order)), "topped up and paid back"
    assert topup_of(order).status == T.STOPPED


@pytest.mark.parametrize("left", [timedelta(), topups.LONGEST_CALL])
def test_no_call_begins_that_might_outlast_the_lease(left, buy_topup, simulator):
    order = buy_topup()
    due, _ = topups._claim(clock.now())
    due[0].leased_until = clock.now() + left
    ((_, said),) = topups.ask(due)
    assert isinstance(said, NeverSent)
    assert not ordered(simulator, topup_of(order))


def test_the_question_took_so_long_that_nothing_may_be_sent_any_more(buy_topup, simulator, monkeypatch):
    order = buy_topup()
    simulator.faults("issuer_lost", request_no=topup_of(order).topup_no, times=1)
    topups.sweep(at=clock.now())
    due, _ = topups._claim(clock.now() + HOUR)
    asked = []
    query = Issuer.query
    ends = monotonic() + 3600

    def dawdle(self, topup_no):
        asked.append(topup_no)
        monkeypatch.setattr(topups, "monotonic", lambda: ends)
        return query(self, topup_no)

    monkeypatch.setattr(Issuer, "query", dawdle)
    with pytest.raises(NeverSent):
        topups._ask(due[0], ends)
    assert asked
    assert not ordered(simulator, topup_of(order))


def test_what_was_not_asked_in_time_is_asked_anew(buy_topup, simulator):
    order = buy_topup()
    due, _ = topups._claim(clock.now())
    clock.advance(topups.LEASE)
    topups.record(topups.ask(due), at=clock.now())
    assert (topup_of(order).status, topup_of(order).first_sent_at) == (T.PREPARED, None)
    topups.sweep(at=clock.now() + HOUR)
    assert topup_of(order).status == T.ACCEPTED
    assert len(ordered(simulator, topup_of(order))) == 1


# --- still on its way -------------------------------------------------------------------------------------------------


def test_never_heard_of_it_is_not_believed_while_it_may_still_land(
    buy_topup, apply, simulator, drain, in_transit, monkeypatch
):
    order = buy_topup()
    at = clock.now()
    topups.sweep(at=at)
    refund = apply(order, precheck=False)
    topups.sweep(at=at + 2 * SECOND)
    topups.sweep(at=at + topups.LANDS_WITHIN - SECOND)
    drain()
    assert topup_of(order).status == T.UNKNOWN
    land(in_transit[0], topup_of(order), monkeypatch)
    topups.sweep(at=at + 3 * topups.LANDS_WITHIN)
    refund.refresh_from_db()
    assert topup_of(order).status == T.ACCEPTED
    assert refund.status not in PAID, "paid back as if nothing had been sent"


def test_the_last_sending_counts_not_the_first(buy_topup, apply, in_transit):
    order = buy_topup()
    at = clock.now()
    topups.sweep(at=at)
    topups.sweep(at=at + HOUR)  # never heard of it: sent again
    assert len(in_transit) == 2
    apply(order, precheck=False)
    topups.sweep(at=at + HOUR + topups.LANDS_WITHIN - SECOND)
    assert topup_of(order).status == T.UNKNOWN
    topups.sweep(at=at + HOUR + 2 * topups.LANDS_WITHIN)
    assert topup_of(order).status == T.STOPPED


def test_an_old_never_heard_of_it_stops_nothing_that_was_sent_since(buy_topup, apply, in_transit, buyer):
    """Asked while the money was wanted back; then it was not, it was sent again, and now it is wanted back again."""
    order = buy_topup()
    at = clock.now()
    topups.sweep(at=at)
    refund = apply(order, precheck=False)
    old, _ = topups._claim(at + HOUR)
    answers = topups.ask(old)
    lifecycle.withdraw(refund, by=buyer, at=clock.now())
    newer, _ = topups._claim(at + HOUR + topups.LEASE + SECOND)
    topups.ask(newer)
    assert len(in_transit) == 2
    TopUp.objects.update(if_missing=IfMissing.HOLD)
    topups.record(answers, at=at + HOUR)
    assert topup_of(order).status == T.UNKNOWN


def test_what_was_stopped_is_asked_about_once_more_and_people_hear_if_it_landed_after_all(
    buy_topup, apply, simulator, drain, in_transit, monkeypatch, operator
):
    order = buy_topup()
    at = clock.now()
    topups.sweep(at=at)
    apply(order, precheck=False)
    topups.sweep(at=at + topups.LANDS_WITHIN)
    assert topup_of(order).status == T.STOPPED
    land(in_transit[0], topup_of(order), monkeypatch)
    topups.sweep(at=at + 3 * topups.LANDS_WITHIN)
    topup = topup_of(order)
    assert SupplierAnswer.objects.get(about=f"topup:{topup.topup_no}").state == TopUpState.PENDING
    told = Notice.objects.get(kind=topups.OPPOSED_NOTICE)
    assert (told.recipient, told.params["topup_no"]) == (operator, topup.topup_no)
    assert topup.status == T.STOPPED


def test_what_was_stopped_and_never_landed_rests(buy_topup, apply, in_transit):
    order = buy_topup()
    at = clock.now()
    topups.sweep(at=at)
    apply(order, precheck=False)
    topups.sweep(at=at + topups.LANDS_WITHIN)
    assert topup_of(order).next_due_at == at + 2 * topups.LANDS_WITHIN
    assert topups.sweep(at=at + 2 * topups.LANDS_WITHIN) == 1
    assert topups.sweep(at=at + 100 * HOUR) == 0
    assert (topup_of(order).status, len(in_transit)) == (T.STOPPED, 1)
    assert not Notice.objects.filter(kind=topups.OPPOSED_NOTICE).exists()
    assert invariants.broken() == []


def test_what_was_sent_once_is_never_again_as_if_it_had_not_been(buy_topup, apply, in_transit, buyer, monkeypatch):
    """Stopped, then gone on with, and just now the supplier cannot be reached: the first may have landed long ago."""
    order = buy_topup()
    at = clock.now()
    topups.sweep(at=at)
    refund = apply(order, precheck=False)
    topups.sweep(at=at + topups.LANDS_WITHIN)
    lifecycle.withdraw(refund, by=buyer, at=clock.now())
    assert topup_of(order).status == T.PREPARED

    def no_way(self: Issuer, order: TopUpOrder) -> None:
        raise NeverSent("no_connection")

    monkeypatch.setattr(Issuer, "order", no_way)
    topups.sweep(at=at + HOUR)
    assert (topup_of(order).status, topup_of(order).first_sent_at) == (T.UNKNOWN, at + HOUR)


# --- decided by a person ----------------------------------------------------------------------------------------------


def test_nobody_decides_that_it_failed_while_it_may_be_on_its_way(buy_topup, simulator, operator):
    order = buy_topup()
    simulator.faults("issuer_500", request_no=topup_of(order).topup_no, times=2)
    topups.sweep(at=clock.now())
    topups.sweep(at=clock.now() + 2 * HOUR)
    clock.advance(3 * HOUR)
    due, _ = topups._claim(clock.now())
    with pytest.raises(CannotDecide, match="正在询问供应商"):
        topups_by_hand.decide(due[0], T.FAILED, proof=PROOF, by=operator, at=clock.now())
    topups.record(topups.ask(due), at=clock.now())
    topup = topup_of(order)
    assert (topup.status, len(ordered(simulator, topup))) == (T.ACCEPTED, 1)


def test_though_another_sweeper_has_emptied_the_lease(buy_topup, simulator, operator):
    """Its lease ran out, a second claimed and sends; the first writes down what it heard, and with that ends the lease
    of the second."""
    order = buy_topup()
    simulator.faults("issuer_500", request_no=topup_of(order).topup_no, times=3)
    for hours in (0, 2):
        topups.sweep(at=clock.now() + hours * HOUR)
    clock.advance(3 * HOUR)
    first, _ = topups._claim(clock.now())
    answers = topups.ask(first)
    clock.advance(topups.LEASE + SECOND)
    second, _ = topups._claim(clock.now())
    topups.record(answers, at=clock.now())
    assert topup_of(order).leased_until is None
    with pytest.raises(CannotDecide, match="正在询问供应商"):
        topups_by_hand.decide(second[0], T.FAILED, proof=PROOF, by=operator, at=clock.now())
    decided_at = clock.now() + topups.LEASE
    assert topups_by_hand.decide(second[0], T.FAILED, proof=PROOF, by=operator, at=decided_at).status == T.FAILED


@pytest.mark.parametrize(
    ("decided", "said", "is_opposite"),
    [(T.FAILED, "DONE", True), (T.SUCCEEDED, "FAILED", True), (T.FAILED, "FAILED", False)],
)
@pytest.mark.parametrize("when", ["on its way", "asked again"])
def test_the_suppliers_word_after_a_decision_is_kept_and_an_opposite_one_told(
    decided, said, is_opposite, when, waiting, simulator, operator
):
    simulator.post("topup", reference=waiting.topup_no, state=said)
    at = clock.now() + HOUR
    answers = topups.ask(topups._claim(at)[0]) if when == "on its way" else []
    at += topups.LEASE
    topups_by_hand.decide(waiting, decided, proof=PROOF, by=operator, at=at)
    topups.record(answers, at=at)
    topups.sweep(at=at + HOUR)
    kept = SupplierAnswer.objects.get(about=f"topup:{waiting.topup_no}")
    assert registry.is_genuine(kept)
    waiting.refresh_from_db()
    assert (waiting.status, waiting.answer, waiting.next_due_at) == (decided, None, None), "the decision stands"
    assert Notice.objects.filter(kind=topups.OPPOSED_NOTICE, recipient=operator).exists() == is_opposite
    assert topups.sweep(at=at + 100 * HOUR) == 0


def test_after_a_decision_it_is_asked_until_the_supplier_has_said_how_it_ended_and_never_sent(
    waiting, simulator, operator
):
    at = clock.now() + HOUR
    topups_by_hand.decide(waiting, T.FAILED, proof=PROOF, by=operator, at=at)
    for hours in (1, 2, 3):
        assert topups.sweep(at=at + hours * HOUR) == 1
    assert SupplierAnswer.objects.count() == 0, "pending is no word against it"
    simulator.faults("issuer_500", request_no=waiting.topup_no, times=1)
    assert topups.sweep(at=at + 4 * HOUR) == 1
    simulator.post("topup", reference=waiting.topup_no, state="DONE")
    topups_by_hand.ask_now(waiting, at=at + 4 * HOUR)
    assert topups.sweep(at=at + 4 * HOUR) == 1
    assert SupplierAnswer.objects.get().state == TopUpState.DONE
    assert invariants.broken() == []


@pytest.mark.parametrize("was_sent", [False, True])
def test_what_was_once_sent_and_is_stopped_again_is_still_asked_about(buy_topup, was_sent):
    """It got lost, its refund was withdrawn, and before it went out anew its money was asked for once more."""
    order = buy_topup()
    if was_sent:
        TopUp.objects.update(last_sent_at=clock.now())
    with transaction.atomic():
        locked = Order.objects.select_for_update(no_key=True).get(pk=order.pk)
        stopping.stop(list(locked.lines.all()))
    topup = TopUp.objects.get()
    assert (topup.status, topup.next_due_at is not None) == (T.STOPPED, was_sent)
