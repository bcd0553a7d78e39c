"""How an order stands, in plain words: what is, by when, what the buyer can do next (B3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils.translation import gettext as _

from money import yuan
from orders import watch
from orders.cancellation import CONSEQUENCES
from orders.models import Cancellation, Cause, Order, OrderStatus, ServiceJob, TopUp, TopUpStatus
from refunds.refundable import lines_of
from shops.models import Fulfilment
from storefront import reading
from storefront.lines import LineNow
from storefront.templatetags.words import deadline


@dataclass(frozen=True)
class Standing:
    """The head of an order's page: three seconds to read. ``by`` is the promise that runs, or ran out;
    ``until`` says what ends, once the goods are here: the days for a refund, and those before the order completes."""

    title: str
    sentence: str
    tone: str
    by: datetime | None = None
    is_late: bool = False
    until: str = ""


def standing(order: Order, lines: Sequence[LineNow], *, at: datetime, is_payable: bool) -> Standing:
    if order.status == OrderStatus.PLACED:
        return _unpaid(order, is_payable)
    if order.status == OrderStatus.PAID:
        return _awaited(order, lines, at)
    if order.status == OrderStatus.CANCELED:
        return _canceled(order, lines)
    title = str(order.get_status_display())
    refundable = _refundable_until(order, lines, at)
    if order.status == OrderStatus.COMPLETED:
        return Standing(title, _("交易已完成。"), "good", until=refundable)
    return Standing(title, _delivered(order, lines), "good", until=" ".join([_completes(order, lines), refundable]))


def _unpaid(order: Order, is_payable: bool) -> Standing:
    title = str(order.get_status_display())
    if is_payable:
        by = {"at": deadline(order.expires_at)}
        return Standing(title, _("请在 %(at)s 前付款，逾期自动取消。") % by, "attention")
    return Standing(title, _("付款时间已过，正在与支付渠道核对；未付款的将自动取消。"), "attention")


def _awaited(order: Order, lines: Sequence[LineNow], at: datetime) -> Standing:
    """Paid, and something is still to come: the promise is the clock (P16)."""
    kinds = {now.line.fulfilment for now in lines if now.is_pending}
    title = str(order.get_status_display())
    if Fulfilment.TOP_UP in kinds:
        title, sentence = _("充值中"), _("已交给供应商，到账后通知您。")
    elif Fulfilment.SERVICE in kinds:
        has_begun = any(now.has_begun for now in lines)
        title = _("服务进行中") if has_begun else _("等待商家开始")
        sentence = _("进度和凭证见下方，完成后请您确认收货。")
    else:
        sentence = _("已收到付款，商品正在备货。等不及可直接申请退款，未发货的自动全额退回。")
    late = order.promised_at is not None and order.promised_at <= at
    if lies_with_a_person := [now.topup.person_due_at for now in lines if now.topup and now.topup.person_due_at]:
        title, sentence = _("平台核实中"), _with_a_person(min(lies_with_a_person), at)
    elif late:
        sentence = _("已超过承诺的交付时间，很抱歉。您可以继续等，也可以现在退款。")
    return Standing(title, sentence, "attention" if late else "progress", order.promised_at, late)


def _with_a_person(due_at: datetime, at: datetime) -> str:
    """Who acts now, and by when: the supplier says nothing, and time alone ends no top-up."""
    by = {"at": deadline(due_at)}
    if due_at <= at:
        return _("供应商迟迟没有结果，平台专人仍在核实，已过原定的 %(at)s，很抱歉。您可以继续等，也可以申请退款。") % by
    return _("供应商迟迟没有结果，已转平台专人核实，最晚 %(at)s 给出结论。您可以继续等，也可以申请退款。") % by


def _delivered(order: Order, lines: Sequence[LineNow]) -> str:
    if any(now.can_reveal and not now.is_seen for now in lines):
        return _("卡密已发到本页，查看前请先确认需要。")
    if any(now.service for now in lines):
        return _("商家已交付。请核对后确认收货；有问题先补充凭证或申请退款。")
    if any(now.topup for now in lines):
        return _("充值已到账。请在手机或游戏里核对，无误后确认收货。")
    return _("商品已交付。")


def _completes(order: Order, lines: Sequence[LineNow]) -> str:
    """When a delivered order is completed, though its buyer says nothing."""
    if order.delivered_at is None:
        return ""
    by = {"at": deadline(order.delivered_at + timedelta(days=order.policy.complete_after_days))}
    if any(now.topup or now.service for now in lines):
        return _("未确认的，%(at)s 自动确认收货。") % by
    return _("未查看的，%(at)s 订单自动完成。") % by


def _refundable_until(order: Order, lines: Sequence[LineNow], at: datetime) -> str:
    """The days for a refund run from each unit's own delivery: the next to end is what the buyer must know."""
    kind = next((now.line.product_page.get("kind", "") for now in lines), "")
    days = order.policy.window_of(kind)
    if days == 0:
        return _("本商品交付后不支持退款。")
    ends = [now.line.delivery.delivered_at + timedelta(days=days) for now in lines if hasattr(now.line, "delivery")]
    if not ends:
        return ""
    if left := [end for end in ends if end >= at]:
        return _("可申请退款至 %(at)s（北京时间）。") % {"at": deadline(min(left))}
    return _("售后期已于 %(at)s（北京时间）结束。") % {"at": deadline(max(ends))}


def listed(orders: Sequence[Order]) -> list[str]:
    """The titles of these orders in a list, as their own pages say them: two queries, however many they are."""
    paid = [order for order in orders if order.status == OrderStatus.PAID]
    working = ServiceJob.objects.filter(line__order__in=paid, started_at__isnull=False)
    begun = set(working.values_list("line__order_id", flat=True))
    checked = TopUp.objects.filter(line__order__in=paid, person_due_at__isnull=False)
    with_a_person = set(checked.values_list("line__order_id", flat=True))
    return [_listed(order, order.pk in begun, order.pk in with_a_person) for order in orders]


def _listed(order: Order, has_begun: bool, is_with_a_person: bool) -> str:
    kinds = {line.fulfilment for line in order.lines.all()} if order.status == OrderStatus.PAID else set()
    if is_with_a_person:
        return _("平台核实中")
    if Fulfilment.TOP_UP in kinds:
        return _("充值中")
    if Fulfilment.SERVICE in kinds:
        return _("服务进行中") if has_begun else _("等待商家开始")
    return str(order.get_status_display())


def _canceled(order: Order, lines: Sequence[LineNow]) -> Standing:
    """Why, and whose money is where (S4-1, S4-3)."""
    canceled = cancellation_of(lines)
    title = str(order.get_status_display())
    if canceled is None:
        if reading.surplus_of(order):
            return Standing(title, _("订单已取消，没有发出卡密。"), "quiet")
        return Standing(title, _("订单已取消，没有扣款；若您已付款，会自动原路退回。"), "quiet")
    title = _("已取消 · %(cause)s") % {"cause": canceled.get_cause_display()}
    if any(now.topup and now.topup.status == TopUpStatus.SUCCEEDED for now in lines):
        return Standing(title, _("已按退款处理，款项原路退回。供应商之后仍报告充值到账，您无需处理。"), "quiet")
    return Standing(title, canceled.reason or _whose_fault(canceled.cause), "quiet")


def given_beside(order: Order) -> list[str]:
    """违约金 and 平台赔付: what the buyer gets besides any refund, in sentences (S4-16)."""
    penalties = order.cancellations.filter(penalty_fen__gt=0).order_by("pk")
    given = order.compensations.filter(paid_at__isnull=False).order_by("pk")
    return [
        *(_penalty(row, is_guests=order.buyer.is_guest) for row in penalties),
        *(_("平台赔付 %(amount)s，已存入您的余额：%(why)s") % {"amount": yuan(row.amount_fen), "why": row.reason}
          for row in given),
    ]  # fmt: skip


def _penalty(row: Cancellation, *, is_guests: bool) -> str:
    amount = {"amount": yuan(row.penalty_fen)}
    if row.penalty_paid_at:
        return _("商家违约金 %(amount)s，已存入您的余额，不从退款中扣。") % amount
    if is_guests:
        return _("商家违约金 %(amount)s，为您保留：注册并认领订单后存入余额。") % amount
    if row.penalty_due_at != row.at:  # put off: the shop cannot pay it yet
        return _("商家违约金 %(amount)s，商家的钱还不够付；每小时再试，付出后自动存入您的余额。") % amount
    return _("商家违约金 %(amount)s，马上存入您的余额。") % amount


def _whose_fault(cause: str) -> str:
    """S4-2: who is at fault decides who pays for it, never whether the buyer gets the money."""
    return {
        "shop": _("责任在商家。款项全额原路退回，您无需举证。"),
        "platform": _("因平台原因取消。款项全额原路退回，您无需举证。"),
        "buyer": _("已按您的要求取消，款项原路退回。"),
    }.get(CONSEQUENCES[Cause(cause)].at_fault, _("交易未能继续，款项原路退回。"))


def cancellation_of(lines: Sequence[LineNow]) -> Cancellation | None:
    """The latest of those that took something of the order."""
    found = [now.line.cancellation_line.cancellation for now in lines if hasattr(now.line, "cancellation_line")]
    return max(found, key=lambda row: row.pk, default=None)


@dataclass(frozen=True)
class LateOffer:
    """超时一键退款: which lines, how much, whether a machine decides, and from when nobody need tap any more."""

    line_ids: Sequence[int]
    amount_fen: int
    is_automatic: bool
    automatic_from: datetime | None

    @property
    def sentence(self) -> str:
        amount = {"amount": yuan(self.amount_fen)}
        if not self.is_automatic:
            return _("充值已提交或服务已开始：退款 %(amount)s 会先由人工核对。") % amount
        return _("未交付的 %(amount)s 自动全额原路退回，无需凭证。") % amount


def late_offer(order: Order, lines: Sequence[LineNow], *, at: datetime) -> LateOffer | None:
    """For what is overdue, nothing of which is being given back yet; what nobody began goes back by itself."""
    if order.status != OrderStatus.PAID or order.promised_at is None or order.promised_at > at:
        return None
    left_fen = {item.line.pk: item.amount_fen for item in lines_of(order)}
    pending = [now for now in lines if now.is_pending and now.line.pk in left_fen]
    idle = [now.line.pk for now in pending if not now.has_begun]
    chosen = idle or [now.line.pk for now in pending]
    if not chosen:
        return None
    by_itself = order.policy.late_refund_is_automatic and bool(idle)
    return LateOffer(
        chosen, sum(left_fen[key] for key in chosen), bool(idle), watch.automatic_from(order) if by_itself else None
    )
