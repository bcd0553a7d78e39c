"""What hostile people and bad timing try on a case, and what must come of it."""

from __future__ import annotations

import pytest

import clock
from orders import masking
from payments.models import RefundAttempt
from refunds import disbursement, lifecycle, objections
from refunds.lifecycle import StepRefused
from refunds.models import Lane, Objection, Status
from tests.cases import attempt_of

pytestmark = pytest.mark.django_db


def refusal(act, *args, **kwargs) -> str:
    with pytest.raises(StepRefused) as caught:
        act(*args, at=clock.now(), **kwargs)
    return caught.value.code


def test_a_code_that_was_seen_before_it_was_replaced_is_not_refunded_by_a_machine(buy, reveal, apply, merchant, buyer):
    order = buy(price_fen=3000, merchant_hours=24)
    reveal(order)
    refund = apply(order)
    lifecycle.offer(refund, by=merchant, at=clock.now(), note="给您换一张")
    lifecycle.accept_replacement(refund, by=buyer, at=clock.now())
    order = type(order).objects.get(pk=order.pk)
    again = apply(order)
    assert (again.status, again.lane) == (Status.MERCHANT_REVIEW, Lane.STANDARD)


def test_late_news_of_an_earlier_attempt_says_nothing_about_the_next(released, ends_as, finance):
    refund = ends_as(released(), "CLOSED")
    RefundAttempt.objects.update(news_at=clock.now())  # told once more, and not heard yet
    lifecycle.reissue([refund], by=finance, at=clock.now())
    disbursement.release([refund], by=finance, at=clock.now())
    disbursement.hear(at=clock.now())
    refund.refresh_from_db()
    assert refund.status == Status.PROCESSING
    assert not RefundAttempt.objects.filter(news_at__isnull=False).exists()


def test_what_the_shop_agreed_to_above_the_limit_is_no_verdict(buy, reveal, apply, merchant, reviewer, senior):
    order = buy(price_fen=8800, merchant_hours=24, senior_above_fen=5000)
    reveal(order)
    refund = apply(order)
    lifecycle.agree_above_limit([refund], by=merchant, at=clock.now())
    lifecycle.uphold([refund], by=reviewer, at=clock.now())
    lifecycle.approve_second([refund], by=senior, at=clock.now())
    refund.refresh_from_db()
    assert refusal(objections.object, refund, by=merchant, text="其实不同意") == "cannot_object"


def test_nothing_is_recovered_of_a_refund_that_was_withdrawn(approved, merchant, senior, buyer):
    refund = approved()
    made = objections.object(refund, by=merchant, at=clock.now(), text="发卡方记录显示已兑换")
    objections.judge(made, by=senior, at=clock.now(), verdict="upheld", note="记录属实")
    lifecycle.withdraw(refund, by=buyer, at=clock.now())
    assert objections.recoveries(Objection.objects.all()) == []


def test_one_person_gives_away_no_code_above_the_limit(buy, reveal, apply, reviewer):
    order = buy(price_fen=8800, senior_above_fen=5000)
    reveal(order)
    refund = apply(order)
    assert refusal(lifecycle.make_offer, refund, by=reviewer, note="给您换一张") == "above_limit"


def test_who_reissued_as_the_second_person_does_not_release(
    buy, reveal, apply, reviewer, senior, finance, ends_as, simulator
):
    order = buy(price_fen=3000, quantity=2, senior_above_fen=5000)
    reveal(order)
    one, two = order.lines.order_by("position")
    first = apply(order, line_ids=[one.pk])
    lifecycle.approve([first], by=reviewer, at=clock.now())
    disbursement.release([first], by=finance, at=clock.now())
    simulator.post("settle", request_no=attempt_of(first).request_no, status="PROCESSING", in_advance=True)
    first = ends_as(first, "CLOSED")
    assert first.status == Status.RETURNED
    second = apply(order, line_ids=[two.pk])
    lifecycle.uphold([second], by=reviewer, at=clock.now())
    lifecycle.approve_second([second], by=senior, at=clock.now())
    disbursement.release([second], by=finance, at=clock.now())
    lifecycle.reissue([first], by=finance, at=clock.now())
    first.refresh_from_db()
    assert refusal(disbursement.release, [first], by=finance) == "same_person"


def test_a_code_that_was_replaced_twice_is_masked_as_well(buy, reveal, apply, merchant, buyer):
    order = buy(price_fen=3000, merchant_hours=24)
    codes = []
    for _ in range(3):
        order = type(order).objects.get(pk=order.pk)
        codes += reveal(order)
        refund = apply(order)
        lifecycle.offer(refund, by=merchant, at=clock.now(), note="给您换一张")
        lifecycle.accept_replacement(refund, by=buyer, at=clock.now())
    for code in codes:
        assert code not in masking.mask_own([order.pk], f"卡密 {code} 不能用")
