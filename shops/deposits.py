"""保证金: what a shop has laid down, as finance records it by voucher. Rows never change; a mistake is taken back.

What comes in one person records, with the bank's voucher. What leaves takes two, as every transfer does: one asks, and
another pays it at the bank and records the voucher (constraints and triggers).
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import DataError, IntegrityError, transaction
from django.db.models import QuerySet, Sum

from accounts.models import User
from accounts.rights import Act
from accounts.rights import may as staff_may
from identifiers import voucher_number
from ledger import posting
from money import yuan
from shops import money
from shops.models import DepositEntry, DepositReturn, ReturnStatus, Shop

PAY_BACK_WITHIN = timedelta(hours=24)
LONGEST_WORDS = 200
MODEL = "shops.depositreturn"
BOOKED_BEFORE = "这张凭证已经登记过。"
AFTER_A_RESTORE = "数据库恢复过：先查银行流水；没有付过的重新提出，已经付过的提出后登记那张凭证"


class CannotRecord(Exception):
    """Not finance, their own shop, no sum, a voucher booked before, or more than the shop has laid down.

    The message is for finance.
    """


def record(shop: Shop, *, amount_fen: int, voucher: str, note: str, by: User, at: datetime) -> DepositEntry:
    """登记保证金 that the shop has paid in. Raises CannotRecord."""
    with transaction.atomic():
        locked = _locked(shop, by, "record_deposit", "shops.shop")
        if amount_fen < 0:
            raise CannotRecord("退还须由两位财务办理：请在店铺页“退还保证金”提出，由另一位付款后登记。")
        number = voucher_number(voucher)
        if not amount_fen or not number:
            raise CannotRecord("请填写金额和凭证号。")
        row = DepositEntry(shop=locked, amount_fen=amount_fen, voucher=number, note=note.strip())
        _book(row, by, at)
        posting.post(money.pay_in([money.Move(_ref(row), locked.pk, amount_fen, posting.BANK)]), at=at)
        return row


def ask_back(shop: Shop, *, amount_fen: int, note: str, by: User, at: datetime) -> DepositReturn:
    """提出退还保证金, or to take a mistaken entry back: nothing moves yet. Raises CannotRecord."""
    with transaction.atomic():
        locked = _locked(shop, by, "ask_deposit_back", "shops.shop")
        words = _words(note)
        if amount_fen <= 0:
            raise CannotRecord("金额须大于 0。")
        if amount_fen > (most_fen := money.hold([locked.pk])[locked.pk].returnable_fen):
            raise CannotRecord(f"退还不能超过店铺现有的保证金 {yuan(max(0, most_fen))}。")
        if locked.deposit_returns.filter(status=ReturnStatus.ASKED).exists():
            raise CannotRecord("这家店铺已有一笔待付款的退还，请先办完或撤下它。")
        return DepositReturn.objects.create(
            shop=locked, amount_fen=amount_fen, note=words, asked_by=by, asked_at=at, due_at=at + PAY_BACK_WITHIN
        )


def pay_back(row: DepositReturn, *, voucher: str, by: User, at: datetime) -> DepositEntry:
    """登记已退还, by another person, who has paid it at the bank. What refunds have drawn of the deposit since it was
    asked for is taken of the shop's own, or owed: the bank has paid. Raises CannotRecord."""
    with transaction.atomic():
        locked = _locked(row.shop, by, "pay_back", MODEL)
        asked = _asked(row)
        if asked.asked_by_id == by.pk:
            raise CannotRecord("提出的人不能登记付款，请由另一位财务办理。")
        number = voucher_number(voucher)
        if not number:
            raise CannotRecord("请填写银行凭证号。")
        entry = DepositEntry(shop=locked, amount_fen=-asked.amount_fen, voucher=number, note=asked.note)
        entry.of_return = asked
        _book(entry, by, at)
        move = money.Move(_ref(entry), locked.pk, asked.amount_fen, posting.BANK)
        posting.post(money.draw_deposit(move), at=at)
        _end(asked, ReturnStatus.PAID, by, at)
        return entry


def drop(row: DepositReturn, *, reason: str, by: User, at: datetime) -> None:
    """撤下, by anybody of finance: nothing was paid. Raises CannotRecord."""
    with transaction.atomic():
        _locked(row.shop, by, "drop", MODEL)
        asked = _asked(row)
        asked.reason = _words(reason)
        _end(asked, ReturnStatus.DROPPED, by, at)


def drop_after_a_restore(*, before: datetime, at: datetime) -> int:
    """撤下 what waited when the database went back in time: it may be paid already. Returns how many."""
    waiting = DepositReturn.objects.filter(status=ReturnStatus.ASKED, asked_at__lt=before)
    return waiting.update(status=ReturnStatus.DROPPED, ended_at=at, due_at=None, reason=AFTER_A_RESTORE)


def laid_down_fen(shop: Shop) -> int:
    """What the shop has laid down by now, less what was paid back; what refunds have drawn is still in it."""
    return shop.deposits.aggregate(fen=Sum("amount_fen"))["fen"] or 0


def returnable_fen(shop: Shop) -> int:
    """What of it could be paid back now, to look at."""
    return money.purses([shop.pk])[shop.pk].returnable_fen


def of(shop: Shop) -> QuerySet[DepositEntry]:
    """保证金流水 of a shop."""
    return DepositEntry.objects.filter(shop=shop)


# --- small things -----------------------------------------------------------------------------------------------------


def _locked(shop: Shop, by: User, act: str, model: str) -> Shop:
    locked = Shop.objects.select_for_update(no_key=True).get(pk=shop.pk)
    if not staff_may(by, Act(act), model):
        raise CannotRecord("只有财务可以办理保证金。")
    if locked.memberships.filter(user=by).exists():  # I10
        raise CannotRecord("不能办理自己店铺的保证金，请由别的财务办理。")
    return locked


def _asked(row: DepositReturn) -> DepositReturn:
    asked = DepositReturn.objects.select_for_update(no_key=True).get(pk=row.pk)
    if asked.status != ReturnStatus.ASKED:
        raise CannotRecord(f"这笔退还{ReturnStatus(asked.status).label}，不能再办理。")
    return asked


def _book(row: DepositEntry, by: User, at: datetime) -> None:
    row.recorded_by, row.at = by, at
    try:
        with transaction.atomic():
            row.save(force_insert=True)
    except DataError:  # more than the column holds
        raise CannotRecord("金额太大，请核对。") from None
    except IntegrityError as error:
        if "deposit_waits_while_money_is_stopped" in str(error):
            raise CannotRecord("全部出款已停止，恢复后再登记。还没有付款的，请不要付。") from None
        if not any(rule in str(error) for rule in ("deposit_voucher_is_booked_once", "voucher_serves_one_deposit")):
            raise
        raise CannotRecord(BOOKED_BEFORE) from None


def _end(row: DepositReturn, status: ReturnStatus, by: User, at: datetime) -> None:
    row.status, row.ended_by, row.ended_at, row.due_at = status, by, at, None
    row.save(update_fields=["status", "ended_by", "ended_at", "due_at", "reason"])


def _words(said: str) -> str:
    if not 0 < len(said.strip()) <= LONGEST_WORDS:
        raise CannotRecord(f"请写明事由，不超过 {LONGEST_WORDS} 字。")
    return said.strip()


def _ref(row: DepositEntry) -> str:
    return f"deposit:{row.pk}"
