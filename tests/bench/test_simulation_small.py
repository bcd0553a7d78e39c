"""`make bench`'s trial of a policy in small: it measures a run that is right, and says so when it is not."""

from __future__ import annotations

import pytest

from bench import past_cases, simulation

pytestmark = pytest.mark.django_db


def test_what_is_measured_is_a_whole_run():
    terms, seen = past_cases.write(300)
    operator, draft = simulation._draft(terms)
    row = simulation._simulate(draft, operator, 300)
    changed = sum(simulation._twice(facts, draft) for facts in seen)
    assert (row.done, row.changed, row.skipped) == (300, changed, {})
    assert 0 < changed < 300


def test_its_figures_fail_when_it_is_slow_or_grows():
    found = simulation.Found(cases=10, changed=1, seconds=1.0, rules_seconds=0.1, peaks=(100, 1000))
    assert all(value > most for _, value, most, _ in simulation.figures(found))
    found = simulation.Found(cases=10, changed=1, seconds=0.2, rules_seconds=0.1, peaks=(100, 101))
    assert all(value <= most for _, value, most, _ in simulation.figures(found))
