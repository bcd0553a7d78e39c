"""Celery's ear for webhooks: finds out itself what is due, may run twice or late, retries nothing."""

from __future__ import annotations

from celery import shared_task

import clock
import workqueue
from integrations import feed, retention, sending
from integrations.endpoints import SWEEP


@shared_task(name=SWEEP)
def sweep() -> None:
    """Work through what is due until nothing is."""
    workqueue.heard(SWEEP)
    while feed.read(at=clock.now()) + sending.sweep(at=clock.now()):
        pass


@shared_task(name="integrations.prune")
def prune() -> None:
    """Once an hour: what was delivered long ago."""
    while retention.prune(at=clock.now()):
        pass
