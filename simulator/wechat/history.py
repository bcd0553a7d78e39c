"""History (往事): what happened long ago is entered into the books as if it had happened."""

from __future__ import annotations

import sqlite3
from typing import Any

from simulator.wechat.books import (
    debit,
    find_payment,
    find_refund,
    move,
    new_refund_id,
    new_transaction_id,
    reserve,
)
from simulator.wechat.objects import FUNDINGS
from simulator.world import NotPossible, World


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


def _load_payment(db: sqlite3.Connection, row: dict[str, Any]) -> str:
    known = find_payment(db, row["out_trade_no"])
    if known:
        wanted = row.get("transaction_id") or known["transaction_id"]
        if (known["amount_fen"], known["transaction_id"]) != (row["amount_fen"], wanted):
            raise NotPossible(f"订单已存在且内容不同 / another payment has this out_trade_no: {row['out_trade_no']!r}")
        return str(known["transaction_id"])
    transaction_id = row.get("transaction_id") or new_transaction_id(row["paid_at"])
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
    move(db, row["out_trade_no"], "paid", row["amount_fen"], row["paid_at"])
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
    refund_id = new_refund_id(created_at)
    settled_at = row.get("succeeded_at") or created_at
    db.execute(
        "INSERT INTO refund (out_refund_no, refund_id, out_trade_no, amount_fen, fingerprint, created_at, status,"
        " succeeded_at) VALUES (?, ?, ?, ?, '', ?, ?, ?)",
        (
            number, refund_id, row["out_trade_no"], amount_fen, created_at, row["status"],
            settled_at if row["status"] == "SUCCESS" else None,
        ),
    )  # fmt: skip
    debit(db, number, row["out_trade_no"], amount_fen, created_at)
    if row["status"] == "SUCCESS":
        move(db, number, "buyer_credited", amount_fen, settled_at)
    if row["status"] == "CLOSED":
        move(db, number, "merchant_returned", amount_fen, settled_at)
        reserve(db, row["out_trade_no"], -amount_fen)
    return refund_id
