"""Asking suppliers about many rows at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TypeVar

import asking
from shops.suppliers.base import Answer, OutcomeUnknown, SupplierError

Row = TypeVar("Row")
THREADS = 8


def ask_all(rows: Sequence[Row], ask: Callable[[Row], Answer]) -> list[tuple[Row, Answer | SupplierError]]:
    """Ask for each row, in threads. ``ask`` touches no database. What goes wrong with a row is its answer."""
    asking.demand_no_transaction()
    return list(
        _pool().map(lambda row: (row, asking.answer_of(row, ask, known=SupplierError, unknown=OutcomeUnknown)), rows)
    )


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(THREADS, thread_name_prefix="supplier")
