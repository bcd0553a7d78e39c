"""余额: what an account holds, folded from its entries."""

from __future__ import annotations

from django.db.models import Case, F, Sum, When

from ledger.models import Entry, Side
from ledger.posting import balance_account

OWED = Sum(Case(When(side=Side.CREDIT, then=F("amount_fen")), default=-F("amount_fen")))


def of_buyer(user_id: int) -> int:
    """买家余额 in fen: what was credited to this buyer, less what was taken."""
    owed: int | None = Entry.objects.filter(account__code=balance_account(user_id)).aggregate(fen=OWED)["fen"]
    return owed or 0
