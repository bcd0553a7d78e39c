"""Money that came back is paid after all while somebody sends it another way: paid once (PM11, I11, G8)."""

from __future__ import annotations

from contextlib import suppress
from urllib.error import HTTPError

import pytest

import clock
from cardshop import invariants
from payments import by_hand, hearing, refunding, transfers
from payments.models import AttemptStatus, RefundAttempt
from payments.transfers import CannotTransfer
from refunds import disbursement, lifecycle, own_account
from refunds.lifecycle import StepRefused
from refunds.models import BalanceCredit, Status
from tests.cases import SITUATIONS, attempt_of, hint, own_card, transfer_of
from tests.refunds.test_races import at_once

pytestmark = pytest.mark.django_db(transaction=True)
REFUSED = (StepRefused, CannotTransfer)
MANY = pytest.param(200, marks=pytest.mark.nightly)


@pytest.mark.parametrize("rounds", [6, MANY])
def test_success_after_all_against_whoever_sends_it_another_way(rounds, house, simulator):
    """The channel says that the buyer has his money in the moment in which it is sent on, or signed and paid for."""
    for number in range(rounds):
        refund = SITUATIONS["returned"](house)
        works = [*redirects(house, refund, number % 3), *success(refund, house)]
        results = at_once(*works[:: 1 - 2 * (number % 2)])
        assert not unexpected(results), results
        end(house, refund)
        assert got(refund) == refund.amount_fen, results
    assert invariants.broken(simulator.ledger()) == []


@pytest.mark.parametrize("rounds", [2, MANY])
def test_the_money_is_back_and_two_ways_are_taken_at_once(rounds, house, simulator):
    """Back with the merchant: signed for, and confirmed and paid, while finance sends it the original way again."""
    for number in range(rounds):
        refund = SITUATIONS["returned, closed"](house)
        sign(house, refund, to_account=number % 2 == 0)
        results = at_once(
            lambda refund=refund: confirm_and_pay(house, refund),
            lambda refund=refund: again_the_original_way(house, refund),
            lambda refund=refund: confirm_and_pay(house, refund),
        )
        assert not unexpected(results), results
        end(house, refund)
        assert got(refund) == refund.amount_fen, results
    assert invariants.broken(simulator.ledger()) == []


def redirects(house, refund, which):
    """Another way for what came back: on to the merchant; to the card that its buyer signed; signed at that moment."""
    if which == 0:
        return [lambda: by_hand.send_on(attempt_of(refund), card=None, by=house.finance, at=clock.now())]
    if which == 1:
        sign(house, refund, to_account=True)
        return [lambda: lifecycle.send_to_card(refund, by=house.cashier, at=clock.now())]
    return [
        lambda: sign(house, refund, to_account=False),
        lambda: by_hand.send_on(attempt_of(refund), card=None, by=house.finance, at=clock.now()),
    ]


def success(refund, house):
    """It is there by the channel's word; two sweepers ask, and the case hears."""
    house.simulator.settle(attempt_of(refund).request_no, "SUCCESS")
    hint(attempt_of(refund))
    return [lambda: refunding.sweep(at=clock.now()), lambda: disbursement.hear(at=clock.now())]


def sign(house, refund, *, to_account):
    proof = {"holder_proof": own_account.proof_of(own_card(house.buyer)), "verified_by": "password"}
    lifecycle.sign_redirect(refund, by=house.buyer, at=clock.now(), **(proof if to_account else {}))


def confirm_and_pay(house, refund):
    """Each step of the other way by its own person; whoever comes second is refused somewhere."""
    try:
        lifecycle.confirm_redirect(refund, by=house.finance, at=clock.now())
    finally:
        refund = type(refund).objects.get(pk=refund.pk)
        if refund.status == Status.APPROVED:
            disbursement.release([refund], by=house.cashier, at=clock.now())


def again_the_original_way(house, refund):
    lifecycle.reissue([refund], by=house.finance, at=clock.now())
    disbursement.release([type(refund).objects.get(pk=refund.pk)], by=house.cashier, at=clock.now())


def unexpected(results):
    return [each for each in results if isinstance(each, Exception) and not isinstance(each, REFUSED)]


def end(house, refund):
    """Everybody does what is left to do, until the buyer has his money."""
    for _ in range(12):
        refund.refresh_from_db()
        if refund.status in {Status.PAID_OUT, Status.ARRIVED}:
            return
        if attempt_of(refund).status not in hearing.FINAL:
            refunding.sweep(at=clock.now())
            with suppress(HTTPError):  # it is there, or not under way
                house.simulator.settle(attempt_of(refund).request_no, "SUCCESS")
            hint(attempt_of(refund))
            refunding.sweep(at=clock.now())
        disbursement.hear(at=clock.now())
        for work in (lambda: sign(house, refund, to_account=False), lambda: confirm_and_pay(house, refund)):
            try:
                work()
            except REFUSED:
                continue
        for row in refund.redirect_transfers.filter(transfer__status__in=["requested", "approved"]):
            if row.transfer.status == "requested":
                transfers.approve(row.transfer, by=house.finance, at=clock.now())
            at = clock.now()
            transfers.mark_paid(transfer_of(refund), by=house.cashier, at=at, paid_at=at, voucher=f"V{row.pk}")
    raise AssertionError(f"{refund.refund_no} has not come to an end: {refund.status}, {attempt_of(refund).status}")


def got(refund):
    """What its buyer has of this case, whichever way it came."""
    attempts = RefundAttempt.objects.filter(disbursement__refund=refund, status=AttemptStatus.SUCCEEDED)
    credits = BalanceCredit.objects.filter(refund=refund)
    paid = refund.redirect_transfers.filter(transfer__status="paid")
    return sum(
        [
            *attempts.values_list("amount_fen", flat=True),
            *credits.values_list("amount_fen", flat=True),
            *paid.values_list("transfer__amount_fen", flat=True),
        ]
    )
