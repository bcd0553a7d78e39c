"""What buyers' pages show, fetched in a number of queries that never depends on the number of rows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Exists, OuterRef, Prefetch, QuerySet
from django.http import Http404
from django.utils.translation import gettext as _

from accounts.models import User
from money import yuan
from orders.models import Order, OrderLine, OrderStatus
from payments.models import Payment, PaymentStatus
from refunds import applying, stages
from refunds.models import Refund, RefundLine, Status
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
            Prefetch("payments", Payment.objects.select_related("account")),
        )
    )


def order_of(buyer: User, order_no: str) -> Order:
    """One of them. Somebody else's order is not there (X8)."""
    order = orders_of(buyer).filter(order_no=order_no).first()
    if order is None:
        raise Http404(order_no)
    return order


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
        if surplus_of(order):
            return RefundEntry(False, _("多付或迟付的款由系统自动原路退回，无需申请"))
        return RefundEntry(False, _("订单没有成功的付款，无款可退"))
    if not applying.refundable_lines(order):
        return RefundEntry(False, _("这张订单的款项已全部退回或正在退回"))
    verdict = applying.preview(order, applying.Application(reason=""), at=at)
    return RefundEntry(verdict.step != "turn_down", in_language(verdict), verdict=verdict)


@dataclass(frozen=True)
class MoneyBack:
    """What an order's head says while its money goes back, or once it has. ``refund`` is the case to look at."""

    title: str
    sentence: str
    tone: str
    refund: Refund


def money_back(order: Order) -> MoneyBack | None:
    """None as long as no refund has taken anything of the order."""
    refunds = order.refunds.all()
    moving = next((refund for refund in refunds if refund.status in _MOVING), None)
    if moving:
        return MoneyBack(
            _("退款中"), stages.headline(moving), stages.TONE_OF.get(Status(moving.status), "progress"), moving
        )
    paid_back = [refund for refund in refunds if refund.status in _PAID_BACK]
    if not paid_back:
        return None
    sums = {"back": yuan(sum(refund.amount_fen for refund in paid_back)), "paid": yuan(order.total_fen)}
    if sum(refund.amount_fen for refund in paid_back) < order.total_fen:
        return MoneyBack(_("已部分退款"), _("已退 %(back)s，共付 %(paid)s。") % sums, "good", paid_back[0])
    arriving = any(refund.status == Status.PAID_OUT for refund in paid_back)
    sentence = _("支付渠道已原路退回 %(back)s，请留意到账。") if arriving else _("已原路退回 %(back)s。")
    return MoneyBack(_("已全额退款"), sentence % sums, "good", paid_back[0])


@dataclass(frozen=True)
class Surplus:
    """多付或迟付: a payment that the order did not need, and where its money is (PM13, B2)."""

    sentence: str
    tone: str


def surplus_of(order: Order) -> list[Surplus]:
    """It has no case, so the order's page is the only place that can say that it goes back by itself."""
    paid = [row for row in order.payments.all() if row.status == PaymentStatus.PAID and row.is_surplus]
    return [_surplus(payment) for payment in sorted(paid, key=lambda row: row.pk)]


def _surplus(payment: Payment) -> Surplus:
    facts = {"amount": yuan(payment.amount_fen), "channel": payment.account.get_channel_display()}
    if payment.refunded_fen >= payment.amount_fen:
        words = _("%(channel)s多付或迟付的 %(amount)s 已原路退回，请留意到账。")
        return Surplus(words % facts, "good")
    words = _("%(channel)s多付或迟付的 %(amount)s 由系统自动原路退回，您无需操作。到账时间以渠道为准。")
    return Surplus(words % facts, "progress")


@dataclass(frozen=True)
class LineNow:
    """One unit bought, and in a few words what has become of it. ``can_reveal``: its code can be looked at."""

    line: OrderLine
    words: str
    can_reveal: bool
    is_seen: bool


def lines_now(order: Order) -> list[LineNow]:
    """The order's lines in buyers' words: what a refund did to a code is said as what became of the money."""
    shares: dict[int, list[RefundLine]] = defaultdict(list)
    for share in RefundLine.objects.filter(refund__order=order).select_related("refund"):
        shares[share.order_line_id].append(share)
    return [_line_now(line, shares[line.pk]) for line in order.lines.all()]


def _line_now(line: OrderLine, shares: Sequence[RefundLine]) -> LineNow:
    code = line.delivery.code if hasattr(line, "delivery") else None
    back_fen = sum(share.amount_fen for share in shares if share.refund.status in _PAID_BACK)
    is_moving = any(share.refund.status in _MOVING for share in shares)
    state = code.state if code else ""
    if state in {CodeState.QUARANTINED, CodeState.VOID}:
        words = _("已收回（退款中）") if is_moving else _("已收回（已退款）")
    elif code is None and is_moving:
        words = _("未交付，退款中")
    elif code is None and back_fen >= line.price_fen:
        words = _("未交付，已退款")
    else:
        words = str(code.get_state_display()) if code else _("等待交付")
        words += _("，已退 %(back)s") % {"back": yuan(back_fen)} if back_fen else ""
    can_reveal = state in {CodeState.DELIVERED, CodeState.REVEALED}
    return LineNow(line, words, can_reveal, is_seen=bool(code and code.revealed_at))


# --- refunds ----------------------------------------------------------------------------------------------------------

_MOVING = {*Status.active(), Status.PROCESSING, Status.RETURNED}
_PAID_BACK = {Status.PAID_OUT, Status.ARRIVED}


def refunds_of(buyer: User) -> QuerySet[Refund]:
    return Refund.objects.filter(buyer=buyer).select_related("order__shop").prefetch_related("order__lines")
