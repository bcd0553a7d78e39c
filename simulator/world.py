"""What every part of the simulator works with: the keys, the store and the speed."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from simulator.signing import Keys
from simulator.store import Store


@dataclass
class World:
    """One simulated WeChat Pay with one merchant and one buyer."""

    keys: Keys
    store: Store
    speed: float  # documented delays are divided by it
    bell: threading.Condition = field(default_factory=threading.Condition)  # something may have fallen due

    def delay(self, seconds: float) -> float:
        """A documented delay, as long as it takes here."""
        return seconds / self.speed

    def ring(self) -> None:
        """Wake those who wait for something to fall due."""
        with self.bell:
            self.bell.notify_all()
