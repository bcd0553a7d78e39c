"""谁先发款: which waiting cases go into a batch, and in which order. Pure: no database, no clock (S2-19).

Whoever applied in an earlier hour goes first. Within an hour the shops take turns, each with its oldest case: a shop
that failed a hundred buyers at once puts none of its buyers before theirs, but no other shop's buyer behind all of
them either. Nothing overtakes what does not fit: the batch ends there. Only a case that no batch of this size could
ever hold is passed over, and named.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby


@dataclass(frozen=True)
class Waits:
    """One case that waits to be paid."""

    pk: int
    shop: int
    submitted_at: datetime
    amount_fen: int


@dataclass(frozen=True)
class Chosen:
    """``taken`` in the order in which they are paid; ``too_large``: above what the whole batch may hold."""

    taken: list[Waits]
    too_large: list[Waits]

    @property
    def total_fen(self) -> int:
        return sum(each.amount_fen for each in self.taken)


def choose(waiting: Sequence[Waits], *, most_lines: int, most_fen: int) -> Chosen:
    """As many as fit, first come, first served."""
    taken: list[Waits] = []
    too_large: list[Waits] = []
    left_fen = most_fen
    for each in in_turn(waiting):
        if each.amount_fen > most_fen:
            too_large.append(each)
        elif len(taken) == most_lines or each.amount_fen > left_fen:
            break
        else:
            taken.append(each)
            left_fen -= each.amount_fen
    return Chosen(taken, too_large)


def in_turn(waiting: Sequence[Waits]) -> Iterator[Waits]:
    """By the hour of application; within it the shops take turns, whoever applied first begins."""
    by_age = sorted(waiting, key=lambda each: (each.submitted_at, each.pk))
    for _, of_the_hour in groupby(
        by_age, key=lambda each: each.submitted_at.replace(minute=0, second=0, microsecond=0)
    ):
        shops: dict[int, deque[Waits]] = {}
        for each in of_the_hour:
            shops.setdefault(each.shop, deque()).append(each)
        while shops:
            for shop in list(shops):
                yield shops[shop].popleft()
                if not shops[shop]:
                    del shops[shop]
