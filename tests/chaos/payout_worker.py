"""A worker in a process of its own that pays a batch, until it is killed.

`python -m tests.chaos.payout_worker`, with the test database in the environment.
"""

from __future__ import annotations

import time

import django


def work() -> None:
    """What Celery's tasks do, a turn of each, so that a kill finds all of it under way."""
    import clock
    from payments import refunding
    from refunds import disbursement
    from refunds.payouts import paying

    paying.TURN = 10  # more turns to be killed in
    parts = (paying.sweep, refunding.sweep, disbursement.hear)
    while True:
        if not sum(part(at=clock.now()) for part in parts):
            time.sleep(0.05)


if __name__ == "__main__":
    django.setup()
    work()
