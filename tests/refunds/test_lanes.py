"""The automatic lanes end to end: who goes by which, that nobody has to look, and how soon it is done."""

from __future__ import annotations

from datetime import timedelta

import pytest

import clock
from accounts.models import User
from accounts.roles import Role
from refunds import lifecycle, sweeping
from refunds.models import ExpressOptIn, Lane, PreCheck, Refund, Status

pytestmark = pytest.mark.django_db


@pytest.fixture
def express_buyer(buyer: User) -> User:
    """Opted in, real name verified."""
    buyer.verified_at = clock.now()
    buyer.save()
    ExpressOptIn.objects.create(user=buyer, since=clock.now())
    return buyer


@pytest.mark.parametrize(("price_fen", "lane"), [(49_999, Lane.EXPRESS), (50_000, Lane.STANDARD)])
def test_express_is_below_its_limit(express_buyer, buy, apply, price_fen, lane):
    """S0-19, S0-20: below ¥500, opted in, real name, good record, never viewed."""
    assert apply(buy(price_fen=price_fen)).lane == lane


def test_a_small_sum_goes_by_one_click_whoever_opted_in(express_buyer, buy, apply):
    """S3-25: by the lane that asks least."""
    assert apply(buy(price_fen=4_999)).lane == Lane.ONE_CLICK
    assert apply(buy(price_fen=5_000)).lane == Lane.EXPRESS


@pytest.mark.parametrize("days", [179, 181])
def test_a_refusal_counts_for_its_days(express_buyer, reviewed, reviewer, buy, apply, days):
    """S0-19: a good record is no refusal within 180 days."""
    refused = reviewed()
    lifecycle.reject([refused], by=reviewer, at=clock.now(), note="与记录不符")
    Refund.objects.filter(pk=refused.pk).update(decided_at=clock.now() - timedelta(days=days))
    assert apply(buy(price_fen=30_000)).lane == (Lane.STANDARD if days < 180 else Lane.EXPRESS)


def test_the_strict_switch_wants_no_refund_at_all(express_buyer, buy, apply):
    """S0-20: a granted refund shuts it where the policy says so, and only there."""
    assert apply(buy(price_fen=30_000)).lane == Lane.EXPRESS
    assert apply(buy(price_fen=30_000, express_needs_no_record=True)).lane == Lane.STANDARD
    assert apply(buy(price_fen=30_000)).lane == Lane.EXPRESS


def test_a_viewed_code_goes_by_no_fast_lane(express_buyer, buy, reveal, apply):
    for price_fen in (3_000, 30_000):
        reveal(order := buy(price_fen=price_fen))
        refund = apply(order)
        assert (refund.lane, refund.status) == (Lane.STANDARD, Status.FIRST_REVIEW)


def test_common_cases_need_nobody_and_take_moments(express_buyer, buy, apply):
    """S0-31, S2-12, S4-22: explainable rules approve what they can prove; no person acts, and the money is on its way
    within the two hours that are promised for both."""
    cases = [apply(buy(stock=0)), apply(buy(price_fen=3_000)), apply(buy(price_fen=30_000))]
    assert [case.lane for case in cases] == [Lane.UNDELIVERED, Lane.ONE_CLICK, Lane.EXPRESS]
    for case in cases:
        assert case.promised_by - case.submitted_at <= timedelta(hours=2, minutes=1)
        assert PreCheck.objects.get(refund=case).results, "each rule with its sentence"
    sweeping.sweep(at=clock.now())
    for case in cases:
        case.refresh_from_db()
        assert case.status == Status.PROCESSING
        assert case.disbursements.get().released_by is None
        roles = set(case.events.values_list("role", flat=True))
        assert roles <= {Role.BUYER, Role.SYSTEM}
        assert case.events.order_by("-sequence")[0].at - case.submitted_at < timedelta(hours=2)


def test_the_check_looks_at_order_history_and_payment(express_buyer, buy, apply, reviewed, reviewer):
    """S2-5: what it looked at is kept beside its answer."""
    lifecycle.reject([reviewed()], by=reviewer, at=clock.now(), note="与记录不符")
    apply(buy(price_fen=3_000))
    order = buy(price_fen=8_800)
    seen = PreCheck.objects.get(refund=apply(order)).facts
    assert (seen["paid"], seen["refundable_fen"], seen["left_fen"]) == (True, 8_800, 8_800)
    assert (seen["delivered_count"], seen["revealed_count"]) == (1, 0)
    assert (seen["refused_lately"], seen["refunded_ever"], seen["auto_refunded_today_fen"]) == (1, 1, 3_000)
    assert {"buyer", "payer", "shop", "platform"} <= {cap["of"] for cap in seen["caps"]}
    rules = {row["rule"]: row for row in PreCheck.objects.get(refund__order=order).results}
    assert "payer_fen=0, payer_most_fen=30000" in rules["one_click_room"]["input"]  # the desk says it in yuan
