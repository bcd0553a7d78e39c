"""The only writer of the ledger."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from ledger.models import Account, AccountKind, Entry, Posting, Side
from writing import insert


@dataclass(frozen=True)
class Transfer:
    """``amount_fen`` moves: ``debit`` account is debited, ``credit`` account is credited. Accounts are codes.

    Transfers of one call that share their ``ref`` are one posting.
    """

    ref: str
    debit: str
    credit: str
    amount_fen: int


def post(transfers: Sequence[Transfer], *, at: datetime) -> None:
    """记账. Many at once; posting a ``ref`` twice is refused by the database (IntegrityError)."""
    if not transfers:
        return
    accounts = _accounts({code for transfer in transfers for code in (transfer.debit, transfer.credit)})
    refs = dict.fromkeys(transfer.ref for transfer in transfers)
    rows = [Posting(ref=ref, posted_at=at) for ref in refs]
    insert(rows)
    postings = dict(zip(refs, rows, strict=True))
    insert(
        [
            Entry(posting=postings[each.ref], account=accounts[code], side=side, amount_fen=each.amount_fen)
            for each in transfers
            for code, side in ((each.debit, Side.DEBIT), (each.credit, Side.CREDIT))
        ]
    )


def reverse(refs: Mapping[str, str], *, at: datetime) -> None:
    """冲销: {what was posted: the new posting's ref}. The same entries on the other side; the old ones stay.

    Raises Posting.DoesNotExist. Reversing a posting twice is refused by the database (IntegrityError).
    """
    undone = {row.ref: row for row in Posting.objects.filter(ref__in=refs).prefetch_related("entries")}
    if missing := sorted(refs.keys() - undone.keys()):
        raise Posting.DoesNotExist(f"reverse: nothing was posted as {missing[0]}")
    rows = [Posting(ref=new, posted_at=at, reverses=undone[old]) for old, new in refs.items()]
    insert(rows)
    insert(
        [
            Entry(
                posting=posting, account_id=entry.account_id, side=_OTHER[Side(entry.side)], amount_fen=entry.amount_fen
            )
            for posting in rows
            for entry in undone[posting.reverses.ref].entries.all()  # type: ignore[union-attr]
        ]
    )


_OTHER = {Side.DEBIT: Side.CREDIT, Side.CREDIT: Side.DEBIT}


# --- accounts ---------------------------------------------------------------------------------------------------------


def channel_account(code: str) -> str:
    return f"{AccountKind.CHANNEL}:{code}"


def shop_account(shop_id: int) -> str:
    return f"{AccountKind.SHOP}:{shop_id}"


def available_account(shop_id: int) -> str:
    return f"{AccountKind.AVAILABLE}:{shop_id}"


def held_account(shop_id: int) -> str:
    return f"{AccountKind.HELD}:{shop_id}"


def reserve_account(shop_id: int) -> str:
    return f"{AccountKind.RESERVE}:{shop_id}"


def advance_account(shop_id: int) -> str:
    return f"{AccountKind.ADVANCE}:{shop_id}"


def surplus_account(code: str) -> str:
    return f"{AccountKind.SURPLUS}:{code}"


def suspense_account(code: str) -> str:
    return f"{AccountKind.SUSPENSE}:{code}"


def balance_account(user_id: int) -> str:
    return f"{AccountKind.BALANCE}:{user_id}"


BANK = f"{AccountKind.BANK}:platform"
TRANSFERS = f"{AccountKind.TRANSFER}:platform"
FEES = f"{AccountKind.FEES}:platform"
COMPENSATION = f"{AccountKind.COMPENSATION}:platform"


def _accounts(codes: set[str]) -> dict[str, Account]:
    known = {account.code: account for account in Account.objects.filter(code__in=codes)}
    missing = sorted(codes - known.keys())
    if missing:
        rows = [Account(code=code, kind=AccountKind(code.split(":")[0])) for code in missing]
        Account.objects.bulk_create(rows, ignore_conflicts=True)
        known |= {account.code: account for account in Account.objects.filter(code__in=missing)}
    return known
