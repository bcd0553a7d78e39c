"""进度: what a buyer sees of a case, like a parcel's track. One map from every status to a public stage.

The page, the API and the staff desk all show this; each says who acts now, what comes next and by when.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from refunds.models import Lane, Queue, Refund, RefundEvent
from refunds.models import Status as S

STAGES: dict[str, object] = {
    "submitted": gettext_lazy("已提交"),
    "pre_check": gettext_lazy("系统初审"),
    "review": gettext_lazy("人工审核"),
    "approved": gettext_lazy("审核通过"),
    "processing": gettext_lazy("退款处理中"),
    "arrived": gettext_lazy("已到账"),
}

STAGE_OF: dict[S, str] = {
    S.SUBMITTED: "pre_check",
    S.FIRST_REVIEW: "review",
    S.AWAITING_EVIDENCE: "review",
    S.APPROVED: "approved",
    S.PROCESSING: "processing",
    S.PAID_OUT: "processing",
    S.RETURNED: "processing",
    S.ARRIVED: "arrived",
    S.REJECTED: "review",
    S.WITHDRAWN: "submitted",
}

TONE_OF: dict[S, str] = {
    S.AWAITING_EVIDENCE: "attention",
    S.RETURNED: "attention",
    S.REJECTED: "bad",
    S.WITHDRAWN: "quiet",
    S.PAID_OUT: "good",
    S.ARRIVED: "good",
}


@dataclass(frozen=True)
class Stage:
    """One row of the timeline. ``state`` is done, current, todo or failed; ``reached_at`` when it was reached."""

    code: str
    title: str
    state: str
    reached_at: datetime | None
    note: str


@dataclass(frozen=True)
class Track:
    """Where the case stands. ``tone`` is progress, attention, good, bad or quiet; ``by`` the promised time."""

    stages: Sequence[Stage]
    headline: str
    who: str
    next_step: str
    by: datetime | None
    is_late: bool
    tone: str
    arrival_from: date | None
    arrival_until: date | None
    arrival_is_estimate: bool
    is_moving: bool


def track(refund: Refund, events: Sequence[RefundEvent], *, at: datetime) -> Track:
    """The case's track, from its row and its events (oldest first)."""
    status = S(refund.status)
    return Track(
        stages=_stages(refund, events),
        headline=headline(refund),
        who=str(_who(refund)),
        next_step=next_step(refund),
        by=refund.promised_by,
        is_late=bool(refund.promised_by and refund.promised_by < at),
        tone=TONE_OF.get(status, "progress"),
        arrival_from=refund.arrival_expected_from,
        arrival_until=refund.arrival_expected_until,
        arrival_is_estimate=refund.arrival_is_estimate,
        is_moving=status not in {S.REJECTED, S.WITHDRAWN, S.ARRIVED},
    )


def headline(refund: Refund) -> str:
    """One sentence: where it stands."""
    return {
        S.SUBMITTED: _("已收到申请，系统正在初审"),
        S.FIRST_REVIEW: _("客服正在审核"),
        S.AWAITING_EVIDENCE: _("需要您补充材料"),
        S.APPROVED: _("审核通过，等待放款"),
        S.PROCESSING: _("已放款，支付渠道处理中"),
        S.PAID_OUT: _("渠道已退款，等待入账"),
        S.ARRIVED: _("退款已到账"),
        S.REJECTED: _("退款未通过"),
        S.WITHDRAWN: _("申请已撤销"),
        S.RETURNED: _("退款异常：收款账户未能入账"),
    }[S(refund.status)]


def next_step(refund: Refund) -> str:
    """One sentence: what happens next."""
    return {
        S.SUBMITTED: _("初审通常几秒完成，之后自动退款或转人工审核。"),
        S.FIRST_REVIEW: _("客服核对订单与卡密记录后给出结果，届时会通知您。"),
        S.AWAITING_EVIDENCE: _("请按要求补充；到期未补充将按现有材料审核，不会因此直接拒绝。"),
        S.APPROVED: _("财务放款后，款项原路退回您的支付账户。")
        if refund.lane == Lane.STANDARD
        else _("系统将自动放款。"),
        S.PROCESSING: _("微信支付受理后退回原账户：零钱通常几分钟，银行卡 1–3 个工作日。"),
        S.PAID_OUT: _("微信已退款成功，银行清算中；到账以银行入账为准。"),
        S.ARRIVED: _("已完成，无需操作。"),
        S.REJECTED: _("您可以补充新的凭证后重新申请，或联系客服。"),
        S.WITHDRAWN: _("卡密已恢复可查看；仍在售后期内可重新申请。"),
        S.RETURNED: _("财务正在与渠道核对，会联系您确认；款项不会丢失。"),
    }[S(refund.status)]


def _who(refund: Refund) -> object:
    if refund.status in {S.PROCESSING, S.PAID_OUT}:
        return _("微信支付")
    if refund.queue == Queue.NOBODY:
        return _("无需操作")
    return Queue(refund.queue).label


def _stages(refund: Refund, events: Sequence[RefundEvent]) -> list[Stage]:
    """Stages up to the present one carry the time they were reached; automatic lanes have no review stage."""
    reached = _reached(events)
    status = S(refund.status)
    codes = [code for code in STAGES if code != "review" or "review" in reached or _will_be_reviewed(refund)]
    present = STAGE_OF[status]
    if status == S.REJECTED and "review" not in reached:
        present = "pre_check"  # turned down by the pre-check itself
    position = codes.index(present)
    stages = []
    for index, code in enumerate(codes):
        state = "done" if index < position or status == S.ARRIVED else "todo"
        if index == position and status != S.ARRIVED:
            state = "failed" if status in {S.REJECTED, S.WITHDRAWN, S.RETURNED} else "current"
        note = headline(refund) if index == position else ""
        stages.append(Stage(code, str(STAGES[code]), state, reached.get(code), note))
    if status in {S.REJECTED, S.WITHDRAWN}:
        return stages[: position + 1]
    return stages


def _will_be_reviewed(refund: Refund) -> bool:
    return refund.status == S.SUBMITTED or refund.lane == Lane.STANDARD


def _reached(events: Sequence[RefundEvent]) -> dict[str, datetime]:
    """When each stage was first reached; a case that went back and forth shows the latest of its approvals."""
    reached: dict[str, datetime] = {}
    for event in events:
        code = "submitted" if event.step == "submit" else STAGE_OF[S(event.to_status)]
        if event.step == "submit":
            reached["pre_check"] = event.at
        if event.step in {"reject", "turn_down", "withdraw"}:
            continue
        if code not in reached or code == "approved":
            reached[code] = event.at
    return reached
