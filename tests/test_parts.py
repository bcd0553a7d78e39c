"""PostgreSQL and Valkey as child processes: real, durable, and nobody else's (F2, F3)."""

from __future__ import annotations

import os
import shutil
import signal
import stat
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest
import redis
from django.db import connection

from cardshop import embedded
from cardshop.supervisor import FIRST_PAUSE_SECONDS, Child, ChildFailed, Supervisor, running


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that PostgreSQL's account may enter (pytest's own are closed to others)."""
    path = Path(tempfile.mkdtemp(prefix="cardshop-parts-"))
    path.chmod(0o755)
    yield path
    embedded.remove_postgres(path / "postgres")
    shutil.rmtree(path, ignore_errors=True)


@pytest.mark.django_db
def test_the_suite_writes_to_disk_and_finds_chinese() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SHOW fsync")
        assert cursor.fetchone() == ("on",)
        cursor.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
        cursor.execute("SELECT show_trgm('退款')")
        assert cursor.fetchone()[0]


def test_postgres_keeps_its_rows_through_sigkill(folder: Path) -> None:
    data, port = folder / "postgres", embedded.free_ports(1)[0]
    with running(embedded.postgres(data, port, folder / "postgres.log")) as server:
        url = embedded.create_database(data, port, "shop")
        with psycopg2.connect(url) as session, session.cursor() as cursor:
            cursor.execute("CREATE TABLE kept AS SELECT 7 AS number")
        kill_and_start_again(server)
        with psycopg2.connect(url) as session, session.cursor() as cursor:
            cursor.execute("SELECT number FROM kept")
            assert cursor.fetchall() == [(7,)]


@pytest.mark.skipif(not embedded.ROOT, reason="only root must hand its files to another account")
def test_postgres_starts_below_a_folder_that_its_account_may_not_enter(folder: Path) -> None:
    closed = folder / "closed"
    closed.mkdir(mode=0o700)
    data, port = closed / "postgres", embedded.free_ports(1)[0]
    try:
        with running(embedded.postgres(data, port, folder / "postgres.log")):
            assert embedded.answers_sql(embedded.create_database(data, port, "shop"))
    finally:
        embedded.remove_postgres(data)
    assert not embedded.refuge(data).exists()


def test_valkey_keeps_its_keys_through_sigkill(folder: Path) -> None:
    data, port = folder / "valkey", embedded.free_ports(1)[0]
    with running(embedded.valkey(data, port, folder / "valkey.log")) as server:
        with redis.Redis.from_url(embedded.valkey_url(data, port)) as client:
            client.set("kept", "7")
        kill_and_start_again(server)
        with redis.Redis.from_url(embedded.valkey_url(data, port)) as client:
            assert client.get("kept") == b"7"


def test_neither_answers_without_its_password(folder: Path) -> None:
    postgres_port, valkey_port = embedded.free_ports(2)
    with (
        running(embedded.postgres(folder / "postgres", postgres_port, folder / "postgres.log")),
        running(embedded.valkey(folder / "valkey", valkey_port, folder / "valkey.log")),
    ):
        assert not embedded.answers_sql(f"postgres://cardshop:wrong@127.0.0.1:{postgres_port}/postgres")
        assert not embedded.answers_ping(f"redis://127.0.0.1:{valkey_port}/0")
    for secret in (folder / "postgres" / "password", folder / "valkey" / "password", folder / "valkey" / "valkey.conf"):
        assert stat.S_IMODE(secret.stat().st_mode) == 0o600


def test_a_child_that_ends_at_once_shows_its_last_words(tmp_path: Path) -> None:
    words = [sys.executable, "-c", "raise SystemExit('no such thing')"]
    child = Child("liar", words, tmp_path / "log", ready=lambda: False)
    with pytest.raises(ChildFailed, match="no such thing"), running(child):
        pass


def test_what_keeps_dying_is_started_again_ever_more_slowly(tmp_path: Path) -> None:
    pauses = []
    with Supervisor() as supervisor:
        child = supervisor.add(Child("mayfly", [sys.executable, "-c", ""], tmp_path / "log"))
        for _ in range(4):
            assert child.process
            child.process.wait()
            supervisor.revive()
            assert child.restart_at is not None
            pauses.append(child.restart_at - child.started_at)
            child.restart_at = 0.0  # the pause is over
            supervisor.revive()
            assert child.restart_at is None
    assert pauses == sorted(pauses)
    assert pauses[-1] > 4 * FIRST_PAUSE_SECONDS


def kill_and_start_again(server: Child) -> None:
    assert server.process
    os.kill(server.process.pid, signal.SIGKILL)
    server.process.wait()
    server.start()
    server.wait_until_ready(30)
