"""The rules as tables: no database, no clock. Each boundary is tried on both sides."""

from __future__ import annotations

import json
from dataclasses import MISSING, fields, replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from money import share_out
from orders.models import Order
from refunds import clocking, policy
from refunds.models import Lane, Refund, Status
from refunds.policy import Cap, Facts, Terms
from shops.models import RefundPolicy

DELIVERED = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)
TERMS = Terms(
    window_days=15, cooling_off_hours=24, one_click_below_fen=5000, one_click_daily_cap_fen=20_000, max_rejections=3
)
UNSEEN = Facts(
    at=DELIVERED + timedelta(days=1),
    terms=TERMS,
    ordered_at=DELIVERED,
    paid=True,
    delivered_at=DELIVERED,
    delivered_count=1,
    begun_count=0,
    revealed_count=0,
    expired_count=0,
    amount_fen=4999,
    left_fen=4999,
    refundable_fen=4999,
    rejections=0,
    auto_refunded_today_fen=0,
)
EXPRESS = replace(TERMS, express_below_fen=50_000)
OPTED_IN = replace(UNSEEN, terms=EXPRESS, has_opted_in=True, is_verified=True)
CODES = replace(UNSEEN, delivered_count=2, amount_fen=200, left_fen=200, delivered_fens=(99, 101))
UNDELIVERED = replace(UNSEEN, delivered_at=None, delivered_count=0)


def of(amount_fen: int, **facts: object) -> dict[str, object]:
    return {"amount_fen": amount_fen, "left_fen": amount_fen, "refundable_fen": amount_fen} | facts


TABLE = [
    # an unseen code: one click below the limit (S3-25)
    ("just below the limit", UNSEEN, of(4999), "auto_approve", Lane.ONE_CLICK),
    ("at the limit", UNSEEN, of(5000), "send_to_review", Lane.STANDARD),
    ("one fen", UNSEEN, of(1), "auto_approve", Lane.ONE_CLICK),
    ("looked at", UNSEEN, {"revealed_count": 1}, "send_to_review", Lane.STANDARD),
    ("one of two looked at", UNSEEN, {"delivered_count": 2, "revealed_count": 1}, "send_to_review", Lane.STANDARD),
    ("past the code's own date (S0-6)", UNSEEN, {"expired_count": 1}, "send_to_review", Lane.STANDARD),
    ("a part of the price", UNSEEN, of(4998, left_fen=4999), "send_to_review", Lane.STANDARD),
    # the cap of a day (P12)
    ("up to the cap", UNSEEN, of(4999, auto_refunded_today_fen=15_001), "auto_approve", Lane.ONE_CLICK),
    ("beyond the cap", UNSEEN, of(4999, auto_refunded_today_fen=15_002), "send_to_review", Lane.STANDARD),
    # nothing was delivered: any amount, any time (S0-4)
    ("undelivered", UNDELIVERED, of(10**6), "auto_approve", Lane.UNDELIVERED),
    ("undelivered, long ago", UNDELIVERED, {"at": DELIVERED + timedelta(days=300)}, "auto_approve", Lane.UNDELIVERED),
    ("undelivered, no window", UNDELIVERED, {"terms": replace(TERMS, window_days=0)}, "auto_approve", Lane.UNDELIVERED),
    ("undelivered, cap reached", UNDELIVERED, {"auto_refunded_today_fen": 20_000}, "auto_approve", Lane.UNDELIVERED),
    ("undelivered, more than was paid", UNDELIVERED, {"refundable_fen": 4998}, "turn_down", Lane.STANDARD),
    # the window (S3-5, S3-23, PM18)
    ("the last second", UNSEEN, {"at": DELIVERED + timedelta(days=15)}, "auto_approve", Lane.ONE_CLICK),
    ("a second later", UNSEEN, {"at": DELIVERED + timedelta(days=15, seconds=1)}, "turn_down", Lane.STANDARD),
    ("not refundable", UNSEEN, {"terms": replace(TERMS, window_days=0)}, "turn_down", Lane.STANDARD),
    # what was refused before, and what was never paid
    ("sent or begun, however small", UNSEEN, {"delivered_count": 0, "delivered_at": None, "begun_count": 1,
     "amount_fen": 100, "left_fen": 100}, "send_to_review", Lane.STANDARD),
    ("refused twice", UNSEEN, {"rejections": 2}, "auto_approve", Lane.ONE_CLICK),
    ("refused three times", UNSEEN, {"rejections": 3}, "turn_down", Lane.STANDARD),
    ("not paid", UNSEEN, {"paid": False}, "turn_down", Lane.STANDARD),
    ("more than was paid", UNSEEN, {"refundable_fen": 4998}, "turn_down", Lane.STANDARD),
    ("nothing", UNSEEN, of(0), "turn_down", Lane.STANDARD),
    # what the issuer's record says (S0-21, S2-2, S3-4)
    ("redeemed before we showed it", UNSEEN, {"revealed_count": 1, "cleared_count": 1}, "auto_approve", Lane.ONE_CLICK),
    ("one of two redeemed before", UNSEEN, {"delivered_count": 2, "revealed_count": 2, "cleared_count": 1},
     "send_to_review", Lane.STANDARD),
    ("used, and only regretted", UNSEEN, {"revealed_count": 1, "used_count": 1,
     "terms": replace(TERMS, at_fault="buyer")}, "turn_down", Lane.STANDARD),
    ("used, and it was the wrong value", UNSEEN, {"revealed_count": 1, "used_count": 1,
     "terms": replace(TERMS, at_fault="shop")}, "send_to_review", Lane.STANDARD),
    # the policy's list (S3-6)
    ("a reason not on the list", UNSEEN, {"reason": "late", "terms": replace(TERMS, takes_reason=False)},
     "turn_down", Lane.STANDARD),
    ("the machine needs no reason", UNDELIVERED, {"reason": "late", "terms": replace(TERMS, takes_reason=False),
     "is_canceled": True}, "auto_approve", Lane.UNDELIVERED),
    # a fee makes the reason worth money: a person asks whose fault it is
    ("a fee, and the shop is blamed", UNSEEN, {"terms": replace(TERMS, fee_percent=10, at_fault="shop")},
     "send_to_review", Lane.STANDARD),
    ("a fee, and the buyer takes it", UNSEEN, {"terms": replace(TERMS, fee_percent=10, at_fault="buyer")},
     "auto_approve", Lane.ONE_CLICK),
    ("a fee, and nothing was delivered", UNDELIVERED, {"terms": replace(TERMS, fee_percent=10, at_fault="shop")},
     "auto_approve", Lane.UNDELIVERED),
    # the express lane: opted in, real name, good record (S0-19, S0-20)
    ("express, just below", OPTED_IN, of(49_999), "auto_approve", Lane.EXPRESS),
    ("express, at the limit", OPTED_IN, of(50_000), "send_to_review", Lane.STANDARD),
    ("express, looked at", OPTED_IN, of(20_000, revealed_count=1), "send_to_review", Lane.STANDARD),
    ("express, refused lately", OPTED_IN, of(20_000, refused_lately=1), "send_to_review", Lane.STANDARD),
    ("express, refunded before", OPTED_IN, of(20_000, refunded_ever=3), "auto_approve", Lane.EXPRESS),
    ("express, strict, refunded before", OPTED_IN, of(20_000, refunded_ever=1,
     terms=replace(EXPRESS, express_needs_no_record=True)), "send_to_review", Lane.STANDARD),
    ("express, no real name", OPTED_IN, of(20_000, is_verified=False), "send_to_review", Lane.STANDARD),
    ("express, never asked for", OPTED_IN, of(20_000, has_opted_in=False), "send_to_review", Lane.STANDARD),
    ("no express lane", OPTED_IN, of(20_000, terms=TERMS), "send_to_review", Lane.STANDARD),
    ("one click is full, express is not", OPTED_IN, of(4000, auto_refunded_today_fen=20_000), "auto_approve",
     Lane.EXPRESS),
    # caps and the switch (P12): a lane that is shut refuses nobody
    ("up to a cap", UNSEEN, {"caps": (Cap("one_click", "shop", 5001, 10_000),)}, "auto_approve", Lane.ONE_CLICK),
    ("beyond a cap", UNSEEN, {"caps": (Cap("one_click", "shop", 5002, 10_000),)}, "send_to_review", Lane.STANDARD),
    ("another lane's cap", UNSEEN, {"caps": (Cap("express", "shop", 9999, 10_000),)}, "auto_approve", Lane.ONE_CLICK),
    ("switched off", UNSEEN, {"closed_lanes": ("one_click",)}, "send_to_review", Lane.STANDARD),
    ("undelivered, beyond the buyer's cap", UNDELIVERED, {"caps": (Cap("undelivered", "buyer", 0, 4998),)},
     "send_to_review", Lane.STANDARD),
    ("undelivered, switched off", UNDELIVERED, {"closed_lanes": ("undelivered",)}, "send_to_review", Lane.STANDARD),
    # evidence decides nothing by itself (S2-6)
    ("late and without pictures", UNSEEN, {"at": DELIVERED + timedelta(hours=25),
     "terms": replace(TERMS, evidence_after_hours=24, slots=("redeem_error",))}, "auto_approve", Lane.ONE_CLICK),
]  # fmt: skip


@pytest.mark.parametrize(
    ("facts", "changes", "step", "lane"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE]
)
def test_verdicts(facts, changes, step, lane):
    verdict = policy.decide(replace(facts, **changes))
    assert (verdict.step, verdict.lane) == (step, lane)
    assert verdict.sentence
    for result in verdict.results:  # every rule says what it saw and why, in both languages (S1-16)
        assert result.input
        assert result.sentence
        assert result.sentence_en


@given(
    paid=st.booleans(),
    amount=st.integers(0, 10**7),
    left=st.integers(0, 10**7),
    refundable=st.integers(0, 10**7),
    delivered=st.integers(0, 3),
    revealed=st.integers(0, 3),
    rejections=st.integers(0, 4),
    today=st.integers(0, 30_000),
    days=st.integers(0, 40),
)
def test_money_goes_out_by_itself_only_where_it_is_proved(
    paid, amount, left, refundable, delivered, revealed, rejections, today, days
):
    """S0-2, S0-21."""
    facts = replace(
        UNSEEN, paid=paid, amount_fen=amount, left_fen=left, refundable_fen=refundable, delivered_count=delivered,
        delivered_at=DELIVERED if delivered else None, revealed_count=min(revealed, delivered), rejections=rejections,
        auto_refunded_today_fen=today, at=DELIVERED + timedelta(days=days),
    )  # fmt: skip
    verdict = policy.decide(facts)
    if verdict.step == "auto_approve":
        assert paid
        assert 0 < amount <= refundable
        assert rejections < 3
        if delivered:
            assert facts.revealed_count == 0
            assert amount == left < 5000
            assert today + amount <= 20_000
            assert days <= 15
    assert (verdict.lane == Lane.STANDARD) == (verdict.step != "auto_approve")


@pytest.mark.parametrize(
    ("terms", "changes", "fee_fen"),
    [
        ({"at_fault": "buyer", "fee_percent": 10}, {}, 9 + 10),  # by the code, each rounded down
        ({"at_fault": "buyer", "fee_percent": 10}, {"delivered_fens": ()}, 0),  # nothing was handed over
        ({"at_fault": "buyer", "fee_percent": 10}, {"is_canceled": True}, 0),
        ({"at_fault": "shop", "fee_percent": 10}, {}, 0),
        ({"at_fault": "platform", "fee_percent": 10}, {}, 0),
        ({"at_fault": "nobody", "fee_percent": 10}, {}, 0),
        ({"at_fault": "buyer", "balance_fee_percent": 2}, {}, 0),  # by the original route there is none
        ({"at_fault": "buyer", "balance_fee_percent": 2}, {"to_balance": True}, 1 + 2),
        ({"at_fault": "buyer", "fee_percent": 10, "balance_fee_percent": 2}, {"to_balance": True}, 11 + 12),
        ({"at_fault": "shop", "balance_fee_percent": 2}, {"to_balance": True}, 0),
        ({"at_fault": "buyer"}, {"to_balance": True}, 0),  # free, as long as the policy does not say so (S2-10)
    ],
)
def test_fees(terms, changes, fee_fen):
    """S4-5, S1-15, S2-10, P11: only where the buyer is at fault, only for what was delivered, in the buyer's favor."""
    facts = replace(CODES, terms=replace(TERMS, **terms), **changes)
    amounts = policy.amounts(facts)
    assert (amounts.asked_fen, amounts.fee_fen, amounts.refund_fen) == (200, fee_fen, 200 - fee_fen)
    assert sum(policy.fee_of(fen, facts) for fen in facts.delivered_fens) == fee_fen


@given(percent=st.integers(0, 50), fens=st.lists(st.integers(1, 10**8), max_size=8))
def test_of_every_code_something_is_left(percent, fens):
    """I12: asked = fee + refund, and a code worth a fen still brings a fen back."""
    facts = replace(UNSEEN, amount_fen=sum(fens), delivered_fens=tuple(fens))
    facts = replace(facts, terms=replace(TERMS, at_fault="buyer", fee_percent=percent))
    amounts = policy.amounts(facts)
    assert amounts.asked_fen == amounts.fee_fen + amounts.refund_fen
    assert all(0 <= 2 * policy.fee_of(fen, facts) <= fen for fen in fens)


@given(st.data())
def test_what_was_decided_on_can_be_decided_again(data):
    """The facts come back from the record as they were, also those from before a fact was known."""
    facts = replace(
        data.draw(st.sampled_from([UNSEEN, UNDELIVERED, OPTED_IN, CODES])),
        slots_given=tuple(data.draw(st.lists(st.sampled_from(["unused", "login_error"]), max_size=2))),
        caps=(Cap("express", "shop", data.draw(st.integers(0, 9)), 10),),
    )
    kept = json.loads(json.dumps(facts.as_json()))
    assert Facts.of_json(kept) == facts
    old = {name: value for name, value in kept.items() if name not in NEW_FACTS}
    old["terms"] = {name: kept["terms"][name] for name in OLD_TERMS}
    assert policy.decide(Facts.of_json(old)).results


OLD_TERMS = ["window_days", "cooling_off_hours", "one_click_below_fen", "one_click_daily_cap_fen", "max_rejections"]
NEW_FACTS = {
    field.name for field in fields(Facts) if field.default is not MISSING or field.default_factory is not MISSING
}


def test_what_is_missing_is_told_and_turns_nobody_down():
    """S2-6, S0-17."""
    terms = replace(TERMS, evidence_after_hours=24, slots=("redeem_error",))
    late = replace(UNSEEN, terms=terms, at=DELIVERED + timedelta(hours=25), revealed_count=1)
    (rule,) = [result for result in policy.decide(late).results if result.rule == "evidence"]
    assert not rule.passed
    assert "缺 1 项" in rule.sentence
    assert policy.weights({"evidence": False}) == {"evidence": "fact"}
    for enough in (replace(late, slots_given=("redeem_error",)), replace(late, at=DELIVERED + timedelta(hours=24))):
        (rule,) = [result for result in policy.decide(enough).results if result.rule == "evidence"]
        assert rule.passed


@pytest.mark.parametrize(
    ("is_complete", "is_large", "is_cross_border", "hours"),
    [
        (False, False, False, 48),
        (True, False, False, 24),
        (True, False, True, 36),
        (False, True, False, 72),
        (True, True, False, 72),
        (True, True, True, 84),
    ],
)
def test_complete_is_sooner_large_and_abroad_are_later(is_complete, is_large, is_cross_border, hours):
    """S0-17, S2-8, S3-14."""
    words = {"is_complete": is_complete, "is_large": is_large, "is_cross_border": is_cross_border}
    assert policy.hours_to_review(usual=48, complete=24, high_value=72, extra=12, **words) == hours
    never_later_for_being_complete = policy.hours_to_review(usual=12, complete=24, high_value=12, extra=0, **words)
    never_sooner_for_being_large = policy.hours_to_review(usual=90, complete=90, high_value=72, extra=0, **words)
    assert (never_later_for_being_complete, never_sooner_for_being_large) == (12, 90)


@given(st.data())
def test_parts_sum_exactly(data):
    """I12, P11: whatever the weights, no fen is lost or made, and no line gives more than it has."""
    weights = data.draw(st.lists(st.integers(0, 10**8), min_size=1, max_size=10).filter(any))
    amount = data.draw(st.integers(1, sum(weights)))
    parts = share_out(amount, weights)
    assert sum(parts) == amount
    assert all(0 <= part <= weight for part, weight in zip(parts, weights, strict=True))
    total = sum(weights)
    assert all(abs(part * total - amount * weight) < total for part, weight in zip(parts, weights, strict=True))


@pytest.mark.parametrize(("amount", "weights"), [(0, [1]), (-1, [1]), (3, [1, 1]), (1, []), (1, [0])])
def test_what_does_not_fit_is_not_shared_out(amount, weights):
    with pytest.raises(ValueError, match="share_out"):
        share_out(amount, weights)


def test_the_first_of_equals_gets_the_odd_fen():
    assert share_out(100, [100, 100, 100]) == [34, 33, 33]


@pytest.mark.parametrize("status", Status)
def test_every_status_that_waits_has_a_promise(status):
    """I4: what does not rest has a time by which its owner is late; what is paid out, the channel's last day."""
    lasts = clocking.hours_of(case_of(Lane.STANDARD, RefundPolicy()), status)
    assert (lasts is None) == (status in {*Status.at_rest(), Status.PAID_OUT})
    assert lasts is None or lasts > 0


@pytest.mark.parametrize(
    ("status", "lane", "hours"),
    [
        (Status.SUBMITTED, Lane.STANDARD, 2),  # S3-10
        (Status.MERCHANT_REVIEW, Lane.STANDARD, 20),  # S4-9: at most half of the review's
        (Status.APPROVED, Lane.ONE_CLICK, 2),  # S2-11
        (Status.APPROVED, Lane.UNDELIVERED, 2),
        (Status.APPROVED, Lane.STANDARD, 21),
        (Status.FIRST_REVIEW, Lane.STANDARD, 40),
        (Status.AWAITING_EVIDENCE, Lane.STANDARD, 70),
        (Status.OFFERED, Lane.STANDARD, 45),
        (Status.SECOND_REVIEW, Lane.STANDARD, 22),
        (Status.APPEAL_REVIEW, Lane.STANDARD, 71),
        (Status.RETURNED, Lane.STANDARD, 21),
        (Status.REDIRECT_SIGNED, Lane.STANDARD, 21),
    ],
)
def test_what_is_promised(status, lane, hours):
    """S4-22: every number is the policy's, apart from the machine's own two hours."""
    terms = RefundPolicy(
        merchant_hours=36, review_hours=40, second_review_hours=22, appeal_review_hours=71, evidence_hours=70,
        offer_hours=45, release_hours=21,
    )  # fmt: skip
    assert clocking.hours_of(case_of(lane, terms), status) == hours


def case_of(lane, terms):
    return Refund(lane=lane, order=Order(policy=terms))


@pytest.mark.parametrize(
    ("changes", "passed"),
    [
        ({"at": DELIVERED + timedelta(hours=24)}, True),
        ({"at": DELIVERED + timedelta(hours=24, seconds=1)}, False),
        ({"revealed_count": 1}, False),
    ],
)
def test_the_cooling_off_period_is_told_and_opens_no_lane(changes, passed):
    """S2-13, S4-12."""
    verdict = policy.decide(replace(UNSEEN, **changes))
    (told,) = [result for result in verdict.results if result.rule == "cooling_off"]
    assert told.passed is passed
    assert verdict.lane == (Lane.STANDARD if "revealed_count" in changes else Lane.ONE_CLICK)


@pytest.mark.parametrize(
    ("received", "said"), [(1, "充值已到账或服务已交付，需人工核对"), (0, "已查看卡密或已收货，需人工核对是否使用")]
)
def test_nobody_viewed_a_code_of_what_has_none(received, said):
    verdict = policy.decide(replace(UNSEEN, revealed_count=1, received_count=received))
    assert (verdict.step, verdict.sentence) == ("send_to_review", said)


def test_facts_from_before_something_was_counted_decide_as_before():
    kept = replace(UNSEEN, revealed_count=1).as_json()
    del kept["received_count"]
    assert policy.decide(Facts.of_json(kept)) == policy.decide(replace(UNSEEN, revealed_count=1))
