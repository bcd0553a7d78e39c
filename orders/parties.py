"""Whose an order is: its buyer's and its shop's people's. None of them decides on its money for the platform (I10)."""

from __future__ import annotations

from accounts.models import User
from orders.models import Order
from shops.models import ShopMember


def has_part(user: User, order: Order) -> bool:
    """Whether this is the order's buyer or one of its shop's people, as it is now."""
    return user.pk == order.buyer_id or ShopMember.objects.filter(shop=order.shop_id, user=user).exists()
