"""Differences planted in bills (账单差异): a bill missing or late, a line dropped, doubled, garbled, off by a fen.

They stay until they are cleared. Both channels' bills pass their rows through `spoil`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from decimal import Decimal, InvalidOperation

SCHEMA = """
CREATE TABLE IF NOT EXISTS bill_fault (
    id             INTEGER PRIMARY KEY,
    channel        TEXT NOT NULL,
    kind           TEXT NOT NULL,
    day            TEXT NOT NULL,                 -- 2026-11-21, in Beijing
    fault          TEXT NOT NULL,
    number         TEXT,                          -- the line with this number; NULL: the first
    delay_seconds  REAL NOT NULL
);
CREATE INDEX IF NOT EXISTS bill_fault_of ON bill_fault (channel, kind, day);
"""
KINDS = {"wechat": ("trade", "fundflow"), "alipay": ("trade", "account")}
FAULTS = {
    "missing": "没有账单 / there is no bill",
    "late": "账单迟到 delay_seconds / the bill comes that much later",
    "wrong_hash": "摘要与文件不符 / the hash is not the file's",
    "drop_line": "少一行，汇总不变 / a line is left out, the totals stay",
    "duplicate_line": "某行出现两次 / a line stands there twice",
    "garbled_line": "某行残缺 / a line is cut off and broken",
    "wrong_amount": "某行金额多一分 / a line's amount is a fen too much",
    "other_state": "微信退款行的成功与失败互换 / a refund in WeChat's bill failed that succeeded, or the reverse",
}
LINE_FAULTS = ("drop_line", "duplicate_line", "garbled_line", "wrong_amount", "other_state")
OTHER_STATE = {"SUCCESS": "FAIL", "FAIL": "SUCCESS"}  # 退款状态 of WeChat's trade bill
LATE_SECONDS = 86400.0


def plant(
    db: sqlite3.Connection, channel: str, kind: str, day: str, fault: str, number: str | None, delay_seconds: float
) -> None:
    """Let this bill be wrong in this way from now on."""
    db.execute(
        "INSERT INTO bill_fault (channel, kind, day, fault, number, delay_seconds) VALUES (?, ?, ?, ?, ?, ?)",
        (channel, kind, day, fault, number, delay_seconds),
    )


def clear(db: sqlite3.Connection) -> int:
    """Forget every planted difference; answer how many there were."""
    return db.execute("DELETE FROM bill_fault").rowcount


def planted(db: sqlite3.Connection, channel: str, kind: str, day: str) -> list[sqlite3.Row]:
    """What is wrong with this bill, in the order in which it was planted."""
    return db.execute(
        "SELECT * FROM bill_fault WHERE channel = ? AND kind = ? AND day = ? ORDER BY id", (channel, kind, day)
    ).fetchall()


def lateness_seconds(plants: Iterable[sqlite3.Row]) -> float:
    """How much later than usual the bill comes."""
    return max((row["delay_seconds"] for row in plants if row["fault"] == "late"), default=0.0)


def spoil(
    rows: Iterable[Sequence[str]],
    plants: Iterable[sqlite3.Row],
    amounts: Sequence[int],
    render: Callable[[Sequence[str]], str],
) -> Iterator[str]:
    """The bill's lines, right or wrong. `amounts` are the columns that hold yuan; each plant strikes one line."""
    waiting = [row for row in plants if row["fault"] in LINE_FAULTS]
    for row in rows:
        struck = [plant for plant in waiting if plant["number"] is None or plant["number"] in row]
        waiting = [plant for plant in waiting if plant not in struck]
        yield from _lines(row, {plant["fault"] for plant in struck}, amounts, render)


def _lines(
    row: Sequence[str], struck: set[str], amounts: Sequence[int], render: Callable[[Sequence[str]], str]
) -> list[str]:
    if "drop_line" in struck:
        return []
    if "wrong_amount" in struck:
        row = [_a_fen_more(value) if index in amounts else value for index, value in enumerate(row)]
    if "other_state" in struck and "REFUND" in row:
        row = [OTHER_STATE.get(value, value) for value in row]
    line = render(row)
    if "garbled_line" in struck:
        line = line[: len(line) // 2] + "\ufffd\x1a" + line[len(line.rstrip("\r\n")) :]
    return [line, line] if "duplicate_line" in struck else [line]


def _a_fen_more(value: str) -> str:
    try:
        amount = Decimal(value)
    except InvalidOperation:
        return value
    return f"{amount + Decimal('0.01'):.2f}" if amount else value
