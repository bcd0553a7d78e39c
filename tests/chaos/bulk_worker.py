"""A worker in a process of its own that cancels in bulk and gives the money back, until it is killed.

`python -m tests.chaos.bulk_worker`, with the test database in the environment.
"""

from __future__ import annotations

import time

import django


def work() -> None:
    """What Celery's tasks do, a batch of each in turn, so that a kill finds all of it under way."""
    import clock
    from orders import bulk
    from payments import charging, refunding
    from refunds import cancellations, disbursement, sweeping

    parts = (bulk.sweep, cancellations.hear, sweeping.sweep, refunding.sweep, disbursement.hear, charging.sweep)
    while True:
        if not sum(part(at=clock.now()) for part in parts):
            time.sleep(0.05)


if __name__ == "__main__":
    django.setup()
    work()
