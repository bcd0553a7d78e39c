"""Asking suppliers about many rows at once: threads do the network, the caller's thread alone does the database."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TypeVar

from django.db import connection

from shops.suppliers.base import Answer, OutcomeUnknown, SupplierError

Row = TypeVar("Row")

log = logging.getLogger(__name__)
THREADS = 8


def ask_all(rows: Sequence[Row], ask: Callable[[Row], Answer]) -> list[tuple[Row, Answer | SupplierError]]:
    """Ask for each row, in threads. ``ask`` touches no database. What goes wrong with a row is its answer."""
    if connection.in_atomic_block and not _in_test_transaction():
        raise RuntimeError("a supplier's call inside a transaction holds locks while the network waits (PM3)")
    return list(_pool().map(lambda row: (row, _ask(row, ask)), rows))


def _ask(row: Row, ask: Callable[[Row], Answer]) -> Answer | SupplierError:
    try:
        return ask(row)
    except SupplierError as error:
        return error
    except Exception as error:  # a mistake of ours: this row is asked about again, others go on (F12)
        log.exception("a supplier's call ended in a way that its file does not know")
        return OutcomeUnknown("unexpected", type(error).__name__)


def _in_test_transaction() -> bool:
    """pytest-django wraps a whole test in one transaction; that one is not ours."""
    return all(getattr(block, "_from_testcase", False) for block in connection.atomic_blocks)


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(THREADS, thread_name_prefix="supplier")
