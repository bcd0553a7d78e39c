"""协商: less money, or another code, if the buyer agrees; nobody's money shrinks without the buyer's word (I12, P4).

Replacements have a file of their own: ``test_replacing.py``.
"""

from __future__ import annotations

import pytest

import clock
from cardshop import invariants
from refunds import disbursement, lifecycle
from refunds.lifecycle import StepRefused
from refunds.models import Answer, Offer, OfferKind, Status
from tests.cases import LARGE, SITUATIONS, passes, take

pytestmark = pytest.mark.django_db


def refused_with(code):
    return pytest.raises(StepRefused, check=lambda error: error.code == code)


@pytest.mark.parametrize(("steps", "who"), [(["merchant offer"], "merchant"), (["reviewer make_offer"], "reviewer")])
def test_a_part_that_the_buyer_takes_is_what_is_paid(steps, who, house, drain, simulator):
    start = house.with_shop if who == "merchant" else house.case
    refund = house.on(start(price_fen=8800), *steps, amount_fen=3300)
    assert (refund.status, refund.amount_fen) == (Status.OFFERED, 8800)
    take("accept_offer", refund, house.buyer)
    assert (refund.status, refund.amount_fen, refund.fee_fen) == (Status.APPROVED, 3300, 0)
    assert list(refund.lines.values_list("amount_fen", "fee_fen")) == [(3300, 0)]
    offer = Offer.objects.get()
    assert (offer.answer, offer.made_by, offer.kind) == (Answer.ACCEPTED, house.people()[who], OfferKind.PART)
    assert disbursement.release([refund], by=house.finance, at=clock.now()).sent
    drain()
    refund.refresh_from_db()
    assert refund.status == Status.ARRIVED
    assert invariants.broken(simulator.ledger()) == []


@pytest.mark.parametrize("amount_fen", [3, 4, 5000, 17_599])
def test_a_part_is_shared_out_over_the_lines_to_the_fen(amount_fen, house, buy, reveal, apply):
    order = buy(price_fen=8800, quantity=2)
    reveal(order)
    refund = house.on(apply(order), "reviewer make_offer", "buyer accept_offer", amount_fen=amount_fen)
    assert sum(refund.lines.values_list("amount_fen", flat=True)) == refund.amount_fen == amount_fen
    assert min(refund.lines.values_list("amount_fen", flat=True)) > 0
    assert invariants.parts_sum_up() == []


@pytest.mark.parametrize("amount_fen", [0, -1, 8800, 8801])
def test_an_offer_is_something_and_less_than_all(amount_fen, house):
    for step, refund, who in [
        ("offer", house.with_shop(), house.merchant),
        ("make_offer", house.case(), house.reviewer),
        ("propose_offer", house.case(), house.reviewer),
    ]:
        with refused_with("amount_out_of_range"):
            take(step, refund, who, amount_fen=amount_fen)
    assert not Offer.objects.exists()


@pytest.mark.parametrize("ends", ["buyer decline_offer", "system lapse_offer"])
def test_a_no_and_silence_cost_nothing(ends, house):
    """All that was asked for is still asked for, and people of the platform decide."""
    refund = house.with_shop("merchant offer", ends)
    assert (refund.status, refund.amount_fen) == (Status.FIRST_REVIEW, 8800)
    assert Offer.objects.get().answer in {Answer.DECLINED, Answer.LAPSED}
    take("approve", refund, house.reviewer)
    assert refund.amount_fen == 8800


def test_time_lapses_an_offer(house):
    refund = house.with_shop("merchant offer", working_time=[], offer_hours=48)
    passes(refund, hours=47, minutes=59)
    assert refund.status == Status.OFFERED
    assert passes(refund, minutes=2).status == Status.FIRST_REVIEW
    assert Offer.objects.get().answer == Answer.LAPSED


def test_above_the_limit_one_person_proposes_and_another_makes_it(house):
    refund = house.case(price_fen=LARGE)
    with refused_with("above_limit"):
        take("make_offer", refund, house.senior, amount_fen=LARGE - 1)
    house.on(refund, "reviewer propose_offer", amount_fen=LARGE - 1)
    assert refund.status == Status.SECOND_REVIEW
    assert not house.buyer.notices.filter(kind="refund_propose_offer").exists()  # nobody is shown a draft
    take("confirm_offer", refund, house.senior)
    offer = Offer.objects.get()
    assert (offer.made_by, offer.confirmed_by, refund.status) == (house.reviewer, house.senior, Status.OFFERED)
    take("accept_offer", refund, house.buyer)
    assert refund.amount_fen == LARGE - 1


def test_a_draft_that_was_read_is_made_and_none_that_came_since(house):
    """I10: a colleague has sent it back meanwhile, and another draft stands where the first one did."""
    refund = house.case(price_fen=LARGE)
    house.on(refund, "reviewer propose_offer", amount_fen=10_000)
    read = Offer.objects.get()
    house.on(refund, "senior send_back", "reviewer propose_offer", amount_fen=LARGE - 1)
    with refused_with("offer_changed"):
        take("confirm_offer", refund, house.senior, offer_id=read.pk)
    assert refund.status == Status.SECOND_REVIEW
    take("confirm_offer", refund, house.senior, offer_id=Offer.objects.get(answer="").pk)
    assert refund.status == Status.OFFERED


def test_a_shop_offers_no_part_above_the_limit_and_may_offer_one_below_it(house):
    refund = house.with_shop(price_fen=LARGE * 2)
    with refused_with("above_limit"):
        take("offer", refund, house.merchant, amount_fen=LARGE)
    house.on(refund, "merchant offer", "buyer accept_offer", amount_fen=40_000)
    assert (refund.status, refund.amount_fen) == (Status.APPROVED, 40_000)
    assert invariants.who_decides_is_somebody_else() == []


DROPPED = {"reject_second": Status.REJECTED, "send_back": Status.FIRST_REVIEW, "close": Status.CLOSED}


@pytest.mark.parametrize("step", DROPPED)
def test_a_draft_that_the_second_person_does_not_make_was_never_sent(step, house):
    refund = SITUATIONS["second_review, of an offer"](house)
    take(step, refund, house.senior)
    assert (refund.status, Offer.objects.get().answer) == (DROPPED[step], Answer.DROPPED)


@pytest.mark.parametrize("situation", ["offered", "offered, above the limit"])
def test_withdrawn_while_an_offer_waits_it_waits_no_more(situation, house):
    refund = SITUATIONS[situation](house)
    take("withdraw", refund, house.buyer)
    assert not Offer.objects.filter(answer="").exists()
    assert (refund.status, refund.amount_fen == refund.order.total_fen) == (Status.WITHDRAWN, True)


def test_what_is_canceled_is_not_negotiated(house):
    """All of its money goes back."""
    refund = SITUATIONS["first_review, canceled"](house)
    for step in ("make_offer", "propose_offer"):
        with refused_with("canceled"):
            take(step, refund, house.senior)


def test_only_who_asked_answers(house):
    refund = house.with_shop("merchant offer")
    for who in (house.merchant, house.reviewer, house.senior, house.stranger, house.operator):
        for step in ("accept_offer", "decline_offer", "accept_replacement"):
            with refused_with("not_yours"):
                take(step, refund, who)
        assert not {"accept_offer", "decline_offer"} & set(lifecycle.allowed_steps(refund, who))


def test_an_accepted_part_is_all_there_is_to_it(house, apply):
    """What was agreed on is settled: the rest is not asked for over the same goods again."""
    refund = house.with_shop("merchant offer", "buyer accept_offer")
    disbursement.release([refund], by=house.finance, at=clock.now())
    with refused_with("nothing_left"):
        apply(type(refund.order).objects.get(pk=refund.order_id))
    assert refund.order.lines.get().delivery.code.state == "revealed"  # the buyer keeps what was settled about
