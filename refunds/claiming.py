"""认领: what a guest had becomes a real account's, in one transaction; the guest opens nothing any more (PM17)."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from accounts.models import User
from accounts.roles import Role
from notices.models import Notice
from orders import history
from orders.models import Order, OrderEvent, OrderStep
from payments.models import AttemptEvent
from refunds.models import Refund, RefundEvent
from shops.models import CodeEvent, CodeEventKind


class CannotClaim(Exception):
    """No guest, claimed by somebody else, or the claimer is a guest, of the staff, or has acted on what is claimed.

    The message is for whoever claims.
    """


def claim(guest: User, *, by: User, at: datetime) -> list[Order]:
    """Move orders, refunds and notices of ``guest`` to ``by``; returns the orders. Who asked for a refund stays who
    asked: the record of the past does not change. Raises CannotClaim.
    """
    with transaction.atomic():
        cases = _hold(Refund.objects.filter(buyer=guest))
        _hold(Order.objects.filter(buyer=guest))
        # Then who has them, as the pre-check locks. From here on the guest places nothing (``orders/placing.py``).
        locked = User.objects.select_for_update(no_key=True).get(pk=guest.pk)
        if not locked.is_guest:
            raise CannotClaim(_("请先登录或注册，再认领访客订单。"))
        if locked.claimed_by_id is not None:
            raise CannotClaim(_("这些订单已被认领。"))
        if refusal := why_not(by, locked):  # rights are read in the transaction that needs them
            raise CannotClaim(refusal)
        locked.claimed_by, locked.is_active = by, False
        locked.save(update_fields=["claimed_by", "is_active"])
        Refund.objects.filter(pk__in=cases).update(buyer=by)
        orders = _move_orders(locked, by)
        if Refund.objects.filter(buyer=locked).exists():  # filed while we waited
            raise CannotClaim(_("这张订单刚刚有了新的退款申请，请再试一次。"))
        history.record(orders, OrderStep.CLAIM, at=at, by=by)
        Notice.objects.filter(recipient=locked).update(recipient=by)
    return orders


def why_not(by: User, guest: User) -> str | None:
    """Why this account would be refused what this guest has, as far as can be seen now; None if it may claim it.

    Nobody takes over what they may decide on, or have decided on (I10), also if they have left the staff since.
    """
    if by.is_guest or not by.is_active:
        return _("请先登录或注册，再认领访客订单。")
    if User.objects.get(pk=by.pk).role in Role.staff():
        return _("平台工作人员不能认领访客订单；请用访客身份或个人的买家账号处理。")
    if _has_acted(by, guest):
        return _("您处理过其中的订单或退款，不能认领。")
    return None


def _has_acted(by: User, guest: User) -> bool:
    """Whether they did anything to this guest's cases, orders (with their top-ups), money or codes. To fill a shelf
    with codes is nothing: nobody knew yet whose they would be.
    """
    codes = CodeEvent.objects.filter(code__delivery__line__order__buyer=guest, actor=by)
    return (
        RefundEvent.objects.filter(refund__buyer=guest, actor=by).exists()
        or OrderEvent.objects.filter(order__buyer=guest, actor=by).exists()
        or AttemptEvent.objects.filter(attempt__payment__order__buyer=guest, by=by).exists()
        or codes.exclude(kind__in=[CodeEventKind.STOCK, CodeEventKind.RESTOCK]).exists()
    )


def _hold(rows: QuerySet[Refund] | QuerySet[Order]) -> list[int]:
    """Cases before orders, by key: the order in which everybody locks."""
    return list(rows.select_for_update(no_key=True, of=("self",)).order_by("pk").values_list("pk", flat=True))


def _move_orders(guest: User, by: User) -> list[Order]:
    """With one that was placed while we waited for its guest."""
    orders = list(Order.objects.select_for_update(no_key=True, of=("self",)).filter(buyer=guest).order_by("pk"))
    Order.objects.filter(pk__in=[order.pk for order in orders]).update(buyer=by)
    for order in orders:
        order.buyer = by
    return orders
