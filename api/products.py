"""GET /api/products/: what is for sale, found by words or by category, and on which refund terms. Asks for no login."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.generics import ListAPIView
from rest_framework.permissions import AllowAny

import clock
from api.door import Door, PageQuery, Shown, Strict, newest_first
from shops import catalog, search
from shops.models import Category, Product, RefundPolicy


class Terms(Shown):
    """Refund terms, as they hold for this product's kind. `window_days` 0: not refundable once delivered.

    `fee_percent`, `balance_fee_percent`: kept only where the buyer is at fault, of what was delivered and not used; the
    latter of refunds to the balance.
    """

    class Meta:
        model = RefundPolicy
        fields = [
            "code",
            "version",
            "name",
            "name_en",
            "window_days",
            "cooling_off_hours",
            "one_click_below_fen",
            "express_below_fen",
            "fee_percent",
            "balance_fee_percent",
            "review_hours",
            "max_rejections",
        ]


class ProductForSale(Shown):
    shop = serializers.CharField(source="shop.name", read_only=True)
    policy = serializers.SerializerMethodField()
    category: serializers.SlugRelatedField = serializers.SlugRelatedField(
        slug_field="slug", read_only=True, allow_null=True
    )
    guarantee = serializers.SerializerMethodField(help_text="店铺有退款保障标识 / its shop bears the guarantee badge")
    recipient_kind = serializers.CharField(read_only=True, help_text="phone, game 或空 / or empty: whom it must name")
    in_stock = serializers.BooleanField(source="has_stock", read_only=True)

    class Meta:
        model = Product
        fields = [
            "id",
            "name",
            "shop",
            "guarantee",
            "category",
            "kind",
            "fulfilment",
            "recipient_kind",
            "is_cross_border",
            "validity",
            "face_value",
            "description",
            "not_refundable_note",
            "price_fen",
            "delivery_promise_minutes",
            "in_stock",
            "policy",
            "created_at",
        ]

    @extend_schema_field(Terms)
    def get_policy(self, product: Product) -> dict[str, Any]:
        terms, kind = product.policy, product.kind
        by_kind = {"window_days": terms.window_of(kind), "cooling_off_hours": terms.cooling_off_of(kind)}
        return {**Terms(terms).data, **by_kind}

    def get_guarantee(self, product: Product) -> bool:
        return product.shop.guarantee_since is not None


class ProductFilter(Strict):
    q = serializers.CharField(
        required=False, max_length=search.LONGEST_QUERY, help_text="商品名里的词 / words of a name"
    )
    category = serializers.SlugField(required=False, max_length=40)


class ProductQuery(ProductFilter, PageQuery):
    pass


@extend_schema(summary="在售商品与退款政策", tags=["products"], auth=[], parameters=[ProductFilter])
class Products(Door, ListAPIView):
    permission_classes = [AllowAny]
    serializer_class = ProductForSale
    pagination_class = newest_first("created_at")
    query_class = ProductQuery

    def get_queryset(self) -> QuerySet[Product]:
        goods, query = catalog.for_sale(at=clock.now()), self.query
        category = None
        if slug := query.get("category"):
            category = get_object_or_404(Category, slug=slug)
            goods = goods.filter(category=category)
        return search.find(goods, query["q"], category=category).products if query.get("q") else goods
