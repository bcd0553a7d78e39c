"""提醒: at half, at four fifths and when its time is over, whoever has a case hears of it, and nobody gets a storm.

Time is what the sweeper is told: from due time to due time. Shops, buyers and claims: ``test_escalation.py`` as well.
"""

from __future__ import annotations

from datetime import timedelta

import pytest

import clock
from notices import wording
from notices.models import Notice
from payments.models import RefundAttempt
from refunds import clocking, lifecycle, reminding, sweeping
from refunds.models import Queue, Refund, Status
from tests.cases import SITUATIONS

pytestmark = pytest.mark.django_db
PLAIN = {"working_time": [], "review_hours": 48, "complete_review_hours": 48, "high_value_review_hours": 48}
HOUR = timedelta(hours=1)


def sweeps(refund, *, until):
    """The machine looks whenever something is due, up to and at ``until``."""
    for _ in range(200):
        refund.refresh_from_db()
        if refund.next_due_at is None or refund.next_due_at > until:
            return refund
        sweeping.sweep(at=refund.next_due_at)
    raise AssertionError("due again and again")


def told(kind):
    """[(who, per cent)] in the order in which they heard."""
    rows = Notice.objects.filter(kind=kind).order_by("created_at", "pk").select_related("recipient")
    return [(notice.recipient.username, notice.params.get("percent")) for notice in rows]


# --- each owner -------------------------------------------------------------------------------------------------------

OWNED = {  # whose turn it is, and who they are
    "first review": (lambda house: house.case(**PLAIN), {"reviewer", "colleague"}),
    "second review": (lambda house: house.case("reviewer uphold", **PLAIN), {"senior", "other_senior"}),
    "appeal": (lambda house: house.case("reviewer reject", "buyer appeal", **PLAIN), {"senior", "other_senior"}),
    "release": (lambda house: house.case("reviewer approve", **PLAIN), {"finance", "cashier"}),
    "came back": (SITUATIONS["returned"], {"finance", "cashier"}),
    "signed elsewhere": (SITUATIONS["redirect_signed"], {"finance", "cashier"}),
    "escalated to operators": (
        lambda house: house.on(house.case("reviewer uphold", **PLAIN), "system escalate"), {"operator"}
    ),
}  # fmt: skip


@pytest.mark.parametrize("who", OWNED)
def test_a_role_hears_of_what_nobody_claimed_at_half_four_fifths_and_the_end(who, house):
    make, people = OWNED[who]
    refund = make(house)
    refund.refresh_from_db()
    marks = [percent for percent in clocking.REMINDERS if percent > refund.reminded_percent]
    sweeps(refund, until=refund.promised_by - HOUR / 60)
    assert told("desk_queue_remind") == [(name, mark) for mark in marks for name in in_order(house, people)]
    assert told("desk_queue_due") == []
    sweeps(refund, until=refund.promised_by)
    assert told("desk_queue_due") == [(name, 100) for name in in_order(house, people)]


def in_order(house, people):
    return [person.username for person in sorted((house.people()[name] for name in people), key=lambda p: p.pk)]


def test_money_that_is_late_is_told_of_again_every_day_until_it_leaves(house):
    refund = house.case("reviewer approve", **PLAIN)
    sweeps(refund, until=refund.promised_by + timedelta(days=3))
    assert len([name for name, _percent in told("desk_queue_due") if name == "finance"]) == 4
    assert (refund.status, refund.queue) == (Status.APPROVED, Queue.FINANCE)


def test_a_claimed_case_that_is_late_is_told_of_once_a_day(house):
    refund = house.case("reviewer claim", **PLAIN)
    refund.reminded_percent = reminding.OVER
    noon = clock.now().replace(hour=12)
    for at in (noon, noon + HOUR, noon + 24 * HOUR):
        reminding.remind([refund], at=at)
    assert told("desk_refund_due") == [("reviewer", 100)] * 2


def test_what_goes_up_is_told_to_who_had_it_and_to_who_has_it_now(house):
    refund = house.case("reviewer claim", **PLAIN)
    sweeps(refund, until=refund.promised_by)
    assert told("desk_refund_due") == [("reviewer", 100)], "it was theirs alone"
    assert {name for name, _percent in told("desk_queue_went_up")} == {"senior", "other_senior"}
    sweeps(refund, until=refund.promised_by)
    assert refund.queue == Queue.OPERATOR
    assert "operator" in {name for name, _percent in told("desk_queue_went_up")}


def test_a_shop_that_is_asked_for_evidence_hears_of_its_end_too(house):
    refund = house.case(**PLAIN)
    at = refund.submitted_at
    lifecycle.request_evidence([refund], by=house.reviewer, at=at, note="请补发货记录", of="merchant")
    refund.refresh_from_db()
    sweeps(refund, until=refund.promised_by)
    assert told("shop_refund_remind_evidence") == [("merchant", 50), ("merchant", 80)]
    assert told("shop_refund_evidence_over") == [("merchant", 100)]
    assert refund.status == Status.FIRST_REVIEW


def test_the_buyer_of_money_that_came_back_is_reminded_to_choose_where_it_goes(house):
    """Finance answers for it; the buyer can end it at once. What is late is finance's, and no news for him."""
    refund = SITUATIONS["returned"](house)
    refund.refresh_from_db()
    marks = [percent for percent in clocking.REMINDERS if percent > refund.reminded_percent]
    sweeps(refund, until=refund.promised_by + timedelta(days=2))
    assert told("refund_remind_destination") == [(house.buyer.username, mark) for mark in marks]


def test_no_buyer_is_reminded_of_a_choice_that_the_page_does_not_offer(house):
    """Mended at the channel's desk, and not heard of by the case yet."""
    refund = SITUATIONS["returned"](house)
    refund.refresh_from_db()
    RefundAttempt.objects.filter(disbursement__refund=refund).update(status="accepted", next_due_at=clock.now())
    assert "sign_redirect" not in lifecycle.allowed_steps(refund, house.buyer)
    refund.reminded_percent = 50
    reminding.remind([refund], at=clock.now())
    assert told("refund_remind_destination") == []
    assert told("desk_queue_remind") != []


def test_who_left_is_reminded_of_nothing(house):
    type(house.colleague).objects.filter(pk=house.colleague.pk).update(is_active=False)
    refund = house.case(**PLAIN)
    sweeps(refund, until=refund.promised_by - HOUR)
    assert {name for name, _percent in told("desk_queue_remind")} == {"reviewer"}


# --- no storms --------------------------------------------------------------------------------------------------------


def test_many_at_once_are_one_notice_for_each_reader(house):
    """A shop and a reviewer with five cases that fall due together are told once, not five times."""
    asked = [house.with_shop(**PLAIN) for _ in range(reminding.ALONE + 1)]
    claimed = [house.case("reviewer claim", **PLAIN) for _ in range(reminding.ALONE + 1)]
    waiting = [house.case(**PLAIN) for _ in range(2)]
    at = max(refund.promised_by for refund in asked) - HOUR
    Refund.objects.update(next_due_at=at)
    later = clock.now() + 40 * HOUR
    sweeping.sweep(at=at)
    notice = Notice.objects.get(kind="shop_refund_remind_many")
    assert (notice.recipient, notice.params["count"], notice.path) == (house.merchant, len(asked), "/shop/refunds/")
    assert f"{len(asked)} 张" in wording.text(notice.kind, notice.params)
    assert told("shop_refund_remind") == []
    Refund.objects.filter(pk__in=[refund.pk for refund in [*claimed, *waiting]]).update(next_due_at=later)
    Refund.objects.filter(pk__in=[refund.pk for refund in asked]).update(next_due_at=later + 1000 * HOUR)
    sweeping.sweep(at=later)
    assert [notice.params["count"] for notice in Notice.objects.filter(kind="desk_refund_remind_many")] == [4]
    assert Notice.objects.filter(kind="desk_queue_remind", recipient=house.reviewer, params__percent=80).count() == 1


# --- the last day -----------------------------------------------------------------------------------------------------

ELSEWHERE = {
    "an offer": (["reviewer make_offer"], {"offer_hours": 24 * 30}),
    "evidence": (["reviewer request_evidence"], {"evidence_hours": 24 * 30}),
}


@pytest.mark.parametrize("what", ELSEWHERE)
def test_the_last_day_alarms_the_operators_while_another_side_must_answer(what, house):
    """最迟结论 is absolute: at its very moment, once, and whoever must answer still may."""
    steps, terms = ELSEWHERE[what]
    refund = house.case(*steps, **PLAIN | terms)
    refund.refresh_from_db()
    status = refund.status
    assert refund.promised_by > refund.decide_by
    sweeps(refund, until=refund.decide_by - HOUR / 3600)
    assert told("desk_refund_last_day") == []
    sweeps(refund, until=refund.decide_by)
    assert [name for name, _percent in told("desk_refund_last_day")] == ["operator"]
    notice = Notice.objects.get(kind="desk_refund_last_day")
    assert notice.created_at == refund.decide_by
    assert (refund.status, refund.queue) == (status, Queue.BUYER)
    sweeps(refund, until=refund.promised_by - HOUR)
    assert len(told("desk_refund_last_day")) == 1
