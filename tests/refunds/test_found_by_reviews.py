"""What hostile and patient readers found, kept found."""

from __future__ import annotations

import uuid

import pytest

import clock
from orders import placing
from orders.placing import Wish
from refunds import disbursement, lifecycle, stages
from refunds.models import Status

pytestmark = pytest.mark.django_db


def test_splitting_a_refund_does_not_escape_the_approval_limit(buy, reveal, apply, reviewer, senior, finance, drain):
    order = buy(price_fen=63_800)
    reveal(order)
    first = apply(order, amount_fen=50_000)
    lifecycle.approve([first], by=reviewer, at=clock.now())
    disbursement.release([first], by=finance, at=clock.now())
    drain()
    rest = apply(order, amount_fen=13_800)
    with pytest.raises(lifecycle.StepRefused) as refusal:
        lifecycle.approve([rest], by=reviewer, at=clock.now())
    assert refusal.value.code == "needs_second_person"
    with pytest.raises(lifecycle.StepRefused):
        lifecycle.approve([rest], by=senior, at=clock.now())
    lifecycle.uphold([rest], by=reviewer, at=clock.now())
    lifecycle.approve_second([rest], by=senior, at=clock.now())


def test_a_halted_case_shows_no_time_for_what_is_ahead(buy, reveal, apply, reviewer, finance):
    order = buy(price_fen=8800)
    reveal(order)
    refund = apply(order)
    lifecycle.approve([refund], by=reviewer, at=clock.now(), note="已核实")
    lifecycle.halt([refund], by=finance, at=clock.now(), note="账号可疑")
    refund.refresh_from_db()
    assert refund.decision_note == ""
    track = stages.track(refund, list(refund.events.order_by("sequence")), at=clock.now())
    ahead = [stage for stage in track.stages if stage.state == "todo"]
    assert {stage.code for stage in ahead} == {"approved", "processing", "arrived"}
    assert all(stage.reached_at is None for stage in ahead)


@pytest.mark.parametrize("end", ["reject", "withdraw"])
def test_an_ended_case_ends_its_track_with_its_own_time(buy, reveal, apply, reviewer, end):
    order = buy(price_fen=8800)
    reveal(order)
    refund = apply(order)
    at = clock.now()
    if end == "reject":
        lifecycle.reject([refund], by=reviewer, at=at, note="与记录不符")
    else:
        lifecycle.withdraw(refund, by=refund.buyer, at=at)
    refund.refresh_from_db()
    last = stages.track(refund, list(refund.events.order_by("sequence")), at=at).stages[-1]
    assert (last.code, last.state, last.reached_at) == (refund.status, "failed", at)
    assert refund.status in {Status.REJECTED, Status.WITHDRAWN}


def test_a_changed_order_form_is_not_taken_for_the_old_one(make_product, buyer):
    product, key = make_product(), uuid.uuid4()
    order = placing.place(product, Wish(again=True), buyer=buyer, checkout_key=key, at=clock.now())
    assert placing.place(product, Wish(again=True), buyer=buyer, checkout_key=key, at=clock.now()) == order
    with pytest.raises(placing.CannotPlace) as refusal:
        placing.place(product, Wish(3, again=True), buyer=buyer, checkout_key=key, at=clock.now())
    assert refusal.value.code == "checkout_key"


@pytest.mark.django_db(transaction=True)
def test_a_case_filed_while_its_order_is_claimed_stays_with_its_order(make_product, pay, buyer):
    """Else it belongs to a guest that opens nothing: nobody could read it, withdraw it or add to it."""
    import threading

    from django.db import connections, transaction

    from accounts import guests
    from refunds import applying, claiming
    from refunds.applying import Application
    from refunds.claiming import CannotClaim
    from refunds.models import Refund

    guest = guests.open_for(uuid.uuid4(), "four plain words")
    wish = Wish(again=True)
    order = pay(placing.place(make_product(), wish, buyer=guest, checkout_key=uuid.uuid4(), at=clock.now()))
    said: list[object] = []

    def claim():
        try:
            said.append(claiming.claim(guest, by=buyer, at=clock.now()))
        except CannotClaim as refusal:
            said.append(refusal)
        finally:
            connections.close_all()

    claimer = threading.Thread(target=claim)
    with transaction.atomic():
        applying.submit(order, Application("changed_mind"), by=guest, at=clock.now())
        claimer.start()
        _until_somebody_waits(claimer)
    claimer.join(60)
    order.refresh_from_db()
    assert Refund.objects.get(order=order).buyer_id == order.buyer_id
    assert isinstance(said[0], CannotClaim)
    claiming.claim(guest, by=buyer, at=clock.now())
    order.refresh_from_db()
    assert Refund.objects.get(order=order).buyer_id == order.buyer_id == buyer.pk


def _until_somebody_waits(thread):
    from django.db import connection

    me = connection.connection.info.backend_pid
    with connection.cursor() as cursor:
        while thread.is_alive():
            cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted AND %s = ANY (pg_blocking_pids(pid))", [me])
            if cursor.fetchone() != (0,):
                return


def test_who_lost_the_code_to_another_buyer_does_not_lose_the_money_too(
    buy, apply, ends_as, reviewer, senior, finance, buyer, merchant
):
    """The refund bounced after the shop had sold the unseen code again: now the case can only end in money."""
    from django.db import transaction

    from refunds.lifecycle import StepRefused
    from refunds.models import Refund
    from shops import stock

    order = buy(price_fen=8800)
    code = order.lines.get().delivery.code
    refund = apply(order)
    assert refund.status == "first_review"
    lifecycle.approve([refund], by=reviewer, at=clock.now())
    disbursement.release([refund], by=finance, at=clock.now())
    refund = ends_as(refund, "CLOSED")
    assert refund.status == "returned"
    with transaction.atomic():
        stock.restock(code.pk, by=merchant, at=clock.now())
    lifecycle.reissue([refund], by=finance, at=clock.now())
    with pytest.raises(StepRefused) as withdrawn:
        lifecycle.withdraw(refund, by=buyer, at=clock.now())
    lifecycle.halt([refund], by=senior, at=clock.now(), note="再看一眼")
    with pytest.raises(StepRefused) as rejected:
        lifecycle.reject([refund], by=reviewer, at=clock.now(), note="不退了")
    assert withdrawn.value.code == rejected.value.code == "code_is_resold"
    assert Refund.objects.get(pk=refund.pk).status == "first_review"
