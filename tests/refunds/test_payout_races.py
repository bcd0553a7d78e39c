"""分批发款, two at once on real connections: a case is paid once, whoever was first (P6, I11)."""

from __future__ import annotations

from itertools import repeat

import pytest

import clock
from cardshop import invariants
from refunds import disbursement, lifecycle
from refunds.models import PayoutLine, Refund
from refunds.payouts import batches, paying
from refunds.payouts.batches import CannotPay
from tests.refunds.test_races import at_once

pytestmark = pytest.mark.django_db(transaction=True)
ROUNDS = [2, pytest.param(200, marks=pytest.mark.nightly)]
MUCH = {"most_lines": 99, "most_fen": 10**9}


def made(by):
    return batches.compose(by=by, at=clock.now(), **MUCH)


def checked(finance, cashier):
    batch = made(finance)
    batches.propose(batch, by=finance, at=clock.now())
    batches.approve(batch, by=cashier, at=clock.now())
    return batch


def paid_to_the_end(batch):
    while paying.sweep(at=clock.now()):
        pass
    batch.refresh_from_db()
    assert batch.status == "done"


@pytest.mark.parametrize("rounds", ROUNDS)
def test_a_batch_approved_twice_is_paid_once(rounds, approved, finance, cashier):
    for _ in repeat(None, rounds):
        refund = approved()
        batch = made(finance)
        batches.propose(batch, by=finance, at=clock.now())
        results = at_once(*[lambda batch=batch: batches.approve(batch, by=cashier, at=clock.now())] * 2)
        assert sorted(result.code for result in results if result) == ["wrong_status"]
        at_once(*[lambda: paying.sweep(at=clock.now())] * 4)
        paid_to_the_end(batch)
        assert refund.disbursements.count() == 1
    assert invariants.broken() == []


@pytest.mark.parametrize("rounds", ROUNDS)
def test_one_case_in_two_batches_is_in_one(rounds, approved, finance, cashier):
    for _ in repeat(None, rounds):
        approved()
        results = at_once(lambda: made(finance), lambda: made(cashier))
        refused = [result for result in results if isinstance(result, CannotPay)]
        assert [error.code for error in refused] == ["nothing_waits"], results
        (batch,) = [result for result in results if result not in refused]
        batches.call_off(batch, by=finance, at=clock.now(), reason="下一轮")
        lifecycle.halt(list(Refund.objects.filter(status="approved")), by=finance, at=clock.now(), note="下一轮")
    assert not PayoutLine.objects.filter(status="waiting").exists()


@pytest.mark.parametrize("rounds", ROUNDS)
@pytest.mark.parametrize("other", ["withdraw", "release"])
def test_a_batch_against_its_buyer_and_against_a_single_release(other, rounds, approved, finance, cashier, buyer):
    """P9: whoever was first; the other is told, and a line that came too late says why."""
    for _ in repeat(None, rounds):
        refund = approved()
        batch = checked(finance, cashier)
        works = {
            "withdraw": lambda refund=refund: lifecycle.withdraw(refund, by=buyer, at=clock.now()),
            "release": lambda refund=refund: disbursement.release([refund], by=finance, at=clock.now()),
        }
        at_once(works[other], lambda: paying.sweep(at=clock.now()))
        paid_to_the_end(batch)
        refund.refresh_from_db()
        line = batch.lines.get()
        by_batch = line.status == "sent"
        assert by_batch or line.reason
        paid = 1 if other == "release" or by_batch else 0
        assert refund.disbursements.count() == paid
        assert (refund.status == "withdrawn") == (paid == 0)
    assert invariants.broken() == []
