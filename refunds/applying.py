"""申请退款: what can be asked for, and asking for it. One active case per order, by the database (S0-27, P1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import IntegrityError, transaction
from django.db.models import Sum
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from orders.models import Order, OrderLine
from payments.models import Payment, PaymentStatus
from refunds import codes, evidence, lifecycle, policy
from refunds.lifecycle import StepRefused
from refunds.models import Lane, Refund, RefundLine, Status
from refunds.policy import Facts, Terms, Verdict
from refunds.reasons import REASONS
from shops import stock
from shops.models import CardCode


class AlreadyActive(StepRefused):
    """The order has a case already: ``refund_no`` is where to go."""

    def __init__(self, refund_no: str) -> None:
        super().__init__("already_active", _("这张订单已有进行中的退款 %(no)s，请在那里继续。") % {"no": refund_no})
        self.refund_no = refund_no


@dataclass(frozen=True)
class Application:
    """What the buyer asks for. ``amount_fen`` None means all that can be refunded for ``line_ids`` (None: all lines)."""

    reason: str
    description: str = ""
    contact: str = ""
    amount_fen: int | None = None
    line_ids: Sequence[int] | None = None
    images: Sequence[evidence.Image] = ()


@dataclass(frozen=True)
class Refundable:
    """可退: an order line and what of its price is not promised to any case yet."""

    line: OrderLine
    amount_fen: int


def submit(order: Order, application: Application, *, by: User, at: datetime) -> Refund:
    """提交申请: freezes unseen codes and wakes the pre-check. Raises AlreadyActive or StepRefused."""
    _check_words(application)
    if by.pk != order.buyer_id:
        raise StepRefused("not_yours", _("只能为自己的订单申请退款。"))
    try:
        with transaction.atomic():
            return _submit(order, application, by, at)
    except IntegrityError:
        active = _active(order)
        if active is None:
            raise
        raise AlreadyActive(active.refund_no) from None


def preview(order: Order, application: Application, *, at: datetime) -> Verdict:
    """What the pre-check would say now, before anything is submitted: same rules, same sentences."""
    refundable = _chosen(refundable_lines(order), application)
    amount_fen = application.amount_fen or sum(item.amount_fen for item in refundable)
    line_ids = [item.line.pk for item in refundable]
    delivered = list(CardCode.objects.filter(delivery__line__in=line_ids))
    return policy.decide(gather(order, paid_payment(order), delivered, amount_fen, at=at))


def refundable_lines(order: Order) -> list[Refundable]:
    """The order's lines with what is left of each."""
    taken = dict(
        RefundLine.objects.filter(order_line__order=order, refund__status__in=Status.holding_money())
        .values_list("order_line")
        .annotate(Sum("amount_fen"))
    )
    rows = [
        Refundable(line, line.price_fen - taken.get(line.pk, 0))
        for line in order.lines.select_related("delivery__code", "product").order_by("position")
    ]
    return [row for row in rows if row.amount_fen > 0]


def paid_payment(order: Order) -> Payment | None:
    """The payment that the order stands on; surplus ones go back by themselves."""
    return order.payments.filter(status=PaymentStatus.PAID, is_surplus=False).first()


def gather(
    order: Order, payment: Payment | None, delivered: Sequence[CardCode], amount_fen: int, *, at: datetime
) -> Facts:
    """Look up, once, everything the rules want to know about these codes of this order."""
    terms = order.policy
    return Facts(
        at=at,
        terms=Terms(terms.window_days, terms.one_click_below_fen, terms.one_click_daily_cap_fen, terms.max_rejections),
        paid=payment is not None,
        delivered_at=max((code.delivered_at for code in delivered if code.delivered_at), default=None),
        delivered_count=len(delivered),
        revealed_count=sum(code.revealed_at is not None for code in delivered),
        amount_fen=amount_fen,
        refundable_fen=payment.refundable_fen if payment else 0,
        rejections=order.refunds.filter(status=Status.REJECTED).count(),
        auto_refunded_today_fen=_automatic_today(order.buyer_id, at),
    )


def _submit(order: Order, application: Application, by: User, at: datetime) -> Refund:
    """Locks in the order of the imports: payment, order, codes."""
    paid = paid_payment(order)
    if paid is None:
        raise StepRefused("not_paid", _("订单没有成功的付款，无款可退。"))
    payment = Payment.objects.select_for_update().get(pk=paid.pk)
    order = Order.objects.select_for_update(of=("self",)).select_related("policy").get(pk=order.pk)
    active = _active(order)
    if active:
        raise AlreadyActive(active.refund_no)
    chosen = _chosen(refundable_lines(order), application)
    amount_fen = _amount(application, chosen, payment)
    stock.freeze(codes.of_lines([item.line.pk for item in chosen]))
    refund = Refund(
        order=order,
        payment=payment,
        buyer=order.buyer,
        asked_by=by,
        reason=application.reason,
        description=application.description.strip(),
        contact=application.contact.strip(),
        amount_fen=amount_fen,
        submitted_at=at,
    )
    lifecycle.open_case(refund, by=by, at=at)
    _share_out(refund, chosen)
    evidence.store(refund, by=by, at=at, images=application.images)
    return refund


def _check_words(application: Application) -> None:
    reason = REASONS.get(application.reason)
    if reason is None:
        raise StepRefused("unknown_reason", _("请从列表中选择退款原因。"))
    if reason.needs_description and not application.description.strip():
        raise StepRefused(
            "description_missing", _("请按“时间 + 经过 + 结果”写明情况，例如：11月20日晚8点兑换，提示卡密已使用。")
        )


def _chosen(refundable: Sequence[Refundable], application: Application) -> list[Refundable]:
    if application.line_ids is None:
        return list(refundable)
    wanted = set(application.line_ids)
    chosen = [item for item in refundable if item.line.pk in wanted]
    if len(chosen) != len(wanted):
        raise StepRefused("unknown_line", _("所选商品不属于这张订单，或已退款。请刷新页面后重选。"))
    return chosen


def _amount(application: Application, chosen: Sequence[Refundable], payment: Payment) -> int:
    most = min(sum(item.amount_fen for item in chosen), payment.refundable_fen)
    if most <= 0:
        raise StepRefused("nothing_left", _("这张订单的款项已全部退回或正在退回。"))
    amount_fen = most if application.amount_fen is None else application.amount_fen
    if not 1 <= amount_fen <= most:
        raise StepRefused(
            "amount_out_of_range", _("退款金额须在 ¥0.01 与 ¥%(most)s 之间。") % {"most": f"{most / 100:.2f}"}
        )
    return amount_fen


def _share_out(refund: Refund, chosen: Sequence[Refundable]) -> None:
    parts = policy.share_out(refund.amount_fen, [item.amount_fen for item in chosen])
    RefundLine.objects.bulk_create(
        RefundLine(refund=refund, order_line=item.line, amount_fen=part)
        for item, part in zip(chosen, parts, strict=True)
        if part
    )


def _active(order: Order) -> Refund | None:
    return Refund.objects.filter(order=order, status__in=Status.active()).first()


def _automatic_today(buyer_id: int, at: datetime) -> int:
    """What the one-click lane has given this buyer in the last 24 hours (P12)."""
    recent = Refund.objects.filter(buyer_id=buyer_id, lane=Lane.ONE_CLICK, decided_at__gt=at - timedelta(hours=24))
    return recent.filter(status__in=Status.holding_money()).aggregate(total=Sum("amount_fen"))["total"] or 0
