"""超时: what is late goes up, never forgotten, nor ended by silence; reminders, and the buyer's urging (I4, S0-18).

Hours run by the calendar here; on working days they are counted in ``test_clocks.py``.
"""

from __future__ import annotations

from datetime import timedelta

import pytest

import clock
from notices.models import Notice
from refunds import clocking, disbursement, lifecycle, precheck, sweeping
from refunds.lifecycle import StepRefused
from refunds.models import Queue, Refund, Status
from tests.cases import LARGE, passes, take

pytestmark = pytest.mark.django_db
PLAIN = {"working_time": [], "review_hours": 48, "complete_review_hours": 48, "high_value_review_hours": 48}
HOUR = timedelta(hours=1)


def refused_with(code):
    return pytest.raises(StepRefused, check=lambda error: error.code == code)


# --- upward -----------------------------------------------------------------------------------------------------------

LATE = {  # a review, and who has it as it becomes late, and then
    "first review": ([], 48, [Queue.SENIOR, Queue.OPERATOR]),
    "second review": (["reviewer uphold"], 24, [Queue.OPERATOR]),
    "appeal": (["reviewer reject", "buyer appeal"], 72, [Queue.OPERATOR]),
}


@pytest.mark.parametrize("review", LATE)
def test_a_review_that_is_late_goes_up_and_never_ends_by_silence(review, house):
    steps, hours, queues = LATE[review]
    refund = house.case(*steps, **PLAIN)
    status = refund.status
    passes(refund, hours=hours - 1)
    assert not refund.events.filter(step="escalate").exists()
    passes(refund, hours=1, minutes=1)
    for queue in queues:
        assert (refund.status, refund.queue) == (status, queue)
        assert refund.promised_by == refund.events.latest("sequence").at + clocking.ESCALATED_HOURS * HOUR
        passes(refund, hours=24, minutes=1)
    passes(refund, days=60)
    assert (refund.status, refund.queue) == (status, Queue.OPERATOR)
    assert refund.events.filter(step="escalate").count() == len(queues)
    assert refund.next_due_at <= clock.now() + clocking.LOOK_AGAIN


def test_whoever_had_it_lets_go_of_it(house):
    refund = house.case("reviewer claim", **PLAIN)
    assert refund.claimed_by == house.reviewer
    passes(refund, hours=49)
    assert (refund.claimed_by, refund.claimed_at, refund.queue) == (None, None, Queue.SENIOR)
    assert "approve" in lifecycle.allowed_steps(refund, house.senior)


def test_the_last_day_for_a_conclusion_is_an_alarm_whatever_was_promised(house):
    """最迟结论: counted from the application, whatever the stages had promised since."""
    refund = house.case(**PLAIN | {"decide_within_days": 3, "consult_hours": 700})
    take("consult", refund, house.reviewer)
    assert refund.promised_by > refund.decide_by == refund.submitted_at + timedelta(days=3)
    passes(refund, hours=71)
    assert refund.queue == Queue.REVIEWER
    passes(refund, hours=2)
    assert (refund.status, refund.queue) == (Status.FIRST_REVIEW, Queue.OPERATOR)


def test_the_last_day_passes_while_another_side_must_answer(house):
    """It is nobody's to decide then; as soon as it comes back it is the operator's."""
    refund = house.case("reviewer request_evidence", **PLAIN | {"decide_within_days": 3, "evidence_hours": 96})
    passes(refund, hours=80)
    assert (refund.status, refund.queue) == (Status.AWAITING_EVIDENCE, Queue.BUYER)
    passes(refund, hours=17)
    assert refund.status == Status.FIRST_REVIEW
    passes(refund, hours=5)
    assert refund.queue == Queue.OPERATOR


def test_a_third_party_takes_longer_and_the_buyer_reads_until_when(house):
    refund = house.case(**PLAIN)
    before = refund.promised_by
    passes(refund, hours=20)
    take("consult", refund, house.reviewer)
    assert before < refund.promised_by == clocking.clocks.add(refund.consultations.get().asked_at, 48, working=False)
    assert refund.consultations.get().due_at == refund.promised_by
    assert Notice.objects.filter(recipient=house.buyer, kind="refund_consult").exists()


# --- reminders --------------------------------------------------------------------------------------------------------


def reminders(kind):
    return [notice.params["percent"] for notice in Notice.objects.filter(kind=kind).order_by("created_at", "pk")]


REMINDED = {  # who must act: the case, hours that it has, and what whoever must act is sent
    "the shop": (lambda house: house.with_shop(**PLAIN), 24, "shop_refund_remind", "merchant"),
    "the buyer, of an offer": (lambda house: house.with_shop("merchant offer", **PLAIN), 48, "refund_remind_buyer",
                               "buyer"),
    "the buyer, of evidence": (lambda house: house.case("reviewer request_evidence", **PLAIN), 72,
                               "refund_remind_buyer", "buyer"),
    "whoever has claimed it": (lambda house: house.case("reviewer claim", **PLAIN), 48, "desk_refund_remind",
                               "reviewer"),
}  # fmt: skip


@pytest.mark.parametrize("who", REMINDED)
def test_whoever_must_act_is_reminded_at_half_and_at_four_fifths_once(who, house):
    make, hours, kind, reader = REMINDED[who]
    refund = make(house)
    passes(refund, hours=hours * 0.49)
    assert reminders(kind) == []
    for percent, more in [(50, 0.02), (80, 0.3)]:
        passes(refund, hours=hours * more)
        passes(refund, minutes=1)
        assert reminders(kind)[-1] == percent
    assert reminders(kind) == [50, 80]
    assert set(Notice.objects.filter(kind=kind).values_list("recipient", flat=True)) == {house.people()[reader].pk}


def test_a_machine_that_starts_again_reminds_nobody_twice(house):
    """What was told is told, also where the note of it was lost with the process."""
    refund = passes(house.with_shop(**PLAIN), hours=13)
    assert reminders("shop_refund_remind") == [50]
    Refund.objects.filter(pk=refund.pk).update(reminded_percent=0, next_due_at=clock.now(), leased_until=None)
    passes(refund, minutes=1)
    assert reminders("shop_refund_remind") == [50]


def test_a_machine_that_slept_reminds_of_the_last_mark_only(house):
    passes(house.with_shop(**PLAIN), hours=20)
    assert reminders("shop_refund_remind") == [80]


def test_nobody_is_reminded_of_what_they_have_answered(house):
    refund = passes(house.with_shop(**PLAIN), hours=5)
    take("contest", refund, house.merchant)
    passes(refund, hours=19)
    assert reminders("shop_refund_remind") == []


# --- urging -----------------------------------------------------------------------------------------------------------


def test_urged_after_forty_eight_hours_and_every_twelve(house):
    refund = house.case(**PLAIN | {"review_hours": 100, "complete_review_hours": 100})
    passes(refund, hours=47, minutes=59)
    with refused_with("too_early") as refused:
        take("urge", refund, house.buyer)
    assert f"{clocking.local(clocking.may_urge_from(refund)):%m-%d %H:%M}" in str(refused.value)
    passes(refund, minutes=2)
    assert "urge" in lifecycle.allowed_steps(refund, house.buyer)
    take("urge", refund, house.buyer)
    assert refund.status == Status.FIRST_REVIEW
    passes(refund, hours=11, minutes=59)
    with refused_with("too_early"):
        take("urge", refund, house.buyer)
    passes(refund, minutes=2)
    take("urge", refund, house.buyer)
    assert refund.events.filter(step="urge").count() == 2


@pytest.mark.parametrize("hours", [20, 48])
def test_a_promise_that_has_passed_may_be_urged_at_once_also_when_it_was_put_off(hours, house):
    """The machine sends it up and promises a later time: that takes nothing from the buyer."""
    refund = house.case(**PLAIN | {"review_hours": hours, "complete_review_hours": hours})
    passes(refund, hours=hours, minutes=1)
    assert refund.queue == Queue.SENIOR
    assert refund.promised_by > clock.now()
    take("urge", refund, house.buyer)


def test_what_is_urged_goes_first_in_its_queue(house):
    """Conflict 10: an effect, and the buyer reads it."""
    from refunds import worklist

    older, newer = house.case(**PLAIN), house.case(**PLAIN)
    passes(newer, hours=49)
    take("urge", newer, house.buyer)
    order = worklist.QUEUES["review"]
    assert newer.urged_at is not None
    rows = Refund.objects.filter(order.rows).order_by(*worklist.DESK_ORDER)
    assert list(rows) == [newer, older]
    assert Notice.objects.filter(recipient=house.buyer, kind="refund_urge").exists()


def test_only_who_asked_urges(house):
    refund = passes(house.case(price_fen=LARGE, **PLAIN), hours=49)
    for who in (house.merchant, house.reviewer, house.stranger):
        with refused_with("not_yours"):
            take("urge", refund, who)


def test_many_that_are_late_at_once_are_all_sent_up(house):
    """More than a batch of the sweeper is no reason to forget the rest."""
    cases = [house.case(**PLAIN) for _ in range(3)]
    clock.advance(49 * HOUR)
    at = clock.now()
    monkey, sweeping.BATCH = sweeping.BATCH, 1
    try:
        while sweeping.sweep(at=at):
            pass
    finally:
        sweeping.BATCH = monkey
    assert {Refund.objects.get(pk=refund.pk).queue for refund in cases} == {Queue.SENIOR}


def test_what_a_colleague_has_claimed_is_not_offered(house):
    """The buttons and the API's list say what the guard would: only a senior does not wait."""
    refund = house.case()
    take("claim", refund, house.reviewer)
    another = house.colleague
    assert lifecycle.allowed_steps(refund, another) == ["consult"]
    assert {"approve", "reject"} <= set(lifecycle.allowed_steps(refund, house.reviewer))
    assert {"approve", "reject"} <= set(lifecycle.allowed_steps(refund, house.senior))


def test_what_no_step_can_be_taken_with_ends_with_people(buy, apply, monkeypatch):
    """F12: it fails after its step has moved it in memory. It waits where it is, each time longer, and goes up: what is
    not judged to a reviewer, what is not sent, or cannot be moved at all, to a senior."""
    monkeypatch.setattr(sweeping, "BATCH", 3)
    asked = apply(buy(price_fen=4900), reason="changed_mind", precheck=False)
    with monkeypatch.context() as broken:
        broken.setattr(precheck, "_draw", fails)
        look_again(asked, times=sweeping.MOST_TRIES - 1)
        assert (asked.status, asked.queue, asked.tries) == (Status.SUBMITTED, Queue.MACHINE, sweeping.MOST_TRIES - 1)
        look_again(asked)
    assert (asked.status, asked.queue, asked.tries) == (Status.FIRST_REVIEW, Queue.REVIEWER, 0)

    sent = apply(buy(price_fen=4900), reason="changed_mind", precheck=False)
    with monkeypatch.context() as broken:
        broken.setattr(disbursement.refunding, "hear_again", fails)  # what comes after the step
        look_again(sent, times=sweeping.MOST_TRIES)
        assert (sent.status, sent.queue, sent.tries) == (Status.APPROVED, Queue.MACHINE, sweeping.MOST_TRIES - 1)
        look_again(sent)
    assert (sent.status, sent.queue, sent.tries) == (Status.APPROVED, Queue.SENIOR, sweeping.MOST_TRIES)
    assert not sent.disbursements.exists()

    stuck = apply(buy(price_fen=4900), reason="changed_mind", precheck=False)
    monkeypatch.setattr(precheck, "_draw", fails)
    monkeypatch.setattr(lifecycle, "send_to_review", fails)
    look_again(stuck, times=sweeping.MOST_TRIES)  # and no sweep ends there
    assert (stuck.status, stuck.queue, stuck.tries) == (Status.SUBMITTED, Queue.SENIOR, sweeping.MOST_TRIES)


def fails(*_given, **_words):
    raise RuntimeError("a record that nobody can write")


def look_again(refund, *, times=1):
    """As often as it is due, each time when it is."""
    for _ in range(times):
        refund.refresh_from_db()
        sweeping.sweep(at=max(clock.now(), refund.next_due_at))
    refund.refresh_from_db()
