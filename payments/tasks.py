"""Celery's ear for payments: finds out itself what is due, may run twice or late, retries nothing."""

from __future__ import annotations

from celery import shared_task

import clock
import workqueue
from payments import charging, refunding


@shared_task(name=refunding.SWEEP)
def sweep() -> None:
    """Work through what is due until nothing is."""
    workqueue.heard(refunding.SWEEP)
    while refunding.sweep(at=clock.now()) + charging.sweep(at=clock.now()):
        pass
