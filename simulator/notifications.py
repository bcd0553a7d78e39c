"""Notifications (异步通知): queued in the same transaction as what they tell, sent and sent again until received.

How a notification is written, when it counts as received and when it is sent again is each channel's own `Dialect`.
"""

from __future__ import annotations

import http.client
import logging
import sqlite3
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from simulator import faults
from simulator.world import World

TIMEOUT_SECONDS = 5
WORKERS = 8
LONGEST_ANSWER = 4096

log = logging.getLogger("simulator")


@dataclass(frozen=True)
class Notice:
    """One notification to queue. `body` is what the channel's dialect sends; `forged` what a forger would."""

    channel: str
    id: str
    event_type: str
    url: str | None
    numbers: tuple[str, ...]  # whom it concerns, for faults; the first stands in the ledger
    body: str
    forged: str
    refund: bool  # rates of faults are shares of refund notifications


@dataclass(frozen=True)
class Dialect:
    """A channel's way to notify."""

    retry_seconds: tuple[int, ...]  # after the send before; then the channel gives up
    write: Callable[[World, str, str], tuple[dict[str, str], bytes]]  # (world, body, how) -> headers and bytes
    received: Callable[[int, bytes], bool]  # (status, body of the answer)
    faults: Mapping[str, str]


def queue(world: World, db: sqlite3.Connection, notice: Notice, among: Mapping[str, str]) -> None:
    """Send it as soon as the transaction is through, unless one of the faults in `among` strikes."""
    if not notice.url:
        return
    name, delay_seconds = faults.draw(
        db, among, numbers=notice.numbers, refund=notice.refund, channel=notice.channel
    ) or ("", 0.0)
    prelude = {"notification_forged": "forged", "notification_signtest": "signtest"}.get(name)
    prelude_body = {"forged": notice.forged, "signtest": notice.body}.get(prelude or "")
    due_at = world.store.now() + (world.delay(delay_seconds) if name == "notification_late" else 0)
    state = "lost" if name == "notification_lost" else "waiting"
    for _ in range(2 if name == "notification_twice" else 1):
        db.execute(
            "INSERT INTO notification (channel, id, event_type, number, url, body, prelude, prelude_body, state,"
            " due_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                notice.channel, notice.id, notice.event_type, notice.numbers[0], notice.url, notice.body,
                prelude, prelude_body, state, due_at,
            ),
        )  # fmt: skip


class Courier:
    """A few threads that send what is due. What is queued lives in the store; only who sends what lives here."""

    def __init__(self, world: World, dialects: Mapping[str, Dialect]) -> None:
        self._world, self._dialects = world, dialects
        self._in_hand: set[int] = set()
        self._mine = threading.local()  # each thread's open connections

    def start(self) -> None:
        for index in range(WORKERS):
            threading.Thread(target=self._work, name=f"courier-{index}", daemon=True).start()

    def _work(self) -> None:
        while True:
            row = None
            try:
                row = self._take()
                if row:
                    self._world.ring_for_mail()
                    self._deliver(row)
                else:
                    self._wait()
            except Exception:
                log.exception("a notification could not be handled; it is tried again")
                time.sleep(1)
            finally:
                if row:
                    with self._world.store.transaction():
                        self._in_hand.discard(row["seq"])

    def _wait(self) -> None:
        with self._world.mail:
            self._world.mail.wait(timeout=0.5)

    def _take(self) -> sqlite3.Row | None:
        with self._world.store.transaction() as db:
            due = db.execute(
                "SELECT * FROM notification WHERE state = 'waiting' AND due_at <= ? ORDER BY due_at, seq LIMIT ?",
                (self._world.store.now(), len(self._in_hand) + 1),
            )
            row: sqlite3.Row | None = next((row for row in due if row["seq"] not in self._in_hand), None)
            if row:
                self._in_hand.add(row["seq"])
            return row

    def _deliver(self, row: sqlite3.Row) -> None:
        dialect = self._dialects[row["channel"]]
        if row["prelude"]:
            self._send(dialect, row["url"], row["prelude_body"], how=row["prelude"])
            with self._world.store.transaction() as db:
                db.execute("UPDATE notification SET prelude = NULL WHERE seq = ?", (row["seq"],))
        answer, received = self._send(dialect, row["url"], row["body"])
        tries = row["tries"] + 1
        if received:
            state, due_at = "received", row["due_at"]
        elif tries > len(dialect.retry_seconds):
            state, due_at = "given_up", row["due_at"]
        else:
            state, due_at = "waiting", self._world.store.now() + self._world.delay(dialect.retry_seconds[tries - 1])
        with self._world.store.transaction() as db:
            db.execute(
                "UPDATE notification SET state = ?, tries = ?, due_at = ?, last_answer = ? WHERE seq = ?",
                (state, tries, due_at, answer, row["seq"]),
            )

    def _send(self, dialect: Dialect, url: str, text: str, *, how: str = "genuine") -> tuple[str, bool]:
        """One POST with a fresh signature: (what came back, whether it counts as received)."""
        headers, body = dialect.write(self._world, text, how)
        try:
            status, answer = self._post(url, body, headers)
        except (OSError, ssl.SSLError, http.client.HTTPException, ValueError) as error:
            return f"{type(error).__name__}: {error}"[:200], False
        return f"HTTP {status}", dialect.received(status, answer)

    def _post(self, url: str, body: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
        """On the connection that is open from the letter before, or on a new one if the shop has closed that."""
        parts = urlsplit(url)
        lines: dict[tuple[str, str], http.client.HTTPConnection] = vars(self._mine).setdefault("lines", {})
        kept = lines.pop((parts.scheme, parts.netloc), None)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        line = kept or _line(parts)
        try:
            line.request("POST", target, body, headers)
            answer = line.getresponse()
            said = answer.status, answer.read(LONGEST_ANSWER)
        except BaseException as error:
            line.close()
            if kept and isinstance(error, ConnectionError):
                return self._post(url, body, headers)
            raise
        if answer.isclosed() and line.sock:  # all of it was read, and the shop keeps the line open
            lines[parts.scheme, parts.netloc] = line
        else:
            line.close()
        return said


def _line(parts: SplitResult) -> http.client.HTTPConnection:
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    return kind(parts.hostname or "", parts.port, timeout=TIMEOUT_SECONDS)
