"""Every status × step × person: what the table lists works, everything else is refused and changes nothing (PM4, I5).

The situations stand in ``tests/cases.py``, each lived through; what a guard closes in one of them stands here.
"""

from __future__ import annotations

from contextlib import contextmanager
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import transaction

import clock
from accounts.roles import Role
from cardshop import invariants
from orders.models import Order
from refunds import clocking, disbursement, lifecycle
from refunds.lifecycle import AT_REST, BACK, PLATFORM, QUEUE_OF, SAME, STEPS, StepRefused
from refunds.models import Lane, Queue, Refund, Status
from shops.models import RefundPolicy
from tests.cases import SITUATIONS, attempt_of, everything, take

pytestmark = pytest.mark.django_db

DECISIONS = {"approve", "uphold", "reject", "make_offer", "propose_offer", "request_evidence", "claim", "hand_over"}
# Cells of the table that a guard closes in every situation but those below: these goods are delivered and not used,
# nobody is asked or late, and what is paid is not missing.
USUALLY = {
    "urge": "too_early",
    "record_answer": "not_consulted",
    "approve_canceled": "not_canceled",
    "confirm_offer": "no_offer",
    "report_missing": "too_early",
    "explain_missing": "wrong_status",
    "accept_replacement": "other_offer",
    "credit_balance": "other_destination",
    "request_transfer": "other_destination",
    "mark_transferred": "other_destination",
    "send_to_card": "not_at_channel",
    ("disburse", "system"): "not_automatic",
    ("provide_evidence", "merchant"): "not_yours",
}
ABOVE_LIMIT = {"approve": "needs_second_person"}
CANCELED = dict.fromkeys(["withdraw", "reject", "reject_second", "close", "make_offer", "propose_offer"], "canceled")
DONE = ""  # it works
# What else a guard closes, or opens, in one situation: (step or (step, person)) → what it says.
GUARDED: dict[str, dict[object, str]] = {
    "merchant_review, above the limit": {"agree": "above_limit"},
    "merchant_review, late": {
        "urge": DONE,
        **{(step, "merchant"): "too_late" for step in ("agree", "agree_above_limit", "contest", "offer")},
    },
    "offered, a replacement": {"accept_replacement": DONE, "accept_offer": "other_offer"},
    "first_review, above the limit": ABOVE_LIMIT,
    "first_review, agreed above the limit": ABOVE_LIMIT,
    "first_review, upheld once and sent back": ABOVE_LIMIT,
    "first_review, claimed": {(step, "reviewer"): "claimed" for step in DECISIONS},
    "first_review, consulted": {"consult": "consulted", "record_answer": DONE},
    "first_review, escalated": {"urge": DONE},
    "first_review, canceled": CANCELED | {"approve_canceled": DONE},
    "awaiting_evidence, of the shop": {("provide_evidence", "merchant"): DONE, "provide_evidence": "not_yours"},
    "second_review, of an offer": {"confirm_offer": DONE, "approve_second": "needs_second_person"},
    "second_review, of a replacement": {"confirm_offer": DONE, "approve_second": "needs_second_person"},
    "second_review, reopened": {
        ("approve_second", "senior"): "same_person", ("confirm_offer", "senior"): "same_person",
    },
    "second_review, appeal upheld": {
        ("approve_second", "senior"): "same_person", ("confirm_offer", "senior"): "same_person",
    },
    "second_review, sent again": CANCELED | {"approve_canceled": DONE},
    "appeal_review, above the limit": {"grant_appeal": "needs_second_person"},
    "appeal_review, of a senior's refusal": {
        (step, "senior"): "decided_before" for step in ("grant_appeal", "uphold_appeal", "dismiss_appeal", "close")
    },
    "approved, automatic": {("disburse", "system"): DONE},
    "approved, to the balance": {
        "credit_balance": DONE, "disburse": "other_destination", ("disburse", "system"): "other_destination",
        ("credit_balance", "system"): "not_automatic",
    },
    "paid_out, not there": {"report_missing": DONE},
    "paid_out, missing": {"report_missing": "reported", "explain_missing": DONE},
    "approved, to an account": {
        "request_transfer": DONE, ("request_transfer", "cashier"): "same_person",
        "disburse": "other_destination", ("disburse", "system"): "other_destination",
    },
    "processing, to an account": {
        "mark_paid_out": "other_destination", "mark_transferred": "transfer_open", "mark_returned": "transfer_open",
    },
    "paid_out, to an account": {"mark_returned": "transfer_open"},
    "arrived, on the balance": {"mark_returned": "other_destination"},
    "rejected, appeal over": {"appeal": "appeal_is_over"},
    "rejected, for good": {"appeal": "appealed"},
    "rejected, asked again": {"appeal": "already_active", "reopen": "already_active"},
    "returned": dict.fromkeys(["reissue", "reissue_above_limit"], "attempt_not_closed"),
    "redirect_signed, for an account of today": {"confirm_redirect": "cooling"},
    "redirect_signed, for a card that the channel pays": {
        "confirm_redirect": "attempt_not_closed", "send_to_card": DONE, ("send_to_card", "cashier"): "same_person",
    },
    "returned, sent by the machine above the limit": {
        "reissue": "needs_second_person", "sign_redirect": "needs_second_person",
    },
}  # fmt: skip
# Works, and is not offered: the shorter way is, or it comes to nothing. And the other way about: whoever presses is
# told what the cancellation has to do with it.
NOT_OFFERED = {"agree_above_limit", "propose_offer", "uphold_appeal", "reissue_above_limit"}
OFFERED_WITH_WORDS = {"canceled"}


def test_every_status_is_lived_through():
    assert {name.split(",")[0] for name in SITUATIONS} == set(Status.values)
    assert GUARDED.keys() <= SITUATIONS.keys()


@contextmanager
def tried_only():
    """What happens inside is undone at the end."""
    with transaction.atomic():
        mark = transaction.savepoint()
        yield
        transaction.savepoint_rollback(mark)


def everybody(house):
    return {**house.people(), "system": None}


def listed_for(refund, by):
    roles = lifecycle.roles_on(refund, by)
    return {step for step, row in STEPS.items() if refund.status in row.sources and row.who & roles}


@pytest.mark.parametrize("situation", SITUATIONS)
def test_what_the_table_lists_works_unless_a_guard_says_why_not(situation, house):
    refund = SITUATIONS[situation](house)
    refund.refresh_from_db()
    assert refund.status == situation.split(",")[0]
    before = everything()
    closed = USUALLY | GUARDED.get(situation, {})
    for name, by in everybody(house).items():
        said = {}
        for step in listed_for(refund, by):
            said[step] = closed.get((step, name), closed.get(step, DONE))
            try_one(refund, step, by, said[step])
        if by is not None:
            offered = set(lifecycle.allowed_steps(refund, by))
            assert {step for step, code in said.items() if not code} - NOT_OFFERED <= offered, name
            assert {said[step] for step in offered} <= {DONE, *OFFERED_WITH_WORDS}, name
    assert everything() == before


def try_one(refund, step, by, code):
    with tried_only():
        case = Refund.objects.get(pk=refund.pk)
        if code:
            with pytest.raises(StepRefused) as refused:
                take(step, case, by)
            assert refused.value.code == code, (step, by)
            return
        came_from, events = case.status, case.events.count()
        take(step, case, by)
        last = case.events.latest("sequence")
        assert (case.status, case.events.count()) == (target_of(case, step, came_from), events + 1)
        role = next(iter(lifecycle.roles_on(case, by)))
        assert (last.step, last.from_status, last.to_status, last.role, last.actor) == (
            step, came_from, case.status, role, by,
        )  # fmt: skip
        assert invariants.only_listed_steps_were_taken() == []
        assert invariants.moving_things_have_owners() == []
        assert invariants.who_decides_is_somebody_else() == []


def target_of(case, step, came_from):
    """SAME: it stays; BACK: where it was before it waited, by its own record."""
    if STEPS[step].target == SAME:
        return came_from
    if STEPS[step].target == BACK:
        return case.events.filter(to_status=Status.AWAITING_EVIDENCE).latest("sequence").from_status
    return STEPS[step].target


# One situation for each status is enough here: the table knows no more than the status. And one person of each role.
DOUBLES = {"colleague", "other_senior", "cashier"}


@pytest.mark.parametrize("every", [False, pytest.param(True, marks=pytest.mark.nightly)], ids=["wrong_in_one", "all"])
@pytest.mark.parametrize("status", Status)
def test_what_the_table_does_not_list_is_refused_to_everybody(status, every, house):
    """Right status, wrong person; right person, wrong status. Those with both wrong are tried by night."""
    refund = SITUATIONS[status.value](house)
    refund.refresh_from_db()
    before = everything()
    for name, by in everybody(house).items():
        roles = lifecycle.roles_on(refund, by)
        for step in STEPS.keys() - listed_for(refund, by):
            row = STEPS[step]
            if every or (name not in DOUBLES and (refund.status in row.sources or row.who & roles)):
                with pytest.raises(StepRefused) as refused:
                    take(step, refund, by)
                assert refused.value.code in {"not_yours", "wrong_status"}, (name, step)
    assert everything() == before


# --- from the table alone ---------------------------------------------------------------------------------------------


def targets_of(step):
    """Where a step leads: BACK to every status from which evidence is asked for."""
    if step.target == SAME:
        return set()
    asks = [row for row in STEPS.values() if row.target == Status.AWAITING_EVIDENCE]
    return {source for row in asks for source in row.sources} if step.target == BACK else {Status(step.target)}


def leads_to(goal, steps):
    """Every status from which these steps can lead there."""
    found = set(goal)
    while more := {
        source for step in steps for source in step.sources if targets_of(step) & found and source not in found
    }:
        found |= more
    return found


def test_every_status_is_reached_from_the_first():
    found = {Status.SUBMITTED}
    while more := {t for step in STEPS.values() if step.sources & found for t in targets_of(step)} - found:
        found |= more
    assert found == set(Status)


def test_every_status_has_a_way_to_rest():
    assert leads_to(AT_REST, STEPS.values()) == set(Status)
    assert not {step for name, step in STEPS.items() if step.sources & {Status.WITHDRAWN, Status.CLOSED}}


MOVING = set(Status) - AT_REST
# Where only news of a channel, or finance, moves it on: shown as late, looked at daily, reminded of. Never at rest.
BY_NEWS = {Status.PROCESSING, Status.RETURNED, Status.APPROVED, Status.PAID_OUT, Status.REDIRECT_SIGNED}


@pytest.mark.parametrize("status", sorted(MOVING))
def test_every_status_that_is_not_at_rest_has_an_owner_a_deadline_and_a_step_on_silence(status):
    """I4."""
    assert QUEUE_OF[status] != Queue.NOBODY
    refund = Refund(order=Order(policy=RefundPolicy()), status=status, submitted_at=clock.now(), lane=Lane.STANDARD)
    hours = clocking.hours_of(refund, status)
    assert (hours or 0) > 0 or status == Status.PAID_OUT  # that has the arrival window, see test_clocks
    by_machine = [name for name, step in STEPS.items() if status in step.sources and Role.SYSTEM in step.who]
    assert by_machine
    moves_on = {t for name in by_machine for t in targets_of(STEPS[name])} - {status}
    if status in PLATFORM:
        assert "escalate" in by_machine
    assert moves_on
    if status not in BY_NEWS:
        on_silence = {"lapse_offer", "lapse_evidence", "escalate", "agree", "contest", "send_to_review"}
        assert on_silence & set(by_machine)


def test_nobody_both_decides_and_releases():
    """The table itself: whatever is added to it, one role never leads money all the way out, and buyers only ask."""
    by_finance = {name for name, s in STEPS.items() if s.target == Status.APPROVED and Role.FINANCE in s.who}
    assert by_finance == {"reissue", "confirm_redirect"}
    for name in by_finance:  # finance sends again what others approved, and nothing else
        assert STEPS[name].sources <= {Status.RETURNED, Status.REDIRECT_SIGNED}
    releases = {name: step.who for name, step in STEPS.items() if step.target == Status.PROCESSING}
    assert releases == {
        "disburse": {Role.FINANCE, Role.SYSTEM}, "resume": {Role.SYSTEM}, "request_transfer": {Role.FINANCE},
        "send_to_card": {Role.FINANCE},
    }  # fmt: skip
    assert STEPS["credit_balance"].who == {Role.FINANCE, Role.SYSTEM}
    assert {name for name, step in STEPS.items() if Role.MERCHANT in step.who} == {
        "agree", "agree_above_limit", "contest", "offer", "provide_evidence",
    }  # fmt: skip
    assert {name for name, step in STEPS.items() if Role.BUYER in step.who and step.target == Status.APPROVED} == {
        "accept_offer"
    }
    assert not any(Role.OPERATOR in step.who for step in STEPS.values())


def test_every_step_has_its_function_and_a_title_if_a_person_takes_it():
    for name, step in STEPS.items():
        assert getattr(lifecycle, name).__doc__, name
        assert bool(step.title) == bool(step.who - {Role.SYSTEM}), name
        assert name in lifecycle.__all__


def test_the_pictures_in_the_readmes_are_the_table():
    call_command("lifecycle", "--check")


def test_the_picture_shows_every_step_that_moves_a_case(monkeypatch):
    out = StringIO()
    call_command("lifecycle", stdout=out)
    for name, step in STEPS.items():
        assert (f" {name} (" in out.getvalue()) == (step.target != SAME), name
    for status in Status:
        assert f"as {status.value}" in out.getvalue()
    monkeypatch.setitem(STEPS, "one_more", STEPS["approve"])
    with pytest.raises(CommandError, match="lifecycle --write"):
        call_command("lifecycle", "--check")


# --- who may decide (I10, P7) -----------------------------------------------------------------------------------------


def refused_with(code):
    return pytest.raises(StepRefused, check=lambda error: error.code == code)


def test_who_asked_never_decides_even_as_staff(house, buy, reveal, apply):
    order = buy(by=house.reviewer)
    reveal(order)
    refund = apply(order)
    assert lifecycle.allowed_steps(refund, house.reviewer) == ["withdraw"]
    for step in ("approve", "reject", "claim", "uphold"):
        with refused_with("not_yours"):
            take(step, refund, house.reviewer)
    take("approve", refund, house.senior)


def test_who_asked_never_releases_even_as_finance(house, buy, reveal, apply):
    order = buy(by=house.finance)
    reveal(order)
    refund = house.on(apply(order), "reviewer approve")
    with refused_with("not_yours"):
        disbursement.release([refund], by=house.finance, at=clock.now())
    assert not refund.disbursements.exists()


@pytest.mark.parametrize("role", ["reviewer", "senior", "finance"])
def test_members_of_the_shop_do_not_decide(role, house):
    """Nor do they answer for it where the platform decides."""
    refund = house.case(*(["reviewer approve"] if role == "finance" else []))
    member = house.people()[role]
    refund.order.shop.members.add(member)
    fresh = type(member).objects.get(pk=member.pk)
    assert lifecycle.allowed_steps(refund, fresh) == []
    with refused_with("not_yours"):
        take("disburse" if role == "finance" else "approve", refund, fresh)


def test_rights_are_read_when_the_step_is_taken(house):
    refund, reviewer = house.case(), house.reviewer
    type(reviewer).objects.filter(pk=reviewer.pk).update(role=Role.OPERATOR)
    with refused_with("not_yours"):
        take("approve", refund, reviewer)
    type(reviewer).objects.filter(pk=reviewer.pk).update(role=Role.REVIEWER, is_active=False)
    with refused_with("no_such_user"):
        take("approve", refund, reviewer)


def test_shops_joined_a_moment_ago_count(house, shop):
    refund = house.case()
    assert "approve" in lifecycle.allowed_steps(refund, house.reviewer)  # their shops are remembered on this object
    shop.members.add(house.reviewer)
    with refused_with("not_yours"):
        take("approve", refund, house.reviewer)


def test_a_superuser_moves_no_money(house):
    operator = house.operator
    type(operator).objects.filter(pk=operator.pk).update(is_superuser=True)
    operator.refresh_from_db()
    refund = house.case()
    for step in ("approve", "reject", "request_evidence", "close", "claim"):
        with refused_with("not_yours"):
            take(step, refund, operator)


def test_who_acts_comes_from_the_caller_and_never_from_the_words(house):
    """PM5: no step takes the name of who decides among its words; a hand-over names whom it goes to."""
    import inspect

    for name in STEPS:
        named = set(inspect.signature(getattr(lifecycle, name)).parameters)
        assert not named & {"actor", "user", "role", "person"}, name


# --- what steps do beside the status ----------------------------------------------------------------------------------


def test_halted_money_needs_people_again(house, buy, apply, drain):
    """An automatic case that was halted on suspicion must not go out by itself once it is approved again."""
    refund = apply(buy(price_fen=250_000, stock=0), reason="undelivered")
    assert (refund.lane, refund.queue) == (Lane.UNDELIVERED, Queue.MACHINE)
    house.on(refund, "finance halt", "reviewer uphold", "senior approve_second")
    drain()
    refund.refresh_from_db()
    assert (refund.status, refund.queue) == (Status.APPROVED, Queue.FINANCE)
    assert not refund.disbursements.exists()


def test_evidence_is_asked_for_twice_at_most_in_each_review(house):
    refund = house.case(*["reviewer request_evidence", "buyer provide_evidence"] * 2)
    with refused_with("asked_twice"):
        take("request_evidence", refund, house.reviewer)
    house.on(refund, "reviewer uphold", *["senior request_more", "buyer provide_evidence"] * 2)
    with refused_with("asked_twice"):
        take("request_more", refund, house.senior)


NEED_WORDS = {"request_evidence", "request_more", "reject", "reject_second", "dismiss_appeal", "send_back", "halt",
              "close", "reopen", "appeal", "contest", "offer", "make_offer", "propose_offer", "consult",
              "record_answer", "explain_missing"}  # fmt: skip


@pytest.mark.parametrize("step", sorted(NEED_WORDS))
def test_no_refusal_and_no_demand_without_a_reason(step, house):
    status = min(STEPS[step].sources)
    who = {Role.MERCHANT: "merchant", Role.BUYER: "buyer", Role.SENIOR: "senior", Role.REVIEWER: "reviewer"}
    person = next(house.people()[name] for role, name in who.items() if role in STEPS[step].who)
    with refused_with("note_missing"):
        take(step, SITUATIONS[status.value](house), person, note=" \n")


def test_closing_with_nothing_gives_nothing_back_and_says_why(house, reveal):
    """PM14: ¥0, with a reason that the buyer reads; the goods are the buyer's again."""
    refund = house.case()
    take("close", refund, house.senior, note="已由商家线下换货，买家确认")
    assert (refund.status, refund.decision_note) == (Status.CLOSED, "已由商家线下换货，买家确认")
    assert not refund.disbursements.exists()
    assert refund.order.lines.get().delivery.code.state == "revealed"
    assert house.buyer.notices.filter(kind="refund_close").exists()
    assert invariants.broken() == []


def test_withdrawn_after_the_money_came_back_the_code_is_the_buyers_again(house, reveal):
    refund = SITUATIONS["returned, closed"](house)
    assert refund.order.lines.get().delivery.code.state == "void"
    house.on(refund, "finance reissue", "buyer withdraw")
    assert reveal(refund.order)
    assert invariants.broken() == []


def test_a_closed_refund_is_issued_again_under_a_new_number_by_a_person(house, drain, simulator):
    """G7, PM2."""
    refund = SITUATIONS["returned, closed"](house)
    old = attempt_of(refund)
    house.on(refund, "finance reissue")
    disbursement.release([refund], by=house.finance, at=clock.now())
    new = attempt_of(refund)
    assert (old.request_no[:-2], old.request_no[-2:], new.request_no[-2:]) == (new.request_no[:-2], "01", "02")
    simulator.clock(2)
    clock.advance(clock.scaled(60))
    drain()
    refund.refresh_from_db()
    assert refund.status == Status.ARRIVED
    assert invariants.broken(simulator.ledger()) == []


def test_not_issued_again_while_another_case_of_the_order_runs(house, buy, reveal, apply):
    order = buy(price_fen=8800, quantity=2)
    reveal(order)
    first, second = order.lines.all()
    refund = house.on(apply(order, line_ids=[first.pk]), "reviewer approve")
    house.ends_as(house.sent(refund), "CLOSED")
    other = apply(order, line_ids=[second.pk])
    with refused_with("already_active"):
        take("reissue", refund, house.finance)
    house.on(other, "reviewer reject")
    take("reissue", refund, house.finance)
