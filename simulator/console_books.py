"""What the console shows of the books: newest first, a page at a time, both channels together, by number if asked."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import Any

from simulator import funds, settings
from simulator.world import World

PAGE_ROWS = 20
LAST_PAGE = 10**6

SCHEMA = """
CREATE INDEX IF NOT EXISTS payment_created ON payment (created_at);
CREATE INDEX IF NOT EXISTS notification_number ON notification (number);
"""
PAYMENTS = """
    SELECT 'wechat' AS channel, out_trade_no, coalesce(transaction_id, '') AS transaction_id, description, amount_fen,
           refunded_fen, state, coalesce(funding, '') AS funding, trade_type AS kind, created_at AS at, paid_at
      FROM payment
    UNION ALL
    SELECT 'alipay', out_trade_no, coalesce(trade_no, ''), subject, total_fen, refunded_fen,
           CASE WHEN status IN ('PREPARED', 'WAIT_BUYER_PAY') THEN 'NOTPAY' WHEN paid_at IS NULL THEN 'CLOSED'
                ELSE 'SUCCESS' END,
           coalesce(funding, ''), product, coalesce(created_at, prepared_at), paid_at
      FROM alipay_trade"""
REFUNDS = """
    SELECT 'wechat' AS channel, out_refund_no, refund_id, out_trade_no, amount_fen, status, source, created_at AS at,
           settles_at, NULL AS dback
      FROM refund
    UNION ALL
    SELECT 'alipay', out_request_no, '', out_trade_no, refund_fen,
           CASE WHEN refunded_at IS NULL THEN 'PROCESSING' ELSE 'SUCCESS' END, 'api', r.created_at,
           coalesce(done_at, dback_at), dback_status
      FROM alipay_refund r JOIN alipay_trade USING (trade_no)"""
NOTIFICATIONS = "SELECT *, seq AS at FROM notification"
COMPLAINTS = "SELECT *, created_at AS at FROM complaint"
SUMS = "coalesce(sum(amount_fen), 0), coalesce(sum(refunded_fen), 0)"
LISTS = {  # name -> (its rows, the columns that a number is looked for in)
    "payments": (PAYMENTS, ("out_trade_no", "transaction_id")),
    "refunds": (REFUNDS, ("out_refund_no", "refund_id", "out_trade_no")),
    "notifications": (NOTIFICATIONS, ("number", "id")),
    "complaints": (COMPLAINTS, ("complaint_id", "out_trade_no")),
}


@dataclass(frozen=True)
class Page:
    """Some rows of a list; `more`: there are older ones."""

    rows: list[sqlite3.Row]
    number: int
    more: bool


def page_of(world: World, name: str, *, number: int = 1, search: str = "", size: int = PAGE_ROWS) -> Page:
    """One page of payments, refunds, notifications or complaints; `search` is how a number begins."""
    rows, columns = LISTS[name]
    beginning = search.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
    wanted = " OR ".join(f"{column} LIKE :number ESCAPE '\\'" for column in columns) if search else "TRUE"
    with world.store.transaction() as db:
        found = db.execute(
            f"SELECT * FROM ({rows}) WHERE {wanted} ORDER BY at DESC LIMIT :size OFFSET :skip",  # noqa: S608 - ours
            {"number": beginning, "size": size + 1, "skip": (number - 1) * size},
        ).fetchall()
    return Page(found[:size], number, len(found) > size)


def payment(world: World, channel: str, out_trade_no: str) -> sqlite3.Row | None:
    """One payment of one channel."""
    with world.store.transaction() as db:
        row: sqlite3.Row | None = db.execute(
            f"SELECT * FROM ({PAYMENTS}) WHERE channel = ? AND out_trade_no = ?",  # noqa: S608 - ours
            (channel, out_trade_no),
        ).fetchone()
    return row


def of_payment(world: World, name: str, channel: str, out_trade_no: str) -> list[sqlite3.Row]:
    """The newest refunds or complaints of one payment; a payment has at most a few dozen."""
    rows, _ = LISTS[name]
    mine = "AND channel = :channel" if name == "refunds" else ""
    with world.store.transaction() as db:
        return db.execute(
            f"SELECT * FROM ({rows}) WHERE out_trade_no = :number {mine} ORDER BY at DESC LIMIT 60",  # noqa: S608 - ours
            {"number": out_trade_no, "channel": channel},
        ).fetchall()


def told_about(world: World, numbers: list[str]) -> list[sqlite3.Row]:
    """The newest notifications about any of these numbers."""
    marks = ", ".join("?" * len(numbers))
    with world.store.transaction() as db:
        return db.execute(
            f"SELECT * FROM notification WHERE number IN ({marks}) ORDER BY seq DESC LIMIT {PAGE_ROWS}",  # noqa: S608
            numbers,
        ).fetchall()


def channels(world: World) -> list[dict[str, Any]]:
    """For each channel: its funds (fen, or None for endless), how much was paid and given back, what is open."""
    result = []
    with world.store.transaction() as db:
        for channel in ("wechat", "alipay"):
            paid = db.execute(
                f"SELECT count(*), {SUMS} FROM ({PAYMENTS}) WHERE channel = ? AND paid_at IS NOT NULL",  # noqa: S608
                (channel,),
            ).fetchone()
            states = db.execute(
                f"SELECT status, count(*) FROM ({REFUNDS}) WHERE channel = ? GROUP BY status",  # noqa: S608 - ours
                (channel,),
            ).fetchall()
            result.append(
                {
                    "channel": channel,
                    "funds_fen": funds.amount(db, channel),
                    "payments": paid[0],
                    "paid_fen": paid[1],
                    "refunded_fen": paid[2],
                    "refunds": {row[0]: row[1] for row in states},
                }
            )
    return result


def ordered_faults(world: World) -> list[sqlite3.Row]:
    """Every fault that is switched on."""
    with world.store.transaction() as db:
        return db.execute("SELECT * FROM fault ORDER BY id DESC LIMIT 200").fetchall()


def complaint_url(world: World) -> str | None:
    """Where the merchant wants to hear of complaints."""
    with world.store.transaction() as db:
        url: str | None = settings.read(db, "complaint_url", None)
    return url
