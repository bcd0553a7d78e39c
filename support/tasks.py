"""Celery's ear for support: finds out itself what is due, may run twice or late, retries nothing."""

from __future__ import annotations

from celery import shared_task

import clock
import workqueue
from support import complaints, tickets


@shared_task(name=tickets.SWEEP)
def sweep() -> None:
    """Work through what is due until nothing is."""
    workqueue.heard(tickets.SWEEP)
    while sum(work(at=clock.now()) for work in (tickets.sweep, complaints.sweep)):
        pass
