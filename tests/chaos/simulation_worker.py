"""A worker in a process of its own that tries a policy out, a few cases at a time, until it is killed.

`python -m tests.chaos.simulation_worker`, with the test database in the environment.
"""

from __future__ import annotations

import django


def work() -> None:
    import clock
    from refunds import simulation

    while True:
        simulation.run(at=clock.now(), limit=10)


if __name__ == "__main__":
    django.setup()
    work()
