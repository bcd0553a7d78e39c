"""Above the policy's limit two different people of the platform are for it, on every way into APPROVED (I10, P7)."""

from __future__ import annotations

import pytest

import clock
from accounts.roles import Role
from cardshop import invariants
from refunds import disbursement, lifecycle
from refunds.lifecycle import STEPS, StepRefused
from refunds.models import Destination, Lane, Queue, Status
from tests.cases import LARGE, SITUATIONS, take

pytestmark = pytest.mark.django_db


def refused_with(code):
    return pytest.raises(StepRefused, check=lambda error: error.code == code)


EDGES = {name: step for name, step in STEPS.items() if step.target == Status.APPROVED}
# Every edge: a case above the limit that at most one person is for, who tries it, and how it is refused.
ALONE = {
    "agree": ("merchant_review, above the limit", "merchant", "above_limit"),
    "approve": ("first_review, above the limit", "reviewer", "needs_second_person"),
    "approve_second": ("second_review, reopened", "senior", "same_person"),
    "grant_appeal": ("appeal_review, above the limit", "senior", "needs_second_person"),
    "reissue": ("returned, sent by the machine above the limit", "finance", "needs_second_person"),
    # the offer itself is what one person cannot make: see the stories
    "accept_offer": ("first_review, above the limit", "reviewer make_offer", "above_limit"),
    # the signature is what is not taken until the platform's people are for it: see the stories
    "confirm_redirect": ("returned, sent by the machine above the limit", "buyer sign_redirect", "needs_second_person"),
}
PROVED = {"auto_approve", "approve_canceled"}  # by our own records, within the caps of their lanes: no person's edge


def test_every_edge_has_its_story():
    """A step into 审核通过 that is not told of here fails this test."""
    assert EDGES.keys() == ALONE.keys() | PROVED
    assert all(EDGES[name].who == {Role.SYSTEM} for name in PROVED)
    assert all(EDGES[name].who - {Role.SYSTEM} for name in ALONE)


@pytest.mark.parametrize("edge", ALONE)
def test_one_person_alone_does_not_get_there(edge, house):
    situation, who, code = ALONE[edge]
    refund = SITUATIONS[situation](house)
    person, step = (who.split() * 2)[:2] if " " in who else (who, edge)
    before = refund.events.count()
    with refused_with(code):
        take(step, refund, house.people()[person], **({"amount_fen": LARGE - 1} if step == "make_offer" else {}))
    assert refund.events.count() == before
    if step != "make_offer":  # of less it may be made
        assert step not in lifecycle.allowed_steps(refund, house.people()[person])


# How two people lead a case above the limit there: by which edge, and who is for it.
STORIES = {
    "two people of the first and second review": ("reviewer uphold", "senior approve_second"),
    "a senior first, then another senior": ("senior uphold", "other_senior approve_second"),
    "a senior after a first look does not need to": ("reviewer uphold", "senior send_back", "colleague uphold",
                                                     "other_senior approve_second"),
    "sent back by evidence, the first still counts": ("reviewer uphold", "senior request_more",
                                                      "buyer provide_evidence", "senior approve_second"),
    "an appeal, and two seniors": ("reviewer reject", "buyer appeal", "senior uphold_appeal",
                                   "other_senior approve_second"),
    "a wrong refusal": ("reviewer reject", "senior reopen", "other_senior approve_second"),
    "less money, two people": ("reviewer propose_offer", "senior confirm_offer", "buyer accept_offer"),
    "less money, declined": ("reviewer propose_offer", "senior confirm_offer", "buyer decline_offer",
                             "reviewer uphold", "senior approve_second"),
    "halted, and two people again": ("reviewer uphold", "senior approve_second", "finance halt", "colleague uphold",
                                     "senior approve_second"),
}  # fmt: skip


@pytest.mark.parametrize("story", STORIES)
def test_two_people_get_there(story, house):
    refund = house.on(house.case(price_fen=LARGE), *STORIES[story], amount_fen=LARGE - 1)
    assert refund.status == Status.APPROVED
    events = list(refund.events.order_by("sequence"))
    assert len(lifecycle.guards.in_favor(events)) == 2
    assert disbursement.release([refund], by=house.finance, at=clock.now()).sent
    assert invariants.who_decides_is_somebody_else() == []


# What makes the counting start anew: afterwards the second person alone is not enough.
ANEW = {
    "sent back": ("reviewer uphold", "senior send_back"),
    "halted": ("reviewer uphold", "senior approve_second", "finance halt"),
    "refused": ("reviewer uphold", "senior reject_second", "buyer appeal"),
    "an appeal": ("reviewer reject", "buyer appeal"),
    "another amount, declined": ("reviewer propose_offer", "senior confirm_offer", "buyer decline_offer"),
    "another amount, lapsed": ("reviewer propose_offer", "senior confirm_offer", "system lapse_offer"),
}


@pytest.mark.parametrize("why", ANEW)
def test_it_counts_anew_after(why, house):
    refund = house.on(house.case(price_fen=LARGE), *ANEW[why], amount_fen=LARGE - 1)
    step = "approve" if refund.status == Status.FIRST_REVIEW else "grant_appeal"
    with refused_with("needs_second_person"):
        take(step, refund, house.other_senior)
    assert step not in lifecycle.allowed_steps(refund, house.other_senior)


def test_another_amount_needs_another_two_people(house):
    """Who upheld the whole sum has not said yes to a part: whoever proposes it is the first, somebody else confirms."""
    refund = house.case("reviewer uphold", "senior send_back", "colleague propose_offer", price_fen=LARGE)
    with refused_with("same_person"):
        take("confirm_offer", refund, person_as(house.colleague, Role.SENIOR))
    take("confirm_offer", refund, house.senior)
    assert refund.status == Status.OFFERED


def test_whoever_would_rather_give_all_of_it_after_an_offer_was_drafted_is_not_alone(house):
    """The draft is dropped; who drafted it was for a part, so the second person's yes to all of it has a first."""
    refund = house.case("reviewer propose_offer", price_fen=LARGE)
    assert "approve_second" not in lifecycle.allowed_steps(refund, house.senior)
    with refused_with("needs_second_person"):
        take("approve_second", refund, house.senior)


def person_as(user, role):
    """The same person, by now in another job."""
    type(user).objects.filter(pk=user.pk).update(role=role)
    return type(user).objects.get(pk=user.pk)


def test_the_same_person_in_two_jobs_is_one_person(house):
    refund = house.case("reviewer uphold", price_fen=LARGE)
    promoted = person_as(house.reviewer, Role.SENIOR)
    assert "approve_second" not in lifecycle.allowed_steps(refund, promoted)
    with refused_with("same_person"):
        take("approve_second", refund, promoted)
    take("approve_second", refund, house.senior)


@pytest.mark.parametrize("job", [Role.FINANCE, Role.SENIOR])
def test_who_was_for_it_does_not_release_it_in_another_job(job, house):
    refund = house.case("reviewer uphold", "senior approve_second", price_fen=LARGE)
    both = person_as(house.reviewer, job)
    with refused_with("same_person" if job == Role.FINANCE else "not_yours"):
        disbursement.release([refund], by=both, at=clock.now())


@pytest.mark.parametrize("step", ["uphold", "approve", "reject", "make_offer", "claim"])
def test_nobody_of_the_shop_counts_whatever_their_job(step, house):
    refund = house.case(price_fen=LARGE)
    refund.order.shop.members.add(house.senior)
    fresh = type(house.senior).objects.get(pk=house.senior.pk)
    assert not set(lifecycle.allowed_steps(refund, fresh)) - {"provide_evidence"}
    with refused_with("not_yours"):
        take(step, refund, fresh)


def test_the_shops_own_yes_is_not_one_of_the_two(house):
    refund = house.with_shop("merchant agree_above_limit", price_fen=LARGE)
    with refused_with("needs_second_person"):
        take("approve", refund, house.senior)
    house.on(refund, "reviewer uphold", "senior approve_second")
    assert refund.status == Status.APPROVED


def test_who_asked_is_not_one_of_the_two(house, buy, reveal, apply):
    order = buy(price_fen=LARGE, by=house.senior)
    reveal(order)
    refund = house.on(apply(order), "reviewer uphold")
    with refused_with("not_yours"):
        take("approve_second", refund, house.senior)
    assert lifecycle.allowed_steps(refund, house.senior) == ["withdraw"]
    take("approve_second", refund, house.other_senior)


def test_an_order_in_two_halves_is_not_below_the_limit(house, buy, reveal, apply):
    """P12: what counts is all that is given back of one order."""
    order = buy(price_fen=30_000, quantity=2)
    reveal(order)
    first, second = order.lines.all()
    half = house.on(apply(order, line_ids=[first.pk]), "reviewer approve")
    disbursement.release([half], by=house.finance, at=clock.now())
    other_half = apply(order, line_ids=[second.pk])
    with refused_with("needs_second_person"):
        take("approve", other_half, house.senior)
    house.on(other_half, "reviewer uphold", "senior approve_second")


@pytest.mark.parametrize(("price_fen", "alone"), [(50_000, True), (50_001, False)])
def test_the_limit_itself_is_below_it(price_fen, alone, house):
    refund = house.case(price_fen=price_fen)
    assert ("approve" in lifecycle.allowed_steps(refund, house.reviewer)) == alone
    if alone:
        take("approve", refund, house.reviewer)
    else:
        with refused_with("needs_second_person"):
            take("approve", refund, house.senior)


def test_in_a_batch_one_case_above_the_limit_stops_all(house):
    small, large = house.case(), house.case(price_fen=LARGE)
    with refused_with("needs_second_person"):
        lifecycle.approve([small, large], by=house.reviewer, at=clock.now())
    small.refresh_from_db()
    assert small.status == Status.FIRST_REVIEW


def test_what_the_machine_sent_above_the_limit_is_sent_again_by_two(house):
    refund = SITUATIONS["returned, sent by the machine above the limit"](house)
    house.on(refund, "finance reissue_above_limit", "senior approve_second")
    assert (refund.status, refund.lane, refund.queue) == (Status.APPROVED, Lane.STANDARD, Queue.FINANCE)


def test_a_new_destination_above_the_limit_has_two_people_too(house):
    """What people approved twice is confirmed by a third; what a machine sent is looked at first."""
    refund = house.case("reviewer uphold", "senior approve_second", price_fen=LARGE)
    house.on(house.ends_as(house.sent(refund), "CLOSED"), "buyer sign_redirect", "finance confirm_redirect")
    assert (refund.status, refund.destination) == (Status.APPROVED, Destination.BALANCE)
    assert disbursement.release([refund], by=house.cashier, at=clock.now()).sent
    refund.refresh_from_db()
    assert refund.status == Status.ARRIVED
    assert invariants.broken(house.simulator.ledger()) == []
