"""I1, I3, I6: transfers, and what moved the buyers' balances, are what the ledger says."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from django.db.models import CharField, F, Q, QuerySet, Value
from django.db.models.functions import Concat

from cardshop.invariants.asking import OWED_FEN, Asked, Question, account_code, differ, folded
from ledger.models import AccountKind, Entry, Posting
from ledger.posting import BANK, TRANSFERS
from payments.models import BALANCE, Payment, PaymentStatus, Transfer
from payments.transfer_models import Purpose
from payments.transfer_models import TransferStatus as S

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


@Asked
def transfers_agree_with_the_ledger() -> Iterable[Question]:
    """I3, I6: each step of a transfer is posted once, and nothing else; what waits lies on the account of transfers."""
    postings = Posting.objects.filter(ref__regex=r"^transfer(_paid|_back|_failed)?:")
    yield differ(
        "{key}: posted {posted} times, not {said}", said=list(_due()), posted=[postings.values_list("ref", Value(1))]
    )
    waiting = Transfer.objects.exclude(purpose=Purpose.REDIRECT).filter(status__in=S.waiting())
    yield differ(
        f"{TRANSFERS}: {{posted}} fen, the transfers that wait say {{said}}",
        said=[waiting.values_list(Value(TRANSFERS.partition(":")[2]), "amount_fen")],
        posted=[folded(AccountKind.TRANSFER)],
    )
    paid = Transfer.objects.filter(status=S.PAID)
    left = Entry.objects.filter(account__code=BANK, posting__ref__startswith="transfer_")
    yield differ(
        f"{BANK}: transfers took {{posted}} fen, those that are paid say {{said}}",
        said=[paid.values_list(Value(BANK), "amount_fen")],
        posted=[left.values_list(Value(BANK), OWED_FEN)],
    )


def _due() -> Iterator[QuerySet[Any, Any]]:
    """(the name of a posting, 1): all that transfers have by how they stand."""
    redirects = Transfer.objects.filter(purpose=Purpose.REDIRECT)
    others = Transfer.objects.exclude(purpose=Purpose.REDIRECT)
    for transfers, table in ((others, POSTED), (redirects, POSTED_OF_REDIRECT)):
        for status, kinds in table.items():
            for kind in sorted(kinds):
                ref = Concat(Value(f"{kind}:"), "transfer_no", output_field=CharField())
                yield transfers.filter(status=status).values_list(ref, Value(1))


@Asked
def balances_are_what_moved_them() -> Iterable[Question]:
    """I6: what was spent of a buyer's balance and came back to it is what payments and cash-outs say, and nothing else
    moves one but credits and penalties (``balances.credits_are_posted``)."""
    spent = Payment.objects.filter(account__channel=BALANCE, status=PaymentStatus.PAID)
    gone = Transfer.objects.filter(purpose=Purpose.CASH_OUT).exclude(status__in=[S.REFUSED, S.FAILED])
    entries = Entry.objects.filter(account__kind=AccountKind.BALANCE).exclude(GIVEN)
    yield differ(
        "{key}: {posted} fen by postings, payments and cash-outs say {said}",
        said=[
            spent.values_list(
                account_code(AccountKind.BALANCE, "order__buyer_id"), F("refunded_fen") - F("amount_fen")
            ),
            gone.values_list(account_code(AccountKind.BALANCE, "user_id"), -F("amount_fen")),
        ],
        posted=[entries.values_list("account__code", OWED_FEN)],
    )
