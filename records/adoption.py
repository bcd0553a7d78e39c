"""建档: link, in a migration, the events that were written before there were chains.

A chain that begins so proves nothing about the time before its adoption, and says so: the day's root holds its head
from the day of adoption on.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.db.backends.base.schema import BaseDatabaseSchemaEditor

from records import chain

BATCH = 1000


def adopt(
    model: Any, editor: BaseDatabaseSchemaEditor, *, stream: str, subject: str, public: Sequence[str],
    personal: Sequence[str],
) -> None:  # fmt: skip
    """Number and link every row of a historical event model, in the order in which they were written."""
    table = model._meta.db_table
    editor.execute(f'ALTER TABLE "{table}" DISABLE TRIGGER USER')
    names = ["sequence", "salt", "personal_digest", "previous_hash", "hash"]
    waiting: list[Any] = []
    for row in _linked(
        model.objects.order_by(f"{subject}_id", "pk").iterator(BATCH), stream, subject, public, personal
    ):
        waiting.append(row)
        if len(waiting) == BATCH:
            model.objects.bulk_update(waiting, names)
            waiting.clear()
    model.objects.bulk_update(waiting, names)
    editor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # else the table cannot be altered again in this transaction
    editor.execute(f'ALTER TABLE "{table}" ENABLE TRIGGER USER')


def begin(
    model: Any, rows: Iterable[Any], *, stream: str, subject: str, public: Sequence[str], personal: Sequence[str],
    heads: Mapping[Any, Any] | None = None,
) -> None:  # fmt: skip
    """Write unsaved rows, at most one of each subject; ``heads`` are the last events of subjects that have some."""
    waiting: list[Any] = []
    for row in rows:
        _lend(row, stream, subject, public, personal)
        chain.link([row], after=heads or {})
        waiting.append(row)
        if len(waiting) == BATCH:
            model.objects.bulk_create(waiting)
            waiting.clear()
    model.objects.bulk_create(waiting)


def _linked(rows: Iterable[Any], stream: str, subject: str, public: Sequence[str], personal: Sequence[str]) -> Any:
    head: Any = None
    for row in rows:
        _lend(row, stream, subject, public, personal)
        key = getattr(row, f"{subject}_id")
        after = {key: head} if head is not None and getattr(head, f"{subject}_id") == key else {}
        chain.link([row], after=after)
        head = row
        yield row


def _lend(row: Any, stream: str, subject: str, public: Sequence[str], personal: Sequence[str]) -> None:
    """Historical models have no class attributes of ours: each row gets them, and the chain does the rest."""
    row.STREAM, row.SUBJECT, row.PUBLIC, row.PERSONAL = stream, subject, tuple(public), tuple(personal)
