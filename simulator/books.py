"""The books: what happens to payments and refunds, whoever asks for it. Each function is one transaction."""

from __future__ import annotations

import secrets
import sqlite3
import threading
import time
from dataclasses import dataclass
from typing import Any

from simulator.notifications import log
from simulator.store import rfc3339
from simulator.wechat.notices import announce_payment, announce_refund
from simulator.wechat.objects import FUNDINGS
from simulator.world import World

UNPAID_DAYS = 7  # then an order closes by itself
ARRIVAL_SECONDS = {"零钱": 60, "招商银行借记卡0403": 300}  # until WeChat says SUCCESS
NEXT_STATUSES = {  # what the control plane may make of a refund
    "PROCESSING": ("PROCESSING", "SUCCESS", "ABNORMAL", "CLOSED"),
    "ABNORMAL": ("ABNORMAL", "SUCCESS"),
    "SUCCESS": ("SUCCESS", "ABNORMAL"),  # the bank sends it back after all
    "CLOSED": ("CLOSED",),
}


class NotPossible(Exception):
    """The books do not allow it; the text says why and what to do."""


@dataclass(frozen=True)
class RefundOrder:
    """What a merchant asks for in one refund call."""

    out_refund_no: str
    out_trade_no: str
    amount_fen: int
    notify_url: str | None
    fingerprint: str


def pay(world: World, out_trade_no: str, *, funding: str = "零钱") -> None:
    """The buyer pays an open order; the payment notification follows."""
    catch_up(world)
    with world.store.transaction() as db:
        now = world.store.now()
        payment = find_payment(db, out_trade_no)
        if not payment:
            raise NotPossible(f"没有这笔订单 / no such out_trade_no: {out_trade_no!r}")
        if payment["state"] != "NOTPAY":
            raise NotPossible(f"订单不能支付，当前状态 / this order cannot be paid, it is {payment['state']}")
        if expired(db, payment, now):
            raise NotPossible("订单或二维码已过期，请商户重新下单 / the order or its code has expired: order again")
        db.execute(
            "UPDATE payment SET state = 'SUCCESS', transaction_id = ?, funding = ?, paid_at = ? WHERE out_trade_no = ?",
            (_new_transaction_id(now), funding, now, out_trade_no),
        )
        _move(db, out_trade_no, "paid", payment["amount_fen"], now)
        announce_payment(world, db, payment_of(db, out_trade_no))
    world.ring()


def expired(db: sqlite3.Connection, payment: sqlite3.Row, now: float) -> bool:
    """True if neither the order's own time nor the code's allows paying any more."""
    code = db.execute(
        "SELECT expires_at FROM code WHERE out_trade_no = ? AND alive", (payment["out_trade_no"],)
    ).fetchone()
    limits = [row for row in (payment["expires_at"], code and code["expires_at"]) if row is not None]
    return not limits or min(limits) <= now


def accept_refund(world: World, db: sqlite3.Connection, order: RefundOrder) -> None:
    """Take on a refund (受理): the merchant's money is debited now, the buyer's comes when it settles."""
    now = world.store.now()
    payment = payment_of(db, order.out_trade_no)
    arranged = db.execute(
        "DELETE FROM arrangement WHERE out_refund_no = ? RETURNING status", (order.out_refund_no,)
    ).fetchone()
    settles_as = arranged["status"] if arranged else "SUCCESS"
    held = settles_as == "PROCESSING"
    db.execute(
        "INSERT INTO refund (out_refund_no, refund_id, out_trade_no, amount_fen, notify_url, fingerprint, created_at,"
        " status, settles_at, settles_as) VALUES (?, ?, ?, ?, ?, ?, ?, 'PROCESSING', ?, ?)",
        (
            order.out_refund_no,
            _new_refund_id(now),
            order.out_trade_no,
            order.amount_fen,
            order.notify_url,
            order.fingerprint,
            now,
            None if held else now + world.delay(ARRIVAL_SECONDS[payment["funding"]]),
            None if held else settles_as,
        ),
    )
    _debit(db, order.out_refund_no, order.out_trade_no, order.amount_fen, now)


def settle(world: World, out_refund_no: str, status: str) -> None:
    """Let a refund become SUCCESS, ABNORMAL or CLOSED, with its notification; PROCESSING holds it where it is."""
    catch_up(world)
    with world.store.transaction() as db:
        refund = find_refund(db, out_refund_no)
        if not refund:
            raise NotPossible(
                f"没有这笔退款；如需预先安排，请加 in_advance: true / no such refund: {out_refund_no!r};"
                " to arrange it before the merchant asks, add in_advance: true"
            )
        if status not in NEXT_STATUSES[refund["status"]]:
            raise NotPossible(f"退款状态不能这样变化 / a refund that is {refund['status']} cannot become {status}")
        _settle(world, db, refund, status)
    world.ring()


def arrange(world: World, out_refund_no: str, status: str) -> None:
    """Decide how a refund will end that the merchant has not asked for yet."""
    with world.store.transaction() as db:
        if find_refund(db, out_refund_no):
            raise NotPossible("这笔退款已存在，请去掉 in_advance / the refund is there already: leave out in_advance")
        db.execute("INSERT OR REPLACE INTO arrangement VALUES (?, ?)", (out_refund_no, status))


def catch_up(world: World) -> float | None:
    """Let everything happen that has fallen due; answer when the next refund will settle."""
    now = world.store.now()
    with world.store.transaction() as db:
        due = db.execute("SELECT * FROM refund WHERE settles_at <= ? ORDER BY settles_at", (now,)).fetchall()
        for refund in due:
            _settle(world, db, refund, refund["settles_as"])
        db.execute(
            "UPDATE payment SET state = 'CLOSED' WHERE state = 'NOTPAY' AND created_at <= ?",
            (now - UNPAID_DAYS * 86400,),
        )
        following: float | None = db.execute(
            "SELECT min(settles_at) FROM refund WHERE settles_at IS NOT NULL"
        ).fetchone()[0]
    if due:
        world.ring()
    return following


def start_timekeeper(world: World) -> None:
    """A thread that lets refunds settle on time, whether anybody asks or not."""

    def keep_time() -> None:
        while True:
            try:
                following = catch_up(world)
                wait = 0.5 if following is None else min(0.5, max(0.0, following - world.store.now()))
                with world.bell:
                    world.bell.wait(timeout=wait)
            except Exception:
                log.exception("time could not be kept; it is tried again")
                time.sleep(1)

    threading.Thread(target=keep_time, name="timekeeper", daemon=True).start()


def ledger(world: World) -> dict[str, Any]:
    """The simulator's own truth: every payment, refund and notification."""
    catch_up(world)
    with world.store.transaction() as db:
        payments = db.execute("SELECT * FROM payment ORDER BY created_at, out_trade_no").fetchall()
        refunds = db.execute(
            "SELECT refund.*,"
            " (SELECT count(*) FROM movement WHERE number = out_refund_no AND kind = 'merchant_debited') AS effects,"
            " (SELECT count(*) FROM movement WHERE number = out_refund_no AND kind = 'merchant_returned') AS returns"
            " FROM refund ORDER BY created_at, out_refund_no"
        ).fetchall()
        notices = db.execute("SELECT * FROM notification ORDER BY seq").fetchall()
        faults = db.execute("SELECT fault, request_no, rate, times FROM fault ORDER BY id").fetchall()
    return {
        "now": rfc3339(world.store.now()),
        "payments": [_with_times(row, PAYMENT_COLUMNS) for row in payments],
        "refunds": [_with_times(row, REFUND_COLUMNS) for row in refunds],
        "notifications": [_with_times(row, NOTICE_COLUMNS) for row in notices],
        "faults": [dict(row) for row in faults],
    }


def load_history(
    world: World, payments: list[dict[str, Any]], refunds: list[dict[str, Any]]
) -> tuple[dict[str, str], dict[str, str]]:
    """Enter what happened long ago: all or nothing, no notifications, the same again changes nothing.

    Answers the transaction_id of every out_trade_no and the refund_id of every out_refund_no.
    """
    with world.store.transaction() as db:
        transaction_ids = {row["out_trade_no"]: _load_payment(db, row) for row in payments}
        refund_ids = {row["out_refund_no"]: _load_refund(db, row) for row in refunds}
    return transaction_ids, refund_ids


PAYMENT_COLUMNS = (
    "out_trade_no", "transaction_id", "description", "amount_fen", "refunded_fen",
    "state", "funding", "created_at", "paid_at",
)  # fmt: skip
REFUND_COLUMNS = (
    "out_refund_no", "refund_id", "out_trade_no", "amount_fen",
    "status", "created_at", "succeeded_at", "effects", "returns",
)  # fmt: skip
NOTICE_COLUMNS = ("id", "event_type", "number", "state", "tries", "due_at", "last_answer")


def find_payment(db: sqlite3.Connection, out_trade_no: str) -> sqlite3.Row | None:
    """The payment of this number, if there is one."""
    row: sqlite3.Row | None = db.execute("SELECT * FROM payment WHERE out_trade_no = ?", (out_trade_no,)).fetchone()
    return row


def find_refund(db: sqlite3.Connection, out_refund_no: str) -> sqlite3.Row | None:
    """The refund of this number, if there is one."""
    row: sqlite3.Row | None = db.execute("SELECT * FROM refund WHERE out_refund_no = ?", (out_refund_no,)).fetchone()
    return row


def payment_of(db: sqlite3.Connection, out_trade_no: str) -> sqlite3.Row:
    """The payment of this number, which must be there; KeyError."""
    return _there(find_payment(db, out_trade_no), out_trade_no)


def refund_of(db: sqlite3.Connection, out_refund_no: str) -> sqlite3.Row:
    """The refund of this number, which must be there; KeyError."""
    return _there(find_refund(db, out_refund_no), out_refund_no)


def _there(row: sqlite3.Row | None, number: str) -> sqlite3.Row:
    if row is None:
        raise KeyError(number)
    return row


def _settle(world: World, db: sqlite3.Connection, refund: sqlite3.Row, status: str) -> None:
    number, amount_fen = refund["out_refund_no"], refund["amount_fen"]
    if status == refund["status"]:
        db.execute("UPDATE refund SET settles_at = NULL, settles_as = NULL WHERE out_refund_no = ?", (number,))
        return
    now = world.store.now()
    # What settles by the clock settled when it was due, also if nobody looked until later.
    at = min(now, refund["settles_at"]) if refund["settles_at"] is not None else now
    db.execute(
        "UPDATE refund SET status = ?, settles_at = NULL, settles_as = NULL, succeeded_at = ? WHERE out_refund_no = ?",
        (status, at if status == "SUCCESS" else None, number),
    )
    if status == "SUCCESS":
        _move(db, number, "buyer_credited", amount_fen, at)
    if refund["status"] == "SUCCESS":
        _move(db, number, "buyer_bounced", amount_fen, at)
    if status == "CLOSED":
        _move(db, number, "merchant_returned", amount_fen, at)
        _reserve(db, refund["out_trade_no"], -amount_fen)
    announce_refund(world, db, refund_of(db, number), payment_of(db, refund["out_trade_no"]))


def _load_payment(db: sqlite3.Connection, row: dict[str, Any]) -> str:
    known = find_payment(db, row["out_trade_no"])
    if known:
        wanted = row.get("transaction_id") or known["transaction_id"]
        if (known["amount_fen"], known["transaction_id"]) != (row["amount_fen"], wanted):
            raise NotPossible(f"订单已存在且内容不同 / another payment has this out_trade_no: {row['out_trade_no']!r}")
        return str(known["transaction_id"])
    transaction_id = row.get("transaction_id") or _new_transaction_id(row["paid_at"])
    try:
        db.execute(
            "INSERT INTO payment (out_trade_no, description, amount_fen, fingerprint, created_at, state,"
            " transaction_id, funding, paid_at) VALUES (?, ?, ?, '', ?, 'SUCCESS', ?, ?, ?)",
            (
                row["out_trade_no"], row["description"], row["amount_fen"], row["paid_at"],
                transaction_id, row.get("funding") or next(iter(FUNDINGS)), row["paid_at"],
            ),
        )  # fmt: skip
    except sqlite3.IntegrityError:
        raise NotPossible(f"transaction_id 已被使用 / this transaction_id is taken: {transaction_id!r}") from None
    _move(db, row["out_trade_no"], "paid", row["amount_fen"], row["paid_at"])
    return str(transaction_id)


def _load_refund(db: sqlite3.Connection, row: dict[str, Any]) -> str:
    number, amount_fen, created_at = row["out_refund_no"], row["amount_fen"], row["created_at"]
    known = find_refund(db, number)
    if known:
        if (known["out_trade_no"], known["amount_fen"]) != (row["out_trade_no"], amount_fen):
            raise NotPossible(f"退款已存在且内容不同 / another refund has this out_refund_no: {number!r}")
        return str(known["refund_id"])
    payment = find_payment(db, row["out_trade_no"])
    if not payment or payment["state"] != "SUCCESS":
        raise NotPossible(f"退款的订单不存在或未支付 / refund {number!r}: no paid order {row['out_trade_no']!r}")
    refund_id = _new_refund_id(created_at)
    settled_at = row.get("succeeded_at") or created_at
    db.execute(
        "INSERT INTO refund (out_refund_no, refund_id, out_trade_no, amount_fen, fingerprint, created_at, status,"
        " succeeded_at) VALUES (?, ?, ?, ?, '', ?, ?, ?)",
        (
            number, refund_id, row["out_trade_no"], amount_fen, created_at, row["status"],
            settled_at if row["status"] == "SUCCESS" else None,
        ),
    )  # fmt: skip
    _debit(db, number, row["out_trade_no"], amount_fen, created_at)
    if row["status"] == "SUCCESS":
        _move(db, number, "buyer_credited", amount_fen, settled_at)
    if row["status"] == "CLOSED":
        _move(db, number, "merchant_returned", amount_fen, settled_at)
        _reserve(db, row["out_trade_no"], -amount_fen)
    return refund_id


def _debit(db: sqlite3.Connection, number: str, out_trade_no: str, amount_fen: int, at: float) -> None:
    _move(db, number, "merchant_debited", amount_fen, at)
    _reserve(db, out_trade_no, amount_fen)


def _reserve(db: sqlite3.Connection, out_trade_no: str, amount_fen: int) -> None:
    try:
        db.execute(
            "UPDATE payment SET refunded_fen = refunded_fen + ? WHERE out_trade_no = ?", (amount_fen, out_trade_no)
        )
    except sqlite3.IntegrityError:
        raise NotPossible(f"退款超过订单金额 / refunds exceed what was paid for {out_trade_no!r}") from None


def _move(db: sqlite3.Connection, number: str, kind: str, amount_fen: int, at: float) -> None:
    db.execute(
        "INSERT INTO movement (number, kind, amount_fen, moved_at) VALUES (?, ?, ?, ?)", (number, kind, amount_fen, at)
    )


def _new_transaction_id(at: float) -> str:
    return f"4200{secrets.randbelow(10**6):06d}{_day(at)}{secrets.randbelow(10**10):010d}"


def _new_refund_id(at: float) -> str:
    return f"5030{secrets.randbelow(10**6):06d}{_day(at)}{secrets.randbelow(10**11):011d}"


def _day(at: float) -> str:
    return rfc3339(at)[:10].replace("-", "")


def _with_times(row: sqlite3.Row, columns: tuple[str, ...]) -> dict[str, Any]:
    result = {name: row[name] for name in columns}
    return {
        name: rfc3339(value) if name.endswith("_at") and value is not None else value for name, value in result.items()
    }
