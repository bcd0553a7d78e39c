"""买家余额, as money to be spent: one purse for each buyer, held while somebody decides by it."""

from __future__ import annotations

from django.db import connection

from ledger import balances

LOCK = 20_261_123  # advisory, with the buyer's key: who reads what a buyer has, and decides by it. After all row locks


def hold(user_id: int) -> int:
    """What this buyer has, in fen; nobody else spends of it until the transaction's end. Must run inside one.

    The database refuses to go below nothing whoever forgets this; here one hears it in words.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [LOCK, user_id])
    return balances.of_buyer(user_id)
