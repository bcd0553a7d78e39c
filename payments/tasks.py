"""Celery's ear for payments: finds out itself what is due, may run twice or late, retries nothing."""

from __future__ import annotations

import threading
from datetime import timedelta
from time import monotonic

from celery import shared_task

import clock
import workqueue
from payments import charging, pacing, refunding
from payments.asking import SWEEP

MOST_SECONDS = 2  # a longer wait is left to the next beat


@shared_task(name=SWEEP)
def sweep() -> None:
    """Work through what is due until nothing is."""
    workqueue.heard(SWEEP)
    while True:
        at, began = clock.now(), monotonic()
        if done := refunding.sweep(at=at) + charging.sweep(at=at):
            workqueue.rest_after(done, began=began)
            continue
        turn = pacing.next_turn(at=at)
        if turn is None or turn > at + timedelta(seconds=MOST_SECONDS):
            return
        # Nothing is held while this worker waits for the budget to fill: no row, no lease, no connection's lock.
        threading.Event().wait(max(0.01, (turn - at).total_seconds()))
