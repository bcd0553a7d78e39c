"""/api/shop/…: a shop's own orders and refunds, to be read by its programs, with a key (``integrations/keys.py``).

The key says whose shop it is, whatever the request says; another shop's numbers are not there (X7). No code, nothing
of who bought: no name, no contact, no words, no account that money went to.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, cast

from django.contrib.auth.models import AnonymousUser
from django.db.models import Prefetch, QuerySet
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.generics import ListAPIView, get_object_or_404
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse
from rest_framework.throttling import SimpleRateThrottle
from rest_framework.views import APIView

import clock
from api.door import Door, DoorSchema, PageQuery, Problems, Shown, Strict, newest_first
from api.errors import MEDIA_TYPE, Problem
from api.refund_shapes import REASON_CHOICES, LineOfRefund
from integrations import keys
from integrations.models import Scope, ShopKey
from orders.models import Order, OrderLine
from refunds.models import Refund, RefundEvent, Status
from refunds.reasons import REASONS
from refunds.stages import STAGE_OF, STAGES
from shops.models import Shop, ShopStatus

SERVED = {ShopStatus.OPEN, ShopStatus.LEAVING}  # who leaves still has orders and refunds to see to


# --- the key ----------------------------------------------------------------------------------------------------------


class KeyOfShop(BaseAuthentication):
    """``Authorization: Bearer csk_…``. Who calls is a shop's program, and nobody's account."""

    def authenticate(self, request: Request) -> tuple[AnonymousUser, ShopKey]:
        scheme, _, text = get_authorization_header(request).decode("latin-1").partition(" ")
        if scheme.lower() != "bearer":
            raise _refused("key_required")
        key = keys.known(text.strip())
        if key is None:
            raise _refused("key_unknown")
        if key.revoked_at is not None:
            raise _refused("key_revoked")
        if key.shop.status not in SERVED:
            raise Problem("shop_not_served", reason=key.shop.status)
        keys.used(key, at=clock.now())
        return AnonymousUser(), key


class KeyInSchema(OpenApiAuthenticationExtension):
    target_class = "api.shop.KeyOfShop"
    name = "shopKey"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, str]:
        description = "店主在“商家后台 · 接口”新建的密钥，只属于一家店。"
        return {"type": "http", "scheme": "bearer", "bearerFormat": "csk_…", "description": description}


class HasScope(BasePermission):
    """The key was given the scope that the view names."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        scope = cast(ShopDoor, view).scope
        if scope.value not in cast(ShopKey, request.auth).scopes:
            raise Problem("key_lacks_scope", scope=scope.value)
        return True


class OfKey(SimpleRateThrottle):
    """Each key for itself: one program that runs wild stops no other."""

    scope = "shop_key"

    def get_cache_key(self, request: Request, view: APIView) -> str:
        return f"throttle:shop-key:{cast(ShopKey, request.auth).pk}"


class ShopSchema(DoorSchema):
    """A key may lack the scope, or its shop be closed, also where one only reads."""

    def _get_response_bodies(self, direction: Literal["request", "response"] = "response") -> dict[str, Any]:
        bodies = super()._get_response_bodies(direction)
        return bodies | {"403": self._get_response_for_code(Problems, "403", [MEDIA_TYPE], direction)}


class ShopDoor(Door):
    """Of the key's shop alone."""

    schema = ShopSchema()
    authentication_classes = [KeyOfShop]
    permission_classes = [HasScope]
    throttle_classes = [OfKey]
    scope: Scope

    @property
    def shop(self) -> Shop:
        return cast(ShopKey, self.request.auth).shop


def _refused(code: str) -> Problem:
    problem = Problem(code)
    problem.auth_header = 'Bearer realm="shop"'  # type: ignore[attr-defined]
    return problem


# --- what is read -----------------------------------------------------------------------------------------------------


class ShopOrderInList(Shown):
    url = serializers.SerializerMethodField()
    status_label = serializers.CharField(source="get_status_display", read_only=True)

    class Meta:
        model = Order
        fields = [
            "order_no", "url", "status", "status_label", "total_fen", "placed_at", "paid_at", "delivered_at",
            "completed_at", "canceled_at",
        ]  # fmt: skip

    def get_url(self, order: Order) -> str:
        return reverse("api:shop_order", [order.order_no], request=self.context["request"])


class ShopOrderLine(Shown):
    class Meta:
        model = OrderLine
        fields = ["position", "product_name", "price_fen"]


class ShopRefundOfOrder(Shown):
    url = serializers.SerializerMethodField()

    class Meta:
        model = Refund
        fields = ["refund_no", "url", "status", "amount_fen", "submitted_at"]

    def get_url(self, refund: Refund) -> str:
        return reverse("api:shop_refund", [refund.refund_no], request=self.context["request"])


class ShopOrderInFull(ShopOrderInList):
    lines = ShopOrderLine(many=True, read_only=True)
    refunds = ShopRefundOfOrder(many=True, read_only=True)

    class Meta(ShopOrderInList.Meta):
        fields = [*ShopOrderInList.Meta.fields, "lines", "refunds"]


class ShopRefundInList(Shown):
    url = serializers.SerializerMethodField()
    order_no = serializers.CharField(source="order.order_no", read_only=True)
    status_label = serializers.CharField(source="get_status_display", read_only=True)
    stage = serializers.SerializerMethodField()
    reason = serializers.ChoiceField(REASON_CHOICES, read_only=True)
    reason_title = serializers.SerializerMethodField()

    class Meta:
        model = Refund
        fields = [
            "refund_no", "url", "order_no", "status", "status_label", "stage", "lane", "reason", "reason_title",
            "amount_fen", "submitted_at", "promised_by", "decided_at", "paid_out_at", "arrived_at",
        ]  # fmt: skip

    def get_url(self, refund: Refund) -> str:
        return reverse("api:shop_refund", [refund.refund_no], request=self.context["request"])

    @extend_schema(responses=serializers.ChoiceField(list(STAGES)))
    def get_stage(self, refund: Refund) -> str:
        return STAGE_OF[Status(refund.status)]

    def get_reason_title(self, refund: Refund) -> str:
        return REASONS[refund.reason].title if refund.reason in REASONS else refund.reason


class ShopRefundEvent(Shown):
    """What was done, and when; who did it, and what they wrote, stays inside the house."""

    class Meta:
        model = RefundEvent
        fields = ["sequence", "step", "from_status", "to_status", "at"]


class ShopRefundInFull(ShopRefundInList):
    lines = LineOfRefund(many=True, read_only=True)
    events = ShopRefundEvent(many=True, read_only=True)

    class Meta(ShopRefundInList.Meta):
        fields = [*ShopRefundInList.Meta.fields, "lines", "events"]


class ShopRefundFilter(Strict):
    status = serializers.ChoiceField(Status.choices, required=False)


class ShopRefundQuery(ShopRefundFilter, PageQuery):
    pass


# --- views ------------------------------------------------------------------------------------------------------------


class OrderDoor(ShopDoor):
    scope = Scope.ORDERS_READ

    def orders(self) -> QuerySet[Order]:
        return Order.objects.filter(shop=self.shop)


@extend_schema(summary="本店订单", tags=["shop"])
class ShopOrders(OrderDoor, ListAPIView):
    serializer_class = ShopOrderInList
    pagination_class = newest_first("placed_at")
    query_class = PageQuery

    def get_queryset(self) -> QuerySet[Order]:
        return self.orders()


class OneShopOrder(OrderDoor):
    @extend_schema(summary="本店订单：商品与退款", tags=["shop"], responses=ShopOrderInFull)
    def get(self, request: Request, order_no: str) -> Response:
        lines, refunds = OrderLine.objects.order_by("position"), Refund.objects.order_by("-id")
        rows = self.orders().prefetch_related(Prefetch("lines", lines), Prefetch("refunds", refunds))
        return _answer(ShopOrderInFull, get_object_or_404(rows, order_no=order_no), request)


class RefundDoor(ShopDoor):
    scope = Scope.REFUNDS_READ

    def refunds(self) -> QuerySet[Refund]:
        return Refund.objects.filter(shop=self.shop).select_related("order")


class ShopRefunds(RefundDoor, ListAPIView):
    serializer_class = ShopRefundInList
    pagination_class = newest_first("submitted_at")
    query_class = ShopRefundQuery

    def get_queryset(self) -> QuerySet[Refund]:
        wanted = {name: self.query[name] for name in ("status",) if name in self.query}
        return self.refunds().filter(**wanted)

    @extend_schema(summary="本店退款单", tags=["shop"], parameters=[ShopRefundFilter])
    def get(self, request: Request) -> Response:
        return self.list(request)


class OneShopRefund(RefundDoor):
    @extend_schema(summary="本店退款单：退款行与记录", tags=["shop"], responses=ShopRefundInFull)
    def get(self, request: Request, refund_no: str) -> Response:
        events = RefundEvent.objects.order_by("sequence")
        rows = self.refunds().prefetch_related("lines__order_line", Prefetch("events", events))
        return _answer(ShopRefundInFull, get_object_or_404(rows, refund_no=refund_no), request)


def _answer(serializer: type[serializers.ModelSerializer], row: Any, request: Request) -> Response:
    context: Mapping[str, Any] = {"request": request}
    return Response(serializer(row, context=dict(context)).data)
