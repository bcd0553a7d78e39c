"""Asking for a refund: how much, of what, and what becomes of the codes."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest
from django.utils import timezone

import clock
from accounts import guests
from cardshop import invariants
from orders import placing
from orders.placing import Wish
from refunds import applying, disbursement, lifecycle, policy, sweeping
from refunds.applying import AlreadyActive, Application
from refunds.lifecycle import StepRefused
from refunds.models import Lane, PreCheck, Refund, Status
from refunds.policy import Facts
from shops.models import CardCode, CodeState
from shops.stock import CodeIsFrozen

pytestmark = pytest.mark.django_db


def states(order):
    return [line.delivery.code.state for line in order.lines.order_by("position")]


def submit(order, by=None, **words):
    application = Application(**({"reason": "changed_mind"} | words))
    return applying.submit(order, application, by=by or order.buyer, at=clock.now())


def refused_with(code):
    return pytest.raises(StepRefused, check=lambda error: error.code == code)


def test_a_second_case_is_shown_the_first(buy):
    order = buy()
    first = submit(order)
    with pytest.raises(AlreadyActive) as refused:
        submit(order)
    assert refused.value.refund_no == first.refund_no
    assert first.refund_no in str(refused.value)


@pytest.mark.parametrize("amount", [0, -1, 8801, 10**12])
def test_amounts_that_do_not_fit(amount, buy):
    order = buy(price_fen=8800)
    with refused_with("amount_out_of_range"):
        submit(order, amount_fen=amount)
    assert states(order) == [CodeState.DELIVERED]


def test_only_the_buyer_asks(buy, stranger, reviewer, merchant):
    order = buy()
    for by in (stranger, reviewer, merchant):
        with refused_with("not_yours"):
            submit(order, by=by)


def test_lines_of_other_orders_are_unknown(buy):
    order, other = buy(), buy()
    with refused_with("unknown_line"):
        submit(order, line_ids=[other.lines.get().pk])
    with refused_with("unknown_line"):
        submit(order, line_ids=[order.lines.get().pk, 10**9])
    with refused_with("nothing_left"):
        submit(order, line_ids=[])


@pytest.mark.parametrize(
    ("words", "code"),
    [({"reason": "no such"}, "unknown_reason"), ({"reason": "other", "description": "  "}, "description_missing")],
)
def test_words_that_say_nothing(words, code, buy):
    with refused_with(code):
        submit(buy(), **words)


def test_what_an_unpaid_order_can_ask_for(buyer, make_product):
    import uuid

    from orders import placing

    order = placing.place(make_product(), Wish(again=True), buyer=buyer, checkout_key=uuid.uuid4(), at=clock.now())
    with refused_with("not_paid"):
        submit(order)


def test_a_preview_says_what_the_pre_check_will(buy, apply, reveal):
    """The page promises nothing that the machine then decides otherwise."""
    for order in (buy(price_fen=4999), buy(price_fen=5000), buy(window_days=0), buy(stock=0), buy(quantity=2)):
        expected = applying.preview(order, Application("changed_mind"), at=clock.now()).verdict
        refund = apply(order, reason="changed_mind")
        assert (refund.pre_check.verdict, refund.lane) == (expected.step, expected.lane)
        assert [row["rule"] for row in refund.pre_check.results] == [result.rule for result in expected.results]


# --- parts and codes (I9, I12) ----------------------------------------------------------------------------------------


def test_a_fen_of_two_lines_freezes_one_code(buy, buyer, reveal):
    """A line that the refund takes nothing of stays viewable, now and afterwards."""
    order = buy(price_fen=3000, quantity=2)
    refund = submit(order, amount_fen=1)
    assert states(order) == [CodeState.FROZEN, CodeState.DELIVERED]
    lifecycle.withdraw(refund, by=buyer, at=clock.now())
    assert states(order) == [CodeState.DELIVERED, CodeState.DELIVERED]
    assert len(reveal(order)) == 2


def test_nearly_all_of_an_unseen_code_is_not_given_back_by_itself(buy, apply, reveal):
    """Else a buyer takes 29.99 of 30.00 in one click, and looks at the code afterwards."""
    refund = apply(buy(price_fen=3000), amount_fen=2999)
    assert (refund.status, refund.lane) == (Status.FIRST_REVIEW, Lane.STANDARD)
    with pytest.raises(CodeIsFrozen):
        reveal(refund.order)


def test_a_code_past_its_own_date_is_looked_at_by_a_person(buy, apply):
    """S0-6: on its last day it is still worth its price."""
    today = timezone.localdate(clock.now())
    for days, lane in ((0, Lane.ONE_CLICK), (1, Lane.STANDARD)):
        order = buy(price_fen=3000)
        CardCode.objects.filter(delivery__line__order=order).update(valid_until=today - timedelta(days=days))
        refund = apply(order)
        assert refund.lane == lane
    failed = [result for result in refund.pre_check.results if not result["passed"]]
    assert "卡密已过有效期，由人工审核" in [result["sentence"] for result in failed]


def test_what_was_decided_on_is_kept_and_decides_the_same_again(buy, apply, reveal):
    """Also of the second of one batch, which sees what the first was given."""
    seen = buy(price_fen=3000)
    reveal(seen)
    apply(seen)
    for price_fen in (4900, 4900, 4900, 4900, 4900):
        submit(buy(price_fen=price_fen))
    sweeping.sweep(at=clock.now())
    kept = list(PreCheck.objects.order_by("pk"))
    assert len(kept) == 6
    for row in kept:
        verdict = policy.decide(Facts.of_json(row.facts))
        assert ([each.as_json() for each in verdict.results], verdict.step) == (row.results, row.verdict)


def pay_out(refund, reviewer, finance, drain):
    if refund.status == Status.FIRST_REVIEW:
        lifecycle.approve([refund], by=reviewer, at=clock.now())
        disbursement.release([refund], by=finance, at=clock.now())
    drain()
    refund.refresh_from_db()
    assert refund.status == Status.ARRIVED


def test_of_a_part_refund_the_buyer_keeps_the_code_of_the_whole_not(
    buy, apply, reviewer, finance, drain, simulator, reveal
):
    order = buy(price_fen=3000)
    pay_out(apply(order, amount_fen=1000), reviewer, finance, drain)
    assert states(order) == [CodeState.DELIVERED]
    simulator.clock(2)
    clock.advance(timedelta(minutes=1))
    rest = apply(order)
    assert (rest.amount_fen, rest.lane) == (2000, Lane.ONE_CLICK)  # all that is left, and never looked at
    pay_out(rest, reviewer, finance, drain)
    assert states(order) == [CodeState.QUARANTINED]
    with pytest.raises(CodeIsFrozen):
        reveal(order)
    with refused_with("nothing_left"):
        submit(order)
    assert invariants.broken(simulator.ledger()) == []


def test_lines_are_refunded_one_by_one(buy, apply, reviewer, finance, drain, simulator):
    order = buy(price_fen=3000, quantity=3)
    for line in order.lines.all():
        pay_out(apply(order, line_ids=[line.pk], reason="changed_mind"), reviewer, finance, drain)
        simulator.clock(2)
        clock.advance(timedelta(minutes=1))
    assert states(order) == [CodeState.QUARANTINED] * 3
    assert order.refunds.count() == 3
    assert invariants.broken(simulator.ledger()) == []


def test_refused_it_can_be_looked_at_again(buy, apply, reviewer, reveal):
    order = buy(price_fen=8800)
    refund = apply(order)
    lifecycle.reject([refund], by=reviewer, at=clock.now(), note="凭证不足")
    assert reveal(order)


# --- the cap of a day (P12) -------------------------------------------------------------------------------------------


def test_many_small_ones_at_once_stay_below_the_cap(buy):
    """Five of 4,900 fen in one batch: 19,600 fit below 20,000, the fifth is looked at by a person."""
    refunds = [submit(buy(price_fen=4900)) for _ in range(5)]
    sweeping.sweep(at=clock.now())
    lanes = [Refund.objects.get(pk=refund.pk).lane for refund in refunds]
    assert lanes == [Lane.ONE_CLICK] * 4 + [Lane.STANDARD]


def test_the_cap_is_of_24_hours(buy, apply):
    for _ in range(4):
        apply(buy(price_fen=4900), reason="changed_mind")
    clock.advance(timedelta(hours=23, minutes=59))
    assert apply(buy(price_fen=4900), reason="changed_mind").lane == Lane.STANDARD
    clock.advance(timedelta(minutes=2))
    assert apply(buy(price_fen=4900), reason="changed_mind").lane == Lane.ONE_CLICK


def test_guests_of_one_address_share_the_cap(make_product, pay, stranger):
    """P12: each checkout of a guest is another buyer; the address is the same, and so is the stock that it empties."""
    product = make_product(4900, stock=9)

    def lane_of(by, origin):
        wish = Wish(1, guest_origin=origin, again=True)
        order = pay(placing.place(product, wish, buyer=by, checkout_key=uuid.uuid4(), at=clock.now()))
        refund = submit(order, by=by)
        sweeping.sweep(at=clock.now())
        return Refund.objects.get(pk=refund.pk).lane

    visitors = [guests.open_for(uuid.uuid4(), "abcdefgh1234") for _ in range(6)]
    assert [lane_of(guest, b"x" * 32) for guest in visitors[:5]] == [Lane.ONE_CLICK] * 4 + [Lane.STANDARD]
    assert lane_of(visitors[5], b"y" * 32) == Lane.ONE_CLICK
    assert lane_of(stranger, b"") == Lane.ONE_CLICK


def test_what_was_refused_three_times_is_for_support(buy, apply, reviewer):
    order = buy(price_fen=8800)
    for _ in range(3):
        lifecycle.reject([apply(order)], by=reviewer, at=clock.now(), note="凭证不足")
    assert apply(order).status == Status.REJECTED
