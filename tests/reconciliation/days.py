"""A day of business with both channels, and the morning after."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any


@dataclass
class Day:
    """``day`` in China, on which all happened; ``over`` lets it end, and the bills of it be there."""

    simulator: Any
    buy: Callable[..., Any]
    refund: Callable[..., Any]
    people: Any

    def __post_init__(self) -> None:
        import clock
        from refunds.workdays import SHANGHAI

        local = clock.now().astimezone(SHANGHAI)
        noon = local.replace(hour=12, minute=0, second=0, microsecond=0) + timedelta(days=1)
        self.pass_until(noon)  # another day than any test before, and far from midnight
        self.day: date = noon.date()

    def pass_until(self, moment: datetime) -> None:
        import clock

        seconds = (moment - clock.now()).total_seconds()
        if seconds > 0:
            self.simulator.clock(seconds)
            clock.advance(timedelta(seconds=seconds))

    def over(self, hour: int = 11) -> None:
        from refunds.workdays import SHANGHAI

        self.pass_until(datetime.combine(self.day + timedelta(days=1), time(hour), SHANGHAI))

    def reconcile(self, *, again: bool = False) -> None:
        import clock
        from reconciliation import resolving, statements

        wanted = statements.want_again if again else statements.want
        wanted(self.day, at=clock.now())
        while statements.sweep(at=clock.now()) + resolving.sweep(at=clock.now()):
            pass

    def plant(self, channel: str, kind: str, fault: str, **more: Any) -> None:
        self.simulator.post("bill", channel=channel, kind=kind, day=str(self.day), fault=fault, **more)

    def past(self, channel: str, payments: list[dict[str, Any]], refunds: list[dict[str, Any]]) -> None:
        """Business that the channel knows and the shop does not."""
        self.simulator.post("history", channel=channel, payments=payments, refunds=refunds)

    @property
    def noon(self) -> str:
        return f"{self.day}T12:30:00+08:00"


def stray_no() -> str:
    return f"STRAY{uuid.uuid4().hex[:16].upper()}"
