"""The rules as tables: no database, no clock. Each boundary is tried on both sides."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from money import share_out
from refunds import policy
from refunds.models import Lane, Status
from refunds.policy import Facts, Terms

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
    """I4: what does not rest has a time by which its owner is late."""
    lasts = policy.promise(status, Lane.STANDARD, review_hours=48, evidence_hours=72)
    rests = {Status.REJECTED, Status.WITHDRAWN, Status.ARRIVED, Status.PAID_OUT}
    assert (lasts is None) == (status in rests)


@pytest.mark.parametrize(
    ("status", "lane", "hours"),
    [
        (Status.SUBMITTED, Lane.STANDARD, 2),  # S3-10
        (Status.APPROVED, Lane.ONE_CLICK, 2),  # S2-11
        (Status.APPROVED, Lane.UNDELIVERED, 2),
        (Status.APPROVED, Lane.STANDARD, 24),
        (Status.FIRST_REVIEW, Lane.STANDARD, 48),
    ],
)
def test_what_is_promised(status, lane, hours):
    assert policy.promise(status, lane, review_hours=48, evidence_hours=72) == timedelta(hours=hours)


@pytest.mark.parametrize(
    ("changes", "passed"),
    [
        ({"at": DELIVERED + timedelta(hours=24)}, True),
        ({"at": DELIVERED + timedelta(hours=24, seconds=1)}, False),
        ({"revealed_count": 1}, False),
    ],
)
def test_the_cooling_off_period_is_told_and_opens_no_lane(changes, passed):
    """S2-13."""
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
