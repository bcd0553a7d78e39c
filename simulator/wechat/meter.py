"""How many calls a merchant made lately: sliding windows of real seconds, whatever the simulator's speed and clock."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable

LIMITS = {  # kind -> (calls, within seconds)
    "refund": (150, 1.0),
    "refund_failed": (6, 1.0),
    "refund_old": (5000, 60.0),
    "query_refund": (300, 1.0),
    "abnormal": (150, 1.0),
}


class Meter:
    """Sliding windows, one a kind of call."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._times: dict[str, deque[float]] = {kind: deque() for kind in LIMITS}

    def full(self, kind: str) -> bool:
        """True if one more call of this kind would be too many now."""
        with self._lock:
            return len(self._window(kind)) >= LIMITS[kind][0]

    def count(self, kind: str) -> bool:
        """Count one call; False, and nothing counted, if it is one too many."""
        with self._lock:
            window = self._window(kind)
            if len(window) >= LIMITS[kind][0]:
                return False
            window.append(self._clock())
            return True

    def failed(self) -> None:
        """The refund that was counted last has failed: it counts among those."""
        with self._lock:
            good = self._window("refund")
            if good:
                good.pop()
            self._window("refund_failed").append(self._clock())

    def _window(self, kind: str) -> deque[float]:
        window, (_, seconds) = self._times[kind], LIMITS[kind]
        while window and window[0] <= self._clock() - seconds:
            window.popleft()
        return window
