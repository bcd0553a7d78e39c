"""Alipay's books: what happens to trades and refunds, whoever asks for it. Callers hold the transaction."""

from __future__ import annotations

import secrets
import sqlite3
import string
from typing import NamedTuple

from simulator import funds
from simulator.alipay import notices
from simulator.alipay.answers import Refusal
from simulator.alipay.fundings import FUNDINGS
from simulator.store import rfc3339
from simulator.world import NotPossible, World

REFUND_SECONDS = 365 * 86400
SPACING_SECONDS = 3  # between two refunds of one trade
QR_SECONDS = 2 * 3600
QR_SECONDS_AT_LEAST = 15 * 60  # of real time, whatever the speed: a person must be able to pay
BANK_SECONDS = 86400  # until the bank acknowledges a deposit-back
BANK_ESTIMATE_SECONDS = 2 * 86400  # what the buyer is told
UNPAID_TOO_LONG = (  # the words of the index alipay_trade_until
    "SELECT *, COALESCE(time_expire, created_at + timeout_seconds) AS until FROM alipay_trade"
    " WHERE status = 'WAIT_BUYER_PAY' AND COALESCE(time_expire, created_at + timeout_seconds) <= ?"
)


class Order(NamedTuple):
    """What a merchant asks a buyer to pay."""

    out_trade_no: str
    product: str  # precreate, page or wap
    subject: str
    body: str | None
    total_fen: int
    notify_url: str | None
    return_url: str | None
    quit_url: str | None
    passback_params: str | None
    timeout_seconds: float
    time_expire: float | None

    @property
    def fingerprint(self) -> str:
        """What another call with the same number must not change."""
        return repr((self.product, self.subject, self.body, self.total_fen))


class RefundOrder(NamedTuple):
    """What a merchant asks for in one refund call."""

    trade: sqlite3.Row
    out_request_no: str
    refund_fen: int
    reason: str | None = None
    wants_message: bool = False
    done_after: float | None = 0.0  # seconds from now; None: taken on, and only the control plane moves it on


# --- trades ----------------------------------------------------------------------------------------------------------


def prepare(world: World, db: sqlite3.Connection, order: Order) -> sqlite3.Row:
    """Take an order down; the same again is the same order. To Alipay there is no trade until the buyer opens it."""
    now = world.store.now()
    known = find(db, order.out_trade_no)
    token_until = now + max(world.delay(QR_SECONDS), QR_SECONDS_AT_LEAST) if order.product == "precreate" else None
    if known:
        _may_repeat(known, order)
        db.execute(
            "UPDATE alipay_trade SET notify_url = ?, return_url = ?, quit_url = ?, token_until = ?"
            " WHERE out_trade_no = ?",
            (order.notify_url, order.return_url, order.quit_url, token_until, order.out_trade_no),
        )
        return there(db, order.out_trade_no)
    if order.time_expire is not None and order.time_expire <= now:
        raise Refusal("ACQ.INVALID_PARAMETER", "参数无效：time_expire早于当前时间")
    db.execute(
        "INSERT INTO alipay_trade (out_trade_no, product, subject, body, total_fen, notify_url, return_url, quit_url,"
        " passback_params, fingerprint, token, token_until, timeout_seconds, time_expire, prepared_at, status)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'PREPARED')",
        (
            order.out_trade_no, order.product, order.subject, order.body, order.total_fen, order.notify_url,
            order.return_url, order.quit_url, order.passback_params, order.fingerprint, _new_token(order.product),
            token_until, order.timeout_seconds, order.time_expire, now,
        ),
    )  # fmt: skip
    return there(db, order.out_trade_no)


def open_trade(world: World, db: sqlite3.Connection, trade: sqlite3.Row) -> sqlite3.Row:
    """The buyer sees the order for the first time: now there is a trade, and its time runs."""
    if trade["status"] == "PREPARED" and not expired(trade, world.store.now()):
        now = world.store.now()
        db.execute(
            "UPDATE alipay_trade SET status = 'WAIT_BUYER_PAY', trade_no = ?, created_at = ? WHERE out_trade_no = ?",
            (new_trade_no(now), now, trade["out_trade_no"]),
        )
    return there(db, trade["out_trade_no"])


def take_payment(
    world: World,
    db: sqlite3.Connection,
    trade: sqlite3.Row,
    funding: str,
    *,
    amount_fen: int | None = None,
    payer: str | None = None,
) -> None:
    """The buyer confirms; callers have made sure that he may. `amount_fen`: what he pays, if not what was asked for.

    `payer`: his name; None is somebody who has never paid here before.
    """
    now = world.store.now()
    db.execute(
        "UPDATE alipay_trade SET status = 'TRADE_SUCCESS', funding = ?, paid_at = ?, total_fen = ?, closed_at = NULL,"
        " payer = ? WHERE out_trade_no = ?",
        (funding, now, amount_fen or trade["total_fen"], payer or trade["out_trade_no"], trade["out_trade_no"]),
    )
    trade = there(db, trade["out_trade_no"])
    move(db, trade["trade_no"], "", "paid", trade["total_fen"], now)
    notices.announce(world, db, trade)


def close(world: World, db: sqlite3.Connection, trade: sqlite3.Row, at: float | None = None) -> None:
    """An unpaid trade ends; Alipay sends no notification for it by default."""
    now = world.store.now()
    db.execute(
        "UPDATE alipay_trade SET status = 'TRADE_CLOSED', closed_at = ?, trade_no = COALESCE(trade_no, ?),"
        " created_at = COALESCE(created_at, ?) WHERE out_trade_no = ?",
        (at or now, new_trade_no(now), now, trade["out_trade_no"]),
    )


def expired(trade: sqlite3.Row, now: float) -> bool:
    """True if neither the order's own time nor the QR code's allows paying any more."""
    created_at = trade["created_at"] if trade["created_at"] is not None else now
    until = trade["time_expire"] if trade["time_expire"] is not None else created_at + trade["timeout_seconds"]
    code_dead = trade["status"] == "PREPARED" and trade["token_until"] is not None and trade["token_until"] <= now
    return until <= now or code_dead


# --- refunds ---------------------------------------------------------------------------------------------------------


def check_refund(world: World, db: sqlite3.Connection, order: RefundOrder) -> None:
    """Raise a Refusal unless this new refund is allowed now."""
    trade, now = order.trade, world.store.now()
    if trade["paid_at"] is None:
        raise Refusal("ACQ.TRADE_HAS_CLOSE" if trade["status"] == "TRADE_CLOSED" else "ACQ.TRADE_STATUS_ERROR")
    if trade["status"] == "TRADE_CLOSED":
        raise Refusal("ACQ.TRADE_HAS_CLOSE")
    if trade["status"] == "TRADE_FINISHED" or now > trade["paid_at"] + REFUND_SECONDS:
        raise Refusal("ACQ.TRADE_HAS_FINISHED")
    last_at, pending_fen = db.execute(
        "SELECT max(created_at), COALESCE(sum(refund_fen) FILTER (WHERE refunded_at IS NULL), 0) FROM alipay_refund"
        " WHERE trade_no = ?",
        (trade["trade_no"],),
    ).fetchone()
    if order.refund_fen > trade["total_fen"] - trade["refunded_fen"] - pending_fen:
        raise Refusal("ACQ.REFUND_AMT_NOT_EQUAL_TOTAL")
    if last_at is not None and now < last_at + world.delay(SPACING_SECONDS):
        raise Refusal("ACQ.SYSTEM_ERROR", "系统错误：同一笔交易两次退款须间隔3秒以上")
    available_fen = funds.amount(db, "alipay")
    if available_fen is not None and available_fen < order.refund_fen:
        raise Refusal("ACQ.SELLER_BALANCE_NOT_ENOUGH")


def take_refund(world: World, db: sqlite3.Connection, order: RefundOrder) -> None:
    """Take a refund on that was checked, and do it at once unless it is to be done later."""
    now = world.store.now()
    done_at = None if order.done_after is None else now + order.done_after
    db.execute(
        "INSERT INTO alipay_refund (trade_no, out_request_no, refund_fen, refund_reason, created_at, done_at,"
        " wants_message) VALUES (?, ?, ?, ?, ?, ?, ?)",
        (order.trade["trade_no"], order.out_request_no, order.refund_fen, order.reason, now, done_at,
         order.wants_message),
    )  # fmt: skip
    funds.take(db, "alipay", order.refund_fen)
    if order.done_after == 0:
        do_refund(world, db, find_refund(db, order.trade["trade_no"], order.out_request_no))


def do_refund(world: World, db: sqlite3.Connection, refund: sqlite3.Row) -> None:
    """The money goes back: to the buyer's balance at once, to a bank card with the bank's own time."""
    trade, now = by_trade_no(db, refund["trade_no"]), world.store.now()
    enter_refund(db, trade, refund["out_request_no"], refund["refund_fen"], now)
    arranged = db.execute(
        "DELETE FROM alipay_arrangement WHERE out_request_no = ? RETURNING status", (refund["out_request_no"],)
    ).fetchone()
    to_bank = FUNDINGS[trade["funding"]].bank is not None
    ends_as = arranged["status"] if arranged else "S"
    held = not to_bank or ends_as == "P"
    db.execute(
        "UPDATE alipay_refund SET refunded_at = ?, done_at = NULL, dback_status = ?, dback_as = ?, dback_at = ?,"
        " est_receipt_at = ? WHERE trade_no = ? AND out_request_no = ?",
        (
            now, "P" if to_bank else None, None if held else ends_as,
            None if held else now + world.delay(BANK_SECONDS),
            now + world.delay(BANK_ESTIMATE_SECONDS) if to_bank else None,
            refund["trade_no"], refund["out_request_no"],
        ),
    )  # fmt: skip
    notices.announce(world, db, by_trade_no(db, trade["trade_no"]), find_refund(db, *_key(refund)))


def enter_refund(db: sqlite3.Connection, trade: sqlite3.Row, number: str, refund_fen: int, at: float) -> None:
    """What a refund does to its trade; a trade refunded whole is closed."""
    whole = trade["refunded_fen"] + refund_fen == trade["total_fen"]
    try:
        db.execute(
            "UPDATE alipay_trade SET refunded_fen = refunded_fen + ?, status = ?, closed_at = ? WHERE trade_no = ?",
            (refund_fen, "TRADE_CLOSED" if whole else trade["status"], at if whole else None, trade["trade_no"]),
        )
    except sqlite3.IntegrityError:
        number_of = trade["out_trade_no"]
        raise NotPossible(f"退款超过订单金额 / refunds exceed what was paid for {number_of!r}") from None
    move(db, trade["trade_no"], number, "refunded", refund_fen, at)


def end_deposit_back(world: World, db: sqlite3.Connection, refund: sqlite3.Row, status: str, at: float) -> None:
    """The bank took it (S) or not (F: the buyer's Alipay balance got it); who asked for the message gets it."""
    db.execute(
        "UPDATE alipay_refund SET dback_status = ?, dback_as = NULL, dback_at = NULL, bank_ack_at = ?"
        " WHERE trade_no = ? AND out_request_no = ?",
        (status, at, *_key(refund)),
    )
    if refund["wants_message"]:
        notices.announce_deposit_back(world, db, by_trade_no(db, refund["trade_no"]), find_refund(db, *_key(refund)))


# --- time ------------------------------------------------------------------------------------------------------------


def catch_up(world: World) -> float | None:
    """Let everything happen that has fallen due; answer when the next thing will."""
    now = world.store.now()
    with world.store.transaction() as db:
        for trade in db.execute(UNPAID_TOO_LONG, (now,)).fetchall():
            close(world, db, trade, at=trade["until"])
        late = db.execute(
            "SELECT * FROM alipay_trade WHERE status = 'TRADE_SUCCESS' AND paid_at < ?", (now - REFUND_SECONDS,)
        ).fetchall()
        for trade in late:
            db.execute("UPDATE alipay_trade SET status = 'TRADE_FINISHED' WHERE trade_no = ?", (trade["trade_no"],))
            notices.announce(world, db, by_trade_no(db, trade["trade_no"]))
        pending = db.execute(
            "SELECT * FROM alipay_refund WHERE refunded_at IS NULL AND done_at <= ?", (now,)
        ).fetchall()
        for refund in pending:
            do_refund(world, db, refund)
        banked = db.execute("SELECT * FROM alipay_refund WHERE dback_at <= ? ORDER BY dback_at", (now,)).fetchall()
        for refund in banked:
            end_deposit_back(world, db, refund, refund["dback_as"], refund["dback_at"])
        following: float | None = db.execute(
            "SELECT min(at) FROM (SELECT min(dback_at) AS at FROM alipay_refund WHERE dback_at IS NOT NULL"
            " UNION ALL SELECT min(done_at) FROM alipay_refund WHERE refunded_at IS NULL)"
        ).fetchone()[0]
    if late or pending or banked:
        world.ring()
    return following


# --- finding ---------------------------------------------------------------------------------------------------------


def find(db: sqlite3.Connection, out_trade_no: str) -> sqlite3.Row | None:
    """The order of this number, prepared ones included; None if there is none."""
    row: sqlite3.Row | None = db.execute(
        "SELECT * FROM alipay_trade WHERE out_trade_no = ?", (out_trade_no,)
    ).fetchone()
    return row


def there(db: sqlite3.Connection, out_trade_no: str) -> sqlite3.Row:
    row = find(db, out_trade_no)
    if row is None:
        raise KeyError(out_trade_no)
    return row


def by_trade_no(db: sqlite3.Connection, trade_no: str) -> sqlite3.Row:
    row: sqlite3.Row | None = db.execute("SELECT * FROM alipay_trade WHERE trade_no = ?", (trade_no,)).fetchone()
    if row is None:
        raise KeyError(trade_no)
    return row


def by_token(db: sqlite3.Connection, token: str) -> sqlite3.Row | None:
    row: sqlite3.Row | None = db.execute("SELECT * FROM alipay_trade WHERE token = ?", (token,)).fetchone()
    return row


def find_refund(db: sqlite3.Connection, trade_no: str, out_request_no: str) -> sqlite3.Row:
    row = look_for_refund(db, trade_no, out_request_no)
    if row is None:
        raise KeyError(out_request_no)
    return row


def look_for_refund(db: sqlite3.Connection, trade_no: str, out_request_no: str) -> sqlite3.Row | None:
    row: sqlite3.Row | None = db.execute(
        "SELECT * FROM alipay_refund WHERE trade_no = ? AND out_request_no = ?", (trade_no, out_request_no)
    ).fetchone()
    return row


# --- small things ----------------------------------------------------------------------------------------------------


def new_trade_no(at: float) -> str:
    """28 digits that begin with the day."""
    return f"{rfc3339(at)[:10].replace('-', '')}2200140{secrets.randbelow(10**13):013d}"


def _new_token(product: str) -> str:
    alphabet = string.ascii_lowercase + string.digits
    return ("bax" if product == "precreate" else "") + "".join(secrets.choice(alphabet) for _ in range(24))


def _may_repeat(known: sqlite3.Row, order: Order) -> None:
    if known["paid_at"] is not None:
        raise Refusal("ACQ.TRADE_HAS_SUCCESS")
    if known["status"] == "TRADE_CLOSED":
        raise Refusal("ACQ.TRADE_HAS_CLOSE")
    if known["fingerprint"] != order.fingerprint:
        raise Refusal("ACQ.CONTEXT_INCONSISTENT")


def move(db: sqlite3.Connection, trade_no: str, out_request_no: str, kind: str, amount_fen: int, at: float) -> None:
    db.execute(
        "INSERT INTO alipay_movement (trade_no, out_request_no, kind, amount_fen, moved_at) VALUES (?, ?, ?, ?, ?)",
        (trade_no, out_request_no, kind, amount_fen, at),
    )


def _key(refund: sqlite3.Row) -> tuple[str, str]:
    return refund["trade_no"], refund["out_request_no"]
