"""系统初审: what the rules lead to. The sweep that judged the cases holds them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from refunds import goods
from refunds.lifecycle import guards
from refunds.lifecycle.taking import take
from refunds.models import Lane, Refund


def auto_approve(refunds: Sequence[Refund], *, at: datetime, lane: Lane) -> None:
    """自动通过: proved by our own records, within the caps."""
    with take("auto_approve", refunds, by=None, at=at, held=True) as taken:
        for refund in taken.refunds:
            refund.lane, refund.decided_at = lane, at


def ask_merchant(refunds: Sequence[Refund], *, at: datetime) -> None:
    """转商家: its goods, its word first; until its time is over (S4-8, S4-9)."""
    with take("ask_merchant", refunds, by=None, at=at, held=True):
        pass


def send_to_review(refunds: Sequence[Refund], *, at: datetime, held: bool = False) -> None:
    """转人工: no rule can prove it, and no shop is asked, so a person looks."""
    with take("send_to_review", refunds, by=None, at=at, held=held):
        pass


def turn_down(refunds: Sequence[Refund], *, at: datetime, note: str) -> None:
    """初审不通过, always with the rule that failed (S1-16)."""
    with take("turn_down", refunds, by=None, at=at, note=note, held=True) as taken:
        guards.decide(taken, note)
        guards.open_appeal_window(taken)
        goods.release(taken.refunds, at=at, by=taken.by)
