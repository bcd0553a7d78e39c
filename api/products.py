"""GET /api/products/: what is for sale, and on which refund terms. The only address that asks for no login."""

from __future__ import annotations

from django.db.models import Exists, OuterRef, QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.generics import ListAPIView
from rest_framework.permissions import AllowAny

from api.door import Door, PageQuery, newest_first
from shops.models import CardCode, CodeState, Product, RefundPolicy


class Terms(serializers.ModelSerializer):
    """Refund terms. `window_days` 0: not refundable once delivered."""

    class Meta:
        model = RefundPolicy
        fields = ["code", "version", "name", "name_en", "window_days", "review_hours", "max_rejections"]


class ProductForSale(serializers.ModelSerializer):
    shop = serializers.CharField(source="shop.name", read_only=True)
    policy = Terms(read_only=True)
    in_stock = serializers.BooleanField(read_only=True)

    class Meta:
        model = Product
        fields = [
            "id",
            "name",
            "shop",
            "kind",
            "face_value",
            "description",
            "not_refundable_note",
            "price_fen",
            "delivery_promise_minutes",
            "in_stock",
            "policy",
            "created_at",
        ]


@extend_schema(summary="在售商品与退款政策", tags=["products"], auth=[])
class Products(Door, ListAPIView):
    permission_classes = [AllowAny]
    serializer_class = ProductForSale
    pagination_class = newest_first("created_at")
    query_class = PageQuery

    def get_queryset(self) -> QuerySet[Product]:
        stock = CardCode.objects.filter(product=OuterRef("pk"), state=CodeState.IN_STOCK)
        return Product.objects.filter(is_listed=True).select_related("shop", "policy").annotate(in_stock=Exists(stock))
