"""Long lists, page by page: a page starts after the last row of the one before, so page 1000 costs what page 1 does."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Generic, TypeVar
from uuid import UUID

from django.db.models import Model, Q, QuerySet, UUIDField

PAGE_SIZE = 20
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")

Row = TypeVar("Row", bound=Model)


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
        moment, key = mark
        rows = rows.filter(Q(**{f"{by}__lt": moment}) | Q(**{by: moment, "pk__lt": key}), **{f"{by}__lte": moment})
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
