"""商家处理: the shop's word, and what its silence means (P4, S4-8, S4-9, S4-10, S4-11).

Hours run by the calendar here; on working days they are counted in ``test_clocks.py``.
"""

from __future__ import annotations

from datetime import UTC, timedelta

import pytest
from django.utils.translation import override

import clock
from accounts.roles import Role
from notices.models import Notice
from refunds import clocking, lifecycle, silence, sweeping
from refunds.lifecycle import StepRefused
from refunds.models import Offer, Queue, Status
from shops import checking
from storefront.templatetags import words
from tests.cases import LARGE, late, passes, take

pytestmark = pytest.mark.django_db
PLAIN = {"working_time": []}
HOUR = timedelta(hours=1)


def refused_with(code):
    return pytest.raises(StepRefused, check=lambda error: error.code == code)


def last(refund):
    return refund.events.latest("sequence")


# --- silence ----------------------------------------------------------------------------------------------------------


def test_a_shop_that_keeps_silent_is_liable(house):
    refund = house.with_shop(**PLAIN)
    assert (refund.status, refund.queue) == (Status.MERCHANT_REVIEW, Queue.MERCHANT)
    assert refund.promised_by == refund.entered_at + 24 * HOUR
    passes(refund, hours=23, minutes=59)
    assert refund.status == Status.MERCHANT_REVIEW
    passes(refund, minutes=2)
    event = last(refund)
    assert (refund.status, refund.queue) == (Status.APPROVED, Queue.FINANCE)
    assert (event.step, event.role, event.actor, event.note) == ("agree", Role.SYSTEM, None, silence.LIABLE)
    with override("en"):
        assert words.decided(refund.decision_note) == "The shop did not answer in time and is liable"
    assert Notice.objects.filter(recipient=house.merchant, kind="shop_refund_agree").exists()
    assert Notice.objects.filter(recipient=house.buyer, kind="refund_agree").exists()


def test_silence_above_the_limit_is_a_yes_that_two_people_look_at(house):
    refund = passes(house.with_shop(price_fen=LARGE, **PLAIN), hours=36)
    assert refund.status == Status.FIRST_REVIEW
    assert (last(refund).step, last(refund).role) == ("agree_above_limit", Role.SYSTEM)
    with refused_with("needs_second_person"):
        take("approve", refund, house.senior)
    house.on(refund, "reviewer uphold", "senior approve_second")


@pytest.fixture
def redeemed(house, supplier, make_product, pay, buyer, simulator, apply):
    """A case whose code was redeemed a second after it was shown, by the issuer's signed word; ``redeemed(-HOUR)``: an
    hour before."""

    def build(after=timedelta(seconds=1)):
        import uuid

        from orders import delivery, placing
        from orders.placing import Wish
        from shops.stock import Viewer

        product = make_product(8800, supplier=supplier, merchant_hours=24, **PLAIN)
        wish = Wish(again=True)
        order = pay(placing.place(product, wish, buyer=buyer, checkout_key=uuid.uuid4(), at=clock.now()))
        viewer = Viewer(buyer, "203.0.113.7", "phone")
        code = order.lines.get().delivery.code
        text = delivery.reveal(order.lines.get(), viewer=viewer, at=clock.now(), verified_by="password")
        code.refresh_from_db()
        simulator.post("issuer", code=text, redeemed_at=(code.revealed_at + after).astimezone(UTC).isoformat())
        simulator.clock(5)  # its own clock may be behind ours
        checking.look_up_each([code.pk], by=house.reviewer, at=clock.now())
        return apply(order)

    return build


def test_silence_where_a_record_says_used_goes_to_people(redeemed):
    refund = passes(redeemed(), hours=24, minutes=1)
    assert (refund.status, refund.queue) == (Status.FIRST_REVIEW, Queue.REVIEWER)
    assert (last(refund).step, last(refund).role, last(refund).note) == ("contest", Role.SYSTEM, silence.USED)


def test_redeemed_before_we_showed_it_is_no_proof_against_the_buyer(redeemed):
    """Somebody else had used it: what the shop sold was used up."""
    refund = redeemed(-HOUR)
    if refund.status == Status.MERCHANT_REVIEW:
        passes(refund, hours=24, minutes=1)
    assert refund.status in {Status.APPROVED, Status.PROCESSING, Status.ARRIVED}


def test_a_shop_that_let_its_time_pass_too_often_is_not_waited_for(house):
    for _ in range(3):
        passes(house.with_shop(silent_shop_after=3, merchant_hours=1, **PLAIN), hours=1)
    assert house.with_shop(silent_shop_after=3, **PLAIN).status == Status.FIRST_REVIEW
    clock.advance(timedelta(days=31))
    assert house.with_shop(silent_shop_after=3, **PLAIN).status == Status.MERCHANT_REVIEW


# --- in time, and late ------------------------------------------------------------------------------------------------

ANSWERS = ["agree", "contest", "offer"]


@pytest.mark.parametrize("step", [*ANSWERS, "agree_above_limit"])
def test_an_answer_at_the_deadlines_second_is_late(step, house, monkeypatch):
    """P4: decided under the lock by the database's time; equal is late."""
    refund = house.with_shop(**PLAIN)
    words = {"note": "兑换记录显示正常"} | ({"amount_fen": 4400} if step == "offer" else {})
    cases = refund if step == "offer" else [refund]
    function = getattr(lifecycle, step)
    with refused_with("too_late"):
        function(cases, by=house.merchant, at=refund.promised_by, **words)
    function(cases, by=house.merchant, at=refund.promised_by - timedelta(microseconds=1), **words)


@pytest.mark.parametrize("step", ANSWERS)
def test_late_the_buttons_are_gone_and_the_machine_answers(step, house):
    refund = late(house.with_shop(**PLAIN))
    assert lifecycle.allowed_steps(refund, house.merchant) == []
    with refused_with("too_late"):
        take(step, refund, house.merchant)
    assert passes(refund).status == Status.APPROVED
    with refused_with("wrong_status") as refused:
        take(step, refund, house.merchant)
    assert refund.refund_no in str(refused.value)


def test_an_answer_to_an_offer_at_its_deadline_is_late_too(house):
    refund = late(house.with_shop("merchant offer", **PLAIN))
    assert lifecycle.allowed_steps(refund, house.buyer) == ["decline_offer", "withdraw"]
    with refused_with("too_late"):
        take("accept_offer", refund, house.buyer)
    assert passes(refund).status == Status.FIRST_REVIEW
    assert Offer.objects.get().answer == "lapsed"


# --- the review's clock ----------------------------------------------------------------------------------------------


def test_the_shops_time_runs_inside_the_reviews(house):
    """Conflict 9: a promise to the buyer is one promise; the shop has at most half of it."""
    refund = house.with_shop(review_hours=48, **PLAIN)
    whole = refund.review_due_at
    assert whole == refund.entered_at + 48 * HOUR
    passes(refund, hours=10)
    take("contest", refund, house.merchant)
    assert (refund.promised_by, refund.review_due_at) == (whole, whole)


def test_a_shop_has_at_most_half_of_a_short_review(house):
    refund = house.with_shop(review_hours=20, **PLAIN)
    assert refund.promised_by == refund.entered_at + 10 * HOUR


WAITS = {
    "merchant offer": ("buyer decline_offer", Status.OFFERED),
    "reviewer request_evidence": ("buyer provide_evidence", Status.AWAITING_EVIDENCE),
    "reviewer make_offer": ("buyer decline_offer", Status.OFFERED),
}


@pytest.mark.parametrize("asks", WAITS)
def test_the_reviews_clock_stands_while_another_side_must_answer(asks, house):
    answers, waiting = WAITS[asks]
    start = house.with_shop if asks.startswith("merchant") else house.case
    refund = passes(start(review_hours=48, **PLAIN), hours=10)
    left = refund.review_due_at - clock.now()
    house.on(refund, asks)
    assert (refund.status, refund.review_due_at) == (waiting, None)
    assert abs(refund.review_left - left) < timedelta(seconds=30)
    passes(refund, hours=20)
    house.on(refund, answers)
    assert refund.status == Status.FIRST_REVIEW
    assert abs(refund.promised_by - clock.now() - left) < timedelta(minutes=1)


@pytest.mark.parametrize("answers", ["buyer provide_evidence", "system lapse_evidence"])
def test_after_a_wait_people_have_eight_hours_at_least(answers, house):
    refund = passes(house.case(review_hours=48, **PLAIN), hours=47)
    house.on(refund, "reviewer request_evidence")
    passes(refund, hours=5)
    house.on(refund, answers)
    assert refund.status == Status.FIRST_REVIEW
    left = refund.promised_by - clock.now()
    assert timedelta(hours=clocking.LEAST_AFTER_A_WAIT) - left < timedelta(seconds=30)


def test_silence_at_the_end_leaves_the_platform_its_half(house):
    refund = passes(house.with_shop(price_fen=LARGE, high_value_review_hours=48, **PLAIN), hours=24, minutes=1)
    assert timedelta(hours=23) < refund.promised_by - clock.now() < timedelta(hours=24)


def test_silence_after_a_request_for_evidence_goes_back_to_review(house):
    """Also of a shop, and in a second review: where it came from, and never a refusal."""
    for steps, back in [
        (["reviewer request_evidence"], Status.FIRST_REVIEW),
        (["reviewer uphold", "senior request_more"], Status.SECOND_REVIEW),
        (["reviewer reject", "buyer appeal", "senior request_more"], Status.APPEAL_REVIEW),
    ]:
        refund = house.case(*steps, evidence_hours=72, **PLAIN)
        passes(refund, hours=71, minutes=59)
        assert refund.status == Status.AWAITING_EVIDENCE
        assert passes(refund, minutes=2).status == back


# --- the shop's own part ----------------------------------------------------------------------------------------------


def test_the_shop_hears_of_a_claim_and_of_what_became_of_it(house):
    refund = house.with_shop(**PLAIN)
    notices = Notice.objects.filter(recipient=house.merchant)
    assert [notice.kind for notice in notices] == ["shop_refund_ask_merchant"]
    take("contest", refund, house.merchant)
    take("reject", refund, house.reviewer)
    assert set(notices.values_list("kind", flat=True)) == {"shop_refund_ask_merchant", "shop_refund_reject"}


def test_the_shop_offers_once_and_is_not_asked_twice(house):
    refund = house.with_shop("merchant offer", "buyer decline_offer")
    assert refund.status == Status.FIRST_REVIEW
    with refused_with("wrong_status"):
        take("offer", refund, house.merchant)
    assert lifecycle.allowed_steps(refund, house.merchant) == []


def test_one_shop_that_fails_does_not_stop_the_others(house, monkeypatch):
    """F12: a case whose silence cannot be judged is set aside, the others go on."""
    bad, good = house.with_shop(**PLAIN), house.with_shop(**PLAIN)
    settle = silence.settle

    def fails_for_one(refunds, *, at):
        if any(refund.pk == bad.pk for refund in refunds):
            raise RuntimeError("a record that nobody can read")
        settle(refunds, at=at)

    monkeypatch.setattr(sweeping.silence, "settle", fails_for_one)
    clock.advance(25 * HOUR)
    sweeping.sweep(at=clock.now())
    for refund in (bad, good):
        refund.refresh_from_db()
    assert (bad.status, bad.tries, good.status) == (Status.MERCHANT_REVIEW, 1, Status.APPROVED)
