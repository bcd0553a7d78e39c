"""What every part of the simulator works with: the keys, the store, the speed, and what to say when it cannot be."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from simulator.alipay.signing import AlipayKeys
from simulator.issuer_keys import IssuerKeys
from simulator.store import Store
from simulator.wechat.meter import Meter
from simulator.wechat.signing import Keys


class NotPossible(Exception):
    """The books do not allow it; the text says why and what to do."""


class Connections:
    """How often clients came: what a pool of connections saves shows here."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts = {"accepted": 0, "tls_handshakes": 0, "requests": 0}

    def count(self, what: str) -> None:
        with self._lock:
            self._counts[what] += 1

    def counts(self) -> dict[str, int]:
        """{accepted, tls_handshakes, requests} since the process began; handshakes that failed are not among them."""
        with self._lock:
            return dict(self._counts)


@dataclass
class World:
    """One simulated WeChat Pay and one simulated Alipay, with one merchant and one buyer."""

    keys: Keys
    alipay: AlipayKeys
    issuer: IssuerKeys
    store: Store
    speed: float  # documented delays are divided by it
    address: str = ""  # where others reach this process, http://…, without a slash at the end
    bell: threading.Condition = field(default_factory=threading.Condition)  # something may have fallen due
    mail: threading.Condition = field(default_factory=threading.Condition)  # something may be there to be sent
    connections: Connections = field(default_factory=Connections)
    meter: Meter = field(default_factory=Meter)  # of the merchant's calls to WeChat

    def delay(self, seconds: float) -> float:
        """A documented delay, as long as it takes here."""
        return seconds / self.speed

    def ring(self) -> None:
        """Wake who waits for something to fall due, and one of those who send: if there is more, that one wakes the
        next."""
        with self.bell:
            self.bell.notify_all()
        self.ring_for_mail()

    def ring_for_mail(self) -> None:
        with self.mail:
            self.mail.notify()
