"""A draft of a policy is tried out on past cases before it is published: exactly what it would change, killed or not
(S2-12, P8)."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

import clock
from refunds import facts, policy, simulation
from refunds.models import Lane, PolicySimulation, PreCheck, SimulatedChange, SimulationStatus
from refunds.simulation import CannotStart
from shops import policies
from shops.models import Product, RefundPolicy
from shops.policies import CannotChange
from tests.refunds import past_cases

pytestmark = pytest.mark.django_db

NEW_TERMS = {
    "window_days": 7, "one_click_below_fen": 2000, "express_below_fen": 0, "max_rejections": 2, "fee_percent": 5,
    "balance_fee_percent": 2, "kinds": {"account": {"window_days": 0}},
}  # fmt: skip


@pytest.fixture
def past(buy):
    """``past(50)``: so many cases under one policy, as (refund, facts), newest first; and its draft, edited."""

    def write(count, seed=1):
        order = buy(price_fen=8800)
        chance = random.Random(seed)
        seen = [past_cases.drawn(chance, order.policy) for _ in range(count)]
        return order.policy, list(zip(past_cases.write(order, seen), seen, strict=True))[::-1]

    return write


@pytest.fixture
def drafted(operator):
    def draft(code, **changes):
        made = policies.new_draft(code, by=operator)
        return policies.edit(made, NEW_TERMS | changes, by=operator)

    return draft


def run_through(row, limit=simulation.BATCH):
    """Until it is done; how many batches that took."""
    batches = 0
    while PolicySimulation.objects.filter(pk=row.pk, status=SimulationStatus.RUNNING).exists():
        simulation.run(at=clock.now(), limit=limit)
        batches += 1
        assert batches < 1000
    row.refresh_from_db()
    return batches


def expected(cases, draft):
    """What the draft changes, counted by another way: from the facts as they were drawn."""
    changed, out, fees = {}, 0, 0
    for refund, seen in cases:
        new_terms = facts.terms_of(draft, seen.reason, seen.kind, is_cross_border=seen.is_cross_border)
        sides = []
        for each in (seen, replace(seen, terms=new_terms)):
            verdict = policy.decide(each)
            fee = 0 if verdict.step == "turn_down" else policy.amounts(each).fee_fen
            sides.append((verdict.step, str(verdict.lane), fee, each.amount_fen))
        (step, lane, fee, asked), (new_step, new_lane, new_fee, _) = sides
        if (step, lane, fee) != (new_step, new_lane, new_fee):
            changed[refund.pk] = (step, lane, fee, new_step, new_lane, new_fee)
            fees += new_fee - fee
            out += (asked - new_fee) * (new_step == "auto_approve") - (asked - fee) * (step == "auto_approve")
    return changed, out, fees


def found(row):
    columns = ("refund_id", "step_then", "lane_then", "fee_then_fen", "step_now", "lane_now", "fee_now_fen")
    return {first: tuple(rest) for first, *rest in row.changes.values_list(*columns)}


def names_exactly(past, drafted, operator, count):
    terms, cases = past(count)
    draft = drafted(terms.code)
    row = simulation.start(draft, wanted=count, by=operator, at=clock.now())
    run_through(row)
    changed, out, fees = expected(cases, draft)
    assert len(changed) > count // 10
    assert len(changed) < count
    assert found(row) == changed
    assert (row.done, row.changed, row.delta_fen, row.fee_delta_fen) == (count, len(changed), out, fees)
    assert (row.status, row.skipped, row.next_due_at) == ("done", {}, None)


def test_it_names_exactly_the_cases_whose_decision_changes(past, drafted, operator):
    names_exactly(past, drafted, operator, 1_000)


@pytest.mark.nightly
def test_it_names_exactly_the_cases_whose_decision_changes_ten_thousand_of_them(past, drafted, operator):
    names_exactly(past, drafted, operator, 10_000)


def test_the_newest_are_tried_and_no_more_than_were_asked_for(past, drafted, operator):
    terms, cases = past(60)
    draft = drafted(terms.code)
    row = simulation.start(draft, wanted=40, by=operator, at=clock.now())
    assert run_through(row, limit=15) == 3
    assert (row.done, found(row)) == (40, expected(cases[:40], draft)[0])


def test_progress_shows_while_it_runs(past, drafted, operator):
    row = simulation.start(drafted(past(30)[0].code), wanted=30, by=operator, at=clock.now())
    seen = []
    for _ in range(3):
        simulation.run(at=clock.now(), limit=10)
        row.refresh_from_db()
        seen.append((row.done, row.status))
    assert seen == [(10, "running"), (20, "running"), (30, "done")]
    assert row.finished_at


def test_the_same_terms_change_nothing(past, operator):
    terms, _ = past(50)
    row = simulation.start(policies.new_draft(terms.code, by=operator), wanted=50, by=operator, at=clock.now())
    run_through(row)
    assert (row.done, row.changed, row.delta_fen, row.fee_delta_fen) == (50, 0, 0, 0)


def test_other_policies_cases_are_passed_over(past, drafted, operator, buy, monkeypatch):
    monkeypatch.setattr(simulation, "WINDOW", 7)
    terms, cases = past(20)
    other = buy(code="strict", price_fen=8800)
    past_cases.write(other, [past_cases.drawn(random.Random(2), other.policy) for _ in range(30)])
    draft = drafted(terms.code)
    row = simulation.start(draft, wanted=1000, by=operator, at=clock.now())
    run_through(row)
    assert (row.done, found(row)) == (20, expected(cases, draft)[0])


def test_what_cannot_be_tried_is_counted_by_its_reason(past, drafted, operator):
    terms, cases = past(10)
    order = cases[0][0].order
    odd = [past_cases.drawn(random.Random(3), terms) for _ in range(4)]
    for refund, kept, verdict in zip(
        past_cases.write(order, odd),
        [{}, {"at": 5}, odd[2].as_json(), odd[3].as_json()],
        ["turn_down", "turn_down", "anything else", policy.decide(odd[3]).step],
        strict=True,
    ):
        _rewrite(refund, facts=kept, verdict=verdict)
    row = simulation.start(drafted(terms.code), wanted=100, by=operator, at=clock.now())
    run_through(row)
    assert (row.done, row.skipped) == (14, {"no_facts": 1, "unreadable": 1, "rules_changed": 1})


def test_facts_from_before_they_were_whole_are_filled_in_from_the_rows(buy, apply, drafted, operator):
    """The reason, the kind of goods and what was delivered: else a fee or a list of reasons would change nothing."""
    order = buy(price_fen=3000)
    refund = apply(order, reason="changed_mind", description="")
    assert refund.lane == Lane.ONE_CLICK
    check = PreCheck.objects.get(refund=refund)
    old = {
        "at", "ordered_at", "paid", "delivered_at", "delivered_count", "begun_count", "revealed_count", "expired_count",
        "amount_fen", "left_fen", "refundable_fen", "rejections", "auto_refunded_today_fen",
    }  # fmt: skip
    was = {"window_days", "cooling_off_hours", "one_click_below_fen", "one_click_daily_cap_fen", "max_rejections"}
    kept = {name: check.facts[name] for name in old} | {"terms": {name: check.facts["terms"][name] for name in was}}
    _rewrite(refund, facts=kept)
    draft = drafted(order.policy.code, one_click_below_fen=5000, fee_percent=10, balance_fee_percent=0)
    row = simulation.start(draft, wanted=10, by=operator, at=clock.now())
    run_through(row)
    assert found(row) == {refund.pk: ("auto_approve", "one_click", 0, "auto_approve", "one_click", 300)}
    assert (row.delta_fen, row.fee_delta_fen) == (-300, 300)


def _rewrite(refund, **columns):
    """A pre-check as it stands in the tables of an older version."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        PreCheck.objects.filter(refund=refund).update(**columns)
        cursor.execute("SET LOCAL session_replication_role = DEFAULT")


# --- whatever happens meanwhile ---------------------------------------------------------------------------------------


def test_killed_half_way_it_goes_on_and_counts_each_case_once(past, drafted, operator, monkeypatch):
    terms, cases = past(60)
    draft = drafted(terms.code)
    row = simulation.start(draft, wanted=60, by=operator, at=clock.now())
    simulation.run(at=clock.now(), limit=20)

    def die(*args):
        raise SystemExit  # after the batch's changes were written, before its place was

    with monkeypatch.context() as patch:
        patch.setattr(simulation, "_past", die)
        with pytest.raises(SystemExit):
            simulation.run(at=clock.now(), limit=20)
    row.refresh_from_db()
    assert (row.done, row.changes.count()) == (20, row.changed)
    run_through(row, limit=20)
    assert (row.done, found(row)) == (60, expected(cases, draft)[0])


def test_a_batch_that_fails_is_tried_again_and_given_up_in_the_end(past, drafted, operator, monkeypatch):
    row = simulation.start(drafted(past(5)[0].code), wanted=5, by=operator, at=clock.now())
    at = clock.now()
    with monkeypatch.context() as patch:
        patch.setattr(simulation, "_next", lambda *args: 1 / 0)
        for tries in range(1, simulation.MOST_TRIES + 1):
            assert simulation.run(at=at) == 0
            row.refresh_from_db()
            assert row.tries == tries
            at = row.next_due_at or at
    assert row.status == SimulationStatus.STOPPED


def test_a_draft_edited_during_the_run_changes_nothing_of_it(past, drafted, operator):
    terms, cases = past(40)
    draft = drafted(terms.code)
    row = simulation.start(draft, wanted=40, by=operator, at=clock.now())
    simulation.run(at=clock.now(), limit=10)
    tried = RefundPolicy.objects.get(pk=draft.pk)
    policies.edit(draft, {"one_click_below_fen": 1, "window_days": 0}, by=operator)
    run_through(row, limit=10)
    assert found(row) == expected(cases, tried)[0]


def test_a_deleted_draft_takes_its_runs_along(past, drafted, operator):
    draft = drafted(past(20)[0].code)
    simulation.start(draft, wanted=20, by=operator, at=clock.now())
    simulation.run(at=clock.now(), limit=10)
    simulation.discard(draft, by=operator)
    assert simulation.run(at=clock.now()) == 0
    assert not PolicySimulation.objects.exists()
    assert not SimulatedChange.objects.exists()


def test_a_stopped_run_stays_where_it_is(past, drafted, operator):
    draft = drafted(past(20)[0].code)
    row = simulation.start(draft, wanted=20, by=operator, at=clock.now())
    with pytest.raises(CannotStart):
        simulation.start(draft, wanted=20, by=operator, at=clock.now())
    simulation.run(at=clock.now(), limit=10)
    simulation.stop(row, by=operator, at=clock.now())
    assert simulation.run(at=clock.now()) == 0
    row.refresh_from_db()
    assert (row.status, row.done) == ("stopped", 10)
    with pytest.raises(CannotChange):
        simulation.stop(row, by=operator, at=clock.now())
    assert not simulation.is_tried(draft)


# --- publishing -------------------------------------------------------------------------------------------------------


def test_only_what_was_tried_is_published(past, drafted, operator):
    terms, _ = past(5)
    draft = drafted(terms.code)
    with pytest.raises(CannotChange, match="还没有试算过"):
        simulation.publish(draft, by=operator, at=clock.now(), reason="x")
    run_through(simulation.start(draft, wanted=5, by=operator, at=clock.now()))
    policies.edit(draft, {"review_hours": 12}, by=operator)
    with pytest.raises(CannotChange, match="还没有试算过"):
        simulation.publish(draft, by=operator, at=clock.now(), reason="x")
    draft = policies.edit(draft, {"review_hours": 48, "name": "新名"}, by=operator)  # a name decides nothing
    with pytest.raises(CannotChange, match="写明"):
        simulation.publish(draft, by=operator, at=clock.now(), reason=" ")
    with pytest.raises(CannotChange, match="刚刚被修改过"):
        simulation.publish(draft, by=operator, at=clock.now(), reason="x", seen="another")
    moved = simulation.publish(draft, by=operator, at=clock.now(), reason="收紧", seen=policies.digest(draft))
    draft.refresh_from_db()
    assert (draft.published_by, draft.publish_reason, draft.version) == (operator, "收紧", terms.version + 1)
    assert moved == Product.objects.filter(policy=draft).count() == 1
    for act in (
        lambda: policies.edit(draft, {"window_days": 1}, by=operator),
        lambda: simulation.publish(draft, by=operator, at=clock.now(), reason="x"),
        lambda: simulation.discard(draft, by=operator),
        lambda: simulation.start(draft, wanted=5, by=operator, at=clock.now()),
    ):
        with pytest.raises(CannotChange, match="已经发布或删除"):
            act()


def test_where_there_is_no_past_case_nothing_has_to_be_tried(make_product, drafted, operator):
    draft = drafted(make_product().policy.code)
    assert simulation.publish(draft, by=operator, at=clock.now(), reason="开业前") == 1


def test_nobody_but_an_operator_writes_a_policy(make_product, drafted, senior, finance):
    draft = drafted(make_product().policy.code)
    for person in (senior, finance):
        for act in (
            lambda: policies.new_draft(draft.code, by=person),  # noqa: B023
            lambda: policies.edit(draft, {}, by=person),  # noqa: B023
            lambda: simulation.start(draft, wanted=5, by=person, at=clock.now()),  # noqa: B023
            lambda: simulation.publish(draft, by=person, at=clock.now(), reason="x"),  # noqa: B023
            lambda: simulation.discard(draft, by=person),  # noqa: B023
        ):
            with pytest.raises(CannotChange, match="只有运营"):
                act()


def test_a_policy_published_during_a_review_does_not_reach_the_case(reviewed, reviewer, drafted, operator, apply):
    """P8."""
    from refunds import lifecycle

    refund = reviewed()
    terms, check = refund.order.policy, refund.pre_check.facts
    draft = drafted(terms.code, window_days=0, max_rejections=1)
    run_through(simulation.start(draft, wanted=5, by=operator, at=clock.now()))
    simulation.publish(draft, by=operator, at=clock.now(), reason="不再支持")
    lifecycle.request_evidence([refund], by=reviewer, at=clock.now(), note="请补一张")
    refund.refresh_from_db()
    assert refund.order.policy == terms
    assert refund.pre_check.facts == check
    lifecycle.lapse_evidence([refund], at=clock.now())
    lifecycle.reject([refund], by=reviewer, at=clock.now(), note="看不清")
    again = apply(refund.order)  # the order's own terms: still within its window, refused once of three times
    assert again.pre_check.facts["terms"] == check["terms"]
    assert again.pre_check.verdict == "send_to_review"
