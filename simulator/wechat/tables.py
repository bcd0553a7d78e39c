"""WeChat's own tables beside the books, and the columns that came later."""

from __future__ import annotations

SCHEMA = """
CREATE TABLE IF NOT EXISTS oauth_code (           -- 网页授权的 code; times are seconds since 1970
    code           TEXT PRIMARY KEY,
    scope          TEXT NOT NULL,
    expires_at     REAL NOT NULL,
    used           INTEGER NOT NULL DEFAULT 0 CHECK (used IN (0, 1))
);
"""

COLUMNS = (
    ("payment", "trade_type", "TEXT NOT NULL DEFAULT 'NATIVE'"),
    ("payment", "openid", "TEXT"),  # NULL: whoever will scan it, or did so long ago
    ("refund", "source", "TEXT NOT NULL DEFAULT 'api'"),  # console: made by hand in the merchant platform
    ("refund", "received_account", "TEXT"),  # NULL: where the payment came from
    ("refund", "abnormal_type", "TEXT"),  # USER_BANK_CARD or MERCHANT_BANK_CARD once asked for
    ("refund", "abnormal_fingerprint", "TEXT"),
)
