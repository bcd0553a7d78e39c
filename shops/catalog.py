"""在售商品: what every door shows for sale, each product with ``has_stock``."""

from __future__ import annotations

from datetime import datetime

from django.db.models import BooleanField, Case, OuterRef, Q, QuerySet, Subquery, Value, When
from django.db.models.lookups import IsNull
from django.utils import timezone

from shops.models import CardCode, Category, CodeState, Fulfilment, Product, Shop, ShopStatus

MOST_CATEGORIES = 30


def for_sale(*, at: datetime, shop: Shop | None = None) -> QuerySet[Product]:
    """What is listed, of shops that are open, or of this one if it is. ``has_stock``: somebody could order one now.

    Both are written so that a list is read from its index, newest first, whatever the planner thinks of the rest: shut
    shops are left out of it instead of open ones joined to it, and a code is looked for product by product, where
    EXISTS may be answered by reading all codes in stock.
    """
    codes = CardCode.objects.filter(product=OuterRef("pk"), state=CodeState.IN_STOCK)
    sellable = codes.exclude(valid_until__lt=timezone.localdate(at)).values("pk")[:1]
    has_stock = Case(
        When(fulfilment=Fulfilment.CODES, then=IsNull(Subquery(sellable), False)),
        When(fulfilment=Fulfilment.TOP_UP, then=Q(supplier__is_active=True)),
        default=Value(True),
        output_field=BooleanField(),
    )
    listed = Product.objects.filter(is_listed=True)
    if shop is None:
        listed = listed.exclude(shop__in=Shop.objects.exclude(status=ShopStatus.OPEN))
    else:
        listed = listed.filter(shop=shop) if shop.status == ShopStatus.OPEN else listed.none()
    return listed.select_related("shop", "policy", "category").annotate(has_stock=has_stock)


def categories() -> list[Category]:
    """分类, in the operators' order."""
    return list(Category.objects.all()[:MOST_CATEGORIES])
