"""The only writer of the ledger."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from ledger.models import Account, AccountKind, Entry, Posting, Side


@dataclass(frozen=True)
class Transfer:
    """``amount_fen`` moves: ``debit`` account is debited, ``credit`` account is credited. Accounts are codes."""

    ref: str
    debit: str
    credit: str
    amount_fen: int


def post(transfers: Sequence[Transfer], *, at: datetime) -> None:
    """记账. Many at once; posting a ``ref`` twice is refused by the database (IntegrityError)."""
    if not transfers:
        return
    accounts = _accounts({code for transfer in transfers for code in (transfer.debit, transfer.credit)})
    postings = Posting.objects.bulk_create([Posting(ref=transfer.ref, posted_at=at) for transfer in transfers])
    Entry.objects.bulk_create(
        Entry(posting=posting, account=accounts[code], side=side, amount_fen=transfer.amount_fen)
        for posting, transfer in zip(postings, transfers, strict=True)
        for code, side in ((transfer.debit, Side.DEBIT), (transfer.credit, Side.CREDIT))
    )


def channel_account(code: str) -> str:
    return f"{AccountKind.CHANNEL}:{code}"


def shop_account(shop_id: int) -> str:
    return f"{AccountKind.SHOP}:{shop_id}"


def surplus_account(code: str) -> str:
    return f"{AccountKind.SURPLUS}:{code}"


def balance_account(user_id: int) -> str:
    return f"{AccountKind.BALANCE}:{user_id}"


def _accounts(codes: set[str]) -> dict[str, Account]:
    known = {account.code: account for account in Account.objects.filter(code__in=codes)}
    missing = sorted(codes - known.keys())
    if missing:
        rows = [Account(code=code, kind=AccountKind(code.split(":")[0])) for code in missing]
        Account.objects.bulk_create(rows, ignore_conflicts=True)
        known |= {account.code: account for account in Account.objects.filter(code__in=missing)}
    return known
