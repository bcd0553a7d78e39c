"""平台赔付: the platform gives a buyer something of its own money, on the balance, with the reason and the case.

Within the limit of the order's policy one person gives it; above it, all that was given for the order counted
together, another one checks it first; and so with all above what one person gives alone in a day. The database says so,
too (``orders/models/compensation.py``).
"""

from __future__ import annotations

from datetime import datetime

from django.db import DatabaseError, DataError, transaction

from accounts.models import User
from accounts.rights import Act
from accounts.rights import may as staff_may
from ledger import posting
from ledger.posting import Transfer
from money import yuan
from notices import telling
from notices.models import Notice
from orders import masking, parties
from orders.models import Compensation, Order

MODEL = "orders.compensation"
LONGEST_REASON = 300


class CannotCompensate(Exception):
    """Not theirs to give, nobody to give it to, or decided already. The message is for staff."""


def make(
    order: Order, *, amount_fen: int, reason: str, refund_no: str, by: User, at: datetime, seen: int | None = None
) -> Compensation:
    """提出: paid at once within the limit, else it waits for a second person. Raises CannotCompensate.

    ``seen``: how many the order had when they decided on it; None: nobody looked. The same form sent twice, and a
    colleague with the same thought, give it once.
    """
    words = masking.mask_own([order.pk], reason.strip())[:LONGEST_REASON]
    if amount_fen <= 0 or not words:
        raise CannotCompensate("请填写金额和原因。")
    with transaction.atomic():
        locked = Order.objects.select_for_update(no_key=True, of=("self",)).select_related("buyer").get(pk=order.pk)
        _demand_right(Act.MAKE, locked, by)
        if seen is not None and seen != locked.compensations.count():
            raise CannotCompensate("这张订单刚刚有了新的赔付，没有再次赔付。请看过再决定。")
        if locked.buyer.is_guest:
            raise CannotCompensate("访客没有余额，请先让买家注册并认领订单。")
        row = _written(locked, Compensation(
            order=locked, buyer=locked.buyer, refund_no=refund_no.strip(), amount_fen=amount_fen, reason=words,
            made_by=by, made_at=at,
        ))  # fmt: skip
        if not needs_check(row):
            _pay(row, at)
    return row


def confirm(row: Compensation, *, by: User, at: datetime) -> None:
    """复核通过, by another person: it is paid. Raises CannotCompensate."""
    with transaction.atomic():
        locked = _to_decide(row, by)
        locked.checked_by = by
        _pay(locked, at)


def refuse(row: Compensation, *, by: User, at: datetime) -> None:
    """驳回, by another person. Raises CannotCompensate."""
    with transaction.atomic():
        locked = _to_decide(row, by)
        locked.checked_by, locked.refused_at = by, at
        locked.save(update_fields=["checked_by", "refused_at"])


def needs_check(row: Compensation) -> bool:
    return row.amount_fen + row.earlier_fen > row.limit_fen


def is_open(row: Compensation) -> bool:
    return row.paid_at is None and row.refused_at is None


def _written(order: Order, row: Compensation) -> Compensation:
    try:
        with transaction.atomic():
            row.save()
    except DataError:  # more than the column holds
        raise CannotCompensate("金额太大，请核对。") from None
    except DatabaseError:
        raise CannotCompensate(f"退款单 {row.refund_no} 不属于订单 {order.order_no}，请核对单号。") from None
    row.refresh_from_db()  # the limit, and what was given before, are the database's
    return row


def _to_decide(row: Compensation, by: User) -> Compensation:
    """Locked, after its order."""
    order = Order.objects.select_for_update(no_key=True).get(pk=row.order_id)
    locked = Compensation.objects.select_for_update(no_key=True).get(pk=row.pk)
    _demand_right(Act.CONFIRM, order, by)
    if not is_open(locked):
        raise CannotCompensate("这笔赔付已经入账或驳回。")
    if by.pk == locked.made_by_id:
        raise CannotCompensate("提出人不能复核，请由另一位同事复核。")
    return locked


def _demand_right(act: Act, order: Order, by: User) -> None:
    """Rights are read inside the transaction that needs them (I10)."""
    actor = User.objects.filter(pk=by.pk, is_active=True).first()
    if actor is None or not staff_may(actor, act, MODEL):
        raise CannotCompensate("只有高级审核员和财务可以赔付。")
    if parties.has_part(by, order):
        raise CannotCompensate("这是您自己或您店铺的订单，请由别的同事处理。")


def _pay(row: Compensation, at: datetime) -> None:
    buyer = posting.balance_account(row.buyer_id)
    posting.post(
        [Transfer(f"compensation:{row.pk}", debit=posting.COMPENSATION, credit=buyer, amount_fen=row.amount_fen)], at=at
    )
    row.paid_at = at
    row.save(update_fields=["checked_by", "paid_at"])
    said = {"order_no": row.order.order_no, "amount": yuan(row.amount_fen), "note": row.reason}
    telling.tell([
        Notice(
            recipient_id=row.buyer_id, kind="order_compensation", params=said, path=f"/orders/{row.order.order_no}/",
            source=f"compensation:{row.pk}", created_at=at,
        )
    ])  # fmt: skip
