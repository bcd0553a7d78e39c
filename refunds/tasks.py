"""Celery's ear for refunds: finds out itself what is due, may run twice or late, retries nothing."""

from __future__ import annotations

from celery import shared_task

import clock
import workqueue
from refunds import cancellations, disbursement, sweeping
from refunds.lifecycle import SWEEP


@shared_task(name=SWEEP)
def sweep() -> None:
    """Work through what is due until nothing is."""
    workqueue.heard(SWEEP)
    while sum(work(at=clock.now()) for work in (cancellations.hear, sweeping.sweep, disbursement.hear)):
        pass
