"""What becomes of a complaint (投诉单): PENDING until the merchant answers, PROCESSING, PROCESSED; and who is told.

Whatever happens is a line of the negotiation history, and most lines are also a notification to the merchant's
complaint address. Money that arrives settles a complaint about a refund by itself.
"""

from __future__ import annotations

import json
import secrets
import sqlite3
import uuid
from collections.abc import Sequence
from typing import Any

from simulator import settings
from simulator.notifications import Dialect, Notice, queue
from simulator.store import rfc3339
from simulator.wechat import notices
from simulator.wechat.books import find_payment, payment_of
from simulator.world import NotPossible, World

SCHEMA = """
CREATE TABLE IF NOT EXISTS complaint (
    complaint_id   TEXT PRIMARY KEY,
    out_trade_no   TEXT NOT NULL REFERENCES payment,
    problem_type   TEXT NOT NULL CHECK (problem_type IN ('REFUND', 'SERVICE_NOT_WORK', 'OTHERS')),
    detail         TEXT NOT NULL,
    phone          TEXT,
    apply_fen      INTEGER,                       -- asked back; NULL unless it is about a refund
    state          TEXT NOT NULL CHECK (state IN ('PENDING', 'PROCESSING', 'PROCESSED')),
    created_at     REAL NOT NULL,
    times          INTEGER NOT NULL DEFAULT 1,    -- how often the buyer complained
    user_waits     INTEGER NOT NULL DEFAULT 1 CHECK (user_waits IN (0, 1)),
    launch_day     INTEGER,                       -- promised with an approval, working days
    refunds_seen   INTEGER NOT NULL DEFAULT 0,
    arrivals_seen  INTEGER NOT NULL DEFAULT 0,
    CHECK ((apply_fen IS NOT NULL) = (problem_type = 'REFUND'))
);
CREATE INDEX IF NOT EXISTS complaint_at ON complaint (created_at);
CREATE INDEX IF NOT EXISTS complaint_open ON complaint (state) WHERE state <> 'PROCESSED';

CREATE TABLE IF NOT EXISTS complaint_line (       -- 协商历史
    id             INTEGER PRIMARY KEY,
    log_id         TEXT NOT NULL UNIQUE,
    complaint_id   TEXT NOT NULL REFERENCES complaint,
    operator       TEXT NOT NULL,
    operate_type   TEXT NOT NULL,
    details        TEXT NOT NULL,
    media          TEXT NOT NULL,                 -- JSON list of media_id
    at             REAL NOT NULL
);
CREATE INDEX IF NOT EXISTS complaint_lines ON complaint_line (complaint_id, id);

CREATE TABLE IF NOT EXISTS complaint_media (
    media_id       TEXT PRIMARY KEY,
    content_type   TEXT NOT NULL,
    data           BLOB NOT NULL,
    by_merchant    INTEGER NOT NULL CHECK (by_merchant IN (0, 1))
);
"""
PROBLEMS = ("REFUND", "SERVICE_NOT_WORK", "OTHERS")
USER_ACTS = {  # what the buyer can do next -> (operate_type, action_type)
    "reply": ("USER_RESPONSE", "USER_RESPONSE"),
    "continue": ("USER_CONTINUE_COMPLAINT", "CONTINUE_COMPLAINT"),
    "ask_platform": ("USER_APPLY_PLATFORM_HELP", "USER_APPLY_PLATFORM_SERVICE"),
}
URL_SETTING = "complaint_url"
CREATED, CHANGED = "COMPLAINT.CREATE", "COMPLAINT.STATE_CHANGE"
# 5 s, ten times a minute, then every five minutes, a thousand times.
RETRY_SECONDS = (5,) + (60,) * 10 + (300,) * 1000
DIALECT = Dialect(RETRY_SECONDS, notices.DIALECT.write, notices.DIALECT.received, notices.DIALECT.faults)


def complain(
    world: World,
    out_trade_no: str,
    *,
    text: str,
    problem_type: str = "REFUND",
    apply_fen: int | None = None,
    phone: str | None = "13800138000",
    images: Sequence[bytes] = (),
) -> str:
    """The buyer complains about a payment: the complaint's number. NotPossible for what nobody paid."""
    with world.store.transaction() as db:
        payment = find_payment(db, out_trade_no)
        if not payment or payment["state"] != "SUCCESS":
            raise NotPossible(f"没有这笔已支付的订单 / no paid order: {out_trade_no!r}")
        now = world.store.now()
        complaint_id = (
            f"2{secrets.randbelow(10**5):05d}{rfc3339(now)[:10].replace('-', '')}{secrets.randbelow(10**13):013d}"
        )
        left_fen = payment["amount_fen"] - payment["refunded_fen"]
        wanted = (apply_fen or left_fen or payment["amount_fen"]) if problem_type == "REFUND" else None
        db.execute(
            "INSERT INTO complaint (complaint_id, out_trade_no, problem_type, detail, phone, apply_fen, state,"
            " created_at) VALUES (?, ?, ?, ?, ?, ?, 'PENDING', ?)",
            (complaint_id, out_trade_no, problem_type, text, phone, wanted, now),
        )
        media = [keep_image(db, "image/png", data, by_merchant=False) for data in images]
        note(world, db, complaint_id, "USER_CREATE_COMPLAINT", text, media=media, operator="投诉人")
        announce(world, db, complaint_id, CREATED, "CREATE_COMPLAINT")
    world.ring()
    return complaint_id


def buyer_acts(world: World, complaint_id: str, act: str, text: str) -> None:
    """The buyer writes again, complains again (the case is open anew) or asks WeChat to step in."""
    operate_type, action_type = USER_ACTS[act]
    with world.store.transaction() as db:
        complaint = find(db, complaint_id)
        if complaint is None:
            raise NotPossible(f"没有这个投诉单 / no such complaint: {complaint_id!r}")
        if act != "continue" and complaint["state"] == "PROCESSED":
            raise NotPossible(
                '投诉单已处理完成，再次投诉请用 "continue" / it is settled: to complain again, "continue"'
            )
        db.execute("UPDATE complaint SET user_waits = 1 WHERE complaint_id = ?", (complaint_id,))
        if act == "continue":
            db.execute(
                "UPDATE complaint SET state = 'PENDING', times = times + 1 WHERE complaint_id = ?", (complaint_id,)
            )
        note(world, db, complaint_id, operate_type, text, operator="投诉人")
        announce(world, db, complaint_id, CHANGED, action_type)
    world.ring()


def move_on(world: World, db: sqlite3.Connection, complaint_id: str, state: str, action_type: str) -> None:
    """The merchant, or money, has moved the complaint on; WeChat says so."""
    db.execute("UPDATE complaint SET state = ?, user_waits = 0 WHERE complaint_id = ?", (state, complaint_id))
    announce(world, db, complaint_id, CHANGED, action_type)


def note(
    world: World,
    db: sqlite3.Connection,
    complaint_id: str,
    operate_type: str,
    details: str,
    *,
    operator: str,
    media: Sequence[str] = (),
) -> None:
    """Write one line of the negotiation history."""
    db.execute(
        "INSERT INTO complaint_line (log_id, complaint_id, operator, operate_type, details, media, at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            f"3{secrets.randbelow(10**15):015d}", complaint_id, operator, operate_type, details,
            json.dumps(list(media)), world.store.now(),
        ),
    )  # fmt: skip


def catch_up(world: World) -> float | None:
    """See what refunds did to open complaints: WeChat tells of each refund, and settles a case whose money is there."""
    with world.store.transaction() as db:
        for complaint in db.execute("SELECT * FROM complaint WHERE state <> 'PROCESSED'").fetchall():
            _see_refunds(world, db, complaint)
    return None


def find(db: sqlite3.Connection, complaint_id: str) -> sqlite3.Row | None:
    """The complaint of this number, if there is one."""
    row: sqlite3.Row | None = db.execute("SELECT * FROM complaint WHERE complaint_id = ?", (complaint_id,)).fetchone()
    return row


def keep_image(db: sqlite3.Connection, content_type: str, data: bytes, *, by_merchant: bool) -> str:
    """Keep an image: its media_id."""
    media_id = secrets.token_hex(24)
    db.execute("INSERT INTO complaint_media VALUES (?, ?, ?, ?)", (media_id, content_type, data, by_merchant))
    return media_id


def _see_refunds(world: World, db: sqlite3.Connection, complaint: sqlite3.Row) -> None:
    number = complaint["complaint_id"]
    asked, arrived, arrived_fen = db.execute(
        "SELECT count(*), count(*) FILTER (WHERE status = 'SUCCESS'),"
        " coalesce(sum(amount_fen) FILTER (WHERE status = 'SUCCESS'), 0)"
        " FROM refund WHERE out_trade_no = ? AND created_at >= ?",
        (complaint["out_trade_no"], complaint["created_at"]),
    ).fetchone()
    if (asked, arrived) == (complaint["refunds_seen"], complaint["arrivals_seen"]):
        return
    db.execute(
        "UPDATE complaint SET refunds_seen = ?, arrivals_seen = ? WHERE complaint_id = ?", (asked, arrived, number)
    )
    if asked > complaint["refunds_seen"]:
        full = fully_refunded(db, complaint)
        kind = "COMPLAINT_FULL_REFUNDED_SYSTEM_MESSAGE" if full else "COMPLAINT_PARTIAL_REFUNDED_SYSTEM_MESSAGE"
        note(world, db, number, kind, "商家已发起退款", operator="系统")
        announce(world, db, number, CHANGED, "SELLER_REFUND")
    if arrived > complaint["arrivals_seen"]:
        note(world, db, number, "COMPLAINT_REFUND_RECEIVED_SYSTEM_MESSAGE", "退款已到账", operator="系统")
        enough = complaint["apply_fen"] is not None and arrived_fen >= complaint["apply_fen"]
        state = "PROCESSED" if enough else complaint["state"]
        move_on(world, db, number, state, "REFUND_SUCCESS")


def fully_refunded(db: sqlite3.Connection, complaint: sqlite3.Row) -> bool:
    """True if nothing is left of the payment that it is about."""
    payment = payment_of(db, complaint["out_trade_no"])
    return bool(payment["refunded_fen"] == payment["amount_fen"])


def announce(world: World, db: sqlite3.Connection, complaint_id: str, event: str, action_type: str) -> None:
    """Tell the merchant's complaint address, if he has named one."""
    summary = "产生新投诉" if event == CREATED else "投诉单状态变化"
    resource: dict[str, Any] = {"complaint_id": complaint_id, "action_type": action_type}
    notice_id = str(uuid.uuid4())
    body = notices.envelope(world, notice_id, event, summary, "complaint", resource)
    settled = resource | {"action_type": "REFUND_SUCCESS"}
    notice = Notice(
        channel="wechat_complaint",
        id=notice_id,
        event_type=event,
        url=settings.read(db, URL_SETTING, None),
        numbers=(complaint_id,),
        body=body,
        forged=notices.envelope(world, str(uuid.uuid4()), CHANGED, summary, "complaint", settled),
        refund=False,
    )
    queue(world, db, notice, DIALECT.faults)
