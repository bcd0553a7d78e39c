"""Celery's ear for orders: finds out itself what is due, may run twice or late, retries nothing."""

from __future__ import annotations

from celery import shared_task

import clock
import workqueue
from orders import topups, watch
from orders.delivery import SWEEP


@shared_task(name=SWEEP)
def sweep() -> None:
    """Work through what is due until nothing is."""
    workqueue.heard(SWEEP)
    while topups.sweep(at=clock.now()) + watch.sweep(at=clock.now()):
        pass
