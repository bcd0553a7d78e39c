"""转账与收款账户的通知: whose money it is hears of each step, and of an account laid down, in time to notice
somebody else's while it cools. Of a redirected refund its case tells (``refunds/followups.py``).
"""

from __future__ import annotations

from django.utils import translation

from money import yuan
from notices import telling
from notices.models import Notice
from payments.transfer_models import Payee, PayeeKind, Purpose, Transfer, TransferEvent
from payments.transfer_models import TransferStatus as S
from shops import rights

TOLD = {S.REQUESTED, S.PAID, S.REFUSED, S.FAILED}


def of_payee(payee: Payee, *, hours: int) -> None:
    """``hours``: until it may be used. In the caller's transaction, as all of this."""
    params = _account(payee) | {"hours": hours}
    telling.tell(
        Notice(
            recipient_id=reader,
            kind="payee_laid_down",
            params=params,
            path=_page(payee),
            source=f"payee:{payee.pk}",
            created_at=payee.set_at,
        )
        for reader in _readers(payee)
    )


def of_transfer(transfer: Transfer, event: TransferEvent, *, hours: int) -> None:
    """What has just become of it, by the event that says so. ``hours``: within which it is decided."""
    if transfer.purpose == Purpose.REDIRECT or event.to_status not in TOLD:
        return
    params = _account(transfer.payee) | {
        "transfer_no": transfer.transfer_no,
        "amount": yuan(transfer.amount_fen),
        "note": transfer.reason,
        "hours": hours,
    }
    telling.tell(
        Notice(
            recipient_id=reader,
            kind=f"transfer_{event.to_status}",
            params=params,
            path=_page(transfer),
            source=f"transfer-event:{event.pk}",
            created_at=event.at,
        )
        for reader in _readers(transfer)
    )


def _account(payee: Payee) -> dict[str, object]:
    with translation.override("zh-hans"):  # each reader's language comes later
        return {"account": str(PayeeKind(payee.kind).label), "last_four": payee.last_four}


def _page(row: Payee | Transfer) -> str:
    return "/shop/money/" if row.shop_id else "/me/balance/"


def _readers(row: Payee | Transfer) -> list[int]:
    """The buyer, or whoever may withdraw what is the shop's."""
    if row.shop_id:
        return rights.holders("withdraw", [row.shop_id])[row.shop_id]
    return [row.user_id] if row.user_id else []
