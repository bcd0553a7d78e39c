"""申诉与纠正: once, in the window, with something new or overlooked, before somebody else (P18, S1-17, S0-22, S2-27).

And what a refusal may rest on: "used" needs proof from our side (S0-21, S2-2)."""

from __future__ import annotations

from datetime import timedelta

import pytest

import clock
from orders import delivery
from refunds import lifecycle
from refunds.grounds import says_used
from refunds.lifecycle import StepRefused
from refunds.models import Appeal, Ground, Refund, Status
from shops.stock import Viewer
from tests.cases import LARGE, passes, take
from tests.photographs import encoded, photograph
from tests.refunds.test_shop_answers import redeemed  # noqa: F401  a fixture

pytestmark = pytest.mark.django_db


def refused_with(code):
    return pytest.raises(StepRefused, check=lambda error: error.code == code)


# --- once, in the window ----------------------------------------------------------------------------------------------


def test_a_refusal_may_be_appealed_for_seven_days(house):
    refund = house.case("reviewer reject", appeal_days=7)
    assert refund.appeal_until == refund.decided_at + timedelta(days=7)
    with refused_with("appeal_is_over"):
        lifecycle.appeal(refund, by=house.buyer, at=refund.appeal_until, note="兑换记录在附件")
    at = refund.appeal_until - timedelta(microseconds=1)
    lifecycle.appeal(refund, by=house.buyer, at=at, note="兑换记录在附件")
    refund.refresh_from_db()
    assert (refund.status, refund.appeal_until) == (Status.APPEAL_REVIEW, None)


def test_once_whatever_became_of_it(house):
    refund = house.case("reviewer reject", "buyer appeal", "senior dismiss_appeal")
    assert (refund.status, refund.appeal_until) == (Status.REJECTED, None)
    with refused_with("appealed"):
        take("appeal", refund, house.buyer)
    assert "appeal" not in lifecycle.allowed_steps(refund, house.buyer)
    assert Appeal.objects.count() == 1


def test_after_an_appeal_every_refusal_is_final(house):
    for steps in (["senior uphold_appeal", "other_senior reject_second"],
                  ["senior uphold_appeal", "other_senior send_back", "colleague reject"]):  # fmt: skip
        refund = house.case("reviewer reject", "buyer appeal", *steps, price_fen=LARGE)
        assert (refund.status, refund.appeal_until) == (Status.REJECTED, None)


def test_what_the_machine_turned_down_may_be_appealed_too(house, buy, apply):
    refund = apply(buy(window_days=0))
    assert refund.status == Status.REJECTED
    house.on(refund, "buyer appeal", "senior grant_appeal")
    assert refund.status == Status.APPROVED


def test_new_evidence_is_shown_and_what_was_overlooked_is_said(house):
    refund = house.case("reviewer reject")
    for note, ground, code in [("", Ground.OVERLOOKED, "note_missing"), ("有", "because", "unknown_ground"),
                               ("有", Ground.NEW_EVIDENCE, "evidence_is_empty")]:  # fmt: skip
        with refused_with(code):
            take("appeal", refund, house.buyer, note=note, ground=ground)
    take("appeal", refund, house.buyer, note="新的截图", ground=Ground.NEW_EVIDENCE, images=[picture()])
    assert refund.evidence.exclude(image="").count() == 1


def picture():
    from images import repaint

    return repaint(encoded(photograph(1)))


def test_who_looks_at_the_code_after_the_refusal_has_taken_the_goods(house, buyer):
    refund = house.case("reviewer reject")
    clock.advance(timedelta(minutes=1))
    viewer = Viewer(buyer, "203.0.113.7", "phone")
    order = type(refund.order).objects.get(pk=refund.order_id)
    delivery.reveal(order.lines.get(), viewer=viewer, at=clock.now(), verified_by="password")
    if order.lines.get().delivery.code.revealed_at > refund.decided_at:
        with refused_with("seen_since"):
            take("appeal", refund, house.buyer)
    else:  # it had been looked at before: nothing more is taken by looking again
        take("appeal", refund, house.buyer)


def test_an_unseen_code_that_is_looked_at_after_the_refusal_ends_the_appeal(house, buy, apply, reveal):
    refund = house.on(apply(buy(price_fen=8800)), "reviewer reject")
    reveal(type(refund.order).objects.get(pk=refund.order_id))
    with refused_with("seen_since"):
        take("appeal", refund, house.buyer)


def test_an_unseen_code_is_held_again_while_the_appeal_is_read(house, buy, apply, reveal):
    refund = house.on(apply(buy(price_fen=8800)), "reviewer reject", "buyer appeal")
    assert refund.order.lines.get().delivery.code.state == "frozen"
    house.on(refund, "senior dismiss_appeal")
    assert reveal(type(refund.order).objects.get(pk=refund.order_id))


def test_applying_again_waives_it(house):
    refund = house.case("reviewer reject")
    again = house.ask(type(refund.order).objects.get(pk=refund.order_id))
    take("withdraw", again, house.buyer)
    with refused_with("asked_again"):
        take("appeal", refund, house.buyer)
    with refused_with("asked_again"):
        take("reopen", refund, house.senior)
    assert not {"appeal", "reopen"} & {
        *lifecycle.allowed_steps(refund, house.buyer), *lifecycle.allowed_steps(refund, house.senior),
    }  # fmt: skip


# --- before somebody else ---------------------------------------------------------------------------------------------

DECIDED = {  # how a senior has had a hand in it before the appeal
    "refused": ["senior reject"],
    "refused as the second": ["reviewer uphold", "senior reject_second"],
    "sent back": ["reviewer uphold", "senior send_back", "reviewer reject"],
    "upheld": ["senior uphold", "other_senior send_back", "reviewer reject"],
}


@pytest.mark.parametrize("how", DECIDED)
def test_who_decided_before_does_not_decide_the_appeal(how, house):
    """Neither by an answer to it nor by closing the case over it."""
    refund = house.case(*DECIDED[how], "buyer appeal", price_fen=LARGE)
    for step in ("dismiss_appeal", "uphold_appeal", "close"):
        with refused_with("decided_before"):
            take(step, refund, house.senior)
        assert step not in lifecycle.allowed_steps(refund, house.senior)


def test_nor_refuses_it_where_it_was_sent_on_or_back(house):
    first = house.case("senior reject", "buyer appeal", "other_senior uphold_appeal")
    with refused_with("decided_before"):
        take("reject_second", first, house.senior)
    second = house.case("reviewer reject", "buyer appeal", "senior uphold_appeal", "other_senior send_back")
    with refused_with("decided_before"):
        take("reject", second, house.reviewer)
    take("approve", second, house.reviewer)  # to see one's mistake is nobody's to forbid


def test_a_reviewer_does_not_decide_an_appeal(house):
    refund = house.case("reviewer reject", "buyer appeal")
    for step in ("grant_appeal", "dismiss_appeal", "uphold_appeal", "approve", "reject"):
        with pytest.raises(StepRefused):
            take(step, refund, house.colleague)


@pytest.mark.parametrize("step", ["grant_appeal", "dismiss_appeal"])
def test_an_appeal_ends_once(step, house):
    refund = house.case("reviewer reject", "buyer appeal")
    take(step, refund, house.senior)
    with refused_with("wrong_status"):
        take("dismiss_appeal", refund, house.other_senior)


def test_a_wrong_refusal_is_corrected_without_an_appeal(house):
    """纠正, also after the window, and by two people above the limit; not over another case."""
    refund = passes(house.case("reviewer reject"), days=30)
    house.on(refund, "senior reopen")
    assert (refund.status, refund.decided_at, refund.refusal_ground) == (Status.SECOND_REVIEW, None, "")
    house.on(refund, "other_senior approve_second")


# --- what a refusal rests on ------------------------------------------------------------------------------------------

SAYS_USED = [
    "记录显示已使用", "该卡密已兑换", "卡密已激活，不予退款", "您已使用过该卡密", "账号已登录，卡密已被您使用过",
    "使用过的卡密不退", "充值已用掉", "未超期，但卡密已兑换",
]  # fmt: skip
SAYS_NOT = [
    "卡密未使用", "不能证明已使用", "没有记录显示已使用", "超过售后期", "截图不清楚，请补充",
    "您描述的“提示已兑换”无法核实", "页面提示已使用，但没有兑换记录",
]  # fmt: skip


@pytest.mark.parametrize("note", SAYS_USED)
def test_these_words_say_used(note, house):
    assert says_used("other", note)


@pytest.mark.parametrize("note", SAYS_NOT)
def test_these_words_do_not(note):
    assert not says_used("other", note)


REFUSALS = {"reject": [], "reject_second": ["colleague uphold"], "dismiss_appeal": ["reviewer reject", "buyer appeal"]}


@pytest.mark.parametrize("step", REFUSALS)
@pytest.mark.parametrize(("ground", "note"), [("used", "请看记录"), ("other", "卡密已兑换，不予退款")])
def test_used_is_no_ground_without_proof_from_our_side(step, ground, note, house):
    refund = house.case(*REFUSALS[step])
    events = refund.events.count()
    with refused_with("no_proof_of_use"):
        take(step, refund, house.senior, ground=ground, note=note)
    assert refund.events.count() == events


def test_with_the_issuers_signed_word_it_is(redeemed, house):  # noqa: F811
    refund = house.on(redeemed(), "merchant contest")
    take("reject", refund, house.reviewer, ground="used", note="发卡方记录已兑换")
    assert (refund.status, refund.refusal_ground) == (Status.REJECTED, "used")


def test_with_the_buyers_own_confirmation_it_is(house, buy, apply, buyer):
    """Work that the buyer confirmed; a shop's word that it was done proves nothing."""
    from orders.models import ServiceJob

    order = buy(price_fen=8800, stock=0)
    job = ServiceJob.objects.get(line__order=order)
    working = {"status": "working", "started_at": clock.now()}
    ServiceJob.objects.filter(pk=job.pk).update(**working)
    delivery.hand_over(order, [(order.lines.get(), None)], at=clock.now())
    ServiceJob.objects.filter(pk=job.pk).update(status="handed_over", handed_over_at=clock.now())
    refund = apply(order, reason="other")
    with refused_with("no_proof_of_use"):
        take("reject", refund, house.reviewer, ground="used")
    ServiceJob.objects.filter(pk=job.pk).update(status="confirmed")
    take("reject", refund, house.reviewer, ground="used")


def test_one_case_without_proof_stops_the_batch(redeemed, house):  # noqa: F811
    proved, bare = house.on(redeemed(), "merchant contest"), house.case()
    with refused_with("no_proof_of_use"):
        lifecycle.reject([proved, bare], by=house.reviewer, at=clock.now(), ground="used", note="发卡方记录")
    assert set(Refund.objects.values_list("status", flat=True)) == {Status.FIRST_REVIEW}


def test_an_invented_ground_is_none(house):
    with refused_with("unknown_ground"):
        take("reject", house.case(), house.reviewer, ground="mood")


@pytest.mark.parametrize("note", ["3 名买家从这台设备申请退款", "3 名买家从这台设备申请退款，2026"])
def test_a_hint_alone_refuses_nobody(note, house):
    """S0-31."""
    with refused_with("hint_is_no_ground"):
        take("reject", house.case(), house.reviewer, note=note)
