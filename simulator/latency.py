"""How long the channels take to answer (延迟): real seconds, whatever the speed, waited for outside every lock."""

from __future__ import annotations

import time

from simulator import settings
from simulator.world import World

MOST_SECONDS = 30.0


def write(world: World, seconds: float) -> None:
    """From now on every call of a merchant is kept waiting so long before anything is done about it."""
    with world.store.transaction() as db:
        settings.write(db, "latency_seconds", seconds)


def wait(world: World) -> None:
    """The way to the channel and back."""
    with world.store.transaction() as db:
        seconds = settings.read(db, "latency_seconds", 0.0)
    if seconds:
        time.sleep(seconds)
