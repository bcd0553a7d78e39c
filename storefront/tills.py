"""收银台: which ways to pay a browser is offered, and in which order. Pure: no request, no database, no settings.

Inside WeChat neither H5 nor Alipay works, inside Alipay's app only its own page; a phone cannot scan its own screen
(B2). What a browser says of itself decides about comfort only: whatever it claims, the channel says what is paid.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from payments.gateways.base import PayMethod

WECHAT = "wechat"
ALIPAY = "alipay"


class Offer(Protocol):
    """What a channel account can do: ``payments.channels.Offer``."""

    @property
    def account_code(self) -> str: ...
    @property
    def channel(self) -> str: ...
    @property
    def methods(self) -> frozenset[PayMethod]: ...


class Place(enum.Enum):
    """Where the page is open."""

    WECHAT_APP = "wechat_app"
    ALIPAY_APP = "alipay_app"
    PHONE = "phone"
    COMPUTER = "computer"


@dataclass(frozen=True)
class Till:
    """One way to pay. ``key`` names it in a form; ``needs_another_phone``: this screen shows the code to a camera."""

    account_code: str
    channel: str
    method: PayMethod
    needs_another_phone: bool = False

    @property
    def key(self) -> str:
        return f"{self.account_code}.{self.method.value}"

    @property
    def kind(self) -> str:
        """The channel and the method, for whoever finds words for it."""
        return f"{self.channel}.{self.method.value}"


WAYS: dict[Place, list[tuple[str, PayMethod]]] = {
    Place.WECHAT_APP: [(WECHAT, PayMethod.IN_APP)],
    Place.ALIPAY_APP: [(ALIPAY, PayMethod.PHONE), (WECHAT, PayMethod.SCAN), (ALIPAY, PayMethod.SCAN)],
    Place.PHONE: [
        (WECHAT, PayMethod.PHONE),
        (ALIPAY, PayMethod.PHONE),
        (WECHAT, PayMethod.SCAN),
        (ALIPAY, PayMethod.SCAN),
    ],
    Place.COMPUTER: [(WECHAT, PayMethod.SCAN), (ALIPAY, PayMethod.COMPUTER), (ALIPAY, PayMethod.SCAN)],
}
INSTEAD: dict[Place, list[tuple[str, PayMethod]]] = {  # where none of the above is offered
    Place.WECHAT_APP: [(WECHAT, PayMethod.SCAN)],
}

PHONES = re.compile(r"Mobi|Android|iPhone|iPad|iPod|Phone|Tablet", re.IGNORECASE)


def place_of(user_agent: str) -> Place:
    """Where a page is open, by its browser's own words. WeChat on a computer is WeChat; the unknown can scan."""
    if "micromessenger" in user_agent.lower():
        return Place.WECHAT_APP
    if "alipayclient" in user_agent.lower():
        return Place.ALIPAY_APP
    return Place.PHONE if PHONES.search(user_agent) else Place.COMPUTER


def tills(place: Place, offers: Iterable[Offer]) -> Sequence[Till]:
    """What is offered there, the first one by itself. ``offers`` holds one account per channel."""
    accounts = {offer.channel: offer for offer in offers}
    return _offered(WAYS[place], place, accounts) or _offered(INSTEAD.get(place, []), place, accounts)


def _offered(ways: list[tuple[str, PayMethod]], place: Place, accounts: dict[str, Offer]) -> list[Till]:
    return [
        Till(accounts[channel].account_code, channel, method, _needs_another_phone(method, place))
        for channel, method in ways
        if channel in accounts and method in accounts[channel].methods
    ]


def _needs_another_phone(method: PayMethod, place: Place) -> bool:
    return method is PayMethod.SCAN and place is not Place.COMPUTER
