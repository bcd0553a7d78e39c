"""申请退款: what can be asked for, and asking for it. One active case per order, by the database (S0-27, P1)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.db import IntegrityError, transaction
from django.db.models import Count, QuerySet, Sum
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from money import share_out
from orders import masking
from orders.cancellation import CONSEQUENCES
from orders.models import Cancellation, Cause, Order, OrderLine, TopUpStatus
from payments.models import Payment, PaymentStatus
from refunds import evidence, goods, lifecycle, policy, reading
from refunds.lifecycle import StepRefused
from refunds.models import Lane, Refund, RefundLine, Status
from refunds.policy import Facts, Terms, Verdict
from refunds.reasons import REASONS, Sold, obstacle

#: By ``reasons.obstacle``.
MISFITS = {
    "kind": _("“%(reason)s”不适用于这类商品，请另选原因。"),
    "undelivered": _("商品已交付，不适用“%(reason)s”，请另选原因。"),
    "delivered": _("商品尚未交付，不适用“%(reason)s”，请另选原因。"),
    "unseen": _("卡密已查看或商品已收到，不适用“%(reason)s”，请另选原因。"),
}


class AlreadyActive(StepRefused):
    """The order has a case already: ``refund_no`` is where to go."""

    def __init__(self, refund_no: str) -> None:
        super().__init__("already_active", _("这张订单已有进行中的退款 %(no)s，请在那里继续。") % {"no": refund_no})
        self.refund_no = refund_no


@dataclass(frozen=True)
class Application:
    """What the buyer asks for. ``amount_fen`` None means all that is left of ``line_ids`` (None: of all lines)."""

    reason: str
    description: str = ""
    contact: str = ""
    amount_fen: int | None = None
    line_ids: Sequence[int] | None = None
    images: Sequence[evidence.Image] = ()


@dataclass(frozen=True)
class LineFacts:
    """What became of one order line. ``is_begun``: a top-up left us, or work began, and nothing is handed over yet.
    ``is_used_or_seen``: what cannot be proved unused by our own record alone. ``valid_until``: the code's own last day.
    ``has_no_code``: handed over, and there was no code to look at: a top-up that arrived, work that was done.
    """

    delivered_at: datetime | None
    is_begun: bool
    is_used_or_seen: bool
    valid_until: date | None = None
    has_no_code: bool = False


@dataclass(frozen=True)
class Asked:
    """One case as the rules see it. ``left_fen``: what no other case has taken of its lines' price. ``is_canceled``:
    the machine asks for what was canceled, however often the buyer was refused before."""

    order: Order
    payment: Payment | None
    lines: Sequence[LineFacts]
    amount_fen: int
    left_fen: int
    is_canceled: bool = False


@dataclass(frozen=True)
class Refundable:
    """可退: an order line and what of its price is not promised to any case yet."""

    line: OrderLine
    amount_fen: int


def submit(order: Order, application: Application, *, by: User, at: datetime) -> Refund:
    """提交申请: freezes unseen codes and wakes the pre-check. Raises AlreadyActive or StepRefused."""
    check_words(application)
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


def submit_for_cancellations(rows: Sequence[Cancellation], *, at: datetime) -> list[Refund]:
    """取消引起的退款: the machine asks for all that is left of the canceled lines (S4-1). One row an order.

    A row gets no case while its order has an active one, or when nothing is left to give back. In a transaction; the
    number of queries does not grow with the rows.
    """
    payments = _hold_payments([row.order_id for row in rows])
    orders = Order.objects.select_for_update(no_key=True, of=("self",)).select_related("policy")
    held = {order.pk: order for order in orders.filter(pk__in=payments).order_by("pk")}
    busy = set(Refund.objects.filter(order__in=held, status__in=Status.active()).values_list("order_id", flat=True))
    left = left_of([row for row in rows if row.order_id in held and row.order_id not in busy])
    refunds, shares = [], []
    for row in rows:
        lines = left.get(row.pk, [])
        most_fen = min(sum(item.amount_fen for item in lines), payments[row.order_id].refundable_fen) if lines else 0
        if most_fen > 0:
            refunds.append(_for(row, held[row.order_id], payments[row.order_id], most_fen, at))
            shares.append(_shares(most_fen, lines))
    lifecycle.open_cases(refunds, by=None, at=at)
    RefundLine.objects.bulk_create(
        RefundLine(refund=refund, order_line=line, amount_fen=fen)
        for refund, parts in zip(refunds, shares, strict=True)
        for line, fen in parts
    )
    return refunds


def left_of(rows: Sequence[Cancellation]) -> dict[int, list[Refundable]]:
    """What of each cancellation's lines no case has taken yet; one of which all is taken is not there."""
    lines = OrderLine.objects.filter(cancellation_line__cancellation__in=rows).select_related("cancellation_line")
    taken = promised_fen(RefundLine.objects.filter(order_line__cancellation_line__cancellation__in=rows))
    left: dict[int, list[Refundable]] = defaultdict(list)
    for line in lines.defer("product_page").order_by("order_id", "position"):
        if (amount_fen := line.price_fen - taken.get(line.pk, 0)) > 0:
            left[line.cancellation_line.cancellation_id].append(Refundable(line, amount_fen))
    return left


def preview(order: Order, application: Application, *, at: datetime) -> Verdict:
    """What the pre-check would say now, before anything is submitted: same rules, same sentences. Raises StepRefused
    where submitting would: a reason that does not fit is refused here too."""
    refundable = _chosen(refundable_lines(order), application)
    check_reason(application.reason, refundable)
    left_fen = sum(item.amount_fen for item in refundable)
    line_ids = [item.line.pk for item in refundable]
    lines = list(facts_of(line_ids).values())
    asked = Asked(order, paid_payment(order), lines, application.amount_fen or left_fen, left_fen)
    return policy.decide(gather([asked], at=at)[0])


def facts_of(line_ids: Collection[int]) -> dict[int, LineFacts]:
    """What became of each of these lines, by their deliveries, top-ups and services."""
    rows = OrderLine.objects.filter(pk__in=line_ids).select_related("delivery__code", "topup", "service")
    return {row.pk: _line_facts(row) for row in rows.defer("delivery__code__sealed", "product_page")}


def _line_facts(line: OrderLine) -> LineFacts:
    delivery = getattr(line, "delivery", None)
    topup, service = getattr(line, "topup", None), getattr(line, "service", None)
    if delivery is None:
        was_sent = topup is not None and topup.first_sent_at is not None and topup.status != TopUpStatus.FAILED
        return LineFacts(None, was_sent or (service is not None and service.started_at is not None), False)
    code = delivery.code
    is_seen = code is None or code.revealed_at is not None
    return LineFacts(delivery.delivered_at, False, is_seen, code.valid_until if code else None, code is None)


def kinds_of(order: Order) -> set[str]:
    """What kinds of goods the order is about, as its pages said when it was placed."""
    return {str(page.get("kind", "")) for page in order.lines.values_list("product_page", flat=True)}


def refundable_lines(order: Order) -> list[Refundable]:
    """The order's lines with what is left of each."""
    taken = promised_fen(RefundLine.objects.filter(order_line__order=order))
    lines = OrderLine.objects.filter(order=order)  # not ``order.lines``: prefetched, they may come without their pages
    lines = lines.select_related("delivery__code", "product", "topup", "service").order_by("position")
    rows = [Refundable(line, line.price_fen - taken.get(line.pk, 0)) for line in lines]
    return [row for row in rows if row.amount_fen > 0]


def promised_fen(lines: QuerySet[RefundLine]) -> dict[int, int]:
    """What cases have taken, or will take, of each order line that ``lines`` are about."""
    holding = lines.filter(refund__status__in=Status.holding_money())
    return dict(holding.values_list("order_line").annotate(Sum("amount_fen")))


def paid_payment(order: Order) -> Payment | None:
    """The payment that the order stands on; surplus ones go back by themselves."""
    return order.payments.filter(status=PaymentStatus.PAID, is_surplus=False).select_related("account").first()


def gather(asked: Sequence[Asked], *, at: datetime) -> list[Facts]:
    """Look up, once for all of them, everything the rules want to know."""
    today = timezone.localdate(at)
    rejections = _rejections([each.order for each in asked])
    given_fen = _automatic_today([each.order for each in asked], at)
    return [
        Facts(
            at=at,
            terms=_terms(each.order),
            ordered_at=each.order.placed_at,
            paid=each.payment is not None,
            delivered_at=max((line.delivered_at for line in each.lines if line.delivered_at), default=None),
            delivered_count=sum(line.delivered_at is not None for line in each.lines),
            begun_count=sum(line.is_begun for line in each.lines),
            revealed_count=sum(line.is_used_or_seen for line in each.lines),
            received_count=sum(line.has_no_code for line in each.lines),
            expired_count=sum(line.valid_until is not None and line.valid_until < today for line in each.lines),
            amount_fen=each.amount_fen,
            left_fen=each.left_fen,
            refundable_fen=each.payment.refundable_fen if each.payment else 0,
            rejections=0 if each.is_canceled else rejections.get(each.order.pk, 0),
            auto_refunded_today_fen=max(given_fen.get(purse, 0) for purse in purses(each.order)),
        )
        for each in asked
    ]


def _submit(order: Order, application: Application, by: User, at: datetime) -> Refund:
    """Locks in the order of the imports: payment, order, codes."""
    paid = paid_payment(order)
    if paid is None:
        raise StepRefused("not_paid", _("订单没有成功的付款，无款可退。"))
    payment = Payment.objects.select_for_update(no_key=True).get(pk=paid.pk)
    order = Order.objects.select_for_update(no_key=True, of=("self",)).select_related("policy").get(pk=order.pk)
    active = _active(order)
    if active:
        raise AlreadyActive(active.refund_no)
    chosen = _chosen(refundable_lines(order), application)
    check_reason(application.reason, chosen)
    amount_fen = _amount(application, chosen, payment)
    shares = _shares(amount_fen, chosen)
    goods.hold([line for line, _ in shares], at=at, by=by)
    refund = Refund(
        order=order,
        payment=payment,
        buyer=order.buyer,
        asked_by=by,
        reason=application.reason,
        description=masking.mask(order, application.description.strip()),  # buyers paste their codes (PM16)
        contact=application.contact.strip(),
        amount_fen=amount_fen,
        submitted_at=at,
    )
    lifecycle.open_cases([refund], by=by, at=at)
    RefundLine.objects.bulk_create(RefundLine(refund=refund, order_line=line, amount_fen=fen) for line, fen in shares)
    evidence.store(refund, by=by, at=at, images=application.images)
    return refund


def _hold_payments(order_ids: Collection[int]) -> dict[int, Payment]:
    """The payment that each of these orders stands on, by order; locked."""
    rows = Payment.objects.select_for_update(no_key=True, of=("self",)).filter(order__in=order_ids)
    return {row.order_id: row for row in rows.filter(status=PaymentStatus.PAID, is_surplus=False).order_by("pk")}


def _for(row: Cancellation, order: Order, payment: Payment, amount_fen: int, at: datetime) -> Refund:
    return Refund(
        order=order,
        payment=payment,
        buyer_id=order.buyer_id,
        cancellation=row,
        reason=CONSEQUENCES[Cause(row.cause)].refund_reason,
        description=row.reason,
        amount_fen=amount_fen,
        submitted_at=at,
    )


def check_words(application: Application) -> None:
    """A reason of the list, with the words that it needs. Raises StepRefused."""
    reason = REASONS.get(application.reason)
    if reason is None:
        raise StepRefused("unknown_reason", _("请从列表中选择退款原因。"))
    if reason.needs_description and not application.description.strip():
        raise StepRefused(
            "description_missing", _("请按“时间 + 经过 + 结果”写明情况，例如：11月20日晚8点兑换，提示卡密已使用。")
        )


def check_reason(code: str, chosen: Sequence[Refundable]) -> None:
    """The reason can be given for these goods; one that is not in the list is ``check_words``' business. Raises
    StepRefused."""
    reason = REASONS.get(code)
    if reason and (why := obstacle(reason, sold(chosen))):
        raise StepRefused("reason_does_not_fit", MISFITS[why] % {"reason": reading.reason_title(code)})


def sold(lines: Sequence[Refundable]) -> list[Sold]:
    """What the reasons have to know of these lines."""
    facts = [(str(item.line.product_page.get("kind", "")), _line_facts(item.line)) for item in lines]
    return [Sold(kind, line.delivered_at is not None, line.is_used_or_seen) for kind, line in facts]


def check_amount(amount_fen: int, most_fen: int) -> None:
    """At least a fen, at most what is left. Raises StepRefused."""
    if not 1 <= amount_fen <= most_fen:
        most = {"most": f"{most_fen / 100:.2f}"}
        raise StepRefused("amount_out_of_range", _("退款金额须在 ¥0.01 与 ¥%(most)s 之间。") % most)


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
    check_amount(amount_fen, most)
    return amount_fen


def _shares(amount_fen: int, chosen: Sequence[Refundable]) -> list[tuple[OrderLine, int]]:
    """The lines that the refund takes of, and how much; a line whose share is no whole fen is left alone."""
    parts = share_out(amount_fen, [item.amount_fen for item in chosen])
    return [(item.line, part) for item, part in zip(chosen, parts, strict=True) if part]


def _active(order: Order) -> Refund | None:
    return Refund.objects.filter(order=order, status__in=Status.active()).first()


def _terms(order: Order) -> Terms:
    terms = order.policy
    return Terms(
        window_days=terms.window_days,
        cooling_off_hours=terms.cooling_off_hours,
        one_click_below_fen=terms.one_click_below_fen,
        one_click_daily_cap_fen=terms.one_click_daily_cap_fen,
        max_rejections=terms.max_rejections,
    )


def _rejections(orders: Sequence[Order]) -> dict[int, int]:
    rejected = Refund.objects.filter(order__in=orders, status=Status.REJECTED)
    return dict(rejected.values_list("order").annotate(Count("pk")))


def purses(order: Order) -> list[int | bytes]:
    """Whose automatic refunds of a day count together: the buyer's; of guests also all those of one address (P12)."""
    return [order.buyer_id, bytes(order.guest_origin)] if order.guest_origin else [order.buyer_id]


def _automatic_today(orders: Sequence[Order], at: datetime) -> dict[int | bytes, int]:
    """What the one-click lane has given each purse in the last 24 hours (P12)."""
    given = Refund.objects.filter(
        lane=Lane.ONE_CLICK, decided_at__gt=at - timedelta(hours=24), status__in=Status.holding_money()
    )
    buyers = given.filter(buyer__in={order.buyer_id for order in orders})
    found: dict[int | bytes, int] = dict(buyers.values_list("buyer").annotate(Sum("amount_fen")))
    if origins := {bytes(order.guest_origin) for order in orders if order.guest_origin}:
        guests = given.filter(order__guest_origin__in=origins)
        found |= {bytes(key): fen for key, fen in guests.values_list("order__guest_origin").annotate(Sum("amount_fen"))}
    return found
