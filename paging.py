"""Long lists, page by page: a page starts after the last row of the one before, so page 1000 costs what page 1 does.

``newest_first`` is the shop's: by a time, forwards. ``leaf`` is the desk's: any order, both ways, and from the end.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import reduce
from operator import or_
from typing import Any, Generic, TypeVar, cast
from uuid import UUID

from django.db import models
from django.db.models import F, Model, OrderBy, Q, QuerySet, UUIDField

PAGE_SIZE = 20
MOST_COUNTED = 1000  # of a long list: of more, a page says so
LAST = "last"
LONGEST_MARK = 2000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")

Row = TypeVar("Row", bound=Model)


# --- forwards, by a time ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Page(Generic[Row]):
    """Some rows, newest first. ``next_after`` is what asks for the following page; empty on the last one."""

    rows: Sequence[Row]
    next_after: str
    is_first: bool


def newest_first(rows: QuerySet[Row], *, by: str, after: str = "", size: int = PAGE_SIZE) -> Page[Row]:
    """The ``size`` rows after the mark ``after``, by the time column ``by`` and the key. A bad mark starts anew."""
    mark = _read(after, rows.model)
    if mark:
        beyond = _beyond([Column(by, descending=True), Column("pk", descending=True)], mark)
        rows = rows.filter(reduce(or_, beyond), **{f"{by}__lte": mark[0]})
    found = list(rows.order_by(f"-{by}", "-pk")[: size + 1])
    more = len(found) > size
    found = found[:size]
    return Page(found, _mark(found[-1], by) if more else "", is_first=mark is None)


def _mark(row: Model, by: str) -> str:
    microseconds = (getattr(row, by) - _EPOCH) // timedelta(microseconds=1)
    return f"{microseconds}-{row.pk}"


def _read(after: str, model: type[Model]) -> tuple[datetime, int | UUID] | None:
    moment, _, text = after.partition("-")
    key = _key(text, model)
    if key is None or not (moment.isascii() and moment.isdigit() and len(moment) <= 17):  # beyond any date
        return None
    return _EPOCH + timedelta(microseconds=int(moment)), key


def _key(text: str, model: type[Model]) -> int | UUID | None:
    """A key of this model, whether or not it has such a row."""
    if isinstance(model._meta.pk, UUIDField):
        return UUID(text) if _UUID.fullmatch(text) else None
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else None


# --- any order, both ways ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Leaf(Generic[Row]):
    """Some rows in their order. ``earlier`` and ``later`` ask for the leaf before and after; empty at the ends."""

    rows: Sequence[Row]
    earlier: str = ""
    later: str = ""


def leaf(rows: QuerySet[Row], order: Sequence[str | OrderBy], *, asked: str = "", size: int = PAGE_SIZE) -> Leaf[Row]:
    """The leaf that ``asked`` names: "" the first, ``LAST`` the last, else what another leaf said in ``earlier`` or
    ``later``; nonsense is the first. ``order`` must leave no two rows equal; its columns may be NULL. Past either end
    stands the leaf at that end. Two queries: the keys of the page by the order's index, then its rows."""
    columns = _columns(order, rows.model)
    way, mark = _asked(asked, columns, rows.model)
    backwards = way in {"before", LAST}
    found = _keys(rows, _turned(columns) if backwards else columns, mark, size + 1)
    if mark and not found:
        return leaf(rows, order, asked="" if backwards else LAST, size=size)
    more, found = len(found) > size, found[:size]
    if backwards:
        found.reverse()
    listed = rows.order_by().in_bulk([key for *_, key in found]) if found else {}
    has_earlier, has_later = (more, way == "before") if backwards else (way == "after", more)
    return Leaf(
        [listed[key] for *_, key in found if key in listed],
        _said("before", found[0][:-1]) if found and has_earlier else "",
        _said("after", found[-1][:-1]) if found and has_later else "",
    )


@dataclass(frozen=True)
class Column:
    """One column of an order. PostgreSQL holds NULL for the largest value, unless told otherwise."""

    name: str
    descending: bool = False
    is_nullable: bool = False
    nulls_first: bool = False

    @classmethod
    def of(cls, part: str | OrderBy, model: type[Model]) -> Column:
        if isinstance(part, str):
            name, descending, nulls_first = part.removeprefix("-"), part.startswith("-"), part.startswith("-")
        else:
            name, descending = cast(F, part.expression).name, part.descending  # type: ignore[attr-defined]
            nulls_first = bool(part.nulls_first or (descending and not part.nulls_last))
        field = _field(model, name)
        return cls(name, descending, field.null or "__" in name, nulls_first)

    def turned(self) -> Column:
        return Column(self.name, not self.descending, self.is_nullable, not self.nulls_first)

    def as_order(self, name: str = "") -> OrderBy:
        """By the column, or by what it is called elsewhere."""
        nulls = {"nulls_first" if self.nulls_first else "nulls_last": True} if self.is_nullable else {}
        return OrderBy(F(name or self.name), descending=self.descending, **nulls)

    def same(self, value: Any) -> Q:
        return Q(**{f"{self.name}__isnull": True}) if value is None else Q(**{self.name: value})

    def after(self, value: Any) -> Iterator[Q]:
        """What comes later than this value, each part a stretch of an index."""
        is_null = f"{self.name}__isnull"
        if value is not None:
            yield Q(**{f"{self.name}__{'lt' if self.descending else 'gt'}": value})
        if self.is_nullable and (value is None) == self.nulls_first:
            yield Q(**{is_null: value is not None})


def _columns(order: Sequence[str | OrderBy], model: type[Model]) -> list[Column]:
    """Up to the key: what follows it orders nothing."""
    columns: list[Column] = []
    for part in order:
        columns.append(Column.of(part, model))
        if columns[-1].name == "pk":
            break
    return columns


def _turned(columns: Sequence[Column]) -> list[Column]:
    return [column.turned() for column in columns]


def _beyond(columns: Sequence[Column], values: Sequence[Any]) -> list[Q]:
    """Everything after these values, as stretches that no row is in twice: equal in the first columns, later in the
    next. One condition for all of them no index of mixed directions could serve."""
    stretches, equal = [], Q()
    for column, value in zip(columns, values, strict=True):
        stretches += [equal & later for later in column.after(value)]
        equal &= column.same(value)
    return stretches


def _keys(rows: QuerySet[Any], columns: Sequence[Column], mark: Sequence[Any] | None, most: int) -> list[Any]:
    """The values of the order's columns, and last the key, of the first rows after the mark."""
    names = [f"order_{number}" for number in range(len(columns))]
    own = {name: F(column.name) for name, column in zip(names, columns, strict=True)}
    parts = [
        rows.filter(stretch).order_by(*(column.as_order() for column in columns)).annotate(**own)
        .values_list(*names, "pk")[:most]
        for stretch in (_beyond(columns, mark) if mark else [Q()])
    ]  # fmt: skip
    if not parts:
        return []
    if len(parts) == 1:
        return list(parts[0])
    order = [column.as_order(name) for name, column in zip(names, columns, strict=True)]
    return list(parts[0].union(*parts[1:], all=True).order_by(*order)[:most])


def _asked(asked: str, columns: Sequence[Column], model: type[Model]) -> tuple[str, list[Any] | None]:
    """Which way, and from where. Anybody may have typed it."""
    way, _, text = asked.partition(":")
    if asked == LAST:
        return LAST, None
    if way not in {"after", "before"} or len(text) > LONGEST_MARK:
        return "", None
    try:
        values = json.loads(text)
        if not isinstance(values, list):
            return "", None
        return way, [_value(column, model, value) for column, value in zip(columns, values, strict=True)]
    except (ValueError, TypeError, OverflowError, RecursionError):
        return "", None


def _said(way: str, values: Sequence[Any]) -> str:
    return f"{way}:{json.dumps(values, default=_written, ensure_ascii=False, separators=(',', ':'))}"


def _written(value: object) -> str:
    return value.isoformat() if isinstance(value, date) else str(value)


def _value(column: Column, model: type[Model], value: Any) -> Any:
    if value is None and column.is_nullable:
        return None
    field = _field(model, column.name)
    return next(read for kind, read in _READERS.items() if isinstance(field, kind))(value)


def _field(model: type[Model], name: str) -> Any:
    """The field at the end of the path; of one that points to a row, the row's key."""
    field: Any = None
    for part in name.split("__"):
        options = (field.related_model if field else model)._meta
        field = options.pk if part == "pk" else options.get_field(part)
    while field.remote_field:
        field = field.target_field
    return field


def _whole(value: Any) -> int:
    if type(value) is not int or not -(2**63) <= value < 2**63:
        raise ValueError(value)
    return value


def _yes_or_no(value: Any) -> bool:
    if type(value) is not bool:
        raise ValueError(value)
    return value


def _moment(value: Any) -> datetime:
    moment = datetime.fromisoformat(value)
    if moment.tzinfo is None:
        raise ValueError(value)
    return moment.astimezone(UTC)


def _text(value: Any) -> str:
    if not isinstance(value, str) or "\0" in value:  # PostgreSQL knows no such text
        raise ValueError(value)
    value.encode()  # a lone half of a pair is no text either
    return value


def _uuid(value: Any) -> UUID:
    if not _UUID.fullmatch(value):
        raise ValueError(value)
    return UUID(value)


_READERS: dict[Any, Callable[[Any], Any]] = {
    models.BooleanField: _yes_or_no,
    models.DateTimeField: _moment,
    models.DateField: date.fromisoformat,
    models.UUIDField: _uuid,
    models.IntegerField: _whole,
    models.CharField: _text,
    models.TextField: _text,
}
