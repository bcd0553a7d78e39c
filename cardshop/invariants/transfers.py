"""I1, I3, I6: transfers, and what moved the buyers' balances, are what the ledger says."""

from __future__ import annotations

from collections import Counter

from django.db.models import F, Q, Sum

from ledger import balances
from ledger.models import AccountKind, Entry, Posting
from ledger.posting import BANK, TRANSFERS, balance_account
from payments.models import BALANCE, Payment, PaymentStatus, Transfer
from payments.transfer_models import Purpose
from payments.transfer_models import TransferStatus as S

Broken = list[str]
GIVEN = Q(posting__ref__regex="^(credit|penalty|compensation):")
#: Which postings a transfer has, by how it stands.
POSTED: dict[str, set[str]] = {
    S.REQUESTED: {"transfer"},
    S.APPROVED: {"transfer"},
    S.PAID: {"transfer", "transfer_paid"},
    S.REFUSED: {"transfer", "transfer_back"},
    S.FAILED: {"transfer", "transfer_paid", "transfer_failed", "transfer_back"},
}
#: Of a redirected refund nothing is taken: its money is held of the shop's until it is paid.
POSTED_OF_REDIRECT = {status: kinds - {"transfer", "transfer_back"} for status, kinds in POSTED.items()}


def transfers_agree_with_the_ledger() -> Broken:
    """I3, I6: each step of a transfer is posted once, and nothing else; what waits lies on the account of transfers."""
    found: dict[str, set[str]] = {}
    for ref in Posting.objects.filter(ref__regex=r"^transfer(_paid|_back|_failed)?:").values_list("ref", flat=True):
        kind, _, number = ref.partition(":")
        found.setdefault(number, set()).add(kind)
    due = {
        number: (POSTED_OF_REDIRECT if purpose == Purpose.REDIRECT else POSTED)[status]
        for number, purpose, status in Transfer.objects.values_list("transfer_no", "purpose", "status")
    }
    lines = [
        f"{number}: posted {sorted(found.get(number, ()))}, not {sorted(due.get(number, ()))}"
        for number in sorted(due.keys() | found.keys())
        if found.get(number, set()) != due.get(number, set())
    ]
    taken = Transfer.objects.exclude(purpose=Purpose.REDIRECT)
    waiting = taken.filter(status__in=S.waiting()).aggregate(fen=Sum("amount_fen"))["fen"] or 0
    paid = Transfer.objects.filter(status=S.PAID).aggregate(fen=Sum("amount_fen"))["fen"] or 0
    lies = balances.owed([TRANSFERS])[TRANSFERS]
    left = Entry.objects.filter(account__code=BANK, posting__ref__startswith="transfer_").aggregate(fen=balances.OWED)
    if lies != waiting:
        lines.append(f"{TRANSFERS}: {lies} fen, the transfers that wait say {waiting}")
    if (left["fen"] or 0) != paid:
        lines.append(f"{BANK}: transfers took {left['fen'] or 0} fen, those that are paid say {paid}")
    return lines


def balances_are_what_moved_them() -> Broken:
    """I6: what was spent of a buyer's balance and came back to it is what payments and cash-outs say, and nothing else
    moves one but credits and penalties (``balances.credits_are_posted``)."""
    said: Counter[str] = Counter()
    spent = Payment.objects.filter(account__channel=BALANCE, status=PaymentStatus.PAID).order_by()
    for user, fen in spent.values_list("order__buyer").annotate(fen=Sum(F("amount_fen") - F("refunded_fen"))):
        said[balance_account(user)] -= fen
    gone = Transfer.objects.filter(purpose=Purpose.CASH_OUT).exclude(status__in=[S.REFUSED, S.FAILED]).order_by()
    for user, fen in gone.values_list("user").annotate(Sum("amount_fen")):
        said[balance_account(user)] -= fen
    entries = Entry.objects.filter(account__kind=AccountKind.BALANCE).exclude(GIVEN).order_by()
    moved = dict(entries.values_list("account__code").annotate(fen=balances.OWED))
    return [
        f"{code}: {moved.get(code, 0)} fen by postings, payments and cash-outs say {said[code]}"
        for code in sorted(said.keys() | moved.keys())
        if said[code] != moved.get(code, 0)
    ]
