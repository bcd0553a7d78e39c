"""Time: what has fallen due happens, whether anybody asks or not."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from simulator.alipay import books as alipay_books
from simulator.wechat import books, complaint_book
from simulator.world import World

# Each answers when something falls due next, if anything does.
CATCH_UPS: tuple[Callable[[World], float | None], ...] = (
    books.catch_up,
    alipay_books.catch_up,
    complaint_book.catch_up,
)
LONGEST_WAIT_SECONDS = 0.5

log = logging.getLogger("simulator")


def catch_up(world: World) -> float | None:
    """Let everything happen that has fallen due at every channel; answer when the next thing will."""
    return min((at for each in CATCH_UPS if (at := each(world)) is not None), default=None)


def start_timekeeper(world: World) -> None:
    """A thread that keeps time for all channels."""

    def keep_time() -> None:
        while True:
            try:
                following = catch_up(world)
                late = None if following is None else max(0.0, following - world.store.now())
                with world.bell:
                    world.bell.wait(LONGEST_WAIT_SECONDS if late is None else min(LONGEST_WAIT_SECONDS, late))
            except Exception:
                log.exception("time could not be kept; it is tried again")
                time.sleep(1)

    threading.Thread(target=keep_time, name="timekeeper", daemon=True).start()
