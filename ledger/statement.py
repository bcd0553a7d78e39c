"""明细 of one account: its entries, newest first, each with what the account held after it. Leafed by key."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from ledger import balances
from ledger.balances import OWED
from ledger.models import Entry, Side

SIZE = 20


@dataclass(frozen=True)
class Line:
    """``ref`` says what it was; ``amount_fen`` is more than nothing where the account was given, less where taken."""

    ref: str
    at: datetime
    amount_fen: int
    after_fen: int


@dataclass(frozen=True)
class Page:
    """``next_before`` asks for the following one; 0 on the last."""

    lines: Sequence[Line]
    next_before: int


def of(code: str, *, before: int = 0, size: int = SIZE) -> Page:
    """The ``size`` entries before that one; from the newest without."""
    mine = Entry.objects.filter(account__code=code)
    held_fen = balances.owed([code])[code]
    if before:
        held_fen -= mine.filter(pk__gte=before).aggregate(fen=OWED)["fen"] or 0
        mine = mine.filter(pk__lt=before)
    found = list(mine.select_related("posting").order_by("-pk")[: size + 1])
    lines = []
    for entry in found[:size]:
        amount_fen = entry.amount_fen if entry.side == Side.CREDIT else -entry.amount_fen
        lines.append(Line(entry.posting.ref, entry.posting.posted_at, amount_fen, held_fen))
        held_fen -= amount_fen
    return Page(lines, found[size - 1].pk if len(found) > size else 0)
