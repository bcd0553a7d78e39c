"""What WeChat tells the merchant by itself (回调通知): sealed JSON, signed in its headers."""

from __future__ import annotations

import json
import sqlite3
import uuid
import zlib
from typing import Any

from simulator import faults, settings
from simulator.notifications import Dialect, Notice, queue
from simulator.store import rfc3339
from simulator.wechat.objects import refund_notice, transaction_object
from simulator.world import World

# 15s/15s/30s/3m/10m/20m/30m/30m/30m/60m/3h/3h/3h/6h/6h after the send before; then WeChat gives up.
RETRY_SECONDS = (15, 15, 30, 180, 600, 1200, 1800, 1800, 1800, 3600, 10800, 10800, 10800, 21600, 21600)


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
    """Seal it and queue it; a forger would claim that all is well."""
    claim = {"refund_status": "SUCCESS", "success_time": rfc3339(world.store.now())} if kind == "refund" else {}
    title = "REFUND.SUCCESS" if kind == "refund" else event
    notice_id = str(uuid.uuid4())
    notice = Notice(
        channel="wechat",
        id=notice_id,
        event_type=event,
        url=url,
        numbers=tuple(numbers),
        body=envelope(world, notice_id, event, summary, kind, resource),
        forged=envelope(world, str(uuid.uuid4()), title, "退款成功", kind, resource | claim),
        refund=kind == "refund",
    )
    queue(world, db, notice, DIALECT.faults)


def envelope(world: World, notice_id: str, event: str, summary: str, kind: str, resource: dict[str, Any]) -> str:
    """The JSON of a notification, with `resource` sealed for the merchant."""
    return json.dumps(
        {
            "id": notice_id,
            "create_time": rfc3339(world.store.now()),
            "resource_type": "encrypt-resource",
            "event_type": event,
            "summary": summary,
            "resource": world.keys.seal(resource, kind),
        },
        ensure_ascii=False,
    )


def _write(world: World, text: str, how: str) -> tuple[dict[str, str], bytes]:
    body = text.encode()
    headers = {"Content-Type": "application/json", "Accept": "*/*", "User-Agent": "Mozilla/4.0"}
    return headers | world.keys.signature_headers(body, how, by_certificate=_by_certificate(world, body)), body


def _by_certificate(world: World, body: bytes) -> bool:
    """True for the share of notifications that the platform certificate signs: by their id, so each time the same."""
    with world.store.transaction() as db:
        share: float = settings.read(db, "certificate_share", 0.0)
    return zlib.crc32(json.loads(body)["id"].encode()) < share * 2**32


def _received(status: int, answer: bytes) -> bool:
    return status in (200, 204)


DIALECT = Dialect(RETRY_SECONDS, _write, _received, faults.NOTIFICATION_FAULTS)
