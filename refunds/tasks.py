"""Celery's ear for refunds: finds out itself what is due, may run twice or late, retries nothing."""

from __future__ import annotations

from time import monotonic

from celery import shared_task

import clock
import workqueue
from refunds import (
    arrival_times,
    cancellations,
    closing,
    disbursement,
    drafts,
    figures,
    pace,
    penalties,
    settlement,
    simulation,
    sweeping,
)
from refunds.lifecycle import SWEEP
from refunds.payouts import paying

WORK = (cancellations.hear, sweeping.sweep, paying.sweep, disbursement.hear, penalties.sweep)


@shared_task(name=SWEEP)
def sweep() -> None:
    """Work through what is due until nothing is."""
    workqueue.heard(SWEEP)
    while True:
        began = monotonic()
        done = sum(work(at=clock.now()) for work in WORK)
        if not done:
            return
        workqueue.rest_after(done, began=began)


@shared_task(name="refunds.settle")
def settle() -> None:
    """结算 of the orders whose time has come."""
    while settlement.sweep(at=clock.now()):
        pass


@shared_task(name="refunds.figures")
def count_shops() -> None:
    """Figures and badges of the shops whose hour is over; shops that have nothing left to do close."""
    while figures.compute(at=clock.now()):
        pass
    closing.close(at=clock.now())


@shared_task(name="refunds.pace")
def count_stages() -> None:
    """How long refunds take, and how right we were about banks, once an hour. Drafts that nobody came back to go."""
    pace.compute(at=clock.now())
    arrival_times.measure(at=clock.now())
    while drafts.sweep(at=clock.now()):
        pass


@shared_task(name=simulation.SWEEP)
def simulate() -> None:
    """One batch of a policy's trial; what is left rings again, so that refunds never wait behind it."""
    workqueue.heard(simulation.SWEEP)
    simulation.run(at=clock.now())
