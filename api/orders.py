"""/api/orders/: a buyer's own orders, and what of each can be refunded. A code's state is told, its text never."""

from __future__ import annotations

from typing import Any

from django.db.models import Prefetch, QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.generics import ListAPIView, get_object_or_404
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse

import clock
from api.door import Door, PageQuery, Shown, Strict, newest_first
from orders.models import Order, OrderLine
from payments.models import Payment
from refunds import applying, guides, refundable
from refunds.models import Destination, Lane, Refund, Status
from refunds.reasons import REASONS
from shops.models import CodeState

MOST_FEN = 2**31 - 1  # what the column holds


class OrderInList(Shown):
    url = serializers.SerializerMethodField()
    shop = serializers.CharField(source="shop.name", read_only=True)
    status_label = serializers.CharField(source="get_status_display", read_only=True)

    class Meta:
        model = Order
        fields = [
            "order_no",
            "url",
            "shop",
            "status",
            "status_label",
            "total_fen",
            "placed_at",
            "expires_at",
            "paid_at",
            "delivered_at",
            "completed_at",
            "canceled_at",
        ]

    def get_url(self, order: Order) -> str:
        return reverse("api:order", [order.order_no], request=self.context["request"])


class Line(Shown):
    """One unit. `refundable_fen` is what no refund holds yet; `code_state` is null before delivery."""

    refundable_fen = serializers.SerializerMethodField()
    code_state = serializers.SerializerMethodField()

    class Meta:
        model = OrderLine
        fields = ["id", "position", "product_name", "price_fen", "refundable_fen", "code_state"]

    def get_refundable_fen(self, line: OrderLine) -> int:
        return self.context["refundable"].get(line.pk, 0)

    @extend_schema(responses=serializers.ChoiceField(CodeState.choices, allow_null=True))
    def get_code_state(self, line: OrderLine) -> str | None:
        code = line.delivery.code if hasattr(line, "delivery") else None
        return code.state if code else None


class PaymentOfOrder(Shown):
    class Meta:
        model = Payment
        fields = ["payment_no", "status", "amount_fen", "refunded_fen", "is_surplus", "paid_at"]


class RefundOfOrder(Shown):
    url = serializers.SerializerMethodField()

    class Meta:
        model = Refund
        fields = ["refund_no", "url", "status", "amount_fen", "submitted_at"]

    def get_url(self, refund: Refund) -> str:
        return reverse("api:refund", [refund.refund_no], request=self.context["request"])


class OrderInFull(OrderInList):
    refundable_fen = serializers.SerializerMethodField()
    lines = Line(many=True, read_only=True)
    payments = PaymentOfOrder(many=True, read_only=True)
    refunds = RefundOfOrder(many=True, read_only=True)

    class Meta(OrderInList.Meta):
        fields = [*OrderInList.Meta.fields, "refundable_fen", "lines", "payments", "refunds"]

    def get_refundable_fen(self, order: Order) -> int:
        return sum(self.context["refundable"].values())


class EligibilityQuery(Strict):
    """`reason` is required; without amount and lines: all that is left of the order."""

    reason = serializers.ChoiceField([(reason.code, reason.title) for reason in REASONS.values()])
    amount_fen = serializers.IntegerField(required=False, min_value=1, max_value=MOST_FEN)
    line_ids = serializers.ListField(
        child=serializers.IntegerField(min_value=1, max_value=2**63 - 1), required=False, min_length=1, max_length=50
    )
    destination = serializers.ChoiceField(Destination.to_ask_for(), required=False)


class Rule(serializers.Serializer):
    """One rule's answer, in the words that the buyer reads."""

    rule = serializers.CharField()
    passed = serializers.BooleanField()
    sentence = serializers.CharField()
    sentence_en = serializers.CharField()


class Eligibility(serializers.Serializer):
    """What the pre-check would say now. `active_refund_no`: the refund that the order has already, else null."""

    eligible = serializers.BooleanField()
    next_step = serializers.ChoiceField(["auto_approve", "ask_merchant", "send_to_review", "turn_down"])
    lane = serializers.ChoiceField(Lane.choices)
    sentence = serializers.CharField()
    asked_fen = serializers.IntegerField()
    fee_fen = serializers.IntegerField(help_text="手续费；asked_fen = fee_fen + refund_fen")
    refund_fen = serializers.IntegerField()
    evidence_slots = serializers.ListField(child=serializers.CharField())
    helps = serializers.CharField()
    results = Rule(many=True)
    active_refund_no = serializers.CharField(allow_null=True)


class OrderDoor(Door):
    """Other people's orders do not exist here: 404, whoever asks (X7)."""

    def orders(self) -> QuerySet[Order]:
        return Order.objects.filter(buyer=self.caller).select_related("shop", "policy")


@extend_schema(summary="我的订单", tags=["orders"])
class Orders(OrderDoor, ListAPIView):
    serializer_class = OrderInList
    pagination_class = newest_first("placed_at")
    query_class = PageQuery

    def get_queryset(self) -> QuerySet[Order]:
        return self.orders()


class OneOrder(OrderDoor):
    @extend_schema(summary="订单：商品、付款、可退金额、卡密状态", tags=["orders"], responses=OrderInFull)
    def get(self, request: Request, order_no: str) -> Response:
        lines = OrderLine.objects.select_related("delivery__code").order_by("position")
        refunds = Refund.objects.order_by("-id")
        rows = self.orders().prefetch_related(Prefetch("lines", lines), "payments", Prefetch("refunds", refunds))
        order = get_object_or_404(rows, order_no=order_no)
        return Response(OrderInFull(order, context={"request": request, "refundable": _refundable(order)}).data)


class OrderEligibility(OrderDoor):
    query_class = EligibilityQuery

    @extend_schema(
        summary="能退吗：提交之前先问一问", tags=["orders"], parameters=[EligibilityQuery], responses=Eligibility
    )
    def get(self, request: Request, order_no: str) -> Response:
        order = get_object_or_404(self.orders(), order_no=order_no)
        preview = applying.preview(order, applying.Application(**self.query), at=clock.now())
        verdict, amounts = preview.verdict, preview.amounts
        active = order.refunds.filter(status__in=Status.active()).first()
        answer: dict[str, Any] = {
            "eligible": verdict.step != "turn_down" and active is None,
            "next_step": verdict.step,
            "lane": verdict.lane,
            "sentence": verdict.sentence,
            "asked_fen": amounts.asked_fen,
            "fee_fen": amounts.fee_fen,
            "refund_fen": amounts.refund_fen,
            "evidence_slots": list(preview.facts.terms.slots),
            "helps": guides.needed(preview.facts.terms.slots),
            "results": verdict.results,
            "active_refund_no": active.refund_no if active else None,
        }
        return Response(Eligibility(answer).data)


def _refundable(order: Order) -> dict[int, int]:
    """{line id: fen}; empty while nothing is paid."""
    if applying.paid_payment(order) is None:
        return {}
    return {item.line.pk: item.amount_fen for item in refundable.lines_of(order)}
