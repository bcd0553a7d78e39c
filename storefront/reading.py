"""What buyers' pages show, fetched in a number of queries that never depends on the number of rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Prefetch, QuerySet
from django.http import Http404
from django.utils.translation import gettext as _

from accounts.models import User
from money import share_out, yuan
from orders.models import Order, OrderLine, OrderStatus
from payments.models import Payment, PaymentStatus
from refunds import applying, policy, stages
from refunds.applying import Application, Preview
from refunds.models import Destination, Refund, Status
from refunds.policy import Verdict
from refunds.reading import in_language
from refunds.refundable import Refundable, lines_of
from storefront.lines import MOVING, PAID_BACK
from storefront.templatetags.words import deadline

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
    seen: Preview | None = None

    @property
    def verdict(self) -> Verdict | None:
        return self.seen.verdict if self.seen else None


def refund_entry(order: Order, *, at: datetime) -> RefundEntry:
    return shut(order, lines_of(order)) or unnamed(order, at=at)


def shut(order: Order, refundable: Sequence[Refundable]) -> RefundEntry | None:
    """Why there is nothing to ask for, whatever the reason would be; None: there is. ``refundable``: what is left."""
    running = next((refund for refund in order.refunds.all() if refund.status in Status.active()), None)
    if running:
        return RefundEntry(False, _("已有进行中的退款，请在那里继续"), running)
    if order.paid_at is None:
        if surplus_of(order):
            return RefundEntry(False, _("多付或迟付的款由系统自动原路退回，无需申请"))
        return RefundEntry(False, _("订单没有成功的付款，无款可退"))
    if order.cancellations.filter(heard_at=None).exists():  # S4-3: seconds, as a rule
        return RefundEntry(False, _("取消部分的退款正在自动发起，无需申请"))
    if not refundable:
        return RefundEntry(False, _("这张订单的款项已全部退回或正在退回"))
    return None


def unnamed(order: Order, *, at: datetime) -> RefundEntry:
    """What the pre-check says of the goods before a reason is named."""
    seen = applying.preview(order, Application(reason=""), at=at)
    return RefundEntry(seen.verdict.step != "turn_down", in_language(seen.verdict), seen=seen)


@dataclass(frozen=True)
class Part:
    """One unit of a refund. ``taken_fen``: what of its price went back before. Asked − fee = refund."""

    refundable: Refundable
    taken_fen: int
    asked_fen: int
    fee_fen: int

    @property
    def refund_fen(self) -> int:
        return self.asked_fen - self.fee_fen


@dataclass(frozen=True)
class Sums:
    """The arithmetic of a refund, as it is shown before sending: the parts sum exactly (I12)."""

    parts: list[Part]
    asked_fen: int
    fee_fen: int
    refund_fen: int


def sums(seen: Preview, chosen: Sequence[Refundable]) -> Sums:
    amounts = seen.amounts
    shares = share_out(amounts.asked_fen, [item.amount_fen for item in chosen])
    parts = [
        Part(
            item,
            item.line.price_fen - item.amount_fen,
            fen,
            policy.fee_of(fen, seen.facts) if getattr(item.line, "delivery", None) else 0,
        )
        for item, fen in zip(chosen, shares, strict=True)
        if fen
    ]
    return Sums(parts, amounts.asked_fen, amounts.fee_fen, amounts.refund_fen)


@dataclass(frozen=True)
class MoneyBack:
    """What an order's head says while its money goes back, or once it has. ``refund`` is the case to look at.
    ``comes_first``: before how far the order is, of which nothing more is to come."""

    title: str
    sentence: str
    tone: str
    refund: Refund
    comes_first: bool


def money_back(order: Order, *, at: datetime) -> MoneyBack | None:
    """None as long as no refund has taken anything of the order."""
    refunds = order.refunds.all()
    is_whole = order.status != OrderStatus.CANCELED
    moving = next((refund for refund in refunds if refund.status in MOVING), None)
    if moving:
        tone = stages.TONE_OF.get(Status(moving.status), "progress")
        return MoneyBack(_("退款中"), _stands(moving, at), tone, moving, is_whole)
    paid_back = [refund for refund in refunds if refund.status in PAID_BACK]
    if not paid_back:
        return None
    credited_fen = sum(refund.amount_fen for refund in paid_back if refund.destination == Destination.BALANCE)
    sums = {
        "back": yuan(sum(refund.amount_fen for refund in paid_back)),
        "paid": yuan(order.total_fen),
        "credited": yuan(credited_fen),
    }
    if sum(refund.amount_fen for refund in paid_back) < order.total_fen:
        rest_is_due = order.status == OrderStatus.PAID
        words = _("已退 %(back)s，共付 %(paid)s。") % sums
        return MoneyBack(_("已部分退款"), words, "good", paid_back[0], is_whole and not rest_is_due)
    arriving = any(refund.status == Status.PAID_OUT for refund in paid_back)
    sentence = _("支付渠道已原路退回 %(back)s，请留意到账。") if arriving else _("已原路退回 %(back)s。")
    if any(refund.destination == Destination.OTHER_ACCOUNT for refund in paid_back):
        sentence = _("已退回 %(back)s，其中有转账至您签署的账户的。")
    if credited_fen:
        is_all = credited_fen == sum(refund.amount_fen for refund in paid_back)
        sentence = _("已退至余额 %(back)s。") if is_all else _("已退 %(back)s，其中 %(credited)s 退至余额。")
    return MoneyBack(_("已全额退款"), sentence % sums, "good", paid_back[0], is_whole)


def _stands(refund: Refund, at: datetime) -> str:
    """Where a case stands, and what is promised by when; whose turn it is, where it is the buyer's."""
    due, headline = stages.due(refund, at=at), stages.headline(refund)
    facts = {"headline": headline, "label": due.by_label, "at": deadline(refund.promised_by)}
    if due.is_late or not (due.by_label and refund.promised_by):
        return headline
    if refund.status == Status.OFFERED:
        return _("%(headline)s：请在 %(at)s 前答复。") % facts
    if due.is_buyers_turn:
        return _("%(headline)s：轮到您，请在 %(at)s 前提交。") % facts
    return _("%(headline)s。%(label)s：%(at)s 前。") % facts


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


# --- refunds ----------------------------------------------------------------------------------------------------------


def refund_of(buyer: User, refund_no: str) -> Refund | None:
    """The buyer's own case, with all that its page looks at."""
    mine = Refund.objects.filter(buyer=buyer).select_related("order__shop", "order__policy", "payment__account")
    return mine.filter(refund_no=refund_no).first()


def refunds_of(buyer: User) -> QuerySet[Refund]:
    return Refund.objects.filter(buyer=buyer).select_related("order__shop").prefetch_related("order__lines")
