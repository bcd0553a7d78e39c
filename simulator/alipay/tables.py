"""Alipay's tables: what was prepared for a buyer, trades, refunds, and every time that money moved.

A refund is known by its trade and its `out_request_no` together: Alipay gives refunds no number of its own.
"""

from __future__ import annotations

SCHEMA = """
CREATE TABLE IF NOT EXISTS alipay_trade (         -- 交易; times are seconds since 1970
    out_trade_no   TEXT PRIMARY KEY,
    product        TEXT NOT NULL CHECK (product IN ('precreate', 'page', 'wap', 'history')),
    subject        TEXT NOT NULL,
    body           TEXT,
    total_fen      INTEGER NOT NULL CHECK (total_fen > 0),
    notify_url     TEXT,
    return_url     TEXT,
    quit_url       TEXT,
    passback_params TEXT,
    fingerprint    TEXT NOT NULL,                 -- what a repeat must not change
    token          TEXT NOT NULL UNIQUE,          -- stands in the address of the QR code or of the cashier page
    token_until    REAL,                          -- a QR code dies, whatever the trade's own time
    timeout_seconds REAL NOT NULL,                -- from the moment that the buyer opens it
    time_expire    REAL,                          -- absolute, wins
    prepared_at    REAL NOT NULL,
    status         TEXT NOT NULL CHECK (status IN ('PREPARED', 'WAIT_BUYER_PAY', 'TRADE_SUCCESS', 'TRADE_FINISHED',
                                                   'TRADE_CLOSED')),
    trade_no       TEXT UNIQUE,                   -- NULL while PREPARED: to Alipay there is no trade yet
    created_at     REAL,
    closed_at      REAL,
    funding        TEXT,
    paid_at        REAL,
    refunded_fen   INTEGER NOT NULL DEFAULT 0 CHECK (refunded_fen BETWEEN 0 AND total_fen),
    CHECK ((status = 'PREPARED') = (trade_no IS NULL)),
    CHECK (status NOT IN ('TRADE_SUCCESS', 'TRADE_FINISHED') OR paid_at IS NOT NULL),
    CHECK (status NOT IN ('PREPARED', 'WAIT_BUYER_PAY') OR paid_at IS NULL),
    CHECK (refunded_fen = 0 OR paid_at IS NOT NULL),
    CHECK (paid_at IS NULL OR (refunded_fen = total_fen) = (status = 'TRADE_CLOSED'))
);
CREATE INDEX IF NOT EXISTS alipay_trade_until ON alipay_trade (COALESCE(time_expire, created_at + timeout_seconds))
    WHERE status = 'WAIT_BUYER_PAY';
CREATE INDEX IF NOT EXISTS alipay_trade_paid ON alipay_trade (paid_at) WHERE status = 'TRADE_SUCCESS';

CREATE TABLE IF NOT EXISTS alipay_refund (        -- 退款
    trade_no       TEXT NOT NULL REFERENCES alipay_trade (trade_no),
    out_request_no TEXT NOT NULL,
    refund_fen     INTEGER NOT NULL CHECK (refund_fen > 0),
    refund_reason  TEXT,
    created_at     REAL NOT NULL,                 -- when it was asked for
    refunded_at    REAL,                          -- NULL: taken on, not done yet
    done_at        REAL,                          -- when one that is taken on will be done
    wants_message  INTEGER NOT NULL DEFAULT 0,    -- deposit_back_info was asked for
    dback_status   TEXT CHECK (dback_status IN ('P', 'S', 'F')),  -- NULL: went to the Alipay balance
    dback_as       TEXT CHECK (dback_as IN ('S', 'F')),
    dback_at       REAL,                          -- NULL while P: only the control plane moves it on
    est_receipt_at REAL,
    bank_ack_at    REAL,
    PRIMARY KEY (trade_no, out_request_no),
    CHECK (dback_at IS NULL OR (dback_status = 'P' AND dback_as IS NOT NULL))
);
CREATE INDEX IF NOT EXISTS alipay_refund_no ON alipay_refund (out_request_no);
CREATE INDEX IF NOT EXISTS alipay_refund_done ON alipay_refund (done_at) WHERE refunded_at IS NULL;
CREATE INDEX IF NOT EXISTS alipay_refund_due ON alipay_refund (dback_at) WHERE dback_at IS NOT NULL;

CREATE TABLE IF NOT EXISTS alipay_movement (      -- every time that the seller's money moved; never changed
    id             INTEGER PRIMARY KEY,
    trade_no       TEXT NOT NULL,
    out_request_no TEXT NOT NULL DEFAULT '',      -- '' for the payment itself
    kind           TEXT NOT NULL CHECK (kind IN ('paid', 'refunded')),
    amount_fen     INTEGER NOT NULL CHECK (amount_fen > 0),
    moved_at       REAL NOT NULL
);
CREATE UNIQUE INDEX IF NOT EXISTS alipay_moved_once ON alipay_movement (trade_no, out_request_no, kind);
CREATE INDEX IF NOT EXISTS alipay_moved_at ON alipay_movement (moved_at);
CREATE TRIGGER IF NOT EXISTS alipay_movement_stays BEFORE UPDATE ON alipay_movement
    BEGIN SELECT RAISE(ABORT, 'a movement of money is never changed'); END;
CREATE TRIGGER IF NOT EXISTS alipay_movement_kept BEFORE DELETE ON alipay_movement
    BEGIN SELECT RAISE(ABORT, 'a movement of money is never deleted'); END;

CREATE TABLE IF NOT EXISTS alipay_arrangement (   -- how a bank-card refund that is not there yet will end: S, F or P
    out_request_no TEXT PRIMARY KEY,
    status         TEXT NOT NULL
);

CREATE TABLE IF NOT EXISTS alipay_bill_link (     -- bill_download_url
    token          TEXT PRIMARY KEY,
    bill_type      TEXT NOT NULL,
    bill_date      TEXT NOT NULL,
    expires_at     REAL NOT NULL
);
"""

COLUMNS = (("alipay_trade", "payer", "TEXT"),)  # a name; NULL: nobody yet, or paid long ago by the one buyer of then
