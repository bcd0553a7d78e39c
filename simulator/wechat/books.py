"""WeChat Pay's books: what happens to payments and refunds, whoever asks for it. Each function is one transaction."""

from __future__ import annotations

import secrets
import sqlite3
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from simulator import funds, payers
from simulator.store import BEIJING, rfc3339
from simulator.wechat import console
from simulator.wechat.notices import announce_payment, announce_refund
from simulator.world import NotPossible, World

UNPAID_DAYS = 7  # then an order closes by itself
BALANCE_SECONDS = 60  # until WeChat says SUCCESS
CARD_WORKING_DAYS = 2
UNFUNDED_DAYS = 7  # a refund that waits for the merchant's funds closes then
NEXT_STATUSES = {  # what the control plane may make of a refund
    "PROCESSING": ("PROCESSING", "SUCCESS", "ABNORMAL", "CLOSED"),
    "ABNORMAL": ("ABNORMAL", "SUCCESS"),
    "SUCCESS": ("SUCCESS", "ABNORMAL"),  # the bank sends it back after all
    "CLOSED": ("CLOSED",),
}


@dataclass(frozen=True)
class RefundOrder:
    """What a merchant asks for in one refund call."""

    out_refund_no: str
    out_trade_no: str
    amount_fen: int
    notify_url: str | None
    fingerprint: str
    source: str = "api"  # console: by hand in the merchant platform


def pay(
    world: World,
    out_trade_no: str,
    *,
    funding: str = "零钱",
    race: bool = False,
    amount_fen: int | None = None,
    payer: str | None = None,
) -> None:
    """The buyer pays an open order; the payment notification follows.

    race: he was at the till while the order closed or expired. amount_fen: what he pays, if not what was asked for.
    payer: his name; None is somebody who has never paid here before. A JSAPI order has its payer already.
    """
    catch_up(world)
    with world.store.transaction() as db:
        now = world.store.now()
        payment = find_payment(db, out_trade_no)
        if not payment:
            raise NotPossible(f"没有这笔订单 / no such out_trade_no: {out_trade_no!r}")
        if payment["state"] != "NOTPAY" and not (race and payment["state"] == "CLOSED"):
            raise NotPossible(f"订单不能支付，当前状态 / this order cannot be paid, it is {payment['state']}")
        if not race and expired(db, payment, now):
            raise NotPossible("订单或二维码已过期，请商户重新下单 / the order or its code has expired: order again")
        if payer is not None and payment["openid"] is not None:
            raise NotPossible("JSAPI 订单只能由下单的微信用户支付 / a JSAPI order is paid by whom it was made for")
        openid = payment["openid"] or payers.openid(world.keys.appid, payer or out_trade_no)
        db.execute(
            "UPDATE payment SET state = 'SUCCESS', transaction_id = ?, funding = ?, paid_at = ?, amount_fen = ?,"
            " openid = ? WHERE out_trade_no = ?",
            (new_transaction_id(now), funding, now, amount_fen or payment["amount_fen"], openid, out_trade_no),
        )
        move(db, out_trade_no, "paid", amount_fen or payment["amount_fen"], now)
        announce_payment(world, db, payment_of(db, out_trade_no))
    world.ring()


def expired(db: sqlite3.Connection, payment: sqlite3.Row, now: float) -> bool:
    """True if neither the order's own time nor the code's allows paying any more."""
    code = db.execute(
        "SELECT expires_at FROM code WHERE out_trade_no = ? AND alive", (payment["out_trade_no"],)
    ).fetchone()
    limits = [row for row in (payment["expires_at"], code and code["expires_at"]) if row is not None]
    return not limits or min(limits) <= now


def accept_refund(world: World, db: sqlite3.Connection, order: RefundOrder, *, fate: str = "") -> None:
    """Take on a refund (受理): the merchant's money is debited now, the buyer's comes when it settles.

    fate: the fault that decides how it ends: processing, abnormal or closed. NotEnough, NotPossible.
    """
    now = world.store.now()
    payment = payment_of(db, order.out_trade_no)
    arranged = db.execute(
        "DELETE FROM arrangement WHERE out_refund_no = ? RETURNING status", (order.out_refund_no,)
    ).fetchone()
    settles_as = arranged["status"] if arranged else "SUCCESS"
    settles_at: float | None = now + world.delay(arrival_seconds(payment["funding"], now))
    if settles_as == "PROCESSING":
        settles_as = settles_at = None
    elif fate == "processing":
        settles_as, settles_at = "CLOSED", now + world.delay(UNFUNDED_DAYS * 86400)
    elif fate:
        settles_as = fate.upper()
    db.execute(
        "INSERT INTO refund (out_refund_no, refund_id, out_trade_no, amount_fen, notify_url, fingerprint, created_at,"
        " status, settles_at, settles_as, source) VALUES (?, ?, ?, ?, ?, ?, ?, 'PROCESSING', ?, ?, ?)",
        (
            order.out_refund_no, new_refund_id(now), order.out_trade_no, order.amount_fen, order.notify_url,
            order.fingerprint, now, settles_at, settles_as, order.source,
        ),
    )  # fmt: skip
    debit(db, order.out_refund_no, order.out_trade_no, order.amount_fen, now)
    funds.take(db, "wechat", order.amount_fen)


def arrival_seconds(funding: str, now: float) -> float:
    """How long WeChat takes to say SUCCESS: a minute for the balance, working days (Monday to Friday) for a card."""
    if funding == "零钱":
        return BALANCE_SECONDS
    days, left = 0, CARD_WORKING_DAYS
    while left:
        days += 1
        left -= datetime.fromtimestamp(now + days * 86400, BEIJING).weekday() < 5
    return days * 86400.0


def accept_abnormal(
    world: World, db: sqlite3.Connection, refund: sqlite3.Row, *, kind: str, account: str, fingerprint: str
) -> None:
    """Send an ABNORMAL refund's money to another card: PROCESSING until the card has it."""
    now = world.store.now()
    db.execute(
        "UPDATE refund SET status = 'PROCESSING', succeeded_at = NULL, settles_at = ?, settles_as = 'SUCCESS',"
        " abnormal_type = ?, abnormal_fingerprint = ?, received_account = ? WHERE out_refund_no = ?",
        (now + world.delay(arrival_seconds(account, now)), kind, fingerprint, account, refund["out_refund_no"]),
    )


def console_refund(world: World, out_trade_no: str, amount_fen: int) -> str:
    """The merchant refunds by hand in the platform: answers the number that the platform gave it."""
    catch_up(world)
    with world.store.transaction() as db:
        payment = find_payment(db, out_trade_no)
        if not payment or payment["state"] != "SUCCESS":
            raise NotPossible(f"订单不存在或未支付 / no paid order: {out_trade_no!r}")
        number = new_refund_id(world.store.now())
        try:
            accept_refund(world, db, RefundOrder(number, out_trade_no, amount_fen, None, "", source="console"))
        except funds.NotEnough as short:
            raise NotPossible(str(short)) from None
    world.ring()
    return number


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
        back = refund["status"] == "SUCCESS" and refund["abnormal_type"] == "MERCHANT_BANK_CARD"
        if status not in NEXT_STATUSES[refund["status"]] or (back and status != "SUCCESS"):
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


PAYMENT_COLUMNS = (
    "out_trade_no", "transaction_id", "description", "amount_fen", "refunded_fen",
    "state", "funding", "created_at", "paid_at", "trade_type",
)  # fmt: skip
REFUND_COLUMNS = (
    "out_refund_no", "refund_id", "out_trade_no", "amount_fen",
    "status", "created_at", "succeeded_at", "effects", "returns", "source", "received_account",
)  # fmt: skip
NOTICE_COLUMNS = ("id", "channel", "event_type", "number", "state", "tries", "due_at", "last_answer")


def find_payment(db: sqlite3.Connection, out_trade_no: str) -> sqlite3.Row | None:
    """The payment of this number, if there is one."""
    row: sqlite3.Row | None = db.execute("SELECT * FROM payment WHERE out_trade_no = ?", (out_trade_no,)).fetchone()
    return row


def find_refund(db: sqlite3.Connection, out_refund_no: str) -> sqlite3.Row | None:
    """The refund of this number, if there is one."""
    row: sqlite3.Row | None = db.execute("SELECT * FROM refund WHERE out_refund_no = ?", (out_refund_no,)).fetchone()
    return row


def find_refund_by_id(db: sqlite3.Connection, refund_id: str) -> sqlite3.Row | None:
    """The refund that WeChat gave this number, if there is one."""
    row: sqlite3.Row | None = db.execute("SELECT * FROM refund WHERE refund_id = ?", (refund_id,)).fetchone()
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
        to_merchant = refund["abnormal_type"] == "MERCHANT_BANK_CARD"
        move(db, number, "merchant_returned" if to_merchant else "buyer_credited", amount_fen, at)
    if refund["status"] == "SUCCESS":
        move(db, number, "buyer_bounced", amount_fen, at)
    if status == "CLOSED":
        move(db, number, "merchant_returned", amount_fen, at)
        reserve(db, refund["out_trade_no"], -amount_fen)
        funds.give_back(db, "wechat", amount_fen)
    announce = console.announce if refund["source"] == "console" else announce_refund
    announce(world, db, refund_of(db, number), payment_of(db, refund["out_trade_no"]))


def debit(db: sqlite3.Connection, number: str, out_trade_no: str, amount_fen: int, at: float) -> None:
    """The merchant pays for a refund."""
    move(db, number, "merchant_debited", amount_fen, at)
    reserve(db, out_trade_no, amount_fen)


def reserve(db: sqlite3.Connection, out_trade_no: str, amount_fen: int) -> None:
    """More, or less, of a payment is refunded; NotPossible beyond what was paid."""
    try:
        db.execute(
            "UPDATE payment SET refunded_fen = refunded_fen + ? WHERE out_trade_no = ?", (amount_fen, out_trade_no)
        )
    except sqlite3.IntegrityError:
        raise NotPossible(f"退款超过订单金额 / refunds exceed what was paid for {out_trade_no!r}") from None


def move(db: sqlite3.Connection, number: str, kind: str, amount_fen: int, at: float) -> None:
    """Write down that money moved."""
    db.execute(
        "INSERT INTO movement (number, kind, amount_fen, moved_at) VALUES (?, ?, ?, ?)", (number, kind, amount_fen, at)
    )


def new_transaction_id(at: float) -> str:
    """A payment's number, as WeChat makes them."""
    return f"4200{secrets.randbelow(10**6):06d}{_day(at)}{secrets.randbelow(10**10):010d}"


def new_refund_id(at: float) -> str:
    """A refund's number, as WeChat makes them."""
    return f"5030{secrets.randbelow(10**6):06d}{_day(at)}{secrets.randbelow(10**11):011d}"


def _day(at: float) -> str:
    return rfc3339(at)[:10].replace("-", "")


def _with_times(row: sqlite3.Row, columns: tuple[str, ...]) -> dict[str, Any]:
    result = {name: row[name] for name in columns}
    return {
        name: rfc3339(value) if name.endswith("_at") and value is not None else value for name, value in result.items()
    }
