"""链: number new events, link each to the one before, and check a chain from its first event to its last.

A link's hash is SHA-256 over the hash before it and over its own content: public fields as they are, personal ones as
a digest under the row's own salt. The caller holds the subject's row locked, so that no two links follow the same one.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar
from uuid import UUID

from django.db import models

from records.models import Link
from writing import insert

BEGINNING = bytes(32)
SALT_BYTES = 16

Event = TypeVar("Event", bound=Link)


def append(rows: Sequence[Event]) -> None:
    """Write these events at the end of their chains, in the order given. The subjects are locked by the caller.

    Two queries, however many rows.
    """
    if rows:
        link(rows, after=latest(type(rows[0]), {_subject(row) for row in rows}))
        insert(rows)


def link(rows: Iterable[Link], *, after: Mapping[Any, Link]) -> None:
    """Number, salt and hash unsaved events. ``after``: the last event of each subject that has one."""
    heads = dict(after)
    for row in rows:
        head = heads.get(_subject(row))
        row.sequence = head.sequence + 1 if head else 1
        row.previous_hash = bytes(head.hash) if head else BEGINNING
        row.salt = secrets.token_bytes(SALT_BYTES)
        row.personal_digest = personal_digest(row)
        row.hash = digest(row)
        heads[_subject(row)] = row


def latest(kind: type[Event], subjects: Iterable[Any]) -> dict[Any, Event]:
    """The last event of each of these subjects."""
    column = f"{kind.SUBJECT}_id"
    rows = kind._default_manager.filter(**{f"{column}__in": list(subjects)})
    return {_subject(row): row for row in rows.order_by(column, "-sequence").distinct(column)}


def broken(rows: Iterable[Event]) -> Iterator[tuple[Event, str]]:
    """Every event that was changed or whose neighbor is gone. ``rows`` come by subject and sequence."""
    return ((row, problem) for row, problem in checked(rows) if problem)


def checked(rows: Iterable[Event]) -> Iterator[tuple[Event, str]]:
    """Each event with what is wrong about it, in words; "" if nothing is. Keeps one row at a time."""
    before: Event | None = None
    for row in rows:
        head = before if before is not None and _subject(before) == _subject(row) else None
        yield row, _problem(row, head)
        before = row


def _problem(row: Link, before: Link | None) -> str:
    number = before.sequence + 1 if before else 1
    if row.sequence != number:
        return f"is not the next one: event {number} is missing"
    if bytes(row.previous_hash) != (bytes(before.hash) if before else BEGINNING):
        return f"does not follow event {number - 1}: one of them was changed"
    if bytes(row.hash) != digest(row):
        return "was changed after it was written"
    if bytes(row.personal_digest) != personal_digest(row):
        return "has other personal details than were written"
    return ""


def digest(row: Link) -> bytes:
    """The hash that a link must have: what ``records/check_record.py`` computes too, without this house."""
    content = canonical(public_content(row))
    return hashlib.sha256(bytes(row.previous_hash) + content + bytes(row.personal_digest)).digest()


def personal_digest(row: Link) -> bytes:
    """SHA-256 over salt and personal fields; once both are erased, the digest alone goes on proving the chain."""
    return hashlib.sha256(bytes(row.salt) + canonical(personal_content(row))).digest()


def public_content(row: Link) -> dict[str, Any]:
    """The fields that stand in the hash as they are, under the names that a published record gives them."""
    head = {"stream": row.STREAM, "subject": str(_subject(row)), "sequence": row.sequence, "at": _plain(row.at)}
    return head | _content(row, row.PUBLIC)


def personal_content(row: Link) -> dict[str, Any]:
    """The fields that stand in the hash as a digest only."""
    return _content(row, row.PERSONAL)


def canonical(content: Mapping[str, Any]) -> bytes:
    """One way to write a JSON object: keys in order, no blanks, UTF-8."""
    return json.dumps(content, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def _content(row: Link, names: Sequence[str]) -> dict[str, Any]:
    return {name: _plain(getattr(row, name)) for name in names}


def _plain(value: Any) -> Any:
    """As JSON writes it, the same before and after the database has kept it."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="microseconds")
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, bytes | memoryview):
        return bytes(value).hex()
    if isinstance(value, models.Choices):
        return value.value
    return value


def _subject(row: Link) -> Any:
    return getattr(row, f"{row.SUBJECT}_id")
