"""Celery's ear for the ledger: may run twice or late, retries nothing."""

from __future__ import annotations

import logging

from celery import shared_task
from django.db import OperationalError
from psycopg2.errors import LockNotAvailable

import clock
from ledger import balances, daily

log = logging.getLogger(__name__)


@shared_task(name="ledger.fold")
def fold() -> None:
    """What left us and came back each day; then 快照. Hourly. Whoever posts for longer than the fold's patience is left
    alone: the next hour is as good."""
    daily.count(at=clock.now())
    try:
        while balances.fold(at=clock.now()) == balances.AT_ONCE:
            pass
    except OperationalError as error:
        if not isinstance(error.__cause__, LockNotAvailable):
            raise
        log.info("fold: put off, somebody posts for longer than that")
