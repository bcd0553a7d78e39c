"""换钥: every sealed text gets its data key wrapped by the active key; no text is opened (docs/decisions/0011).

Each owner of a sealed column says in a ``SealedColumn`` where it is and what it is bound to; the command puts them
together. Rows are done in committed batches, along the index of their key where there is one: stopped at any point, the
next run goes on with what is left. A row that cannot be rewrapped is counted and passed over.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import BinaryField, F, Func, Model, QuerySet, Value
from django.db.models.functions import Substr

from shops import vault
from shops.importing import binding as file_binding
from shops.models import CardCode, StagedCode, StagedFile
from shops.stock import binding as code_binding

BATCH = 500


@dataclass(frozen=True)
class SealedColumn:
    """Where sealed texts stand. ``needs`` are the columns (also across relations) that ``binding`` takes, in order."""

    title: str
    model: type[Model]
    column: str
    key_column: str
    needs: tuple[str, ...]
    binding: Callable[..., str] = field(repr=False)

    @property
    def rows(self) -> QuerySet[Any]:
        return self.model._default_manager.all()


COLUMNS = [
    SealedColumn("卡密", CardCode, "sealed", "key_id", ("pk", "product__shop_id"), code_binding),
    SealedColumn("待入库的行", StagedCode, "sealed", "key_id", ("pk", "stock_import__product__shop_id"), code_binding),
    SealedColumn(
        "待检查的文件", StagedFile, "sealed", "key_id", ("pk", "stock_import__product__shop_id"), file_binding
    ),
]


@dataclass
class Progress:
    """How far one column is: rewrapped so far, and what could not be."""

    column: SealedColumn
    done: int = 0
    failed: int = 0


def rotate(column: SealedColumn) -> Iterator[Progress]:
    """Rewrap all that is under another key than the active one; tells after every committed batch."""
    keyring = vault.keyring(settings.CARD_KEYS_FILE)
    progress = Progress(column)
    for key_id in _other_keys(column, keyring.active):
        last: Any = None
        while batch := _next(column, key_id, last):
            last = batch[-1]
            _rewrap(column, keyring, key_id, batch, progress)
            yield progress


def left(column: SealedColumn) -> dict[str, int]:
    """How many texts are still under which other key, counted up to a thousand each."""
    keys = _other_keys(column, vault.keyring(settings.CARD_KEYS_FILE).active)
    return {key_id: column.rows.filter(**{column.key_column: key_id})[:1000].count() for key_id in keys}


def _other_keys(column: SealedColumn, active: str) -> list[str]:
    """The keys that texts of this column are under, found one after the other along the index."""
    found: list[str] = []
    names = column.rows.order_by(column.key_column).values_list(column.key_column, flat=True)
    while key_id := names.filter(**{f"{column.key_column}__gt": found[-1] if found else ""}).first():
        found.append(key_id)
    return [key_id for key_id in found if key_id != active]


def _next(column: SealedColumn, key_id: str, last: Any) -> list[Any]:
    """The next rows under this key, past those that were tried in this run."""
    rows = column.rows.filter(**{column.key_column: key_id})
    if last is not None:
        rows = rows.filter(pk__gt=last)
    return list(rows.order_by("pk").values_list("pk", flat=True)[:BATCH])


def _rewrap(column: SealedColumn, keyring: vault.Keyring, key_id: str, batch: list[Any], progress: Progress) -> None:
    """Locked and read anew: somebody may have sealed another text meanwhile. Only the head of each text is fetched."""
    with transaction.atomic():
        rows = column.rows.filter(**{column.key_column: key_id}, pk__in=batch).order_by("pk")
        held = list(rows.select_for_update(no_key=True).values_list("pk", flat=True))
        head = Substr(column.column, 1, vault.HEAD_BYTES, output_field=BinaryField())
        for key, begins, *bound_to in column.rows.filter(pk__in=held).values_list("pk", head, *column.needs):
            try:
                fresh = keyring.rewrap(vault.Sealed(bytes(begins), key_id), bound_to=column.binding(*bound_to))
            except vault.VaultError:
                progress.failed += 1
                continue
            text = _Overlay(F(column.column), Value(fresh.ciphertext))
            column.rows.filter(pk=key).update(**{column.column: text, column.key_column: fresh.key_id})
            progress.done += 1


class _Overlay(Func):
    """The column with its first bytes replaced."""

    function = "overlay"
    template = "%(function)s(%(expressions)s from 1)"
    arg_joiner = " placing "
    output_field = BinaryField()
