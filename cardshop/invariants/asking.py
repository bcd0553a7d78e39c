"""How an invariant is asked: statements whose rows are what is broken, and the line that says so of each row.

A statement holds no word of the day or of whoever asks. So it is built once, and several are asked as one
(``at_once``), which is what makes it cheap to ask after every single step of a test.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from string import Formatter
from typing import Any

from django.db import connection
from django.db.models import Case, CharField, F, QuerySet, Value, When
from django.db.models.functions import Cast, Concat

from ledger.balances import FOLDED
from ledger.models import AccountKind, Side

Broken = list[str]
#: What an entry adds to what we owe: credits count, debits count against.
OWED_FEN = Case(When(side=Side.CREDIT, then=F("amount_fen")), default=-F("amount_fen"))


@dataclass(frozen=True)
class Sql:
    """A statement and its words."""

    text: str
    words: tuple[Any, ...] = ()


@dataclass(frozen=True)
class Question:
    """What is broken, and what is said of it: the line names the statement's columns."""

    line: str
    columns: tuple[str, ...]
    sql: Sql

    def answers(self) -> Broken:
        with connection.cursor() as cursor:
            cursor.execute(self.sql.text, self.sql.words)
            return sorted(self.line.format(**dict(zip(self.columns, row, strict=True))) for row in cursor.fetchall())


class Asked:
    """A check by its questions: call it for what is broken, a line each."""

    def __init__(self, build: Callable[[], Iterable[Question]]) -> None:
        functools.update_wrapper(self, build)
        self._build = build

    @functools.cached_property
    def questions(self) -> tuple[Question, ...]:
        return tuple(self._build())

    def __call__(self) -> Broken:
        return [line for question in self.questions for line in question.answers()]


def at_once(checks: Sequence[Asked]) -> Sql:
    """All in one statement: the numbers of the checks that have something to say, nothing if all is well."""
    asked = [(number, question.sql) for number, check in enumerate(checks) for question in check.questions]
    text = " UNION ALL ".join(f"SELECT {number} WHERE EXISTS ({sql.text})" for number, sql in asked)  # noqa: S608  ours
    return Sql(text, tuple(word for _, sql in asked for word in sql.words))


def rows(line: str, found: QuerySet[Any]) -> Question:
    """Each of these rows is broken."""
    columns = tuple(dict.fromkeys(name for _, name, _, _ in Formatter().parse(line) if name))
    return Question(line, columns, _compiled(found.order_by().values_list(*columns)))


def select(line: str, sql: str, *words: Any) -> Question:
    """As ``rows``; the statement selects what the line names, in the same order."""
    columns = tuple(dict.fromkeys(name for _, name, _, _ in Formatter().parse(line) if name))
    return Question(line, columns, Sql(sql, words))


Sums = Sequence["QuerySet[Any] | Sql"]  # rows of a key and of fen, or of how many


def differ(line: str, *, said: Sums, posted: Sums, unless: Sums = ()) -> Question:
    """Each key is broken of which the sums differ; by no more than ``unless`` is still well.

    The line may name ``key``, ``said`` and ``posted``.
    """
    sides = [("said", said), ("posted", posted), ("slack", unless)]
    parts = [(name, _compiled(each)) for name, sums in sides for each in sums]
    union = " UNION ALL ".join(
        f"SELECT key::text, fen::bigint, '{name}' AS side FROM ({sql.text}) AS of_{name} (key, fen)"  # noqa: S608  ours
        for name, sql in parts
    )
    said_fen, posted_fen, slack_fen = (f"coalesce(sum(fen) FILTER (WHERE side = '{name}'), 0)" for name, _ in sides)
    text = (
        f"SELECT key, {said_fen}, {posted_fen} FROM ({union}) AS sides GROUP BY key"  # noqa: S608  ours
        f" HAVING abs({said_fen} - {posted_fen}) > {slack_fen}"
    )
    return Question(line, ("key", "said", "posted"), Sql(text, tuple(word for _, sql in parts for word in sql.words)))


def folded(*kinds: AccountKind) -> Sql:
    """(whose, what we owe) of these accounts by the fold, which ``checkpoints_are_what_was_posted`` proves."""
    text = f"SELECT split_part(code, ':', 2), credit_fen - debit_fen FROM ({FOLDED}) AS folded WHERE kind = ANY(%s)"  # noqa: S608
    return Sql(text, ([str(kind) for kind in kinds],))


def account_code(kind: AccountKind, column: str) -> Concat:
    """An account's code, as ``ledger.posting`` writes it."""
    return Concat(Value(f"{kind}:"), Cast(column, CharField()), output_field=CharField())


def _compiled(found: QuerySet[Any] | Sql) -> Sql:
    return found if isinstance(found, Sql) else Sql(*found.order_by().query.sql_with_params())
