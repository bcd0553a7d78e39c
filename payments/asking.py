"""Asking a channel about many rows at once: threads do the network, the caller's thread alone does the database."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TypeVar

from django.db import connection

from payments.gateways.base import GatewayError, OutcomeUnknown

Row = TypeVar("Row")
Answer = TypeVar("Answer")

log = logging.getLogger(__name__)
SWEEP = "payments.sweep"  # the bell of whatever must ask a channel
THREADS = 16
BATCH = 48


def ask_all(rows: Sequence[Row], ask: Callable[[Row], Answer]) -> list[tuple[Row, Answer | GatewayError]]:
    """Ask the channel for each row, in threads. ``ask`` touches no database. Errors of the channel are answers too."""
    _outside_transactions()
    return list(_pool().map(lambda row: (row, answer_of(row, ask)), rows))


def in_threads(work: Callable[[], list[Answer]], *, most: int) -> list[Answer]:
    """Let up to ``most`` threads ``work`` until each has nothing left; returns what all of them brought."""
    _outside_transactions()
    jobs = [_pool().submit(work) for _ in range(min(most, THREADS))]
    return [answer for job in jobs for answer in job.result()]


def answer_of(row: Row, ask: Callable[[Row], Answer]) -> Answer | GatewayError:
    """What the channel says of one row, whatever goes wrong."""
    try:
        return ask(row)
    except GatewayError as error:
        return error
    except Exception as error:  # a mistake of ours: this row is asked about again, then by a human; others go on (F12)
        log.exception("a channel call ended in a way that its gateway does not know")
        return OutcomeUnknown("unexpected", type(error).__name__)


def _outside_transactions() -> None:
    if connection.in_atomic_block and not _in_test_transaction():
        raise RuntimeError("a channel call inside a transaction holds locks while the network waits (PM3)")


def _in_test_transaction() -> bool:
    """pytest-django wraps a whole test in one transaction; that one is not ours."""
    return all(getattr(block, "_from_testcase", False) for block in connection.atomic_blocks)


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(THREADS, thread_name_prefix="channel")
