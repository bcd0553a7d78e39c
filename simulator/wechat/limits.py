"""How many calls a merchant may make (频率限制): counted in real seconds, whatever the simulator's speed and clock.

150 refunds a second that succeed and 6 that fail, 300 refund queries, 150 abnormal refunds, 5,000 refunds a minute of
orders that are older than a month. A call that is refused here is not counted, so that one that waits gets through.
"""

from __future__ import annotations

import sqlite3

from simulator import settings
from simulator.wechat.calls import Refusal
from simulator.wechat.meter import Meter


def switch(db: sqlite3.Connection, enabled: bool) -> None:
    """Count calls, or let everybody through (spacing, parts and days stay)."""
    settings.write(db, "limits_enabled", enabled)


def enter(db: sqlite3.Connection, meter: Meter, kind: str) -> None:
    """Let a call of this kind pass, or refuse it with 429."""
    if not kind or not settings.read(db, "limits_enabled", True):
        return
    if (kind == "refund" and meter.full("refund_failed")) or not meter.count(kind):
        raise Refusal(429, "FREQUENCY_LIMITED", "请求频率超过限制，请降低频率后使用原参数重试")
