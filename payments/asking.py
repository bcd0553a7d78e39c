"""Asking channels about many rows at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TypeVar

import asking
from payments.gateways.base import GatewayError, OutcomeUnknown

Row = TypeVar("Row")
Answer = TypeVar("Answer")

SWEEP = "payments.sweep"  # the bell of whatever must ask a channel
THREADS = 16
BATCH = 96


def ask_all(rows: Sequence[Row], ask: Callable[[Row], Answer]) -> list[tuple[Row, Answer | GatewayError]]:
    """Ask the channel for each row, in threads. ``ask`` touches no database. Errors of the channel are answers too."""
    asking.demand_no_transaction()
    return list(_pool().map(lambda row: (row, answer_of(row, ask)), rows))


def in_threads(work: Callable[[], list[Answer]], *, most: int) -> list[Answer]:
    """Let up to ``most`` threads ``work`` until each has nothing left; returns what all of them brought."""
    asking.demand_no_transaction()
    jobs = [_pool().submit(work) for _ in range(min(most, THREADS))]
    return [answer for job in jobs for answer in job.result()]


def answer_of(row: Row, ask: Callable[[Row], Answer]) -> Answer | GatewayError:
    """What the channel says of one row, whatever goes wrong."""
    return asking.answer_of(row, ask, known=GatewayError, unknown=OutcomeUnknown)


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(THREADS, thread_name_prefix="channel")
