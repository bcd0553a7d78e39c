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
from orders.models import Order, OrderStep
from refunds.models import Refund, RefundEvent


class CannotClaim(Exception):
    """No guest, claimed by somebody else, or the claimer is a guest, of the staff, or has acted on one of the cases.

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
        if by.is_guest or not locked.is_guest or not by.is_active:
            raise CannotClaim(_("请先登录或注册，再认领访客订单。"))
        if locked.claimed_by_id is not None:
            raise CannotClaim(_("这些订单已被认领。"))
        _demand_right(by, cases)
        locked.claimed_by, locked.is_active = by, False
        locked.save(update_fields=["claimed_by", "is_active"])
        Refund.objects.filter(pk__in=cases).update(buyer=by)
        orders = _move_orders(locked, by)
        if Refund.objects.filter(buyer=locked).exists():  # filed while we waited
            raise CannotClaim(_("这张订单刚刚有了新的退款申请，请再试一次。"))
        history.record(orders, OrderStep.CLAIM, at=at, by=by)
        Notice.objects.filter(recipient=locked).update(recipient=by)
    return orders


def _demand_right(by: User, cases: list[int]) -> None:
    """Nobody takes over what they may decide on, or have decided on (I10). Read in the transaction that needs it."""
    if User.objects.get(pk=by.pk).role in Role.staff():
        raise CannotClaim(_("平台工作人员不能认领访客订单；请用访客身份或个人的买家账号处理。"))
    if RefundEvent.objects.filter(refund__in=cases, actor=by).exists():
        raise CannotClaim(_("您处理过其中的退款，不能认领这些订单。"))


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
