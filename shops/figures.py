"""店铺数据: what ``refunds/figures.py`` counted last of a shop (S1-21)."""

from __future__ import annotations

from shops.models import Shop, ShopFigures


def of(shop: Shop) -> ShopFigures | None:
    """None as long as nothing was counted."""
    return ShopFigures.objects.filter(shop=shop).first()
