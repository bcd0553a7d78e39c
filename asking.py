"""Asking the outside world about many rows at once: threads do the network, the caller's thread alone the database."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeVar

from django.db import connection

Row = TypeVar("Row")
Answer = TypeVar("Answer")
Trouble = TypeVar("Trouble", bound=Exception)

log = logging.getLogger(__name__)


def demand_no_transaction() -> None:
    """Refuse a call to the outside from within a transaction (PM3): it would hold locks while the network waits."""
    if connection.in_atomic_block and not _in_test_transaction():
        raise RuntimeError("a call to the outside inside a transaction holds locks while the network waits (PM3)")


def answer_of(
    row: Row, ask: Callable[[Row], Answer], *, known: type[Trouble], unknown: Callable[[str, str], Trouble]
) -> Answer | Trouble:
    """What they say of one row, whatever goes wrong: ``known`` errors are answers too, of any other nothing is known.

    A mistake of ours is no reason to stop the other rows: this one is asked about again, and then by a human (F12).
    """
    try:
        return ask(row)
    except known as error:
        return error
    except Exception as error:
        log.exception("a call to the outside ended in a way that nobody expected")
        return unknown("unexpected", type(error).__name__)


def _in_test_transaction() -> bool:
    """pytest-django wraps a whole test in one transaction; that one is not ours."""
    return all(getattr(block, "_from_testcase", False) for block in connection.atomic_blocks)
