"""保证金: what a shop has laid down, as finance records it by voucher. Rows never change; a mistake is reversed."""

from __future__ import annotations

from datetime import datetime

from django.db import IntegrityError, transaction
from django.db.models import QuerySet, Sum

from accounts.models import User
from accounts.rights import may as staff_may
from ledger import posting
from ledger.posting import Transfer
from shops import money
from shops.models import DepositEntry, Shop


class CannotRecord(Exception):
    """Not finance, their own shop, no sum, a voucher booked before, or more than the shop has laid down.

    The message is for finance.
    """


def record(shop: Shop, *, amount_fen: int, voucher: str, note: str, by: User, at: datetime) -> DepositEntry:
    """登记保证金: paid in is positive, paid back or taken is negative. Raises CannotRecord."""
    with transaction.atomic():
        locked = Shop.objects.select_for_update(no_key=True).get(pk=shop.pk)
        if not staff_may(by, "record_deposit", "shops.shop"):
            raise CannotRecord("只有财务可以登记保证金。")
        if locked.memberships.filter(user=by).exists():  # I10
            raise CannotRecord("不能登记自己店铺的保证金，请由别的财务登记。")
        if not amount_fen or not voucher.strip():
            raise CannotRecord("请填写金额和凭证号。")
        if min(held_fen(locked), money.hold([locked.pk])[locked.pk].reserve_fen) + amount_fen < 0:
            raise CannotRecord("退还或扣除不能超过店铺现有的保证金。")
        try:
            with transaction.atomic():
                row = DepositEntry.objects.create(
                    shop=locked,
                    amount_fen=amount_fen,
                    voucher=voucher.strip(),
                    note=note.strip(),
                    recorded_by=by,
                    at=at,
                )
                posting.post(_transfers(row), at=at)
                return row
        except IntegrityError:
            raise CannotRecord("这张凭证已经登记过。") from None


def _transfers(row: DepositEntry) -> list[Transfer]:
    """From our bank to the shop, where it repays what we advanced first; or from what it has laid down back."""
    ref = f"deposit:{row.pk}"
    if row.amount_fen > 0:
        return money.pay_in([money.Move(ref, row.shop_id, row.amount_fen, posting.BANK)])
    reserve = posting.reserve_account(row.shop_id)
    return [Transfer(ref, debit=reserve, credit=posting.BANK, amount_fen=-row.amount_fen)]


def held_fen(shop: Shop) -> int:
    """What the shop has laid down now, in fen."""
    return shop.deposits.aggregate(held=Sum("amount_fen"))["held"] or 0


def of(shop: Shop) -> QuerySet[DepositEntry]:
    """保证金流水 of a shop."""
    return DepositEntry.objects.filter(shop=shop)
