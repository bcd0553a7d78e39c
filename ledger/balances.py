"""余额: what an account holds, folded from its newest checkpoint and the entries behind that.

Nothing is kept in a row that all must lock: a thousand refunds of one shop write a thousand entries and wait for none.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from django.db import connection, transaction
from django.db.models import Case, F, Max, Sum, When

from ledger.models import LOCK, Checkpoint, Entry, Side
from ledger.posting import balance_account

OWED = Sum(Case(When(side=Side.CREDIT, then=F("amount_fen")), default=-F("amount_fen")))
FOLD_AFTER = 500  # entries since an account's checkpoint
AT_ONCE = 1000


@dataclass(frozen=True)
class Turnover:
    """发生额: what went to each side, in fen, since the account exists."""

    debit_fen: int = 0
    credit_fen: int = 0

    @property
    def owed_fen(self) -> int:
        """What we owe: credits less debits. Of what is ours or lies with others, this is less than nothing."""
        return self.credit_fen - self.debit_fen


def of_buyer(user_id: int) -> int:
    """买家余额 in fen: what was credited to this buyer, less what was taken."""
    return owed([balance_account(user_id)])[balance_account(user_id)]


def owed(codes: Collection[str]) -> dict[str, int]:
    """{account: credits less debits, in fen}; 0 for one that nothing was posted to yet. One query."""
    found = turnovers(codes)
    return {code: found[code].owed_fen for code in codes}


def turnovers(codes: Collection[str]) -> dict[str, Turnover]:
    """{account: its turnover}. One query, however long the accounts' histories are."""
    with connection.cursor() as cursor:
        cursor.execute(_TURNOVERS, [list(codes)])
        found = {code: Turnover(int(debit), int(credit)) for code, debit, credit in cursor.fetchall()}
    return {code: found.get(code, Turnover()) for code in codes}


_SINCE = """
  LEFT JOIN LATERAL (
    SELECT up_to, debit_fen, credit_fen FROM ledger_checkpoint WHERE account_id = account.id
     ORDER BY up_to DESC LIMIT 1
  ) AS known ON true
  CROSS JOIN LATERAL (
    SELECT coalesce(sum(amount_fen) FILTER (WHERE side = 'debit'), 0) AS debit_fen,
           coalesce(sum(amount_fen) FILTER (WHERE side = 'credit'), 0) AS credit_fen,
           count(*) AS number
      FROM ledger_entry WHERE account_id = account.id AND id > coalesce(known.up_to, 0) {until}
  ) AS since
"""
_SUMS = """coalesce(known.debit_fen, 0) + since.debit_fen, coalesce(known.credit_fen, 0) + since.credit_fen"""
_TURNOVERS = f"""
SELECT account.code, {_SUMS} FROM ledger_account AS account {_SINCE.format(until="")} WHERE account.code = ANY(%s)
"""  # noqa: S608  constants


FOLDED = f"""
  SELECT account.code, account.kind, coalesce(known.debit_fen, 0) + since.debit_fen AS debit_fen,
         coalesce(known.credit_fen, 0) + since.credit_fen AS credit_fen
    FROM ledger_account AS account {_SINCE.format(until="")}
"""  # noqa: S608  constants
BY_KIND = f"SELECT kind, sum(debit_fen), sum(credit_fen) FROM ({FOLDED}) AS turnover GROUP BY kind"  # noqa: S608


def advanced(*, most: int) -> dict[str, int]:
    """垫付未还: {account: what its shop owes the platform, in fen}, the most first. One query."""
    with connection.cursor() as cursor:
        cursor.execute(_ADVANCED, [most])
        return {code: int(fen) for code, fen in cursor.fetchall()}


_ADVANCED = f"""
SELECT code, debit_fen - credit_fen AS fen FROM ({FOLDED} WHERE account.code LIKE 'advance:%%') AS turnover
 WHERE debit_fen > credit_fen ORDER BY fen DESC, code LIMIT %s
"""  # noqa: S608  constants


def fold(*, at: datetime, after: int = FOLD_AFTER, limit: int = AT_ONCE) -> int:
    """快照: a checkpoint for the accounts with at least ``after`` entries since their last one; returns how many.

    Entries get their numbers before they are committed, so the highest number says nothing of those below. Whoever
    writes entries holds ``LOCK`` shared until the commit (a trigger); alone with it for a moment, we know that all up
    to the highest are there, and let go before the folding begins.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL lock_timeout = '2s'")  # those who post queue behind us
        cursor.execute("SET LOCAL idle_in_transaction_session_timeout = '2s'")
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
        up_to = Entry.objects.aggregate(last=Max("pk"))["last"]
    if up_to is None:
        return 0
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout = '10min'")  # every account is looked at
        cursor.execute(_GROWN, [up_to, after, limit])
        grown = cursor.fetchall()
    Checkpoint.objects.bulk_create(
        (Checkpoint(account_id=account, up_to=up_to, debit_fen=debit, credit_fen=credit, made_at=at)
         for account, debit, credit in grown),
        ignore_conflicts=True,  # another one folds, too
    )  # fmt: skip
    return len(grown)


_GROWN = f"""
SELECT account.id, {_SUMS} FROM ledger_account AS account {_SINCE.format(until="AND id <= %s")}
 WHERE since.number >= %s ORDER BY since.number DESC LIMIT %s
"""  # noqa: S608  constants
