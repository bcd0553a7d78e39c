"""Celery's ear for reconciliation: finds out itself what is due, may run twice or late, retries nothing."""

from __future__ import annotations

from celery import shared_task

import clock
import workqueue
from reconciliation import resolving, statements


@shared_task(name=statements.SWEEP)
def sweep() -> None:
    """Yesterday's bills from ten o'clock on, and again until they are there; then what is overdue."""
    workqueue.heard(statements.SWEEP)
    statements.want_each_day(at=clock.now())
    while statements.sweep(at=clock.now()) + resolving.sweep(at=clock.now()):
        pass


@shared_task(name="reconciliation.prune")
def prune() -> None:
    """Lines of old bills go; what they said differently stays."""
    statements.prune(at=clock.now())
