"""What the control plane does to Alipay: the buyer pays, a bank answers, a refund in the console, old trades."""

from __future__ import annotations

import secrets
import sqlite3
from typing import Any

from simulator import funds
from simulator.alipay import books
from simulator.alipay.answers import Refusal
from simulator.alipay.fundings import FUNDINGS
from simulator.store import rfc3339
from simulator.world import NotPossible, World

NAME = "alipay"
STATUSES = {"SUCCESS": "S", "ABNORMAL": "F", "PROCESSING": "P"}  # the control plane's words -> dback_status
STATES = {"PREPARED": "NOTPAY", "WAIT_BUYER_PAY": "NOTPAY"}  # unpaid; the others by whether it was paid


def knows_payment(db: sqlite3.Connection, out_trade_no: str) -> bool:
    return books.find(db, out_trade_no) is not None


def knows_refund(db: sqlite3.Connection, request_no: str) -> bool:
    return _refund_row(db, request_no) is not None


def pay(
    world: World,
    out_trade_no: str,
    *,
    funding: str,
    race: bool = False,
    amount_fen: int | None = None,
    payer: str | None = None,
) -> None:
    """The buyer opens the order if he has not, and pays it.

    race: he was at the cashier while the trade closed or expired. amount_fen: what he pays, if not what was asked for.
    payer: his name; None is somebody who has never paid here before.
    """
    books.catch_up(world)
    with world.store.transaction() as db:
        trade = books.find(db, out_trade_no)
        if trade is None:
            raise NotPossible(f"没有这笔订单 / no such out_trade_no: {out_trade_no!r}")
        trade = books.open_trade(world, db, trade)
        late = trade["status"] == "PREPARED" or books.expired(trade, world.store.now())
        unpaid = trade["paid_at"] is None
        if not unpaid or (trade["status"] == "TRADE_CLOSED" and not race):
            raise NotPossible(f"订单不能支付，当前状态 / this order cannot be paid, it is {trade['status']}")
        if late and not (race and trade["trade_no"]):
            raise NotPossible("订单或二维码已过期，请商户重新下单 / the order or its code has expired: order again")
        books.take_payment(world, db, trade, funding, amount_fen=amount_fen, payer=payer)
    world.ring()


def settle(world: World, request_no: str, status: str) -> None:
    """A refund that was taken on is done (SUCCESS), or the bank answers: SUCCESS, ABNORMAL (F), PROCESSING (held)."""
    books.catch_up(world)
    with world.store.transaction() as db:
        refund = _refund_row(db, request_no)
        if refund is None:
            raise NotPossible(f"没有这笔退款 / no such refund: {request_no!r}")
        if refund["refunded_at"] is None:
            _settle_pending(world, db, refund, status)
        elif status not in STATUSES:
            raise NotPossible("已退款的不会关闭 / a refund that is done never becomes CLOSED")
        elif refund["dback_status"] in (None, STATUSES[status]) and status != "PROCESSING":
            if status == "ABNORMAL" and refund["dback_status"] is None:
                raise NotPossible("这笔退款没有走银行卡 / this refund did not go to a bank card")
        elif refund["dback_status"] != "P":
            raise NotPossible(f"银行已经答复 / the bank has answered already: {refund['dback_status']}")
        elif status == "PROCESSING":
            db.execute(
                "UPDATE alipay_refund SET dback_at = NULL, dback_as = NULL WHERE trade_no = ? AND out_request_no = ?",
                (refund["trade_no"], request_no),
            )
        else:
            books.end_deposit_back(world, db, refund, STATUSES[status], world.store.now())
    world.ring()


def arrange(world: World, request_no: str, status: str) -> None:
    """Decide beforehand: PROCESSING holds it (a card's bank, or the whole refund), ABNORMAL is the bank's F."""
    with world.store.transaction() as db:
        if knows_refund(db, request_no):
            raise NotPossible("这笔退款已存在，请去掉 in_advance / the refund is there already: leave out in_advance")
        if status in STATUSES:
            db.execute("INSERT OR REPLACE INTO alipay_arrangement VALUES (?, ?)", (request_no, STATUSES[status]))


def console_refund(world: World, out_trade_no: str, amount_fen: int, request_no: str | None) -> dict[str, Any]:
    """Somebody refunds in Alipay's own console; the shop has not asked for it."""
    books.catch_up(world)
    number = request_no or f"CONSOLE{secrets.token_hex(8).upper()}"
    with world.store.transaction() as db:
        trade = books.find(db, out_trade_no)
        if trade is None or trade["trade_no"] is None:
            raise NotPossible(f"没有这笔交易 / no such trade: {out_trade_no!r}")
        if books.look_for_refund(db, trade["trade_no"], number):
            raise NotPossible(f"这个请求号已用过 / this number is taken: {number!r}")
        order = books.RefundOrder(trade, number, amount_fen, "商家后台退款")
        try:
            books.check_refund(world, db, order)
        except Refusal as refusal:
            raise NotPossible(str(refusal)) from None
        books.take_refund(world, db, order)
    world.ring()
    return {"out_refund_no": number, "refund_id": "", "out_trade_no": out_trade_no, "amount_fen": amount_fen}


def load_history(
    world: World, payments: list[dict[str, Any]], refunds: list[dict[str, Any]]
) -> tuple[dict[str, str], dict[str, str]]:
    """Enter what happened long ago; no notifications, the same again changes nothing."""
    with world.store.transaction() as db:
        return (
            {row["out_trade_no"]: _load_payment(db, row) for row in payments},
            {row["out_refund_no"]: _load_refund(db, row) for row in refunds},
        )


def ledger_rows(world: World) -> dict[str, list[dict[str, Any]]]:
    """{payments, refunds} with the same keys as WeChat's, and Alipay's own words beside them."""
    books.catch_up(world)
    with world.store.transaction() as db:
        trades = db.execute("SELECT * FROM alipay_trade ORDER BY prepared_at, out_trade_no").fetchall()
        refunds = db.execute(
            "SELECT alipay_refund.*, out_trade_no, (SELECT count(*) FROM alipay_movement AS m WHERE kind = 'refunded'"
            " AND m.trade_no = alipay_refund.trade_no AND m.out_request_no = alipay_refund.out_request_no) AS effects"
            " FROM alipay_refund JOIN alipay_trade USING (trade_no) ORDER BY alipay_refund.created_at, out_request_no"
        ).fetchall()
    return {"payments": [_payment(row) for row in trades], "refunds": [_refund(row) for row in refunds]}


def _payment(row: sqlite3.Row) -> dict[str, Any]:
    state = STATES.get(row["status"], "SUCCESS" if row["paid_at"] is not None else "CLOSED")
    return {
        "channel": NAME,
        "out_trade_no": row["out_trade_no"],
        "transaction_id": row["trade_no"],
        "description": row["subject"],
        "amount_fen": row["total_fen"],
        "refunded_fen": row["refunded_fen"],
        "state": state,
        "trade_status": row["status"],
        "funding": row["funding"],
        "created_at": rfc3339(row["created_at"] if row["created_at"] is not None else row["prepared_at"]),
        "paid_at": _time(row["paid_at"]),
    }


def _refund(row: sqlite3.Row) -> dict[str, Any]:
    return {
        "channel": NAME,
        "out_refund_no": row["out_request_no"],
        "refund_id": "",
        "out_trade_no": row["out_trade_no"],
        "amount_fen": row["refund_fen"],
        "status": "PROCESSING" if row["refunded_at"] is None else "SUCCESS",
        "dback_status": row["dback_status"],
        "created_at": rfc3339(row["created_at"]),
        "succeeded_at": _time(row["refunded_at"]),
        "effects": row["effects"],
        "returns": 0,
    }


def _time(at: float | None) -> str | None:
    return None if at is None else rfc3339(at)


def _refund_row(db: sqlite3.Connection, request_no: str) -> sqlite3.Row | None:
    row: sqlite3.Row | None = db.execute(
        "SELECT * FROM alipay_refund WHERE out_request_no = ? ORDER BY created_at DESC", (request_no,)
    ).fetchone()
    return row


def _settle_pending(world: World, db: sqlite3.Connection, refund: sqlite3.Row, status: str) -> None:
    key = (refund["trade_no"], refund["out_request_no"])
    if status == "SUCCESS":
        db.execute("DELETE FROM alipay_arrangement WHERE out_request_no = ?", (refund["out_request_no"],))
        books.do_refund(world, db, refund)
    elif status == "PROCESSING":
        db.execute("UPDATE alipay_refund SET done_at = NULL WHERE trade_no = ? AND out_request_no = ?", key)
    else:  # it never took place: the same number may be asked for again
        db.execute("DELETE FROM alipay_arrangement WHERE out_request_no = ?", (refund["out_request_no"],))
        db.execute("DELETE FROM alipay_refund WHERE trade_no = ? AND out_request_no = ?", key)
        funds.give_back(db, NAME, refund["refund_fen"])


def _load_payment(db: sqlite3.Connection, row: dict[str, Any]) -> str:
    known = books.find(db, row["out_trade_no"])
    if known:
        wanted = row.get("transaction_id") or known["trade_no"]
        if (known["total_fen"], known["trade_no"]) != (row["amount_fen"], wanted) or known["paid_at"] is None:
            raise NotPossible(f"订单已存在且内容不同 / another payment has this out_trade_no: {row['out_trade_no']!r}")
        return str(known["trade_no"])
    trade_no, at = row.get("transaction_id") or books.new_trade_no(row["paid_at"]), row["paid_at"]
    try:
        db.execute(
            "INSERT INTO alipay_trade (out_trade_no, product, subject, total_fen, fingerprint, token, timeout_seconds,"
            " prepared_at, status, trade_no, created_at, funding, paid_at)"
            " VALUES (?, 'history', ?, ?, '', ?, 0, ?, 'TRADE_SUCCESS', ?, ?, ?, ?)",
            (row["out_trade_no"], row["description"], row["amount_fen"], secrets.token_hex(12), at, trade_no, at,
             row.get("funding") or next(iter(FUNDINGS)), at),
        )  # fmt: skip
    except sqlite3.IntegrityError:
        raise NotPossible(f"transaction_id 已被使用 / this transaction_id is taken: {trade_no!r}") from None
    books.move(db, trade_no, "", "paid", row["amount_fen"], at)
    return str(trade_no)


def _load_refund(db: sqlite3.Connection, row: dict[str, Any]) -> str:
    trade = books.find(db, row["out_trade_no"])
    number, fen, at = row["out_refund_no"], row["amount_fen"], row["created_at"]
    if trade is None or trade["paid_at"] is None:
        raise NotPossible(f"退款的订单不存在或未支付 / refund {number!r}: no paid order {row['out_trade_no']!r}")
    known = books.look_for_refund(db, trade["trade_no"], number)
    if known:
        if known["refund_fen"] != fen:
            raise NotPossible(f"退款已存在且内容不同 / another refund has this number: {number!r}")
        return ""
    if row["status"] not in ("SUCCESS", "PROCESSING"):
        raise NotPossible("支付宝的历史退款只能是 SUCCESS 或 PROCESSING / Alipay's past refunds: SUCCESS or PROCESSING")
    done_at = None if row["status"] == "PROCESSING" else (row.get("succeeded_at") or at)
    db.execute(
        "INSERT INTO alipay_refund (trade_no, out_request_no, refund_fen, refund_reason, created_at, refunded_at,"
        " dback_status, est_receipt_at, bank_ack_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (trade["trade_no"], number, fen, row.get("reason"), at, done_at, *_banked(trade, done_at)),
    )
    if done_at is not None:
        books.enter_refund(db, trade, number, fen, done_at)
    return ""


def _banked(trade: sqlite3.Row, done_at: float | None) -> tuple[Any, ...]:
    if done_at is None or FUNDINGS[trade["funding"]].bank is None:
        return None, None, None
    return "S", done_at, done_at
