"""商家异议: once a case, within seven days of a verdict, before a senior who has not decided it; money stays."""

from __future__ import annotations

from datetime import timedelta

import pytest

import clock
from accounts.roles import Role
from notices import wording
from refunds import lifecycle, objections
from refunds.lifecycle import StepRefused
from refunds.models import Objection, Status
from tests.cases import everything

pytestmark = pytest.mark.django_db


@pytest.fixture
def objected(approved, merchant):
    """An objection that waits for a senior."""
    return objections.object(approved(), by=merchant, at=clock.now(), text="发卡方记录显示已兑换")


def refusal(act, *args, **kwargs) -> str:
    with pytest.raises(StepRefused) as caught:
        act(*args, at=clock.now(), **kwargs)
    return caught.value.code


def test_a_shop_objects_once_and_a_senior_answers(objected, merchant, senior):
    refund = objected.refund
    assert list(objections.waiting()) == [objected]
    assert objected.due_at > objected.at
    assert refusal(objections.object, refund, by=merchant, text="再来一次") == "cannot_object"
    money = {name: rows for name, rows in everything().items() if name != "Notice"}

    objections.judge(objected, by=senior, at=clock.now(), verdict="upheld", note="记录属实")

    assert {name: rows for name, rows in everything().items() if name != "Notice"} == money
    assert [(each.shop_id, each.amount_fen) for each in objections.recoveries(Objection.objects.all())] == [
        (refund.shop_id, refund.amount_fen)
    ]
    told = merchant.notices.latest("pk")
    assert "异议成立：记录属实" in wording.text(told.kind, told.params)
    assert refusal(objections.judge, objected, by=senior, verdict="dismissed", note="改主意") == "judged"
    assert not objections.waiting().exists()


def test_what_is_dismissed_recovers_nothing(objected, senior):
    objections.judge(objected, by=senior, at=clock.now(), verdict="dismissed", note="记录早于查看")
    assert objections.recoveries(Objection.objects.all()) == []


def test_only_after_a_verdict_and_for_seven_days(reviewed, merchant, reviewer):
    waiting = reviewed()
    assert refusal(objections.object, waiting, by=merchant, text="不同意") == "cannot_object"
    lifecycle.approve([waiting], by=reviewer, at=clock.now())
    waiting.refresh_from_db()
    clock.advance(objections.WITHIN - timedelta(minutes=1))
    assert objections.why_not(waiting, at=clock.now()) == ""
    clock.advance(timedelta(minutes=1))
    assert refusal(objections.object, waiting, by=merchant, text="不同意") == "cannot_object"


def test_what_the_rules_gave_back_is_no_verdict(apply, buy, merchant):
    machine = apply(buy(price_fen=3000))  # never looked at
    assert machine.status == Status.APPROVED
    assert refusal(objections.object, machine, by=merchant, text="不同意") == "cannot_object"


def test_who_may_object_and_who_judges(approved, objected, merchant, buyer, stranger, reviewer, senior, finance):
    other = approved()
    for person in (buyer, stranger, reviewer, senior):
        assert refusal(objections.object, other, by=person, text="不同意") == "not_yours", person
    reviewer.role = Role.SENIOR  # who approved it is a senior now
    reviewer.save()
    for person in (merchant, buyer, finance, reviewer):
        assert refusal(objections.judge, objected, by=person, verdict="upheld", note="好") == "not_yours", person
    assert refusal(objections.judge, objected, by=senior, verdict="perhaps", note="好") == "unknown_verdict"
    assert refusal(objections.judge, objected, by=senior, verdict="upheld", note="  ") == "note_missing"
