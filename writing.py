"""Writing many rows at once. Django's ``bulk_update`` builds a CASE of every column and row, and its ``bulk_create`` an
expression of each where a column has a default of the database's: for a hundred cases of thirty columns that costs more
than all else that a step does. One array for each column says the same."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from operator import attrgetter
from typing import Any

from django.db import connection
from django.db.models import AutoField, Model
from django.db.models.expressions import DatabaseDefault


def write(rows: Collection[Model], columns: Sequence[str]) -> None:
    """UPDATE these columns of these rows, as they stand in memory, in one statement. The caller holds them locked."""
    if not rows or not columns:
        return
    meta = next(iter(rows))._meta
    fields: list[Any] = [meta.pk, *(meta.get_field(name) for name in columns)]
    key, *names = map(_name, fields)
    table = connection.ops.quote_name(meta.db_table)
    sets = ", ".join(f"{name} = new.c{number}" for number, name in enumerate(names, start=1))
    heads = ", ".join(f"c{number}" for number in range(len(fields)))
    sql = f"UPDATE {table} SET {sets} FROM unnest({_arrays(fields)}) AS new ({heads}) WHERE {table}.{key} = new.c0"  # noqa: S608
    with connection.cursor() as cursor:
        cursor.execute(sql, [_values(field, rows) for field in fields])


class Watch:
    """How these columns of these rows stand, which the caller holds locked: ``write`` writes those that have changed
    since. A value that is changed in place is not noticed."""

    def __init__(self, rows: Collection[Model], columns: Sequence[str]) -> None:
        self._rows, self._columns, self._before = rows, columns, _seen(rows, columns)

    def write(self) -> None:
        changed = [False] * len(self._columns)
        for before, after in zip(self._before, _seen(self._rows, self._columns), strict=True):
            changed = [was or old != new for was, old, new in zip(changed, before, after, strict=False)]
        write(self._rows, [name for name, has in zip(self._columns, changed, strict=True) if has])


def _seen(rows: Collection[Model], columns: Sequence[str]) -> list[Sequence[object]]:
    if not rows:
        return []
    meta: Any = next(iter(rows))._meta
    values_of = attrgetter(*(meta.get_field(name).attname for name in columns), "pk")  # of one alone it makes no row
    return [values_of(row) for row in rows]


def insert(rows: Sequence[Model], *, once: bool = False) -> None:
    """INSERT these new rows, all of one kind, in one statement; each gets its key, and what the database gave it.

    What they refer to is saved by now. A column is given by all of them, or left to the database's default by all.
    ``once``: what a unique column or index knows already is left out; then none gets its key.
    """
    if not rows:
        return
    meta = rows[0]._meta
    ours: list[Any] = [field for field in meta.concrete_fields if not _is_the_databases(field, rows[0])]
    theirs: list[Any] = [field for field in meta.concrete_fields if field not in ours] or [meta.pk]
    table, columns = connection.ops.quote_name(meta.db_table), ", ".join(map(_name, ours))
    ends = "ON CONFLICT DO NOTHING" if once else f"RETURNING {', '.join(map(_name, theirs))}"
    sql = f"INSERT INTO {table} ({columns}) SELECT * FROM unnest({_arrays(ours)}) {ends}"  # noqa: S608
    with connection.cursor() as cursor:
        cursor.execute(sql, [_values(field, rows) for field in ours])
        if once:
            return
        for row, given in zip(rows, cursor.fetchall(), strict=True):
            for field, value in zip(theirs, given, strict=True):
                setattr(row, field.attname, value)
            row._state.adding, row._state.db = False, connection.alias


def _is_the_databases(field: Any, row: Model) -> bool:
    return isinstance(field, AutoField) or isinstance(getattr(row, field.attname), DatabaseDefault)


def _name(field: Any) -> str:
    return connection.ops.quote_name(field.column)


def _arrays(fields: Sequence[Any]) -> str:
    return ", ".join(f"%s::{_type(field)}[]" for field in fields)


def _values(field: Any, rows: Collection[Model]) -> list[object]:
    return [field.get_db_prep_save(getattr(row, field.attname), connection) for row in rows]


def _type(field: Any) -> str:
    """Without its length: a cast would cut what is too long, where the column refuses it."""
    return re.sub(r"\(\d+\)", "", field.db_type(connection) or "text")
