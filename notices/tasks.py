"""Celery's ear for messages: finds out itself what is due, may run twice or late, retries nothing."""

from __future__ import annotations

from celery import shared_task

import clock
import workqueue
from notices import sending
from notices.telling import SWEEP


@shared_task(name=SWEEP)
def sweep() -> None:
    """Work through what is due until nothing is."""
    workqueue.heard(SWEEP)
    while sending.sweep(at=clock.now()):
        pass
