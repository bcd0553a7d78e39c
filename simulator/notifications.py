"""Notifications (异步通知): announced in the same transaction as what they tell, sent and sent again until received."""

from __future__ import annotations

import http.client
import json
import logging
import sqlite3
import ssl
import threading
import time
import uuid
from typing import Any
from urllib.parse import urlsplit

from simulator import faults
from simulator.store import rfc3339
from simulator.wechat.objects import refund_notice, transaction_object
from simulator.world import World

# 15s/15s/30s/3m/10m/20m/30m/30m/30m/60m/3h/3h/3h/6h/6h after the send before; then WeChat gives up.
RETRY_SECONDS = (15, 15, 30, 180, 600, 1200, 1800, 1800, 1800, 3600, 10800, 10800, 10800, 21600, 21600)
TIMEOUT_SECONDS = 5
WORKERS = 8

log = logging.getLogger("simulator")


def announce_payment(world: World, db: sqlite3.Connection, payment: sqlite3.Row) -> None:
    """Tell the merchant that the buyer has paid."""
    _announce(
        world,
        db,
        event="TRANSACTION.SUCCESS",
        summary="支付成功",
        kind="transaction",
        resource=transaction_object(world.keys, payment),
        url=payment["notify_url"],
        numbers=[payment["out_trade_no"]],
    )


def announce_refund(world: World, db: sqlite3.Connection, refund: sqlite3.Row, payment: sqlite3.Row) -> None:
    """Tell the merchant how a refund went."""
    summary = {"SUCCESS": "退款成功", "ABNORMAL": "退款异常", "CLOSED": "退款关闭"}[refund["status"]]
    _announce(
        world,
        db,
        event=f"REFUND.{refund['status']}",
        summary=summary,
        kind="refund",
        resource=refund_notice(world.keys, refund, payment),
        url=refund["notify_url"],
        numbers=[refund["out_refund_no"], refund["out_trade_no"]],
    )


class Courier:
    """A few threads that send what is due. What is queued lives in the store; only who sends what lives here."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._in_hand: set[int] = set()

    def start(self) -> None:
        for index in range(WORKERS):
            threading.Thread(target=self._work, name=f"courier-{index}", daemon=True).start()

    def _work(self) -> None:
        while True:
            row = None
            try:
                row = self._take()
                if row:
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
        with self._world.bell:
            self._world.bell.wait(timeout=0.5)

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
        if row["prelude"]:
            self._send(row["url"], row["prelude_body"], how=row["prelude"])
            with self._world.store.transaction() as db:
                db.execute("UPDATE notification SET prelude = NULL WHERE seq = ?", (row["seq"],))
        answer, received = self._send(row["url"], row["body"])
        tries = row["tries"] + 1
        if received:
            state, due_at = "received", row["due_at"]
        elif tries > len(RETRY_SECONDS):
            state, due_at = "given_up", row["due_at"]
        else:
            state, due_at = "waiting", self._world.store.now() + self._world.delay(RETRY_SECONDS[tries - 1])
        with self._world.store.transaction() as db:
            db.execute(
                "UPDATE notification SET state = ?, tries = ?, due_at = ?, last_answer = ? WHERE seq = ?",
                (state, tries, due_at, answer, row["seq"]),
            )

    def _send(self, url: str, text: str, *, how: str = "genuine") -> tuple[str, bool]:
        """One POST with a fresh signature: (what came back, whether it counts as received)."""
        body = text.encode()
        headers = {"Content-Type": "application/json", "Accept": "*/*", "User-Agent": "Mozilla/4.0"}
        headers |= self._world.keys.signature_headers(body, how)
        try:
            status = _post(url, body, headers)
        except (OSError, ssl.SSLError, http.client.HTTPException, ValueError) as error:
            return f"{type(error).__name__}: {error}"[:200], False
        return f"HTTP {status}", status in (200, 204)


def _post(url: str, body: bytes, headers: dict[str, str]) -> int:
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=TIMEOUT_SECONDS)
    try:
        connection.request("POST", parts.path or "/", body, headers)
        return connection.getresponse().status
    finally:
        connection.close()


def _announce(
    world: World,
    db: sqlite3.Connection,
    *,
    event: str,
    summary: str,
    kind: str,
    resource: dict[str, Any],
    url: str | None,
    numbers: list[str],
) -> None:
    if not url:
        return
    name, delay_seconds = faults.draw(db, faults.NOTIFICATION_FAULTS, numbers=numbers, refund=kind == "refund") or (
        "",
        0.0,
    )
    now = world.store.now()
    notice_id = str(uuid.uuid4())
    body = _envelope(world, notice_id, now, event, summary, kind, resource)
    prelude = {"notification_forged": "forged", "notification_signtest": "signtest"}.get(name)
    prelude_body = body
    if prelude == "forged":
        claim = {"refund_status": "SUCCESS", "success_time": rfc3339(now)} if kind == "refund" else {}
        title = "REFUND.SUCCESS" if kind == "refund" else event
        prelude_body = _envelope(world, str(uuid.uuid4()), now, title, "退款成功", kind, resource | claim)
    due_at = now + (world.delay(delay_seconds) if name == "notification_late" else 0)
    state = "lost" if name == "notification_lost" else "waiting"
    for _ in range(2 if name == "notification_twice" else 1):
        db.execute(
            "INSERT INTO notification (id, event_type, number, url, body, prelude, prelude_body, state, due_at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (notice_id, event, numbers[0], url, body, prelude, prelude_body if prelude else None, state, due_at),
        )


def _envelope(
    world: World, notice_id: str, at: float, event: str, summary: str, kind: str, resource: dict[str, Any]
) -> str:
    return json.dumps(
        {
            "id": notice_id,
            "create_time": rfc3339(at),
            "resource_type": "encrypt-resource",
            "event_type": event,
            "summary": summary,
            "resource": world.keys.seal(resource, kind),
        },
        ensure_ascii=False,
    )
