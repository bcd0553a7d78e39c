"""Celery's ear for shops: finds out itself what is due, may run twice or late, retries nothing."""

from __future__ import annotations

from celery import shared_task

import clock
import workqueue
from shops import importing
from shops.importing import SWEEP


@shared_task(name=SWEEP)
def sweep() -> None:
    """Take turns at uploaded lists of codes until none is due."""
    workqueue.heard(SWEEP)
    while importing.sweep(at=clock.now()):
        pass
