"""What buyers' pages show, fetched in a number of queries that never depends on the number of rows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Exists, OuterRef, Prefetch, QuerySet
from django.utils.translation import gettext as _

from accounts.models import User
from orders.models import Order, OrderLine, OrderStatus
from refunds import applying
from refunds.models import Refund, Status
from refunds.policy import Verdict
from refunds.reading import in_language
from shops.models import CardCode, CodeState, Product

# --- goods ------------------------------------------------------------------------------------------------------------


def products() -> QuerySet[Product]:
    """What is for sale, each with ``has_stock``."""
    in_stock = CardCode.objects.filter(product=OuterRef("pk"), state=CodeState.IN_STOCK)
    listed = Product.objects.filter(is_listed=True).select_related("shop", "policy")
    return listed.annotate(has_stock=Exists(in_stock))


# --- orders -----------------------------------------------------------------------------------------------------------


def orders_of(buyer: User) -> QuerySet[Order]:
    """A buyer's orders with their lines, codes (never their text), payments and refunds."""
    lines = OrderLine.objects.select_related("delivery__code").defer("delivery__code__sealed", "product_page")
    return (
        Order.objects.filter(buyer=buyer)
        .select_related("shop", "policy")
        .prefetch_related(
            Prefetch("lines", lines.order_by("position")),
            Prefetch("refunds", Refund.objects.order_by("-submitted_at", "-pk")),
            "payments",
        )
    )


@dataclass(frozen=True)
class RefundEntry:
    """The way to a refund from an order: always there; where it is shut, ``reason`` says why (B3)."""

    is_open: bool
    reason: str
    running: Refund | None = None
    verdict: Verdict | None = None


def refund_entry(order: Order, *, at: datetime) -> RefundEntry:
    running = next((refund for refund in order.refunds.all() if refund.status in Status.active()), None)
    if running:
        return RefundEntry(False, _("已有进行中的退款，请在那里继续"), running)
    if order.status in {OrderStatus.PLACED, OrderStatus.CANCELED}:
        return RefundEntry(False, _("订单没有成功的付款，无款可退"))
    if not applying.refundable_lines(order):
        return RefundEntry(False, _("这张订单的款项已全部退回或正在退回"))
    verdict = applying.preview(order, applying.Application(reason=""), at=at)
    return RefundEntry(verdict.step != "turn_down", in_language(verdict), verdict=verdict)


# --- refunds ----------------------------------------------------------------------------------------------------------


def refunds_of(buyer: User) -> QuerySet[Refund]:
    return Refund.objects.filter(buyer=buyer).select_related("order__shop").prefetch_related("order__lines")
