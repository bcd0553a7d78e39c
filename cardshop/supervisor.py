"""Child processes: started in order, brought back when they die, ended in reverse order.

Nothing here knows what the children do. `cardshop.demo` runs the shop with it, the tests run their PostgreSQL with it.
Call it from the main thread only: on Linux a child lives as long as the thread that started it.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

POLL_SECONDS = 0.05
FIRST_PAUSE_SECONDS = 0.2  # before a dead child is started again; doubles up to the longest
LONGEST_PAUSE_SECONDS = 10.0
STEADY_SECONDS = 20.0  # a child that lived this long is forgiven its earlier deaths
LOG_LIMIT_BYTES = 5_000_000
ENDING_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class ChildFailed(Exception):
    """A child did not become ready. The text says which one, and shows the end of its log."""


class Stopped(Exception):
    """SIGINT, SIGTERM or SIGHUP asked this process to end."""


@dataclass(eq=False)
class Child:
    """One program to keep running. `ready` answers whether it does its work; it must return within a second or two."""

    name: str
    command: Sequence[str | Path]
    log: Path
    env: Mapping[str, str] | None = None
    cwd: Path | str | None = None
    user: str | None = None  # drop to this account (only root can)
    ready: Callable[[], bool] = lambda: True
    stop_signal: signal.Signals = signal.SIGTERM
    stop_seconds: float = 20.0
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)
    started_at: float = field(default=0.0, init=False)
    restart_at: float | None = field(default=None, init=False)
    pause_seconds: float = field(default=FIRST_PAUSE_SECONDS, init=False)

    def start(self) -> None:
        """Start the program in a process group of its own: Ctrl-C reaches us alone, and we end it in our order."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        if self.log.exists() and self.log.stat().st_size > LOG_LIMIT_BYTES:
            self.log.replace(self.log.with_suffix(".log.1"))
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(  # noqa: S603 - commands are ours
                [str(word) for word in self.command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self.env,
                cwd=self.cwd,
                process_group=0,
                preexec_fn=dies_with_parent(self.stop_signal),
                **account(self.user),
            )
        self.started_at = time.monotonic()
        self.restart_at = None

    @property
    def pid(self) -> int | None:
        return self.process.pid if self.process else None

    @property
    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def wait_until_ready(self, seconds: float, interrupted: Callable[[], None] = lambda: None) -> None:
        """Return when it is ready; raise ChildFailed if it ends or is not ready in time."""
        deadline = time.monotonic() + seconds
        while not self.ready():
            interrupted()
            if not self.alive:
                code = self.process.returncode if self.process else None
                raise ChildFailed(f"{self.name}: 启动失败 / ended at once (exit {code})\n{self.last_lines()}")
            if time.monotonic() > deadline:
                raise ChildFailed(f"{self.name}: {seconds:.0f} 秒内未就绪 / not ready in time\n{self.last_lines()}")
            time.sleep(POLL_SECONDS)

    def stop(self) -> None:
        """Ask it to end, wait, then end it by force, with all that it started."""
        if self.process is None:
            return
        if self.process.poll() is None:
            self.process.send_signal(self.stop_signal)
            try:
                self.process.wait(self.stop_seconds)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self.sweep_group()
        self.process.wait()

    def sweep_group(self) -> None:
        """End what a dead child left running (a killed Celery worker leaves its pool)."""
        if self.process:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, signal.SIGKILL)

    def last_lines(self, count: int = 15) -> str:
        """The end of its log, indented, with the log's place."""
        try:
            lines = self.log.read_text(errors="replace").splitlines()[-count:]
        except OSError:
            lines = []
        return "\n".join([*(f"    {line}" for line in lines), f"    ({self.log})"])


class Supervisor:
    """Keeps children running in the order in which they were added; a context manager that ends them all.

    `on_change` is called whenever a child has a new process id.
    """

    def __init__(self, on_change: Callable[[], None] = lambda: None) -> None:
        self.children: list[Child] = []
        self.on_change = on_change
        self.signals = 0
        self.asked_at = 0.0

    def __enter__(self) -> Supervisor:
        self.handlers = {number: signal.signal(number, self._remember) for number in ENDING_SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        for number, handler in self.handlers.items():
            signal.signal(number, handler)

    def add(self, child: Child, ready_within: float = 120.0) -> Child:
        """Start a child, wait until it is ready, keep it running from now on."""
        self.interrupted()
        self.children.append(child)
        child.start()
        self.on_change()
        child.wait_until_ready(ready_within, self.interrupted)
        return child

    def run_once(self, child: Child) -> None:
        """Run a child to its end; raise ChildFailed if it fails."""
        self.interrupted()
        child.start()
        try:
            while child.alive:
                self.interrupted()
                time.sleep(POLL_SECONDS)
        finally:
            child.stop()
        if child.process and child.process.returncode != 0:
            raise ChildFailed(f"{child.name}: 失败 / failed (exit {child.process.returncode})\n{child.last_lines()}")

    def watch(self) -> None:
        """Bring dead children back until a signal arrives, then raise Stopped."""
        while True:
            self.interrupted()
            self.revive()
            time.sleep(POLL_SECONDS)

    def revive(self) -> None:
        """Start again what died, after a pause that grows while it keeps dying."""
        now = time.monotonic()
        for child in self.children:
            if child.alive:
                continue
            if child.restart_at is None:
                if now - child.started_at > STEADY_SECONDS:
                    child.pause_seconds = FIRST_PAUSE_SECONDS
                child.restart_at = now + child.pause_seconds
                child.pause_seconds = min(child.pause_seconds * 2, LONGEST_PAUSE_SECONDS)
                say_death(child)
            elif now >= child.restart_at:
                child.sweep_group()
                child.start()
                self.on_change()

    def interrupted(self) -> None:
        """Raise Stopped if a signal has asked us to end."""
        if self.signals:
            raise Stopped

    def stop(self) -> None:
        """End the children, the last one first; another Ctrl-C meanwhile ends them by force."""
        for child in reversed(self.children):
            child.stop()

    def _remember(self, number: int, frame: object) -> None:
        self.signals += 1
        self.asked_at = self.asked_at or time.monotonic()
        if time.monotonic() - self.asked_at > 1:  # sooner, it is the same wish: make passes on what it gets itself
            for child in self.children:
                child.sweep_group()


def say_death(child: Child) -> None:
    code = child.process.returncode if child.process else None
    print(f"  ↻ {child.name} 意外退出（{code}），即将重启 / died, starts again; log: {child.log}", flush=True)


def account(user: str | None) -> dict[str, Any]:
    """Popen's arguments that drop root's rights for those of `user`."""
    if user is None:
        return {}
    import pwd

    entry = pwd.getpwnam(user)
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


def dies_with_parent(number: signal.Signals) -> Callable[[], None] | None:
    """A hook that has Linux signal the child when we are gone, even by SIGKILL: no orphan may keep a port.

    Elsewhere there is no such thing, and a supervisor that was killed by force leaves its children behind.
    """
    if sys.platform != "linux":
        return None
    parent = os.getpid()

    def hook() -> None:
        LIBC.prctl(PR_SET_PDEATHSIG, int(number))
        if os.getppid() != parent:  # it died before the hook was in place
            os._exit(1)

    return hook


PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None)


@contextlib.contextmanager
def running(child: Child, ready_within: float = 30.0) -> Iterator[Child]:
    """A child for the length of a block, without supervision."""
    child.start()
    try:
        child.wait_until_ready(ready_within)
        yield child
    finally:
        child.stop()
