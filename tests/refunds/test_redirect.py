"""变更去向 and an old refund that comes alive after all: what was signed is void, and nobody is paid twice (S2-28, G7).

No channel of ours does it (closed is its final word); the books are led there by the very code that writes outcomes
down, with closed taken for something that may still end otherwise.
"""

from __future__ import annotations

import pytest

import clock
from cardshop import invariants
from ledger import balances
from payments import by_hand, hearing, refunding
from payments.gateways.base import ReceivedAccountKind, RefundOutcome, RefundState
from payments.models import AttemptStatus, RefundAttempt
from refunds import disbursement, lifecycle, stages, sweeping
from refunds.lifecycle import StepRefused
from refunds.models import BalanceCredit, Destination, Queue, RedirectAgreement, Refund, Status
from tests.attacks import refusal
from tests.cases import SITUATIONS, attempt_of

pytestmark = pytest.mark.django_db
A, S = AttemptStatus, Status


def refused_with(code):
    return pytest.raises(StepRefused, check=lambda error: error.code == code)


@pytest.fixture
def comes_alive(monkeypatch):
    """``comes_alive(refund, RefundState.SUCCEEDED)``: the channel takes its word back about what it had closed."""
    may_follow = {A.SUCCEEDED, A.ACCEPTED, A.HELD}
    monkeypatch.setitem(hearing.ATTEMPT_STEPS, A.CLOSED, may_follow)

    def run(refund, state):
        at, attempt = clock.now(), attempt_of(refund)
        assert attempt.status == A.CLOSED
        answer = RefundOutcome(
            state, attempt.request_no, amount_fen=attempt.amount_fen, channel_refund_id=attempt.channel_refund_id,
            received_account="支付用户零钱", received_account_kind=ReceivedAccountKind.WALLET, succeeded_at=at,
        )  # fmt: skip
        refunding.record([(attempt, answer)], at=at)
        return attempt_of(refund)

    return run


def hears(refund):
    disbursement.hear(at=clock.now())
    refund.refresh_from_db()
    return refund


def paid_once_the_original_way(refund):
    refund.refresh_from_db()
    payment = type(refund.payment).objects.get(pk=refund.payment_id)
    assert (payment.refunded_fen, payment.balance_fen, payment.reserved_fen) == (refund.amount_fen, 0, 0)
    assert not BalanceCredit.objects.exists()
    assert balances.of_buyer(refund.buyer_id) == 0
    assert RefundAttempt.objects.count() == 1
    assert invariants.broken() == []
    return (refund.status, refund.destination) == (S.ARRIVED, Destination.ORIGINAL)


def test_of_what_came_back_every_reader_is_told_that_the_buyer_may_choose(house):
    """Buyer, merchant and desk read the same sentence; finance alone acts where nothing can be chosen."""
    refund = SITUATIONS["returned, closed"](house)
    track = stages.track(refund, list(refund.events.all()), at=clock.now())
    assert track.who == "买家可选去向；财务核对"
    assert "您可以选择退款去向" in track.next_step


def test_what_is_on_its_way_to_the_merchant_nobody_is_told_to_choose(house):
    """Signing is refused as long as the channel has not answered, and the page promises nothing else."""
    refund = SITUATIONS["returned"](house)
    assert "您可以选择退款去向" in stages.track(refund, list(refund.events.all()), at=clock.now()).next_step
    assert by_hand.send_on(attempt_of(refund), card=None, by=house.finance, at=clock.now())
    track = stages.track(refund, list(refund.events.all()), at=clock.now())
    assert "sign_redirect" not in lifecycle.allowed_steps(refund, house.buyer)
    assert track.who == "财务"
    assert "退不出去的再由您选择退款去向" in track.next_step


def test_what_was_signed_lapses_when_the_old_refund_has_paid_after_all(house, comes_alive):
    refund = SITUATIONS["redirect_signed"](house)
    assert comes_alive(refund, RefundState.SUCCEEDED).news_at is not None
    with refused_with("attempt_not_closed"):  # before the case has heard of it
        lifecycle.confirm_redirect(refund, by=house.finance, at=clock.now())
    hears(refund)
    assert [event.step for event in refund.events.order_by("-sequence")[:4]][::-1] == [
        "lapse_redirect", "resume", "mark_paid_out", "confirm_arrival",
    ]  # fmt: skip
    signed = RedirectAgreement.objects.get()
    assert (signed.lapsed_at is not None, signed.confirmed_at) == (True, None)
    with refused_with("wrong_status"):
        lifecycle.confirm_redirect(refund, by=house.finance, at=clock.now())
    assert paid_once_the_original_way(refund)


def test_who_confirmed_where_it_goes_does_not_release_it(house):
    """I13: one person would give away what the original route gave back; by button, step and SQL."""
    refund = house.on(SITUATIONS["redirect_signed"](house), "finance confirm_redirect")
    assert "credit_balance" not in lifecycle.allowed_steps(refund, house.finance)
    with refused_with("same_person"):
        lifecycle.credit_balance([refund], by=house.finance, at=clock.now())
    said = refusal(
        "INSERT INTO refunds_balancecredit (refund_id, user_id, amount_fen, released_by_id, created_at) VALUES"
        f" ({refund.pk}, {refund.buyer_id}, {refund.amount_fen}, {house.finance.pk}, now())"
    )
    assert "released by who confirmed it" in said
    assert "credit_balance" in lifecycle.allowed_steps(refund, house.cashier)
    lifecycle.credit_balance([refund], by=house.cashier, at=clock.now())
    assert balances.of_buyer(refund.buyer_id) == refund.amount_fen


@pytest.mark.parametrize("heard_first", [True, False])
def test_what_was_confirmed_comes_to_nothing_when_the_old_refund_has_paid(heard_first, house, comes_alive):
    """A part of the money: there is enough left of the payment to pay the balance as well, and it is not."""
    refund = house.case("reviewer make_offer", "buyer accept_offer")
    house.ends_as(house.sent(refund), "CLOSED")
    house.on(refund, "buyer sign_redirect", "finance confirm_redirect")
    assert (refund.status, refund.destination) == (S.APPROVED, Destination.BALANCE)
    assert refund.payment.amount_fen >= 2 * refund.amount_fen
    comes_alive(refund, RefundState.SUCCEEDED)
    if not heard_first:
        with refused_with("attempt_not_closed"):
            lifecycle.credit_balance([refund], by=house.cashier, at=clock.now())
        released = disbursement.release([refund], by=house.cashier, at=clock.now())
        assert ([case.pk for case, _why in released.set_aside], released.sent) == ([refund.pk], [])
    hears(refund)
    assert refund.events.filter(step="cannot_send", note=disbursement.ALIVE).count() == 1
    assert paid_once_the_original_way(refund)


def test_what_was_to_be_sent_again_is_not_when_the_old_refund_has_paid(house, comes_alive):
    refund = house.case("reviewer make_offer", "buyer accept_offer")
    house.on(house.ends_as(house.sent(refund), "CLOSED"), "finance reissue")
    comes_alive(refund, RefundState.SUCCEEDED)
    with refused_with("attempt_not_closed"):
        lifecycle.disburse([refund], by=house.cashier, at=clock.now())
    hears(refund)
    assert paid_once_the_original_way(refund)


@pytest.mark.parametrize("state", [RefundState.REFUSED, RefundState.ACCEPTED])
def test_an_old_refund_that_may_still_pay_is_waited_for(state, house, comes_alive):
    """Held: told at once. Under way again: no news yet, so the machine looks when the case is due."""
    refund = SITUATIONS["redirect_signed"](house)
    attempt = comes_alive(refund, state)
    with refused_with("attempt_not_closed"):
        lifecycle.confirm_redirect(refund, by=house.finance, at=clock.now())
    if attempt.news_at is None:
        Refund.objects.filter(pk=refund.pk).update(next_due_at=clock.now())
        sweeping.sweep(at=clock.now())
    hears(refund)
    assert (refund.status, refund.queue) == (S.RETURNED, Queue.FINANCE)
    assert RedirectAgreement.objects.get().lapsed_at is not None
    with refused_with("attempt_not_closed"):
        lifecycle.sign_redirect(refund, by=house.buyer, at=clock.now())
    with refused_with("attempt_not_closed"):
        lifecycle.reissue([refund], by=house.finance, at=clock.now())
