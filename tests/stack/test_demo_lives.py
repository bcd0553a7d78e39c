"""The demo that all share works, and brings back every killed part (F1, F2, F3)."""

from __future__ import annotations

import os
import signal
import stat

import pytest

from tests.demo_stack import CHILDREN, DemoStack, eventually, query, run_demo

pytestmark = pytest.mark.stack


def test_it_says_where_everything_is_and_works(stack: DemoStack) -> None:
    assert stack.get("/readyz")[0] == 200
    assert stack.get("/")[0] == 200
    assert f"{stack.web}/admin/" in stack.output
    assert "cardshop-demo" in stack.output
    assert set(stack.facts["pids"]) == CHILDREN | {"demo"}
    assert query(stack, "SHOW fsync") == [("on",)]


def test_its_secrets_are_for_its_owner_alone(stack: DemoStack) -> None:
    keys = stack.data / "keys"
    assert stat.S_IMODE(keys.stat().st_mode) == 0o700
    for path in [stack.data / "demo.json", *keys.iterdir()]:
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path


@pytest.mark.parametrize("name", sorted(CHILDREN))
def test_a_killed_part_comes_back(stack: DemoStack, name: str) -> None:
    old = stack.facts["pids"][name]
    [(killed_at,)] = query(stack, "SELECT now()")
    os.kill(old, signal.SIGKILL)
    eventually(lambda: stack.facts["pids"][name] != old, 30, f"{name} was not started again")
    eventually(lambda: stack.get("/readyz")[0] == 200, 60, f"not ready again after {name} was killed")
    heartbeats = f"SELECT count(*) FROM cardshop_heartbeat WHERE at > timestamptz '{killed_at}'"
    eventually(lambda: query(stack, heartbeats) == [(2,)], 60, f"worker or beat is silent after {name} was killed")


def test_doctor_finds_it_well(stack: DemoStack) -> None:
    assert "✗" not in stack.manage("doctor")


def test_a_second_demo_on_the_same_data_gets_one_line(stack: DemoStack) -> None:
    code, output = run_demo(stack.data)
    assert code == 1
    assert "already runs" in output.strip().splitlines()[-1]
    assert stack.get("/readyz")[0] == 200
