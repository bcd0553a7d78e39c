"""The floor: what one refund costs where nothing but PostgreSQL works. pgbench, six transactions a refund.

One INSERT; then five times UPDATE (compare-and-set on the state) with an INSERT of an event, the last of them with two
ledger rows. Every commit is on the disk before it is answered.
"""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from urllib.parse import urlsplit

import psycopg2

from bench.pipeline_cpu import Processes
from cardshop import embedded

CLIENTS, WARM_UP_SECONDS = 4, 3
STATES = ("submitted", "approved", "processing", "paid_out", "arrived", "settled")
TABLES = """
CREATE TABLE refund (
    id bigserial PRIMARY KEY, order_id bigint NOT NULL, buyer_id bigint NOT NULL, amount_fen bigint NOT NULL,
    state text NOT NULL, request_no text NOT NULL UNIQUE, due_at timestamptz, channel_refund_id text,
    created_at timestamptz NOT NULL DEFAULT now(), changed_at timestamptz NOT NULL DEFAULT now());
CREATE INDEX refund_due ON refund (due_at, id) WHERE state <> 'settled';
CREATE INDEX refund_of_buyer ON refund (buyer_id);
CREATE TABLE event (
    id bigserial PRIMARY KEY, refund_id bigint NOT NULL, from_state text NOT NULL, to_state text NOT NULL,
    at timestamptz NOT NULL DEFAULT now());
CREATE INDEX event_of_refund ON event (refund_id);
CREATE TABLE entry (
    id bigserial PRIMARY KEY, refund_id bigint NOT NULL, account text NOT NULL, amount_fen bigint NOT NULL);
CREATE INDEX entry_of_refund ON entry (refund_id);
CREATE SEQUENCE request_no;
"""
INSERT = """\\set buyer random(1, 100000)
\\set amount random(100, 5000)
INSERT INTO refund (order_id, buyer_id, amount_fen, state, request_no, due_at)
 VALUES (:buyer, :buyer, :amount, 'submitted', 'R' || nextval('request_no'), now()) RETURNING id \\gset
"""
STEP = """BEGIN;
UPDATE refund SET state = '{after}', due_at = now(), changed_at = now() WHERE id = :id AND state = '{before}';
INSERT INTO event (refund_id, from_state, to_state) VALUES (:id, '{before}', '{after}');
{entries}END;
"""
ENTRIES = """INSERT INTO entry (refund_id, account, amount_fen)
 VALUES (:id, 'held', :amount::bigint), (:id, 'channel', 0 - :amount::bigint);
"""


@dataclass(frozen=True)
class Floor:
    """``cpu_ms``: of pgbench and PostgreSQL together, a refund."""

    per_second: float
    cpu_ms: float


def measure(server: str, postgres: Processes, *, seconds: int = 10) -> Floor:
    """``server``: the address of the database ``postgres`` there, as its owner. Raises CalledProcessError."""
    address = _database(server)
    _pgbench(address, WARM_UP_SECONDS)
    before, own = postgres.cpu_seconds(), os.times()
    said = _pgbench(address, seconds)
    now = os.times()
    cpu = postgres.cpu_seconds() - before + (now.children_user - own.children_user)
    cpu += now.children_system - own.children_system
    found = re.search(r"^tps = ([\d.]+)", said, re.MULTILINE)
    done = re.search(r"actually processed: (\d+)", said)
    assert found
    assert done
    return Floor(float(found[1]), 1000 * cpu / int(done[1]))


def script() -> str:
    """The six transactions of one refund."""
    steps = []
    for before, after in pairwise(STATES):
        entries = ENTRIES if after == STATES[-1] else ""
        steps.append(STEP.format(before=before, after=after, entries=entries))
    return INSERT + "".join(steps)


def _database(server: str) -> str:
    """An empty one of its own, with its tables. Says what would make the floor lower than it is."""
    address = server.rsplit("/", 1)[0] + "/floor"
    connection = psycopg2.connect(server)
    connection.autocommit = True  # a database is made in no transaction
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('fsync'), current_setting('synchronous_commit')")
        assert cursor.fetchone() == ("on", "on")
        cursor.execute("DROP DATABASE IF EXISTS floor")
        cursor.execute("CREATE DATABASE floor")
    connection.close()
    with psycopg2.connect(address) as filled, filled.cursor() as cursor:
        cursor.execute(TABLES)
    filled.close()
    return address


def _pgbench(address: str, seconds: int) -> str:
    at = urlsplit(address)
    with tempfile.TemporaryDirectory(prefix="cardshop-floor-") as folder:
        path = Path(folder) / "refund.sql"
        path.write_text(script())
        words = [embedded.wheel_programs() / "pgbench", "-n", "-M", "prepared", "-c", CLIENTS, "-j", 2, "-T", seconds,
                 "-f", path, "-h", at.hostname, "-p", at.port, "-U", at.username, at.path.strip("/")]  # fmt: skip
        env = {"PGPASSWORD": at.password or "", "PATH": os.defpath, "LC_ALL": "C"}
        done = subprocess.run([str(word) for word in words], env=env, check=True, text=True, stdout=subprocess.PIPE)  # noqa: S603
    return done.stdout
