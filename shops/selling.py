"""上架: what a shop's people do with its products and coupons. Orders keep the page they were placed from (PM19)."""

from __future__ import annotations

from datetime import datetime

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from accounts.models import User
from shops import rights
from shops.models import Coupon, Product, Shop, ShopStatus


class CodeIsTaken(Exception):
    """The shop has a coupon of this code. The message is for its people."""


def put_up(product: Product, shop: Shop, *, by: User, at: datetime) -> Product:
    """上架 a product that was just filled in. Raises rights.NotAllowed."""
    with transaction.atomic():
        rights.demand(by, shop, "products")
        if shop.status not in {ShopStatus.OPEN, ShopStatus.SUSPENDED}:
            raise rights.NotAllowed(_("店铺正在退出或已退出，不能再上架商品。"))
        product.shop, product.created_at = shop, at
        product.save(force_insert=True)
    return product


def change(product: Product, *, by: User) -> None:
    """修改: from the next order on. The shop of a product never changes, its codes are sealed to it."""
    with transaction.atomic():
        rights.demand(by, product.shop, "products")
        product.save(force_update=True)


def set_listed(product: Product, *, is_listed: bool, by: User) -> None:
    """上架或下架."""
    with transaction.atomic():
        rights.demand(by, product.shop, "products")
        product.is_listed = is_listed
        product.save(update_fields=["is_listed"])


def keep_coupon(coupon: Coupon, shop: Shop, *, by: User) -> Coupon:
    """存券, new or changed. What was used with it stays as it was. Raises CodeIsTaken, rights.NotAllowed."""
    try:
        with transaction.atomic():
            rights.demand(by, shop, "coupons")
            coupon.shop = shop
            coupon.save()
    except IntegrityError:
        raise CodeIsTaken(_("这个券码已经用过，请换一个。")) from None
    return coupon
