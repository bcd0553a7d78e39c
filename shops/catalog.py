"""在售商品: what every door shows for sale, each product with ``has_stock``."""

from __future__ import annotations

from datetime import datetime

from django.db.models import BooleanField, Case, Exists, F, OuterRef, Q, QuerySet, Value, When
from django.utils import timezone

from shops.models import (
    CardCode,
    Category,
    CodeState,
    Fulfilment,
    GuaranteeTerms,
    Product,
    Shop,
    ShopFigures,
    ShopStatus,
)

MOST_CATEGORIES = 30


def for_sale(*, at: datetime) -> QuerySet[Product]:
    """What is listed, of shops that are open. ``has_stock``: somebody could order one now."""
    codes = CardCode.objects.filter(product=OuterRef("pk"), state=CodeState.IN_STOCK)
    sellable = codes.exclude(valid_until__lt=timezone.localdate(at))
    has_stock = Case(
        When(fulfilment=Fulfilment.CODES, then=Exists(sellable)),
        When(fulfilment=Fulfilment.TOP_UP, then=Q(supplier__is_active=True)),
        default=Value(True),
        output_field=BooleanField(),
    )
    listed = Product.objects.filter(is_listed=True, shop__status=ShopStatus.OPEN)
    return listed.select_related("shop", "policy", "category").annotate(has_stock=has_stock)


def categories() -> list[Category]:
    """分类, in the operators' order."""
    return list(Category.objects.all()[:MOST_CATEGORIES])


def figures_of(shop: Shop) -> ShopFigures | None:
    """店铺数据, or None as long as nothing was computed."""
    return ShopFigures.objects.filter(shop=shop).first()


def guarantee_terms() -> GuaranteeTerms | None:
    """What the badge 退款保障 demands now (S0-30)."""
    return GuaranteeTerms.objects.order_by(F("version").desc()).first()
