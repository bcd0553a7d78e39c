"""The whole pipeline against the floor: from the buyer's POST to the money's arrival, and what PostgreSQL alone can do.

A shop of its own is started as the demo starts it, without the demo's data: PostgreSQL with every commit on the disk,
Valkey, the simulated channels behind 50 ms, web, worker and beat. Its rules, events, chains, books and notices are the
real ones. Half of the orders were paid through WeChat Pay, which takes a refund on and tells later how it ended (a
second call); half through Alipay, which answers at once. The channels' limits are off, or we would measure them.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mean
from typing import Any

import psycopg2
import redis

from bench import pipeline_floor
from bench.pipeline_cpu import Processes
from bench.pipeline_floor import Floor
from cardshop import embedded, translations
from cardshop.demo import PORTS_USED, ROOT, Demo, Options
from cardshop.supervisor import Supervisor

CHANNEL_SECONDS = 0.05
CHANNEL_SPEED = 600  # WeChat Pay's minute until it says that a refund has arrived
ORDERS_IN_EACH = (1, 20)  # requests; more of a buyer's a day would be looked at by people (daily limit: ¥200)
WARM_UP = 24  # requests before the clock begins: every process has served one
PATIENCE_SECONDS = 120  # without a single arrival
MOST_TIMES, MOST_STATEMENTS, MOST_MESSAGES, MOST_CPU_TIMES = 5.0, 12, 1.0, 4.0
PARTS = {"web": "web", "worker": "worker", "PostgreSQL": "postgres", "simulator": "simulator"}


class PipelineFailed(Exception):
    """Not every refund arrived."""


@dataclass(frozen=True)
class Found:
    """``each``: orders asked for in one request; ``cpu_ms``: of each part, a refund; ``took``: seconds of every POST,
    in order; ``statements``: of one; ``messages``: of Celery, all."""

    each: int
    refunds: int
    seconds: float
    floor: Floor
    cpu_ms: dict[str, float]
    took: list[float]
    statements: int
    messages: int

    @property
    def per_second(self) -> float:
        return self.refunds / self.seconds

    @property
    def own_cpu_ms(self) -> float:
        """The simulator stands apart."""
        return sum(self.cpu_ms[part] for part in ("web", "worker", "PostgreSQL"))


def measure(*, refunds: int, clients: int) -> list[Found]:
    """Order by order, as buyers ask, and in batches, as who buys for others asks. Raises PipelineFailed, or ChildFailed
    where a part does not start or an invariant is broken afterwards: each refund stands in the channels' books by its
    own number, to the fen."""
    with _shop() as shop:
        found = [_run(shop, refunds // each, each, clients) for each in ORDERS_IN_EACH]
        shop.manage("invariants", "--books", f"{shop.env['SIMULATOR_CONTROL']}/_control/ledger")
        floor = _mean([shop.floor, shop.measure_floor()])
    return [replace(each, floor=floor) for each in found]


def _run(shop: Shop, requests: int, each: int, clients: int) -> Found:
    """So many requests for ``each`` orders every one, from the first of them until all money has arrived."""
    asked, statements = shop.rows(requests + WARM_UP, each)
    shop.ask(asked[:WARM_UP], clients)
    there = shop.wait_for_all()  # and those whose statements were counted
    before, messages = shop.cpu_seconds(), shop.messages()
    said, refunds = shop.ask(asked[WARM_UP:], clients), requests * each
    ended = shop.wait_for(there + refunds)
    cpu = {part: 1000 * (used - before[part]) / refunds for part, used in shop.cpu_seconds().items()}
    messages = shop.messages() - messages
    return Found(each, refunds, ended - said["began"], shop.floor, cpu, said["took"], statements, messages)


def figures(found: Found) -> Iterator[tuple[str, float, float, str]]:
    """(name, value, the most it may be, detail), as ``bench.__main__`` prints them."""
    name = "pipeline" if found.each == 1 else f"pipeline, {found.each} in a request"
    parts = ", ".join(f"{part} {ms:.1f}" for part, ms in found.cpu_ms.items())
    rate = f"{found.floor.per_second:,.0f} / {found.per_second:.1f} refunds/s"
    yield f"{name}: floor ÷ POST to arrival", found.floor.per_second / found.per_second, MOST_TIMES, rate
    slow = 1000 * found.took[math.ceil(0.95 * len(found.took)) - 1]
    statements = found.statements / found.each
    yield f"{name}: statements of asking", statements, MOST_STATEMENTS, f"a refund; a request's p95 {slow:.0f} ms"
    times = found.own_cpu_ms / found.floor.cpu_ms
    yield f"{name}: CPU ÷ the floor's", times, MOST_CPU_TIMES, f"ms a refund: {parts}, floor {found.floor.cpu_ms:.2f}"
    sent = f"{found.messages} in all"
    yield f"{name}: Celery messages a refund", found.messages / found.refunds, MOST_MESSAGES, sent


class Shop(Demo):
    """The demo's shop without its data, its time as long as everybody's, and what is measured of it."""

    floor: Floor

    def begin(self) -> None:
        self.take_folder()
        self.own_environment()
        self.start_postgres()
        self.floor = self.measure_floor()
        self.start_valkey()
        self.start_simulator()
        self.control("limits", {"enabled": False})
        self.control("latency", {"seconds": CHANNEL_SECONDS})
        translations.compile_all()
        self.prepare()
        self.start_shop()
        self.wait_until_ready()

    def measure_floor(self) -> Floor:
        postgres = self.supervisor.children[0].pid
        assert postgres
        return pipeline_floor.measure(self.owner, postgres=Processes(postgres))

    def rows(self, requests: int, each: int) -> tuple[list[str], int]:
        """What to ask for, a line for each request; and how many statements one such request needs, which is made."""
        first, *asked = self._run("bench.pipeline_rows", str(requests + 1), str(each)).splitlines()
        self._count_rows()
        return asked, json.loads(first)["statements"]

    def _count_rows(self) -> None:
        """As autovacuum does each minute: who plans a statement of a shop that runs knows how large its tables are."""
        connection = psycopg2.connect(self.owner)
        connection.autocommit = True  # VACUUM runs in no transaction
        with contextlib.closing(connection), connection.cursor() as cursor:
            cursor.execute("VACUUM (ANALYZE)")

    def ask(self, asked: list[str], clients: int) -> dict[str, Any]:
        said = self._run("bench.pipeline_load", self.options.local, str(clients), given="\n".join(asked))
        answer: dict[str, Any] = json.loads(said)
        return answer

    def wait_for_all(self) -> int:
        """Until whatever was asked for has arrived: how many that are."""
        asked = sum(next(self.statuses()).values())
        self.wait_for(asked)
        return asked

    def wait_for(self, count: int) -> float:
        """When all of them had arrived, in seconds since 1970. Raises PipelineFailed."""
        arrived, since = -1, time.time()
        for statuses in self.statuses():
            now = time.time()
            found = statuses.get("arrived", 0)
            if found == count:
                return now
            if found != arrived:
                arrived, since = found, now
            dead = [child.name for child in self.supervisor.children if not child.alive]
            if dead or now - since > PATIENCE_SECONDS:
                said = self.log("worker").read_text()[-2000:]
                raise PipelineFailed(f"of {count} refunds {statuses}; parts that ended: {dead}\n{said}")
            time.sleep(0.25)
        raise AssertionError("asked for ever")

    def cpu_seconds(self) -> dict[str, float]:
        pids = {child.name: child.pid for child in self.supervisor.children if child.pid}
        return {part: Processes(pids[part]).cpu_seconds() for part in PARTS}

    def messages(self) -> int:
        """How many Celery has sent through Valkey so far."""
        with redis.Redis.from_url(self.env["REDIS_URL"]) as client:
            pushed: dict[str, Any] = client.info("commandstats").get("cmdstat_lpush", {"calls": 0})
        return int(pushed["calls"])

    def statuses(self) -> Iterator[dict[str, int]]:
        """{status: refunds}, as often as asked for. One session asks for all: a new one costs the server more than the
        question."""
        connection = psycopg2.connect(self.owner)
        connection.autocommit = True
        with contextlib.closing(connection), connection.cursor() as cursor:
            while True:
                cursor.execute("SELECT status, count(*) FROM refunds_refund GROUP BY status")
                yield dict(cursor.fetchall())

    def control(self, act: str, data: object = None) -> dict[str, Any]:
        body = None if data is None else json.dumps(data).encode()
        request = urllib.request.Request(f"{self.env['SIMULATOR_CONTROL']}/_control/{act}", body)  # noqa: S310
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
            found: dict[str, Any] = json.loads(answer.read())
            return found

    def _run(self, module: str, *words: str, given: str = "") -> str:
        done = subprocess.run(  # noqa: S603 - our own programs
            [sys.executable, "-m", module, *words], cwd=ROOT, env={**os.environ, **self.env}, input=given, check=True,
            text=True, stdout=subprocess.PIPE,
        )  # fmt: skip
        return done.stdout


@contextmanager
def _shop() -> Iterator[Shop]:
    with tempfile.TemporaryDirectory(prefix="cardshop-pipeline-") as folder, Supervisor() as supervisor:
        data = Path(folder)
        given = {"TIME_SCALE": "1"}
        shop = Shop(Options("127.0.0.1", _free_port(), data, False, CHANNEL_SPEED, given), supervisor)
        try:
            shop.begin()
            yield shop
        finally:
            supervisor.stop()
            embedded.remove_postgres(data / "postgres")


def _mean(floors: Sequence[Floor]) -> Floor:
    """Before and after: whatever else this machine does meanwhile changes by the minute."""
    return Floor(mean(floor.per_second for floor in floors), mean(floor.cpu_ms for floor in floors))


def _free_port() -> int:
    """The first of as many as a shop needs, one after the other."""
    while True:
        first = embedded.free_ports(1)[0]
        if all(embedded.port_is_free("127.0.0.1", first + number) for number in range(PORTS_USED)):
            return first


if __name__ == "__main__":
    for each in measure(refunds=int(sys.argv[1]), clients=4):
        print(each)
