"""What a tester has set and a restart must not forget: small values by name."""

from __future__ import annotations

import json
import sqlite3
from typing import Any


def read(db: sqlite3.Connection, name: str, default: Any) -> Any:
    """The value that was written last, or `default`."""
    row = db.execute("SELECT value FROM setting WHERE name = ?", (name,)).fetchone()
    return default if row is None else json.loads(row["value"])


def write(db: sqlite3.Connection, name: str, value: Any) -> None:
    """Keep a JSON value."""
    db.execute("INSERT OR REPLACE INTO setting VALUES (?, ?)", (name, json.dumps(value)))
