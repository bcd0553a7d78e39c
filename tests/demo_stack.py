"""The real demo as a child of a test: started as `make demo` starts it, on free ports, in a folder of its own."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg2

from cardshop import embedded

ROOT = Path(__file__).resolve().parent.parent
READY_SECONDS = 300
STOP_SECONDS = 90
CHILDREN = {"PostgreSQL", "Valkey", "simulator", "beat", "worker", "web"}
# What tests/conftest.py sets for the test process must not reach the demo: it makes its own.
NOT_FOR_THE_DEMO = re.compile(
    "(WECHAT|ALIPAY|DATABASE|REDIS|DJANGO|SIMULATOR|MEDIA|STATIC|SECRET|CARD|CHANNELS|SITE|ALLOWED|TIME|DEMO|DEBUG|EMAIL|PORT"
    "|HOST|RESET|PYTEST|CLOCK)"
)


@dataclass
class DemoStack:
    """A demo that was started; `web` is its address."""

    data: Path
    port: int
    process: subprocess.Popen[bytes]
    output_file: Path
    given: dict[str, str]

    @property
    def web(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def simulator(self) -> str:
        return str(self.facts["simulator"])

    @property
    def facts(self) -> dict[str, Any]:
        """demo.json as it is now: web, simulator, database_url, redis_url, pids, env."""
        try:
            return json.loads((self.data / "demo.json").read_text())  # type: ignore[no-any-return]
        except OSError:
            return {}

    @property
    def output(self) -> str:
        return self.output_file.read_text()

    def get(self, path: str) -> tuple[int, bytes]:
        """GET a page of the shop: status and body. Status 0: no answer."""
        try:
            with urllib.request.urlopen(self.web + path, timeout=10) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()
        except OSError:
            return 0, b""

    def manage(self, *words: str) -> str:
        """The output of a manage.py command in the demo's environment."""
        env = {**own_environment(), **self.given, **self.facts["env"]}
        done = subprocess.run([sys.executable, "manage.py", *words], cwd=ROOT, env=env,
                              capture_output=True, text=True, timeout=120, check=False)  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def wait_until_ready(self) -> None:
        eventually(lambda: "就绪 / ready" in self.output or self.process.poll() is not None, READY_SECONDS)
        assert self.process.poll() is None, self.output

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send the signal, wait for the end; the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(STOP_SECONDS)

    def left_over(self) -> list[str]:
        """Children of which any process is still there: each leads a process group of its own."""
        return [name for name, pid in self.facts.get("pids", {}).items() if name != "demo" and group_lives(pid)]


@contextmanager
def demo_folder() -> Iterator[Path]:
    """A folder for a demo's data that PostgreSQL's account may enter (pytest's own are closed to others)."""
    folder = Path(tempfile.mkdtemp(prefix="cardshop-stack-"))
    folder.chmod(0o711)
    try:
        yield folder / "data"
    finally:
        embedded.remove_postgres(folder / "data" / "postgres")
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def demo(data: Path, port: int | None = None, **env: str) -> Iterator[DemoStack]:
    """Start a demo, don't wait; end it, and whatever it left, at the end of the block."""
    port = port or free_base_port()
    handle, output = tempfile.mkstemp(prefix="cardshop-demo-", suffix=".out")
    process = subprocess.Popen(
        [sys.executable, "-m", "cardshop.demo"],
        cwd=ROOT,
        env=own_environment() | {"CARDSHOP_DATA": str(data), "PORT": str(port)} | env,
        stdin=subprocess.DEVNULL,
        stdout=handle,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    os.close(handle)
    stack = DemoStack(data, port, process, Path(output), env)
    try:
        yield stack
    finally:
        try:
            stack.stop()
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        pids = stack.facts.get("pids", {})
        if pids.get("demo") == process.pid:  # else they are another demo's
            for pid in pids.values():
                with suppress(ProcessLookupError):
                    os.killpg(pid, signal.SIGKILL)
        stack.output_file.unlink()


def run_demo(data: Path, port: int | None = None, **env: str) -> tuple[int, str]:
    """A demo that can't start: its exit code and all that it says."""
    with demo(data, port, **env) as stack:
        return stack.process.wait(READY_SECONDS), stack.output


def query(stack: DemoStack, sql: str, *values: object) -> list[tuple]:
    """What a SELECT finds in the demo's own database."""
    with psycopg2.connect(stack.facts["database_url"]) as connection, connection.cursor() as cursor:
        cursor.execute(sql, values)
        return cursor.fetchall()


def own_environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not NOT_FOR_THE_DEMO.match(name)}


def free_base_port() -> int:
    """The first of four free ports in a row."""
    while True:
        port = embedded.free_ports(1)[0]
        if all(embedded.port_is_free("127.0.0.1", port + more) for more in range(4)):
            return port


def group_lives(pid: int) -> bool:
    try:
        os.killpg(pid, 0)
    except ProcessLookupError:
        return False
    return True


def eventually(holds: Callable[[], bool], seconds: float, what: str = "") -> None:
    """Return as soon as it holds; fail if it does not in time."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, what or f"not within {seconds} s"
        time.sleep(0.1)
