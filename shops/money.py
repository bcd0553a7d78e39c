"""店铺的钱: what is drawn from a shop, and in which order what it gets is used.

What buyers paid is 待结算 (``posting.shop_account``) until nobody can ask for it back; then it is paid in here. A shop
that must give back what it was paid already gives first what it may withdraw, then its deposit; what is missing then
the platform advances, and takes from what the shop earns next (垫付, 追偿). So no buyer waits for a shop's money.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from django.db import connection
from django.db.models import Sum

from ledger import balances, posting
from ledger.posting import Transfer
from shops.models import DepositEntry

LOCK = 20_260_723  # advisory, with the shop's key: who reads what a shop has, and decides by it


@dataclass(frozen=True)
class Move:
    """``amount_fen`` between a shop's own money and the account ``other``; all legs are one posting, ``ref``."""

    ref: str
    shop_id: int
    amount_fen: int
    other: str


@dataclass
class Purse:
    """What one shop has, in fen, while it is locked. ``owes_fen``: what the platform advanced for it."""

    available_fen: int
    reserve_fen: int
    owes_fen: int
    deposit_fen: int  # what it laid down: what the reserve is filled up to

    @property
    def returnable_fen(self) -> int:
        """What of the deposit refunds have not drawn: what may be paid back."""
        return min(self.deposit_fen, self.reserve_fen)


def draw(moves: Sequence[Move]) -> list[Transfer]:
    """取款: from the shop to ``other``. Never refused: what the shop has not got is advanced. In a transaction."""
    purses = hold({move.shop_id for move in moves})
    return [leg for move in moves for leg in _draw(move, purses[move.shop_id])]


def bearable(moves: Mapping[Move, int]) -> list[Move]:
    """Those of {move: what its shop may come to owe by it, in fen} that may be drawn one after another. In a
    transaction."""
    purses, found = hold({move.shop_id for move in moves}), []
    for move, most_owed_fen in moves.items():
        after = replace(purses[move.shop_id])
        _draw(move, after)
        if after.owes_fen <= max(most_owed_fen, purses[move.shop_id].owes_fen):
            purses[move.shop_id] = after
            found.append(move)
    return found


def draw_deposit(move: Move) -> list[Transfer]:
    """退还保证金: from the deposit to ``other``; what is there no more is taken as any other. Never refused: the bank
    has paid. In a transaction."""
    purse = hold([move.shop_id])[move.shop_id]
    reserve = min(move.amount_fen, max(0, purse.reserve_fen))
    purse.reserve_fen -= reserve
    rest = replace(move, amount_fen=move.amount_fen - reserve)
    account = posting.reserve_account(move.shop_id)
    legs = [Transfer(move.ref, debit=account, credit=move.other, amount_fen=reserve)] if reserve else []
    return legs + (_draw(rest, purse) if rest.amount_fen else [])


def pay_in(moves: Sequence[Move]) -> list[Transfer]:
    """入账: from ``other`` to the shop: first what it owes, then its deposit, the rest may be withdrawn. In a
    transaction."""
    purses = hold({move.shop_id for move in moves})
    return [leg for move in moves for leg in _pay_in(move, purses[move.shop_id])]


def settle_debts(ref: str, shop_id: int, amount_fen: int) -> list[Transfer]:
    """追偿: of so much that came back to what may be withdrawn, what the shop owes and its deposit lacks. In a
    transaction."""
    available = posting.available_account(shop_id)
    legs = pay_in([Move(ref, shop_id, amount_fen, other=available)])
    return [leg for leg in legs if leg.credit != available]


def hold(shop_ids: Iterable[int]) -> dict[int, Purse]:
    """{shop: what it has}, and nobody else decides by that until the transaction's end. Must run inside one."""
    keys = sorted(set(shop_ids))
    with connection.cursor() as cursor:
        cursor.executemany("SELECT pg_advisory_xact_lock(%s, %s)", [(LOCK, key) for key in keys])
    return purses(keys)


def purses(shop_ids: Sequence[int]) -> dict[int, Purse]:
    """{shop: what it has}, to look at."""
    accounts = [posting.available_account, posting.reserve_account, posting.advance_account]
    owed = balances.owed([account(key) for key in shop_ids for account in accounts])
    laid_down = (
        DepositEntry.objects.filter(shop__in=shop_ids).order_by().values_list("shop").annotate(Sum("amount_fen"))
    )
    deposits: defaultdict[int, int] = defaultdict(int, laid_down)
    return {
        key: Purse(
            owed[posting.available_account(key)],
            owed[posting.reserve_account(key)],
            -owed[posting.advance_account(key)],
            deposits[key],
        )
        for key in shop_ids
    }


def owing(*, most: int) -> dict[int, int]:
    """{shop: 垫付未还, in fen}: those that the platform advanced for, the most first. One query."""
    return {int(code.partition(":")[2]): fen for code, fen in balances.advanced(most=most).items()}


def _draw(move: Move, purse: Purse) -> list[Transfer]:
    available = min(move.amount_fen, max(0, purse.available_fen))
    reserve = min(move.amount_fen - available, max(0, purse.reserve_fen))
    advance = move.amount_fen - available - reserve
    purse.available_fen -= available
    purse.reserve_fen -= reserve
    purse.owes_fen += advance
    return [
        Transfer(move.ref, debit=account(move.shop_id), credit=move.other, amount_fen=fen)
        for account, fen in (
            (posting.available_account, available),
            (posting.reserve_account, reserve),
            (posting.advance_account, advance),
        )
        if fen
    ]


def _pay_in(move: Move, purse: Purse) -> list[Transfer]:
    advance = min(move.amount_fen, max(0, purse.owes_fen))
    reserve = min(move.amount_fen - advance, max(0, purse.deposit_fen - purse.reserve_fen))
    available = move.amount_fen - advance - reserve
    purse.owes_fen -= advance
    purse.reserve_fen += reserve
    purse.available_fen += available
    return [
        Transfer(move.ref, debit=move.other, credit=account(move.shop_id), amount_fen=fen)
        for account, fen in (
            (posting.advance_account, advance),
            (posting.reserve_account, reserve),
            (posting.available_account, available),
        )
        if fen
    ]
