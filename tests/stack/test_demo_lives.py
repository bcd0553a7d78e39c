"""`make demo` starts, brings back every killed part, keeps its data, and leaves nothing behind (F1, F2, F3, F11)."""

from __future__ import annotations

import os
import signal
import stat
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest

from tests.demo_stack import CHILDREN, READY_SECONDS, DemoStack, demo, demo_folder, eventually, run_demo

pytestmark = pytest.mark.stack


@pytest.fixture
def data() -> Iterator[Path]:
    with demo_folder() as folder:
        yield folder


def query(stack: DemoStack, sql: str) -> list[tuple]:
    with psycopg2.connect(stack.facts["database_url"]) as connection, connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchall()


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


def test_the_second_start_keeps_the_data_and_reset_begins_anew(data: Path) -> None:
    with demo(data) as first:
        first.wait_until_ready()
        key = (data / "keys" / "secret_key").read_text()
        with psycopg2.connect(first.facts["database_url"]) as connection, connection.cursor() as cursor:
            cursor.execute("INSERT INTO cardshop_heartbeat VALUES ('kept', now())")
            cursor.execute("CREATE TABLE kept AS SELECT 1 AS number")
        assert first.stop() == 0
        assert first.left_over() == []
    with demo(data, first.port) as second:
        second.wait_until_ready()
        assert (data / "keys" / "secret_key").read_text() == key
        assert query(second, "SELECT number FROM kept") == [(1,)]
        assert second.stop(signal.SIGINT) == 0
        assert second.left_over() == []
    with demo(data, first.port, RESET="1") as third:
        third.wait_until_ready()
        assert (data / "keys" / "secret_key").read_text() != key
        assert query(third, "SELECT to_regclass('kept')") == [(None,)]
        third.process.kill()
        third.process.wait()
        eventually(lambda: third.left_over() == [], 60, "orphans keep running after the supervisor was killed")


@pytest.mark.parametrize("step", [2, 5, 7])
def test_sigterm_in_the_middle_of_the_start_leaves_nothing(data: Path, step: int) -> None:
    with demo(data) as stack:
        eventually(lambda: f"[{step}/8]" in stack.output or stack.process.poll() is not None, READY_SECONDS)
        assert stack.stop() == 0
        assert stack.left_over() == []
        assert "Traceback" not in stack.output
