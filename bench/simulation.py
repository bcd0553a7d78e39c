"""What trying a policy out costs: the worker with its database, against deciding the same cases twice in memory.

Runs in a process of its own, on an embedded PostgreSQL of its own, in an environment like production's; ``measure``
starts it and reads what it found. Memory is Python's own, at its peak, for a run of a tenth and for the whole.
"""

from __future__ import annotations

import sys
import time
import tracemalloc
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench import apart

if TYPE_CHECKING:
    from refunds.models import PolicySimulation
    from refunds.policy import Facts
    from shops.models import RefundPolicy

MOST_TIMES, MOST_GROWTH = 5.0, 1.3


@dataclass(frozen=True)
class Found:
    """``seconds``: of the worker; ``rules_seconds``: of the rules alone, twice for each case; ``peaks``: bytes."""

    cases: int
    changed: int
    seconds: float
    rules_seconds: float
    peaks: tuple[int, int]


def measure(*, cases: int) -> Found:
    """Raises CalledProcessError if the other process fails."""
    return Found(**apart.measured("bench.simulation", cases))


def figures(found: Found) -> Iterator[tuple[str, float, float, str]]:
    """(name, value, the most it may be, detail), as ``bench.__main__`` prints them."""
    rate = f"{found.cases / found.seconds:,.0f} cases/s, {found.changed:,} of {found.cases:,} changed"
    yield "policy trial: time ÷ the rules alone", found.seconds / found.rules_seconds, MOST_TIMES, rate
    small, large = found.peaks
    detail = f"{large / 2**20:.1f} / {small / 2**20:.1f} MiB"
    yield "policy trial: memory, all ÷ a tenth", large / small, MOST_GROWTH, detail


def run(cases: int) -> Found:
    """In an empty database."""
    import logging

    import django

    django.setup()
    logging.getLogger("workqueue").setLevel(logging.ERROR)  # nobody listens for bells here
    from django.core.management import call_command
    from django.db import connection

    from bench import past_cases

    call_command("migrate", verbosity=0)
    terms, seen = past_cases.write(cases)
    operator, draft = _draft(terms)
    began = time.perf_counter()
    changed = sum(_twice(facts, draft) for facts in seen)
    rules_seconds = time.perf_counter() - began
    del seen
    began = time.perf_counter()
    tried = _simulate(draft, operator, cases)
    seconds = time.perf_counter() - began
    if (tried.done, tried.changed, tried.skipped) != (cases, changed, {}):
        raise SystemExit(f"{tried.done} of {cases} cases, {tried.changed} of {changed} changes, {tried.skipped}")
    peaks = (_peak(draft, operator, cases // 10), _peak(draft, operator, cases))
    connection.close()
    return Found(cases, changed, seconds, rules_seconds, peaks)


def _draft(terms: RefundPolicy) -> tuple[object, RefundPolicy]:
    from accounts.models import User
    from accounts.roles import Role
    from bench import scale_rows
    from shops import policies

    operator = User.objects.create(pk=scale_rows.FIRST, username="bench-operator", role=Role.OPERATOR, is_staff=True)
    draft = policies.new_draft(terms.code, by=operator)
    changes = {"window_days": 7, "one_click_below_fen": 2000, "max_rejections": 2, "fee_percent": 5}
    return operator, policies.edit(draft, changes, by=operator)


def _twice(seen: Facts, draft: RefundPolicy) -> bool:
    """Whether the draft decides it otherwise: nothing but the rules, no database."""
    from dataclasses import replace

    from refunds import facts, simulation

    then = simulation.outcome(seen)
    terms = facts.terms_of(draft, seen.reason, seen.kind, is_cross_border=seen.is_cross_border)
    now = simulation.outcome(replace(seen, terms=terms))
    return (then.step, then.lane, then.fee_fen) != (now.step, now.lane, now.fee_fen)


def _simulate(draft: RefundPolicy, operator: object, cases: int) -> PolicySimulation:
    import clock
    from refunds import simulation

    started = simulation.start(draft, wanted=cases, by=operator, at=clock.now())  # type: ignore[arg-type]
    while simulation.run(at=clock.now()):
        pass
    started.refresh_from_db()
    return started


def _peak(draft: RefundPolicy, operator: object, cases: int) -> int:
    tracemalloc.start()
    try:
        _simulate(draft, operator, cases)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


if __name__ == "__main__":
    sys.exit(apart.main(run))
