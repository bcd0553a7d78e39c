"""The merchant's money that refunds are paid from, per channel (商户可退余额): endless until a tester says how much.

Payments do not add to it: what a tester sets is what there is, less refunds, plus what comes back of them.
"""

from __future__ import annotations

import sqlite3

from simulator import settings


class NotEnough(Exception):
    """The merchant's money does not suffice; nothing has happened."""


def set_amount(db: sqlite3.Connection, channel: str, amount_fen: int | None) -> None:
    """From now on there are so many fen; None: endless."""
    settings.write(db, f"funds_{channel}", amount_fen)


def amount(db: sqlite3.Connection, channel: str) -> int | None:
    """How many fen there are; None: endless."""
    found: int | None = settings.read(db, f"funds_{channel}", None)
    return found


def take(db: sqlite3.Connection, channel: str, fen: int) -> None:
    """Take `fen` for a refund; NotEnough."""
    there = amount(db, channel)
    if there is None:
        return
    if there < fen:
        raise NotEnough(f"商户余额不足 / {fen} fen wanted, {there} there")
    set_amount(db, channel, there - fen)


def give_back(db: sqlite3.Connection, channel: str, fen: int) -> None:
    """A refund's money is the merchant's again."""
    there = amount(db, channel)
    if there is not None:
        set_amount(db, channel, there + fen)
