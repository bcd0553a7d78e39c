"""Celery's ear for orders: finds out itself what is due, may run twice or late, retries nothing."""

from __future__ import annotations

from celery import shared_task

import clock
import workqueue
from orders import bulk, topups, watch
from orders.delivery import SWEEP


@shared_task(name=SWEEP)
def sweep() -> None:
    """Work through what is due until nothing is."""
    workqueue.heard(SWEEP)
    while sum(work(at=clock.now()) for work in (topups.sweep, watch.sweep, bulk.sweep)):
        pass
