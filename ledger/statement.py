"""明细 of one account: its entries, newest first, each with what the account held after it. Leafed by key."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import connection

from ledger.balances import FOLDED

SIZE = 20
NEWEST = 2**63 - 1  # no entry has such a number


@dataclass(frozen=True)
class Line:
    """``ref`` says what it was; ``amount_fen`` is more than nothing where the account was given, less where taken."""

    ref: str
    at: datetime
    amount_fen: int
    after_fen: int


@dataclass(frozen=True)
class Page:
    """``held_fen``: what is there now. ``next_before`` asks for the following one; 0 on the last."""

    held_fen: int
    lines: Sequence[Line]
    next_before: int


def of(code: str, *, before: int = 0, size: int = SIZE) -> Page:
    """The ``size`` entries before that one; from the newest without. One query, so that the lines and what they lead to
    are of the same moment."""
    with connection.cursor() as cursor:
        cursor.execute(_PAGE, {"code": code, "before": before or NEWEST, "most": size + 1})
        rows = cursor.fetchall()
    if not rows:  # nothing was ever posted to it
        return Page(0, [], 0)
    held_fen, after_fen = int(rows[0][0]), int(rows[0][1])
    found = [entry for _held, _after, *entry in rows if entry[0] is not None]
    lines = []
    for _key, ref, posted_at, amount_fen in found[:size]:
        lines.append(Line(ref, posted_at, amount_fen, after_fen))
        after_fen -= amount_fen
    return Page(held_fen, lines, found[size - 1][0] if len(found) > size else 0)


#: What the account holds, and what it held after the page's first entry; beside each entry, or alone beside none.
_PAGE = f"""
WITH mine AS MATERIALIZED (
  SELECT account.id, credit_fen - debit_fen AS held_fen
    FROM ({FOLDED} WHERE account.code = %(code)s) AS turnover JOIN ledger_account AS account USING (code)
), legs AS NOT MATERIALIZED (
  SELECT entry.id, entry.posting_id, CASE side WHEN 'credit' THEN amount_fen ELSE -amount_fen END AS fen
    FROM ledger_entry AS entry WHERE entry.account_id = (SELECT id FROM mine)
), page AS (
  SELECT legs.id, posting.ref, posting.posted_at, legs.fen
    FROM legs JOIN ledger_posting AS posting ON posting.id = legs.posting_id
   WHERE legs.id < %(before)s ORDER BY legs.id DESC LIMIT %(most)s
)
SELECT mine.held_fen, mine.held_fen - (SELECT coalesce(sum(fen), 0) FROM legs WHERE id >= %(before)s), page.*
  FROM mine LEFT JOIN page ON true ORDER BY page.id DESC
"""  # noqa: S608  constants
