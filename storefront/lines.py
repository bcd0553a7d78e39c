"""What has become of each unit of an order, in a buyer's words: codes, top-ups, services, cancellations, money."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.translation import gettext as _

from money import yuan
from orders import service_jobs
from orders.delivery import needs_step_up
from orders.models import (
    IfMissing,
    Order,
    OrderLine,
    OrderStatus,
    ServiceJob,
    ServiceReport,
    ServiceStatus,
    TopUp,
    TopUpStatus,
)
from refunds.models import RefundLine, Status
from shops.models import CodeState, Fulfilment
from storefront.templatetags.words import deadline

MOVING = frozenset({*Status.active(), Status.PROCESSING, Status.RETURNED, Status.REDIRECT_SIGNED})
PAID_BACK = frozenset({Status.PAID_OUT, Status.ARRIVED})
OFFERED_REPORTS = 20  # of each job, the newest


@dataclass(frozen=True)
class LineNow:
    """One unit bought. ``can_reveal``: its code can be looked at. ``is_pending``: it may still be handed over.
    ``has_begun``: a top-up left us, or work began, so that a person must judge what can be given back."""

    line: OrderLine
    words: str
    tone: str
    can_reveal: bool = False
    is_seen: bool = False
    asks_again: bool = False  # who they are, before the code is shown
    is_pending: bool = False
    has_begun: bool = False
    topup: TopUp | None = None
    service: ServiceJob | None = None
    reports: Sequence[ServiceReport] = ()


def lines_now(order: Order) -> list[LineNow]:
    """The order's lines, in three queries however many they are."""
    rows = OrderLine.objects.filter(order=order).select_related(
        "delivery__code", "topup", "service", "cancellation_line__cancellation"
    )
    lines = list(rows.defer("delivery__code__sealed").order_by("position"))
    shares: dict[int, list[RefundLine]] = defaultdict(list)
    for share in RefundLine.objects.filter(refund__order=order).select_related("refund"):
        shares[share.order_line_id].append(share)
    jobs = [line.service for line in lines if hasattr(line, "service")]
    reports = service_jobs.latest_reports(jobs, OFFERED_REPORTS)
    for line in lines:
        line.order = order
    return [_line_now(line, shares[line.pk], reports) for line in lines]


def _line_now(line: OrderLine, shares: Sequence[RefundLine], reports: dict[int, list[ServiceReport]]) -> LineNow:
    money = _money(line, shares)
    if hasattr(line, "cancellation_line"):
        return _canceled(line, money)
    if line.order.status in {OrderStatus.PLACED, OrderStatus.CANCELED}:
        return LineNow(line, _unpaid(line), "quiet")
    if line.fulfilment == Fulfilment.TOP_UP:
        return _topup(line, money, shares)
    if line.fulfilment == Fulfilment.SERVICE:
        return _service(line, money, reports)
    return _code(line, money, shares)


# --- one kind after another -------------------------------------------------------------------------------------------


def _canceled(line: OrderLine, money: str) -> LineNow:
    """Its cause, and where its money is (S4-1, S4-3)."""
    cause = line.cancellation_line.cancellation.get_cause_display()
    topup = getattr(line, "topup", None)
    if topup and topup.status == TopUpStatus.FAILED and topup.reason:
        cause = _("%(cause)s（%(reason)s）") % {"cause": cause, "reason": topup.reason}
    words = _("未交付：%(cause)s") % {"cause": cause}
    if topup and topup.status == TopUpStatus.SUCCEEDED:  # after its money had gone back
        words = _("供应商之后仍报告到账 %(at)s") % {"at": deadline(topup.arrived_at or topup.finished_at)}
    return LineNow(line, _and(words, money or _("退款即将自动发起")), "quiet", topup=topup)


def _unpaid(line: OrderLine) -> str:
    if line.order.status == OrderStatus.CANCELED:
        return _("已取消")
    return _("已为您预留") if line.fulfilment == Fulfilment.CODES else _("付款后开始")


def _code(line: OrderLine, money: str, shares: Sequence[RefundLine]) -> LineNow:
    code = line.delivery.code if hasattr(line, "delivery") else None
    if code is None:
        return LineNow(line, _and(_("等待交付"), money), "progress", is_pending=not money)
    is_seen = code.revealed_at is not None
    if code.state in {CodeState.QUARANTINED, CodeState.VOID}:
        is_moving = any(share.refund.status in MOVING for share in shares)
        return LineNow(line, _("已收回（退款中）") if is_moving else _("已收回（已退款）"), "quiet", is_seen=is_seen)
    if code.state == CodeState.FROZEN:
        return LineNow(line, _("已冻结（退款处理中，暂不能查看）"), "attention")
    return LineNow(
        line,
        _and(str(code.get_state_display()), money),
        "quiet" if is_seen else "good",
        can_reveal=code.state in {CodeState.DELIVERED, CodeState.REVEALED},
        is_seen=is_seen,
        asks_again=needs_step_up(line),
    )


def _topup(line: OrderLine, money: str, shares: Sequence[RefundLine]) -> LineNow:
    topup = getattr(line, "topup", None)
    if topup is None:
        return LineNow(line, _and(_("待提交"), money), "progress", is_pending=not money)
    at = deadline(topup.arrived_at or topup.finished_at)
    words, tone = {
        TopUpStatus.PREPARED: (_("待提交"), "progress"),
        TopUpStatus.UNKNOWN: (_("已提交，等待供应商答复"), "progress"),
        TopUpStatus.ACCEPTED: (_("充值中"), "progress"),
        TopUpStatus.SUCCEEDED: (_("已到账 %(at)s（供应商记录）") % {"at": at}, "good"),
        TopUpStatus.FAILED: (_("充值失败"), "attention"),
        TopUpStatus.STOPPED: (_("未交付"), "quiet"),
    }[TopUpStatus(topup.status)]
    begun = topup.status in {TopUpStatus.UNKNOWN, TopUpStatus.ACCEPTED}
    pending = begun or topup.status == TopUpStatus.PREPARED
    if topup.decided_by_id is not None and topup.status == TopUpStatus.SUCCEEDED:
        words = _("已到账（平台已向供应商核实）")
    elif topup.status == TopUpStatus.UNKNOWN and topup.if_missing != IfMissing.SEND:
        # A call that is under way cannot be called back: what is stopped is the next one.
        words = _("已提交，无法撤回：供应商没收到的不再充值，已收到或正在提交的照常充值，以供应商的记录为准")
    elif topup.status == TopUpStatus.ACCEPTED and any(share.refund.status in MOVING for share in shares):
        words = _("已提交，无法撤回：供应商正在充值，到账与否以供应商的记录为准")
    return LineNow(line, _and(words, money), tone, is_pending=pending, has_begun=begun, topup=topup)


def _service(line: OrderLine, money: str, reports: dict[int, list[ServiceReport]]) -> LineNow:
    job = getattr(line, "service", None)
    if job is None:
        return LineNow(line, _and(_("等待交付"), money), "progress", is_pending=not money)
    tone = {ServiceStatus.HANDED_OVER: "attention", ServiceStatus.CONFIRMED: "good", ServiceStatus.STOPPED: "quiet"}
    words = str(job.get_status_display())
    if job.status == ServiceStatus.STOPPED:
        words = _("未交付")
    elif job.status == ServiceStatus.WORKING:
        words = _("%(status)s，完成 %(percent)d%%") % {"status": words, "percent": job.percent_done}
    return LineNow(
        line,
        _and(words, money),
        tone.get(ServiceStatus(job.status), "progress"),
        is_pending=job.status in {ServiceStatus.WAITING, ServiceStatus.WORKING},
        has_begun=job.started_at is not None,
        service=job,
        reports=reports.get(job.pk, ()),
    )


# --- what is said of every kind ---------------------------------------------------------------------------------------


def _money(line: OrderLine, shares: Sequence[RefundLine]) -> str:
    """What has gone back of this line's price, or is on its way."""
    back_fen = sum(share.amount_fen for share in shares if share.refund.status in PAID_BACK)
    if any(share.refund.status in MOVING for share in shares):
        return _("退款中")
    if back_fen >= line.price_fen:
        return _("已退款")
    return _("已退 %(back)s") % {"back": yuan(back_fen)} if back_fen else ""


def _and(words: str, money: str) -> str:
    return _("%(words)s，%(money)s") % {"words": words, "money": money} if money else words
