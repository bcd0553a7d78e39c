"""The worker that tries a policy out is killed half-way: the next one goes on, and each case is counted once."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from urllib.parse import urlsplit

import pytest
from django.db import connection

import clock
from refunds import simulation
from refunds.models import PolicySimulation, SimulationStatus
from shops import policies
from tests.demo_stack import ROOT, eventually
from tests.refunds import past_cases

pytestmark = pytest.mark.django_db(transaction=True)
MANY = 1_500


def test_a_trial_killed_half_way_counts_each_case_once(buy, operator):
    order = buy(price_fen=8800)
    chance = random.Random(11)
    past_cases.write(order, [past_cases.drawn(chance, order.policy) for _ in range(MANY)])
    draft = policies.new_draft(order.policy.code, by=operator)
    draft = policies.edit(draft, {"one_click_below_fen": 2000, "max_rejections": 1}, by=operator)
    row = simulation.start(draft, wanted=MANY, by=operator, at=clock.now())

    address = urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{connection.settings_dict['NAME']}").geturl()
    words = [sys.executable, "-m", "tests.chaos.simulation_worker"]
    process = subprocess.Popen(words, cwd=ROOT, env=os.environ | {"DATABASE_URL": address})
    try:
        eventually(lambda: PolicySimulation.objects.get(pk=row.pk).done >= MANY // 5, 60, "no batch was tried")
    finally:
        process.kill()
        process.wait()
    row.refresh_from_db()
    assert row.status == SimulationStatus.RUNNING, "it was killed too late to prove anything"
    assert row.changes.count() == row.changed  # progress and work are one commit

    eventually(lambda: not simulation.run(at=clock.now()) and is_done(row), 60, "it did not go on")
    row.refresh_from_db()
    again = simulation.start(draft, wanted=MANY, by=operator, at=clock.now())
    while simulation.run(at=clock.now()):
        pass
    again.refresh_from_db()
    assert (row.done, row.changed, row.delta_fen) == (MANY, again.changed, again.delta_fen)
    assert cases(row) == cases(again)
    assert len(cases(row)) == row.changed > 0


def is_done(row: PolicySimulation) -> bool:
    return PolicySimulation.objects.get(pk=row.pk).status == SimulationStatus.DONE


def cases(row: PolicySimulation) -> list[int]:
    return sorted(row.changes.values_list("refund", flat=True))
