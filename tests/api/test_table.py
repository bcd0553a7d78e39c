"""The table of steps through the API: whoever the table names may, everybody else is refused and nothing changes
(PM4, PM5). Every status × step × person by the functions themselves: ``tests/refunds/test_table.py``; the desk's
dialogs: ``tests/desk/test_rights.py``.
"""

from __future__ import annotations

from collections import defaultdict

import pytest
from django.db import transaction

from api import steps
from refunds import lifecycle
from refunds.lifecycle import SAME, STEPS
from refunds.models import Refund, Status
from tests.cases import SITUATIONS

pytestmark = pytest.mark.django_db

# Where a step is tried if not in the first of its statuses, so that its own guards let it through.
READY = {
    "accept_replacement": "offered, a replacement",
    "record_answer": "first_review, consulted",
    "urge": "merchant_review, late",
    "confirm_offer": "second_review, of an offer",
    "credit_balance": "approved, to the balance",
    "report_missing": "paid_out, not there",
    "explain_missing": "paid_out, missing",
    "reissue": "returned, closed",
    "reissue_above_limit": "returned, closed",
    "sign_redirect": "returned, closed",
    "request_transfer": "approved, to an account",
    "send_to_card": "redirect_signed, for a card that the channel pays",
    "agree_above_limit": "merchant_review, above the limit",
}
# The buyer was asked; who confirmed an account, or released the money first, does not send it on.
NOT_ASKED = {("provide_evidence", "merchant"), ("request_transfer", "cashier"), ("send_to_card", "cashier")}
TRIED: dict[str, list[str]] = defaultdict(list)
for _name in steps.OF_PERSONS:
    TRIED[READY.get(_name, min(STEPS[_name].sources))].append(_name)


@pytest.mark.parametrize("situation", sorted(TRIED))
def test_each_step_is_taken_by_whom_the_table_names(situation, api, house):
    refund = SITUATIONS[situation](house)
    refund.refresh_from_db()
    callers = {name: api(person) for name, person in house.people().items()}
    for step in TRIED[situation]:
        for name, caller in callers.items():
            before = (refund.status, refund.events.count())
            with transaction.atomic():
                mark = transaction.savepoint()
                answer = take(caller, refund, step)
                now = Refund.objects.get(pk=refund.pk)
                is_named = lifecycle.roles_on(refund, house.people()[name]) & STEPS[step].who
                if is_named and (step, name) not in NOT_ASKED:
                    assert answer.status_code == 200, (step, name, answer.json())
                    assert now.status == (before[0] if STEPS[step].target == SAME else target_of(step)), (step, name)
                    assert now.events.latest("sequence").actor == house.people()[name]
                else:
                    assert answer.status_code in {403, 404}, (step, name)
                    assert (now.status, now.events.count()) == before, (step, name)
                transaction.savepoint_rollback(mark)


def target_of(step):
    return Status.FIRST_REVIEW if step == "provide_evidence" else STEPS[step].target


@pytest.mark.parametrize("status", Status)
def test_the_right_person_in_the_wrong_status_is_told_so(status, api, house):
    """For each kind of person, every step of theirs that this status does not have: 409, and nothing changes."""
    refund = SITUATIONS[status.value](house)
    refund.refresh_from_db()
    before = (refund.status, refund.events.count())
    for name in ("buyer", "merchant", "senior", "finance"):
        caller = api(house.people()[name])
        roles = lifecycle.roles_on(refund, house.people()[name])
        theirs = [step for step, row in steps.OF_PERSONS.items() if row.who & roles and status not in row.sources]
        for step in theirs[::3]:  # every third: each is refused by the same line
            answer = take(caller, refund, step)
            assert (answer.status_code, answer.json()["code"]) == (409, "wrong_status"), (step, name)
    assert (Refund.objects.get(pk=refund.pk).status, refund.events.count()) == before


def take(caller, refund, step):
    """With what the step needs to be told; what only an appeal or an offer says, in its words."""
    words = {"note": "按记录处理", "amount_fen": refund.amount_fen // 2, "ground": "not_so"}
    if step == "appeal":
        words["ground"] = "overlooked"
    known = steps.words_of(step)().fields
    body = {name: value for name, value in words.items() if name in known}
    return caller.post(f"/api/refunds/{refund.refund_no}/steps/{step}/", body)


def test_the_systems_steps_have_no_address(api, house):
    refund = house.case()
    for step in STEPS.keys() - steps.OF_PERSONS.keys():
        for caller in (api(house.operator), api(house.senior)):
            assert take_anyhow(caller, refund, step).status_code == 404, step
    assert refund.events.count() == 2


def take_anyhow(caller, refund, step):
    return caller.post(f"/api/refunds/{refund.refund_no}/steps/{step}/", {"note": "按记录处理"})


@pytest.mark.parametrize("field", ["by", "actor", "role", "at", "to", "user"])
def test_who_acts_is_who_is_logged_in_whatever_the_body_says(field, api, house):
    """PM5."""
    refund = house.case()
    answer = api(house.stranger).post(f"/api/refunds/{refund.refund_no}/steps/approve/", {field: house.senior.pk})
    assert answer.status_code in {403, 404}
    answer = api(house.reviewer).post(f"/api/refunds/{refund.refund_no}/steps/approve/", {field: house.senior.pk})
    assert (answer.status_code, field in answer.json()["fields"]) == (400, True)
    assert refund.events.count() == 2
