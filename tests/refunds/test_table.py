"""Every status × step × role: what the table lists works, everything else is refused and changes nothing (PM4, I5)."""

from __future__ import annotations

from contextlib import contextmanager

import pytest
from django.db import transaction

import clock
from accounts.roles import Role
from cardshop import invariants
from refunds import disbursement, lifecycle
from refunds.lifecycle import BACK, STEPS, StepRefused
from refunds.models import Destination, Lane, Queue, Status
from shops.models import CodeState
from tests.cases import attempt_of, everything

pytestmark = pytest.mark.django_db

# How each step is taken; those not named here take the cases, by whom and when.
HOW = {
    "auto_approve": lambda refund, by, at: lifecycle.auto_approve([refund], at=at, lane=Lane.ONE_CLICK),
    "turn_down": lambda refund, by, at: lifecycle.turn_down([refund], at=at, note="超过售后期"),
    "request_evidence": lambda refund, by, at: lifecycle.request_evidence([refund], by=by, at=at, note="请补截图"),
    "provide_evidence": lambda refund, by, at: lifecycle.provide_evidence(refund, by=by, at=at, note="已补"),
    "reject": lambda refund, by, at: lifecycle.reject([refund], by=by, at=at, note="凭证不足"),
    "withdraw": lambda refund, by, at: lifecycle.withdraw(refund, by=by, at=at),
    "halt": lambda refund, by, at: lifecycle.halt([refund], by=by, at=at, note="可疑"),
    "cannot_send": lambda refund, by, at: lifecycle.cannot_send([refund], at=at, note="超过 365 天"),
    "mark_returned": lambda refund, by, at: lifecycle.mark_returned([refund], at=at, note="渠道退回"),
}
ROLES = [role for role in Role if role != Role.SYSTEM]
# Cells of the table that a guard closes in this very situation, and what the guard says.
GUARDED = {
    ("first_review", "approve_canceled", Role.SYSTEM): "not_canceled",
    ("awaiting_evidence", "approve_canceled", Role.SYSTEM): "not_canceled",
    ("approved", "disburse", Role.SYSTEM): "not_automatic",
    ("approved, to the balance", "credit_balance", Role.SYSTEM): "not_automatic",
    ("arrived, on the balance", "mark_returned", Role.SYSTEM): "other_destination",
    ("returned", "reissue", Role.FINANCE): "attempt_not_closed",
}


def test_nobody_both_decides_and_releases():
    """The table itself: whatever is added to it, one role never leads money all the way out, and buyers only ask."""
    decides = {role for step in STEPS.values() if step.target == Status.APPROVED for role in step.who}
    assert decides == {Role.SYSTEM, Role.REVIEWER, Role.SENIOR, Role.FINANCE}
    assert STEPS["reissue"].sources == {Status.RETURNED}  # finance sends again what others approved, and nothing else
    assert [name for name, step in STEPS.items() if step.target == Status.APPROVED and Role.FINANCE in step.who] == [
        "reissue"
    ]
    releases = {name: step.who for name, step in STEPS.items() if step.target == Status.PROCESSING}
    assert releases == {"disburse": {Role.FINANCE, Role.SYSTEM}, "resume": {Role.SYSTEM}}
    assert STEPS["credit_balance"].who == {Role.FINANCE, Role.SYSTEM}
    assert {name for name, step in STEPS.items() if Role.BUYER in step.who} == {
        "withdraw", "provide_evidence", "confirm_arrival",
    }  # fmt: skip
    assert not any(step.who & {Role.MERCHANT, Role.OPERATOR} for step in STEPS.values())


@pytest.fixture
def situations(buy, buy_by_card, apply, reviewed, approved, released, ends_as, reviewer, finance, buyer, drain):
    """Each status, reached by living through it; some in two ways."""

    def rejected():
        refund = reviewed()
        lifecycle.reject([refund], by=reviewer, at=clock.now(), note="凭证不足")
        return refund

    def awaiting():
        refund = reviewed()
        lifecycle.request_evidence([refund], by=reviewer, at=clock.now(), note="请补截图")
        return refund

    def to_balance():
        return approved(destination="balance")

    def credited():
        refund = to_balance()
        disbursement.release([refund], by=finance, at=clock.now())
        return refund

    def withdrawn():
        refund = reviewed()
        lifecycle.withdraw(refund, by=buyer, at=clock.now())
        return refund

    return {
        "submitted": lambda: apply(buy(), precheck=False),
        "first_review": reviewed,
        "awaiting_evidence": awaiting,
        "approved": approved,
        "approved, automatic": lambda: apply(buy()),
        "approved, to the balance": to_balance,
        "processing": released,
        "paid_out": lambda: ends_as(released(buy_by_card()), "SUCCESS"),
        "arrived": lambda: ends_as(released(), "SUCCESS"),
        "arrived, on the balance": credited,
        "rejected": rejected,
        "withdrawn": withdrawn,
        "returned": lambda: ends_as(released(), "ABNORMAL"),
        "returned, closed": lambda: ends_as(released(), "CLOSED"),
    }


SITUATIONS = ["submitted", "first_review", "awaiting_evidence", "approved", "approved, automatic",
              "approved, to the balance", "processing", "paid_out", "arrived", "arrived, on the balance", "rejected",
              "withdrawn", "returned", "returned, closed"]  # fmt: skip


def test_every_status_is_lived_through(situations):
    assert list(situations) == SITUATIONS
    assert {name.split(",")[0] for name in SITUATIONS} == set(Status.values)


@pytest.fixture
def cast(buyer, stranger, merchant, reviewer, senior, finance, operator):
    """Everybody who could try: (how they are called, who they are, as what the case sees them)."""
    return [
        ("buyer", buyer, {Role.BUYER}),
        ("stranger", stranger, set()),
        ("merchant", merchant, {Role.MERCHANT}),
        ("reviewer", reviewer, {Role.REVIEWER}),
        ("senior", senior, {Role.SENIOR}),
        ("finance", finance, {Role.FINANCE}),
        ("operator", operator, {Role.OPERATOR}),
        ("the machine", None, {Role.SYSTEM}),
    ]


def take(step, refund, by):
    """By the step's own function; where only the machine can call that, by the table itself."""
    if by is not None and STEPS[step].who == {Role.SYSTEM}:
        with lifecycle._step(step, [refund], by=by, at=clock.now()):
            pass
    elif step in HOW:
        HOW[step](refund, by, clock.now())
    elif STEPS[step].who == {Role.SYSTEM}:
        getattr(lifecycle, step)([refund], at=clock.now())
    else:
        getattr(lifecycle, step)([refund], by=by, at=clock.now())


@contextmanager
def tried_only():
    """What happens inside is undone at the end."""
    with transaction.atomic():
        mark = transaction.savepoint()
        yield
        transaction.savepoint_rollback(mark)


@pytest.mark.parametrize("situation", SITUATIONS)
def test_only_what_the_table_lists_is_possible(situation, situations, cast):
    refund = situations[situation]()
    refund.refresh_from_db()
    assert refund.status == situation.split(",")[0]
    before = everything()
    for name, by, roles in cast:
        listed = {step for step, row in STEPS.items() if refund.status in row.sources and row.who & roles}
        elsewhere = {"disburse" if refund.destination == Destination.BALANCE else "credit_balance"}
        assert set(lifecycle.allowed_steps(refund, by)) == listed - elsewhere, name
        for step in STEPS.keys() - listed:
            with pytest.raises(StepRefused) as refused:
                take(step, refund, by)
            assert refused.value.code in {"not_yours", "wrong_status"}, (name, step)
        for step in listed & elsewhere:
            with pytest.raises(StepRefused) as refused:
                take(step, refund, by)
            assert refused.value.code == "other_destination", (name, step)
        for step in listed - elsewhere:
            try_one(situation, refund, step, by, next(iter(roles)))
    assert everything() == before


def try_one(situation, refund, step, by, role):
    with tried_only():
        if code := GUARDED.get((situation, step, role)):
            with pytest.raises(StepRefused) as refused:
                take(step, refund, by)
            assert refused.value.code == code
            return
        came_from, events = refund.status, refund.events.count()
        take(step, refund, by)
        refund.refresh_from_db()
        last = refund.events.latest("sequence")
        target = Status.FIRST_REVIEW if STEPS[step].target == BACK else STEPS[step].target
        assert (refund.status, refund.events.count()) == (target, events + 1)
        assert (last.step, last.from_status, last.to_status, last.role, last.actor) == (
            step, came_from, target, role, by,
        )  # fmt: skip
        assert invariants.only_listed_steps_were_taken() == []
        assert invariants.moving_things_have_owners() == []
    refund.refresh_from_db()


# --- who may decide (I10, P7) -----------------------------------------------------------------------------------------


def refused_with(code):
    return pytest.raises(StepRefused, check=lambda error: error.code == code)


def test_who_asked_never_decides_even_as_staff(buy, reveal, apply, reviewer, senior):
    order = buy(by=reviewer)
    reveal(order)
    refund = apply(order)
    assert lifecycle.allowed_steps(refund, reviewer) == ["withdraw"]
    for step in (lifecycle.approve, lifecycle.reject):
        with refused_with("not_yours"):
            step([refund], by=reviewer, at=clock.now(), note="自己的")
    lifecycle.approve([refund], by=senior, at=clock.now())


def test_who_asked_never_releases_even_as_finance(buy, reveal, apply, reviewer, finance):
    order = buy(by=finance)
    reveal(order)
    refund = apply(order)
    lifecycle.approve([refund], by=reviewer, at=clock.now())
    with refused_with("not_yours"):
        disbursement.release([refund], by=finance, at=clock.now())
    assert not refund.disbursements.exists()


@pytest.mark.parametrize("role", ["reviewer", "senior", "finance"])
def test_members_of_the_shop_do_not_decide(role, request, reviewed, approved, shop):
    member = request.getfixturevalue(role)
    refund = approved() if role == "finance" else reviewed()
    shop.members.add(member)
    assert lifecycle.allowed_steps(refund, type(member).objects.get(pk=member.pk)) == []
    with refused_with("not_yours"):
        take("disburse" if role == "finance" else "approve", refund, member)


def test_rights_are_read_when_the_step_is_taken(reviewed, reviewer):
    refund = reviewed()
    type(reviewer).objects.filter(pk=reviewer.pk).update(role=Role.OPERATOR)
    with refused_with("not_yours"):
        lifecycle.approve([refund], by=reviewer, at=clock.now())
    type(reviewer).objects.filter(pk=reviewer.pk).update(role=Role.REVIEWER, is_active=False)
    with refused_with("no_such_user"):
        lifecycle.approve([refund], by=reviewer, at=clock.now())


def test_shops_joined_a_moment_ago_count(reviewed, reviewer, shop):
    refund = reviewed()
    assert "approve" in lifecycle.allowed_steps(refund, reviewer)  # and their shops are remembered on this object
    shop.members.add(reviewer)
    with refused_with("not_yours"):
        lifecycle.approve([refund], by=reviewer, at=clock.now())


def test_a_superuser_moves_no_money(reviewed, operator):
    type(operator).objects.filter(pk=operator.pk).update(is_superuser=True)
    operator.refresh_from_db()
    refund = reviewed()
    for step in ("approve", "reject", "request_evidence"):
        with refused_with("not_yours"):
            take(step, refund, operator)


@pytest.mark.parametrize(("price_fen", "allowed"), [(50_000, True), (50_001, False)])
def test_above_the_limit_only_a_senior_approves(price_fen, allowed, reviewed, reviewer, senior):
    refund = reviewed(price_fen=price_fen)
    if not allowed:
        with refused_with("above_your_limit"):
            lifecycle.approve([refund], by=reviewer, at=clock.now())
        assert refund.events.count() == 2
    lifecycle.approve([refund], by=senior if not allowed else reviewer, at=clock.now())
    refund.refresh_from_db()
    assert refund.status == Status.APPROVED


def test_an_order_in_two_halves_is_not_below_the_limit(buy, reveal, apply, reviewer, senior, finance):
    """P12: what counts is all that is given back of one order."""
    order = buy(price_fen=30_000, quantity=2)
    reveal(order)
    first, second = order.lines.all()
    half = apply(order, line_ids=[first.pk])
    lifecycle.approve([half], by=reviewer, at=clock.now())
    disbursement.release([half], by=finance, at=clock.now())
    other_half = apply(order, line_ids=[second.pk])
    with refused_with("above_your_limit"):
        lifecycle.approve([other_half], by=reviewer, at=clock.now())
    lifecycle.approve([other_half], by=senior, at=clock.now())


def test_in_a_batch_one_case_above_the_limit_stops_all(reviewed, reviewer):
    small, large = reviewed(price_fen=8800), reviewed(price_fen=50_001)
    with refused_with("above_your_limit"):
        lifecycle.approve([small, large], by=reviewer, at=clock.now())
    small.refresh_from_db()
    assert small.status == Status.FIRST_REVIEW


def test_who_approved_does_not_release_in_another_role_either(reviewed, senior, finance):
    refund = reviewed()
    lifecycle.approve([refund], by=senior, at=clock.now())
    type(senior).objects.filter(pk=senior.pk).update(role=Role.FINANCE)
    senior.refresh_from_db()
    with refused_with("same_person"):
        disbursement.release([refund], by=senior, at=clock.now())
    assert disbursement.release([refund], by=finance, at=clock.now()).sent


# --- what steps do beside the status ----------------------------------------------------------------------------------


def test_halted_money_needs_people_again(buy, apply, senior, reviewer, finance, drain):
    """An automatic case that was halted on suspicion must not go out by itself once it is approved again."""
    refund = apply(buy(price_fen=250_000, stock=0), reason="undelivered")
    assert (refund.lane, refund.queue) == (Lane.UNDELIVERED, Queue.MACHINE)
    lifecycle.halt([refund], by=finance, at=clock.now(), note="可疑")
    lifecycle.approve([refund], by=senior, at=clock.now())
    drain()
    refund.refresh_from_db()
    assert (refund.status, refund.queue) == (Status.APPROVED, Queue.FINANCE)
    assert not refund.disbursements.exists()


def test_evidence_is_asked_for_twice_at_most(reviewed, reviewer, buyer):
    refund = reviewed()
    for _ in range(2):
        take("request_evidence", refund, reviewer)
        take("provide_evidence", refund, buyer)
    with refused_with("asked_twice"):
        take("request_evidence", refund, reviewer)


@pytest.mark.parametrize("step", ["reject", "request_evidence", "halt"])
def test_no_refusal_without_a_reason(step, reviewed, senior):
    with refused_with("note_missing"):
        getattr(lifecycle, step)([reviewed()], by=senior, at=clock.now(), note=" \n")


def test_a_review_that_is_late_goes_to_a_senior_and_never_ends_by_silence(reviewed):
    from datetime import timedelta

    from refunds import sweeping

    refund = reviewed()
    for queue, days in [(Queue.SENIOR, 3), (Queue.SENIOR, 30)]:
        clock.advance(timedelta(days=days))
        sweeping.sweep(at=clock.now())
        refund.refresh_from_db()
        assert (refund.status, refund.queue) == (Status.FIRST_REVIEW, queue)
    assert refund.next_due_at > clock.now()


def test_silence_after_a_request_for_evidence_goes_back_to_review(reviewed, reviewer):
    from datetime import timedelta

    from refunds import sweeping

    refund = reviewed()
    take("request_evidence", refund, reviewer)
    clock.advance(timedelta(hours=71, minutes=59))
    assert sweeping.sweep(at=clock.now()) == 0
    clock.advance(timedelta(minutes=2))
    sweeping.sweep(at=clock.now())
    refund.refresh_from_db()
    assert (refund.status, refund.queue) == (Status.FIRST_REVIEW, Queue.REVIEWER)


def test_withdrawn_after_the_money_came_back_the_code_is_the_buyers_again(released, ends_as, finance, buyer, reveal):
    refund = ends_as(released(), "CLOSED")
    code = refund.order.lines.get().delivery.code
    assert code.state == CodeState.VOID
    lifecycle.reissue([refund], by=finance, at=clock.now())
    lifecycle.withdraw(refund, by=buyer, at=clock.now())
    assert reveal(refund.order)
    assert invariants.broken() == []


def test_a_closed_refund_is_issued_again_under_a_new_number_by_a_person(released, ends_as, finance, drain, simulator):
    """G7, PM2."""
    refund = ends_as(released(), "CLOSED")
    old = attempt_of(refund)
    lifecycle.reissue([refund], by=finance, at=clock.now())
    disbursement.release([refund], by=finance, at=clock.now())
    new = attempt_of(refund)
    assert (old.request_no[:-2], old.request_no[-2:], new.request_no[-2:]) == (new.request_no[:-2], "01", "02")
    simulator.clock(2)
    clock.advance(clock.scaled(60))
    drain()
    refund.refresh_from_db()
    assert refund.status == Status.ARRIVED
    assert invariants.broken(simulator.ledger()) == []


def test_what_the_channel_has_not_closed_is_not_issued_again(released, ends_as, finance):
    refund = ends_as(released(), "ABNORMAL")
    with refused_with("attempt_not_closed"):
        lifecycle.reissue([refund], by=finance, at=clock.now())


def test_not_issued_again_while_another_case_of_the_order_runs(
    buy, reveal, apply, reviewer, finance, ends_as, simulator
):
    order = buy(price_fen=8800, quantity=2)
    reveal(order)
    first, second = order.lines.all()
    refund = apply(order, line_ids=[first.pk])
    lifecycle.approve([refund], by=reviewer, at=clock.now())
    disbursement.release([refund], by=finance, at=clock.now())
    simulator.post("settle", request_no=attempt_of(refund).request_no, status="PROCESSING", in_advance=True)
    ends_as(refund, "CLOSED")
    other = apply(order, line_ids=[second.pk])
    with refused_with("already_active"):
        lifecycle.reissue([refund], by=finance, at=clock.now())
    lifecycle.reject([other], by=reviewer, at=clock.now(), note="凭证不足")
    lifecycle.reissue([refund], by=finance, at=clock.now())
