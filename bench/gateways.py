"""What a refund costs its client: our gateways against the stock SDKs, both over HTTPS against the same simulator.

Each client is a process of its own (``bench.client``), so that nothing of one helps or hurts another; rounds alternate.
Both trust the public CA bundle with the simulator's authority added, as production trusts the public bundle.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from ssl import SSLContext, create_default_context
from typing import Any

import certifi

ROOT = Path(__file__).resolve().parent.parent
CLIENTS = ("wechat_stock", "wechat_ours", "alipay_stock", "alipay_ours")
AMOUNT_FEN = 1000


@dataclass(frozen=True)
class Run:
    """One client's round: processor time of all its threads, and the TLS handshakes that the server saw."""

    cpu_ms_per_call: float
    handshakes_per_1000: float


def measure(*, calls: int, rounds: int, threads: int) -> dict[str, list[Run]]:
    """Refund ``calls`` payments per client and round. Raises CalledProcessError if a client fails."""
    measured: dict[str, list[Run]] = {client: [] for client in CLIENTS}
    with _world() as world:
        for number in range(rounds):
            for client in CLIENTS:
                size = calls // 4 if client.endswith("stock") else calls  # a stock call costs as much as ten of ours
                measured[client].append(world.run(client, f"B{number}", size, threads))
                print(f"  … {client:<14} {measured[client][-1].cpu_ms_per_call:7.2f} ms CPU/call", flush=True)
    return measured


def figures(measured: dict[str, list[Run]]) -> Iterator[tuple[str, float, float, str]]:
    """(name, value, the most it may be, detail) for each goal."""
    cost = {client: statistics.median(run.cpu_ms_per_call for run in runs) for client, runs in measured.items()}
    dialed = {client: max(run.handshakes_per_1000 for run in runs) for client, runs in measured.items()}
    for channel, name, most in (("wechat", "微信支付 WeChat Pay", 0.15), ("alipay", "支付宝 Alipay", 0.6)):
        ours, stock = cost[f"{channel}_ours"], cost[f"{channel}_stock"]
        yield f"{name}: CPU ÷ stock SDK", ours / stock, most, f"{ours:.2f} / {stock:.2f} ms"
        yield f"{name}: TLS handshakes / 1,000 calls", dialed[f"{channel}_ours"], 10, "stock: a new one a call"


class World:
    """The simulator over TLS, and how a client is run against it."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self.credentials = json.loads((data / "credentials.json").read_text())
        self._bundle = data / "bundle.pem"
        authority = Path(self.credentials["ca_file"]).read_text()
        self._bundle.write_text(Path(certifi.where()).read_text() + authority)
        self._tls: SSLContext = create_default_context(cafile=self.credentials["ca_file"])

    def run(self, client: str, prefix: str, calls: int, threads: int) -> Run:
        channel = client.split("_")[0]
        numbers = [f"{prefix}{client.replace('_', '')}{index:06d}" for index in range(calls)]
        paid_at = (datetime.now(UTC) - timedelta(days=2)).isoformat(timespec="seconds")
        payments = [
            {"out_trade_no": no, "amount_fen": AMOUNT_FEN, "description": "bench", "paid_at": paid_at} for no in numbers
        ]
        self.control("history", {"channel": channel, "payments": payments})
        before = self.handshakes()
        trusted = {"REQUESTS_CA_BUNDLE": str(self._bundle), "SSL_CERT_FILE": str(self._bundle)}
        words = [sys.executable, "-m", "bench.client", client, str(self._data), str(threads)]
        done = subprocess.run(  # noqa: S603 - our own program
            words, input="\n".join(numbers), env={**os.environ, **trusted}, cwd=ROOT, check=True, text=True,
            stdout=subprocess.PIPE,
        )  # fmt: skip
        cpu_seconds = float(done.stdout)
        # One of them is our own question.
        return Run(1000 * cpu_seconds / calls, 1000 * (self.handshakes() - before - 1) / calls)

    def handshakes(self) -> int:
        return int(self.control("connections")["tls_handshakes"])

    def control(self, act: str, data: object = None) -> dict[str, Any]:
        body = None if data is None else json.dumps(data).encode()
        request = urllib.request.Request(f"{self.credentials['control']}/_control/{act}", body)  # noqa: S310
        with urllib.request.urlopen(request, timeout=60, context=self._tls) as answer:  # noqa: S310
            found: dict[str, Any] = json.loads(answer.read())
            return found


@contextmanager
def _world() -> Iterator[World]:
    with tempfile.TemporaryDirectory(prefix="cardshop-bench-") as folder:
        data = Path(folder)
        words = [sys.executable, "-m", "simulator", "--port", "0", "--data", folder, "--tls", "--speed", "60"]
        simulator = subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, text=True)  # noqa: S603
        try:
            assert simulator.stdout is not None
            simulator.stdout.readline()  # it listens once it has said where
            world = World(data)
            world.control("limits", {"enabled": False})
            yield world
        finally:
            simulator.terminate()
            simulator.wait()
