"""SQL against the rules about trials of a policy: the database itself refuses, whoever asks."""

from __future__ import annotations

import pytest

import clock
from refunds import simulation
from refunds.models import SimulatedChange
from shops import policies
from tests import attacks
from tests.attacks import another

pytestmark = pytest.mark.django_db


@pytest.fixture
def books(reviewed, operator):
    """A draft on trial, and a case that it would change."""
    refund = reviewed()
    draft = policies.new_draft(refund.order.policy.code, by=operator)
    run = simulation.start(draft, wanted=10, by=operator, at=clock.now())
    SimulatedChange.objects.create(
        simulation=run, refund=refund, step_then="send_to_review", lane_then="standard", step_now="turn_down",
        lane_now="standard", fee_then_fen=0, fee_now_fen=0, sentence="x",
    )  # fmt: skip
    return {"run": run.pk}


ATTACKS = {
    "more done than was wanted": (
        "UPDATE refunds_policysimulation SET done = wanted + 1 WHERE id = {run}",
        "simulation_does_what_is_wanted",
    ),
    "a run that nobody comes back to": (
        "UPDATE refunds_policysimulation SET next_due_at = NULL WHERE id = {run}",
        "running_simulation_is_due",
    ),
    "a case counted twice": (another("refunds.SimulatedChange"), "simulated_once"),
    "fewer cases than none": (
        "UPDATE refunds_policysimulation SET changed = -1 WHERE id = {run}",
        "refunds_policysimulation_changed_check",
    ),
    "a fee below nothing": ("UPDATE refunds_simulatedchange SET fee_now_fen = -1", "fee_now_fen_check"),
}


def test_every_attack_is_refused_by_name(books):
    attacks.check(ATTACKS, books)
