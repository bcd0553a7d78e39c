"""`make demo` keeps its data over a second start, begins anew on request, and leaves nothing behind (F1, F2, F11)."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest

from tests.demo_stack import READY_SECONDS, demo, demo_folder, eventually, query

pytestmark = pytest.mark.stack


@pytest.fixture
def data() -> Iterator[Path]:
    with demo_folder() as folder:
        yield folder


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
