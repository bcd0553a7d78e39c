"""A simulator of this folder's own, whose clock may go on by days, and a day of business with both channels."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from types import SimpleNamespace
from typing import Any

import pytest

from cardshop import embedded, outside
from tests.conftest import Simulator
from tests.reconciliation.days import Day


@pytest.fixture(scope="module")
def own_simulator(tmp_path_factory: Any) -> Iterator[tuple[Simulator, dict[str, Any]]]:
    folder = tmp_path_factory.mktemp("bills")
    child = outside.simulator(folder / "data", embedded.free_ports(1)[0], 60, folder / "simulator.log")
    child.start()
    try:
        child.wait_until_ready(30)
        known = json.loads((folder / "data" / "credentials.json").read_text())
        running = Simulator(known["control"])
        running.post("limits", enabled=False)
        yield running, known
    finally:
        child.stop()


@pytest.fixture
def simulator(own_simulator: Any, settings: Any) -> Simulator:
    """In place of the one of all tests: bills hold whatever was paid there."""
    import clock

    running, known = own_simulator
    for name in ("WECHAT", "ALIPAY"):
        given = known[name.lower()]
        setattr(settings, name, {word: given.get(word, old) for word, old in getattr(settings, name).items()})
    there = datetime.fromisoformat(running.clock(0)["now"])
    clock.advance(there - clock.now())
    return running


@pytest.fixture
def day(simulator: Any, buy: Any, apply: Any, drain: Any, finance: Any, cashier: Any) -> Iterator[Day]:
    def bought(channel: str) -> Any:
        return buy(channel=channel, one_click_daily_cap_fen=10**8, one_click_below_fen=10**7).payments.get()

    def refunded(channel: str) -> Any:
        payment = bought(channel)
        apply(payment.order, reason="changed_mind")
        drain()
        return payment.attempts.get()

    yield Day(simulator, bought, refunded, SimpleNamespace(finance=finance, cashier=cashier))
    simulator.post("bill", clear=True)
