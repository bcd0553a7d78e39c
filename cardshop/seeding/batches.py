"""演示批次: one that was paid, with a line that was stopped in time; one called off; one that waits to be checked."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from accounts.models import User
from cardshop.seeding.stories import Story
from refunds import lifecycle
from refunds.models import PayoutBatch
from refunds.payouts import batches, paying

MUCH_FEN = 1_000_000


def pay(stories: Sequence[Story], people: dict[str, User], at: datetime) -> None:
    """Of what was approved the oldest: made by finance, checked by finance2, paid by the worker."""
    paid = [story.refund for story in stories if story.path in {"batch", "batch_halted"} and story.refund]
    if not paid:
        return
    began = at - timedelta(days=4)
    batch = _made(people, began, most_lines=len(paid))
    batches.approve(batch, by=people["finance2"], at=began + timedelta(minutes=20))
    halted = [story.refund for story in stories if story.path == "batch_halted" and story.refund]
    note = "买家在别处出示了兑换成功的截图，先核实再放款。"
    lifecycle.halt(halted, by=people["senior"], at=began + timedelta(minutes=21), note=note)
    paying.sweep(at=began + timedelta(minutes=22))
    spare = _made(people, at - timedelta(hours=10), most_lines=1)
    batches.call_off(spare, by=people["finance"], at=at - timedelta(hours=9), reason="笔数填少了，重新制单。")
    _made(people, at - timedelta(hours=1), most_lines=50)


def _made(people: dict[str, User], at: datetime, *, most_lines: int) -> PayoutBatch:
    batch = batches.compose(by=people["finance"], at=at, most_lines=most_lines, most_fen=MUCH_FEN)
    batches.propose(batch, by=people["finance"], at=at + timedelta(minutes=5))
    return batch
