"""Heartbeats: beat leaves its own as it sends the task, a worker leaves another as it runs it."""

from __future__ import annotations

from celery import shared_task
from celery.signals import before_task_publish
from django.db import close_old_connections

import clock
from cardshop import watching
from cardshop.models import Heartbeat


@shared_task(name="cardshop.heartbeat")
def heartbeat() -> None:
    """A worker takes tasks and reaches the database; and it is still the same one."""
    Heartbeat.record("worker")
    watching.look(at=clock.now())


@before_task_publish.connect(sender="cardshop.heartbeat")
def beat_is_alive(**_: object) -> None:
    """Beat, and only beat, sends this task."""
    close_old_connections()  # beat lives for months; its connection may not
    Heartbeat.record("beat")
