"""Top-ups at the card issuer (直充): a supplier orders one under a reference of his own, and asks what became of it.

POST /issuer/orders takes an order once, however often it comes; POST /issuer/topups tells what stands. What will become
of an order is settled when it is taken and shows after 5 seconds / speed; the control plane may settle it otherwise.
"""

from __future__ import annotations

import json
import sqlite3
from typing import Any

from simulator import faults, funds
from simulator.store import rfc3339
from simulator.wire import Refusal
from simulator.world import World

STATES = ("PENDING", "DONE", "FAILED")
PRICES_FEN = {"phone-50": 4900, "phone-100": 9800, "game-60": 580, "game-648": 62000, "vip-month": 1800}
CARRIED_OUT_AFTER_SECONDS = 5.0
MOST_AT_ONCE = 100
OUT_OF_SERVICE = "号码已停机"
ACCOUNT = "13800138000"  # of a top-up that only the control plane knows of

SCHEMA = """
CREATE TABLE IF NOT EXISTS issuer_order (         -- 直充订单: what a supplier ordered; only paid_fen changes
    reference      TEXT PRIMARY KEY,
    content        TEXT NOT NULL,                 -- the parameters of the first call
    sku            TEXT NOT NULL,
    quantity       INTEGER NOT NULL CHECK (quantity > 0),
    paid_fen       INTEGER NOT NULL CHECK (paid_fen >= 0),  -- 0 again when it failed
    taken_at       REAL NOT NULL
);
"""
COLUMNS = (
    ("topup", "settles_at", "REAL"),  # PENDING until then, whatever its state
    ("topup", "reason", "TEXT NOT NULL DEFAULT ''"),
)


def order(world: World, data: dict[str, Any]) -> dict[str, Any]:
    """Take an order, or answer what stands under its reference; 409 for another content, 402 without money."""
    reference, account = _text(data, "reference"), _text(data, "account")
    server = _text(data, "server") if data.get("server") not in (None, "") else ""
    quantity = data.get("quantity", 1)
    if isinstance(quantity, bool) or not isinstance(quantity, int) or not 1 <= quantity <= MOST_AT_ONCE:
        raise Refusal(400, "PARAM_ERROR", f"quantity 须为 1 至 {MOST_AT_ONCE} / quantity: 1 to {MOST_AT_ONCE}")
    sku = _text(data, "sku")
    if sku not in PRICES_FEN:
        raise Refusal(404, "SKU_NOT_EXIST", f"没有这个商品，可用的有 / no such sku, there are: {', '.join(PRICES_FEN)}")
    content = json.dumps([sku, account, server, quantity], ensure_ascii=False)
    with world.store.transaction() as db:
        known = db.execute("SELECT content FROM issuer_order WHERE reference = ?", (reference,)).fetchone()
        if known is not None and known["content"] != content:
            raise Refusal(
                409, "REFERENCE_IN_USE", "reference 已用于另一笔充值 / the reference stands for another top-up"
            )
        if known is None:
            _take(world, db, reference, content, (sku, account, quantity))
    return tell(world, {"reference": reference})


def tell(world: World, data: dict[str, Any]) -> dict[str, Any]:
    """What became of a top-up: {reference, state, reason?, arrived_at?, account, answered_at}."""
    reference, now = _text(data, "reference"), world.store.now()
    with world.store.transaction() as db:
        row: sqlite3.Row | None = db.execute("SELECT * FROM topup WHERE reference = ?", (reference,)).fetchone()
    if row is None:
        raise Refusal(404, "TOPUP_NOT_EXIST", "没有这笔充值 / no such top-up")
    result = {"reference": reference, "state": _state(row, now), "answered_at": rfc3339(now)}
    if result["state"] == "DONE":
        result["arrived_at"] = rfc3339(row["arrived_at"])
    if result["state"] == "FAILED" and row["reason"]:
        result["reason"] = row["reason"]
    return result | {"account": masked(row["account"])}


def note(
    world: World, reference: str, state: str, *, arrived_at: float | None, account: str | None, reason: str
) -> None:
    """Settle a top-up: PENDING, DONE (now, if no time is given) or FAILED; also beforehand, of one not ordered yet."""
    now = world.store.now()
    at = (now if arrived_at is None else arrived_at) if state == "DONE" else None
    with world.store.transaction() as db:
        known = db.execute("SELECT account FROM topup WHERE reference = ?", (reference,)).fetchone()
        account = account or (known["account"] if known else ACCOUNT)
        _write(db, reference, state, arrived_at=at, account=account, now=now, settles_at=None, reason=reason)
        if state == "FAILED":
            _give_back(db, reference)


def masked(text: str) -> str:
    """13812345678 -> 138****5678; what is short keeps its first character only."""
    return f"{text[:3]}****{text[-4:]}" if len(text) >= 9 else f"{text[:1]}****"


def ledger_rows(world: World) -> list[dict[str, Any]]:
    """The truth about every order that was taken, oldest first."""
    now = world.store.now()
    with world.store.transaction() as db:
        found = db.execute(
            "SELECT o.*, t.state, t.arrived_at, t.settles_at FROM issuer_order o JOIN topup t USING (reference)"
            " ORDER BY o.taken_at, o.rowid"
        ).fetchall()
    return [
        {
            "reference": row["reference"],
            "sku": row["sku"],
            "quantity": row["quantity"],
            "paid_fen": row["paid_fen"],
            "state": _state(row, now),
            "taken_at": rfc3339(row["taken_at"]),
        }
        for row in found
    ]


def _take(world: World, db: sqlite3.Connection, reference: str, content: str, wanted: tuple[str, str, int]) -> None:
    """Note a new order and how it will end; its money is taken unless it is going to fail."""
    sku, account, quantity = wanted
    now = world.store.now()
    arranged = db.execute("SELECT state FROM topup WHERE reference = ?", (reference,)).fetchone()
    if arranged is not None:
        state, reason = arranged["state"], ""
    elif account.endswith("0000"):
        state, reason = "FAILED", OUT_OF_SERVICE
    elif account.endswith("9999"):
        state, reason = "PENDING", ""
    elif faults.draw(db, faults.TOPUP_FAULTS, numbers={reference}, refund=True):
        state, reason = "FAILED", "充值失败"
    else:
        state, reason = "DONE", ""
    price_fen = 0 if state == "FAILED" else PRICES_FEN[sku] * quantity
    try:
        funds.take(db, "issuer", price_fen)
    except funds.NotEnough:
        raise Refusal(
            402, "BALANCE_SHORT", "供货账户余额不足，没有下单 / the account is empty, nothing was ordered"
        ) from None
    db.execute(
        "INSERT INTO issuer_order VALUES (?, ?, ?, ?, ?, ?)", (reference, content, sku, quantity, price_fen, now)
    )
    if arranged is not None:
        db.execute("UPDATE topup SET account = ? WHERE reference = ?", (account, reference))
        return
    settles_at = now + world.delay(CARRIED_OUT_AFTER_SECONDS)
    arrived_at = settles_at if state == "DONE" else None
    _write(db, reference, state, arrived_at=arrived_at, account=account, now=now, settles_at=settles_at, reason=reason)


def _write(
    db: sqlite3.Connection,
    reference: str,
    state: str,
    *,
    arrived_at: float | None,
    account: str,
    now: float,
    settles_at: float | None,
    reason: str,
) -> None:
    db.execute(
        "INSERT OR REPLACE INTO topup (reference, state, arrived_at, account, noted_at, settles_at, reason)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        (reference, state, arrived_at, account, now, settles_at, reason),
    )


def _give_back(db: sqlite3.Connection, reference: str) -> None:
    row = db.execute("SELECT paid_fen FROM issuer_order WHERE reference = ?", (reference,)).fetchone()
    if row is not None and row["paid_fen"]:
        funds.give_back(db, "issuer", row["paid_fen"])
        db.execute("UPDATE issuer_order SET paid_fen = 0 WHERE reference = ?", (reference,))


def _state(row: sqlite3.Row, now: float) -> str:
    waits = max(row["arrived_at"] or 0, row["settles_at"] or 0) > now
    return "PENDING" if waits else str(row["state"])


def _text(data: dict[str, Any], name: str) -> str:
    value = data.get(name)
    if not (isinstance(value, str) and 1 <= len(value) <= 64):
        raise Refusal(400, "PARAM_ERROR", f"请给出 {name}（1 至 64 个字符）/ give {name}, 1 to 64 characters")
    return value
