"""优惠: what a shop's coupon takes off an order. Its lines share it exactly (``money.share_out``, PM12)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Q, QuerySet
from django.utils.translation import gettext as _

from accounts.models import User
from orders.models import CouponUse, Order, OrderStatus
from shops.models import Coupon, CouponKind

#: Unpaid orders of one buyer with the same coupon: nobody uses up everybody's by not paying.
MOST_UNPAID_USES = 3


class CouponRefused(Exception):
    """Unknown, not yet or no longer valid, used up, on too many unpaid orders of this buyer, or the order is too small.

    The message is for the buyer.
    """


@dataclass(frozen=True)
class Quote:
    """试算: what an order would cost now. Nothing is kept for it."""

    goods_fen: int
    discount_fen: int

    @property
    def total_fen(self) -> int:
        return self.goods_fen - self.discount_fen


def quote(shop_id: int, code: str, goods_fen: int, quantity: int, *, at: datetime) -> Quote:
    """What it would cost with this coupon, or without any. Raises CouponRefused."""
    if not code.strip():
        return Quote(goods_fen, 0)
    coupon = _usable(Coupon.objects.filter(shop=shop_id, code=code.strip().upper()).first(), goods_fen, at)
    return Quote(goods_fen, off_fen(coupon, goods_fen, quantity))


def find(shop_id: int, code: str, goods_fen: int, quantity: int, *, at: datetime) -> tuple[Coupon | None, int]:
    """The coupon of this shop, locked, and what it takes off. In a transaction. Raises CouponRefused."""
    if not code.strip():
        return None, 0
    coupons = Coupon.objects.select_for_update(no_key=True).filter(shop=shop_id, code=code.strip().upper())
    coupon = _usable(coupons.first(), goods_fen, at)
    return coupon, off_fen(coupon, goods_fen, quantity)


def demand_unheld(coupon: Coupon, buyer: User) -> None:
    """The buyer's other unpaid orders leave it to others; the caller holds this buyer. Raises CouponRefused."""
    unpaid = CouponUse.objects.filter(coupon=coupon, order__buyer=buyer, order__status=OrderStatus.PLACED)
    if unpaid.count() >= MOST_UNPAID_USES:
        raise CouponRefused(_("这张优惠券已用在您未付款的订单上，请先付款或取消，再用。"))


def _usable(coupon: Coupon | None, goods_fen: int, at: datetime) -> Coupon:
    if coupon is None or not coupon.is_active or not coupon.starts_at <= at < coupon.ends_at:
        raise CouponRefused(_("没有这张优惠券，或它已失效。"))
    if _used(coupon) >= coupon.most_uses:
        raise CouponRefused(_("这张优惠券已被用完。"))
    if goods_fen < coupon.minimum_fen:
        raise CouponRefused(_("订单金额还不够使用这张优惠券。"))
    return coupon


#: By how many orders a coupon is used: but for those that lapsed unpaid.
USED = Count("uses", filter=~Q(uses__order__status=OrderStatus.CANCELED, uses__order__paid_at=None))


def with_used(coupons: QuerySet[Coupon]) -> QuerySet[Coupon]:
    """Each with ``used``, the number that is compared with ``most_uses``."""
    return coupons.annotate(used=USED)


def _used(coupon: Coupon) -> int:
    """A query of its own, behind the one that waited for the lock: only so it sees who was first."""
    return int(Coupon.objects.filter(pk=coupon.pk).aggregate(used=USED)["used"])


def off_fen(coupon: Coupon, goods_fen: int, quantity: int) -> int:
    """A percentage is rounded down; each unit still costs at least one fen."""
    wanted = coupon.off_fen if coupon.kind == CouponKind.FIXED else goods_fen * coupon.off_percent // 100
    return min(wanted, goods_fen - quantity)


def use(coupon: Coupon, order: Order, *, at: datetime) -> None:
    """用券. ``find`` has locked the coupon and counted its uses; nobody else uses it before this commits."""
    CouponUse.objects.create(coupon=coupon, order=order, number=coupon.uses.count() + 1, at=at)
