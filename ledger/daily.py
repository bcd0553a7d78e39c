"""每日出入: what left us each day, to buyers, to shops, to their banks, and what of it came back; for the desk's chart.

Counted every hour, never on a page: of a month with a million postings that takes seconds. Days that are over stay as
they are, so only the last two are counted again. It is kept where nothing depends on it: whoever loses it counts anew.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.core.cache import cache
from django.db import connection, transaction

from clock import SHANGHAI, midnight

DAYS = 30
_KEY = "ledger.daily"


@dataclass(frozen=True)
class Day:
    """``left_fen`` went out by a channel or by our bank; ``back_fen`` was sent before, and came back."""

    day: date
    left_fen: int = 0
    back_fen: int = 0


def latest(*, at: datetime) -> list[Day]:
    """The last ``DAYS`` days as counted last, oldest first; empty before the first hour. One query."""
    known: dict[date, Day] | None = cache.get(_KEY)
    return [known.get(day, Day(day)) for day in _days(at)] if known is not None else []


def count(*, at: datetime) -> None:
    """Count today and yesterday, and whatever day before is not known yet."""
    days, known = _days(at), cache.get(_KEY) or {}
    since = min([day for day in days if day not in known] + days[-2:])
    kept = {day: known[day] for day in days if day < since}
    found = _counted(since, at)
    cache.set(_KEY, kept | {day: found.get(day, Day(day)) for day in days if day >= since}, timeout=None)


def _counted(since: date, until: datetime) -> dict[date, Day]:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout = '5min'")
        cursor.execute(_MOVED, [midnight(since), until])
        return {day: Day(day, int(left), int(back)) for day, left, back in cursor.fetchall()}


# What comes in is a payment or a deposit; whatever else comes was sent before, whether its posting is a reversal (a
# transfer) or one of its own (a refund that its bank gave back).
_MOVED = """
SELECT (p.posted_at AT TIME ZONE 'Asia/Shanghai')::date,
       coalesce(sum(e.amount_fen) FILTER (WHERE e.side = 'credit'), 0),
       coalesce(sum(e.amount_fen) FILTER (WHERE e.side = 'debit' AND p.ref !~ '^(payment|deposit):'), 0)
  FROM ledger_posting p
  JOIN ledger_entry e ON e.posting_id = p.id
  JOIN ledger_account a ON a.id = e.account_id AND a.kind IN ('channel', 'bank')
 WHERE p.posted_at >= %s AND p.posted_at <= %s
 GROUP BY 1
"""


def _days(at: datetime) -> list[date]:
    today = at.astimezone(SHANGHAI).date()
    return [today - timedelta(days=back) for back in reversed(range(DAYS))]
