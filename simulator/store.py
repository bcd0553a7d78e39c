"""Where the simulator keeps everything: one SQLite file, one writer at a time, and its own clock.

What must never be wrong about money stands in the schema as CHECK and UNIQUE, whatever the code above does.
Each channel has tables of its own; `schema.py` lists them all.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path

BEIJING = timezone(timedelta(hours=8))

SCHEMA = """
CREATE TABLE IF NOT EXISTS setting (name TEXT PRIMARY KEY, value TEXT NOT NULL);

CREATE TABLE IF NOT EXISTS payment (              -- 支付单; times are seconds since 1970
    out_trade_no   TEXT PRIMARY KEY,
    description    TEXT NOT NULL,
    amount_fen     INTEGER NOT NULL CHECK (amount_fen > 0),
    attach         TEXT,
    notify_url     TEXT,
    fingerprint    TEXT NOT NULL,                 -- the parameters of the first call
    created_at     REAL NOT NULL,
    expires_at     REAL,                          -- time_expire
    state          TEXT NOT NULL CHECK (state IN ('NOTPAY', 'SUCCESS', 'CLOSED')),
    transaction_id TEXT UNIQUE,
    funding        TEXT,
    paid_at        REAL,
    refunded_fen   INTEGER NOT NULL DEFAULT 0 CHECK (refunded_fen BETWEEN 0 AND amount_fen),
    CHECK (refunded_fen = 0 OR state = 'SUCCESS'),
    CHECK ((state = 'SUCCESS') = (transaction_id IS NOT NULL AND funding IS NOT NULL AND paid_at IS NOT NULL))
);

CREATE INDEX IF NOT EXISTS payment_open ON payment (created_at) WHERE state = 'NOTPAY';

CREATE TABLE IF NOT EXISTS code (                 -- what stands in code_url; the newest of a payment is alive
    code           TEXT PRIMARY KEY,
    out_trade_no   TEXT NOT NULL REFERENCES payment,
    expires_at     REAL NOT NULL,
    alive          INTEGER NOT NULL CHECK (alive IN (0, 1))
);
CREATE UNIQUE INDEX IF NOT EXISTS one_code_alive ON code (out_trade_no) WHERE alive;

CREATE TABLE IF NOT EXISTS refund (               -- 退款单
    out_refund_no  TEXT PRIMARY KEY,
    refund_id      TEXT NOT NULL UNIQUE,
    out_trade_no   TEXT NOT NULL REFERENCES payment,
    amount_fen     INTEGER NOT NULL CHECK (amount_fen > 0),
    notify_url     TEXT,
    fingerprint    TEXT NOT NULL,
    created_at     REAL NOT NULL,
    status         TEXT NOT NULL CHECK (status IN ('PROCESSING', 'SUCCESS', 'ABNORMAL', 'CLOSED')),
    settles_at     REAL,                          -- NULL: only the control plane moves it on
    settles_as     TEXT CHECK (settles_as IN ('SUCCESS', 'ABNORMAL', 'CLOSED')),
    succeeded_at   REAL,
    CHECK (status <> 'SUCCESS' OR succeeded_at IS NOT NULL),
    CHECK (settles_at IS NULL OR (status = 'PROCESSING' AND settles_as IS NOT NULL))
);
CREATE INDEX IF NOT EXISTS refund_of ON refund (out_trade_no, created_at);
CREATE INDEX IF NOT EXISTS refund_due ON refund (settles_at) WHERE settles_at IS NOT NULL;

CREATE TABLE IF NOT EXISTS movement (             -- every time that money moved; never changed
    id             INTEGER PRIMARY KEY,
    number         TEXT NOT NULL,
    kind           TEXT NOT NULL CHECK (kind IN ('paid', 'merchant_debited', 'merchant_returned',
                                                 'buyer_credited', 'buyer_bounced')),
    amount_fen     INTEGER NOT NULL CHECK (amount_fen > 0),
    moved_at       REAL NOT NULL
);
CREATE INDEX IF NOT EXISTS movement_of ON movement (number);
CREATE UNIQUE INDEX IF NOT EXISTS moved_once ON movement (number, kind)
    WHERE kind IN ('paid', 'merchant_debited', 'merchant_returned');
CREATE TRIGGER IF NOT EXISTS movement_stays BEFORE UPDATE ON movement
    BEGIN SELECT RAISE(ABORT, 'a movement of money is never changed'); END;
CREATE TRIGGER IF NOT EXISTS movement_kept BEFORE DELETE ON movement
    BEGIN SELECT RAISE(ABORT, 'a movement of money is never deleted'); END;

CREATE TABLE IF NOT EXISTS arrangement (          -- how a refund that is not there yet will end
    out_refund_no  TEXT PRIMARY KEY,
    status         TEXT NOT NULL
);

CREATE TABLE IF NOT EXISTS fault (
    id             INTEGER PRIMARY KEY,
    fault          TEXT NOT NULL,
    request_no     TEXT,
    rate           REAL CHECK (rate BETWEEN 0 AND 1),
    times          INTEGER CHECK (times > 0),     -- how many are left; NULL: until cleared
    delay_seconds  REAL NOT NULL,
    CHECK ((request_no IS NULL) <> (rate IS NULL))
);

CREATE TABLE IF NOT EXISTS issued_card (          -- what an issuer knows: codes that are redeemed, or will be
    code_hash      TEXT PRIMARY KEY,              -- SHA-256, the codes themselves are kept nowhere
    redeemed_at    REAL NOT NULL,
    redeemed_by    TEXT NOT NULL
);

CREATE TABLE IF NOT EXISTS topup (                -- 直充
    reference      TEXT PRIMARY KEY,
    state          TEXT NOT NULL CHECK (state IN ('PENDING', 'DONE', 'FAILED')),
    arrived_at     REAL,
    account        TEXT NOT NULL,
    noted_at       REAL NOT NULL,
    CHECK ((state = 'DONE') = (arrived_at IS NOT NULL))
);

CREATE TABLE IF NOT EXISTS notification (
    seq            INTEGER PRIMARY KEY,
    id             TEXT NOT NULL,                 -- the same for two rows that are sent twice
    event_type     TEXT NOT NULL,
    number         TEXT NOT NULL,
    url            TEXT NOT NULL,
    body           TEXT NOT NULL,
    prelude        TEXT CHECK (prelude IN ('forged', 'signtest')),  -- a wrong one that goes first
    prelude_body   TEXT,
    state          TEXT NOT NULL CHECK (state IN ('waiting', 'received', 'lost', 'given_up')),
    tries          INTEGER NOT NULL DEFAULT 0,
    due_at         REAL NOT NULL,
    last_answer    TEXT
);
CREATE INDEX IF NOT EXISTS notification_due ON notification (due_at) WHERE state = 'waiting';
"""
COLUMNS = (  # (table, column, its definition): added since, to the file of an older start as well
    ("notification", "channel", "TEXT NOT NULL DEFAULT 'wechat'"),
    ("fault", "channel", "TEXT"),  # NULL: a rate strikes either channel
)


class Store:
    """The SQLite file of a data folder; survives SIGKILL (write-ahead log)."""

    def __init__(self, path: Path, schemas: Iterable[str], columns: Iterable[tuple[str, str, str]]) -> None:
        self.path = path
        self._lock = threading.RLock()
        self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._db.row_factory = sqlite3.Row
        self._db.execute("PRAGMA journal_mode = WAL")
        # NORMAL loses nothing when the process dies, only when the machine does; FULL costs an fsync per refund.
        self._db.execute("PRAGMA synchronous = NORMAL")
        self._db.execute("PRAGMA foreign_keys = ON")
        for schema in schemas:
            self._db.executescript(schema)
        for table, column, definition in columns:
            if column not in {row["name"] for row in self._db.execute(f"PRAGMA table_info({table})")}:
                self._db.execute(f"ALTER TABLE {table} ADD COLUMN {column} {definition}")
        row = self._db.execute("SELECT value FROM setting WHERE name = 'clock_offset'").fetchone()
        self._offset_seconds = float(row["value"]) if row else 0.0

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Everything inside is kept, or nothing of it. May be nested: the outermost decides."""
        with self._lock:
            if self._db.in_transaction:
                yield self._db
                return
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A connection of one's own that only reads and keeps nobody waiting: for what takes long."""
        db = sqlite3.connect(f"{self.path.resolve().as_uri()}?mode=ro", uri=True)
        try:
            db.row_factory = sqlite3.Row
            yield db
        finally:
            db.close()

    def now(self) -> float:
        """The simulator's own time; signatures use the real one."""
        return time.time() + self._offset_seconds

    def advance(self, seconds: float) -> float:
        """Move the simulator's time and answer the new one."""
        with self.transaction() as db:
            offset_seconds = self._offset_seconds + seconds
            db.execute("INSERT OR REPLACE INTO setting VALUES ('clock_offset', ?)", (str(offset_seconds),))
            self._offset_seconds = offset_seconds
        return self.now()


def rfc3339(at: float) -> str:
    """As WeChat writes times: 2018-06-08T10:34:56+08:00."""
    return datetime.fromtimestamp(at, BEIJING).isoformat(timespec="seconds")


def parse_rfc3339(text: str) -> float:
    """Seconds since 1970; ValueError without a time zone or out of range."""
    at = datetime.fromisoformat(text)
    if at.tzinfo is None or not 2000 <= at.year <= 2200:
        raise ValueError("a time needs its zone, like 2018-06-08T10:34:56+08:00")
    return at.timestamp()
