"""Two cases refund an order bit by bit: the one that comes to nothing does not fetch back what the other paid for."""

from __future__ import annotations

import pytest

import clock
from cardshop import invariants
from ledger import balances
from refunds import applying, disbursement, lifecycle, sweeping
from refunds.applying import Application
from refunds.lifecycle import StepRefused
from refunds.models import Lane, Refund, Status
from shops.models import CodeState

pytestmark = pytest.mark.django_db


@pytest.fixture
def small_part_came_back(buy, apply, reviewer, finance, ends_as, buyer):
    """¥1 of ¥49 by a person, which the channel could not pay; ¥48 by a rule, on the balance; ¥1 anew by finance."""
    order = buy(price_fen=4900)
    part = apply(order, amount_fen=100)
    lifecycle.approve([part], by=reviewer, at=clock.now())
    disbursement.release([part], by=finance, at=clock.now())
    rest = apply(order, destination="balance")
    assert (rest.amount_fen, rest.lane) == (4800, Lane.ONE_CLICK)
    sweeping.sweep(at=clock.now())
    assert Refund.objects.get(pk=rest.pk).status == Status.ARRIVED
    assert ends_as(part, "CLOSED").status == Status.RETURNED
    lifecycle.reissue([part], by=finance, at=clock.now())
    return order, part


def test_withdrawing_the_small_part_does_not_give_the_code_back(small_part_came_back, buyer, simulator):
    """¥48 on the balance and the code as well."""
    order, part = small_part_came_back
    with pytest.raises(StepRefused) as refusal:
        lifecycle.withdraw(part, by=buyer, at=clock.now())
    assert refusal.value.code == "code_is_taken"
    assert order.lines.get().delivery.code.state == CodeState.QUARANTINED
    assert balances.of_buyer(buyer.pk) == 4800
    assert invariants.broken(simulator.ledger()) == []


def test_nor_does_a_refusal_by_a_person(small_part_came_back, senior):
    """What it is about was taken back: its money goes back too."""
    order, part = small_part_came_back
    lifecycle.halt([part], by=senior, at=clock.now(), note="再看一眼")
    with pytest.raises(StepRefused) as refusal:
        lifecycle.reject([part], by=senior, at=clock.now(), note="与记录不符")
    assert refusal.value.code == "code_is_taken"
    assert order.lines.get().delivery.code.state == CodeState.QUARANTINED


def test_it_ends_by_being_paid(small_part_came_back, finance, drain, simulator):
    order, part = small_part_came_back
    clock.advance(clock.scaled(61))  # the channel takes one part of a payment a minute
    simulator.clock(2)
    disbursement.release([part], by=finance, at=clock.now())
    drain()
    part.refresh_from_db()
    assert part.status == Status.ARRIVED
    assert order.lines.get().delivery.code.state == CodeState.QUARANTINED
    assert order.payments.get().refundable_fen == 0


def test_a_case_alone_can_still_be_withdrawn_once_its_money_came_back(released, ends_as, finance, buyer):
    refund = released()
    ends_as(refund, "CLOSED")
    lifecycle.reissue([refund], by=finance, at=clock.now())
    lifecycle.withdraw(refund, by=buyer, at=clock.now())
    assert refund.order.lines.get().delivery.code.state == CodeState.REVEALED
    applying.submit(refund.order, Application("other", "昨晚兑换，提示无效"), by=buyer, at=clock.now())
