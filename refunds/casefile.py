"""案卷: everything a reviewer needs to decide one case, in a fixed number of queries.

Beside what the buyer claims stand our own facts: order, codes and who looked at them, payment, earlier requests to the
channel, the buyer's other refunds, and what every rule of the pre-check said.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, Q, Sum

from orders.models import Order, OrderStatus
from payments.models import Payment
from refunds import evidence, guides, stages
from refunds.evidence import Sighting
from refunds.guides import SlotGuide
from refunds.lifecycle import STEPS
from refunds.models import Disbursement, Evidence, PreCheck, Refund, RefundEvent, RefundLine
from refunds.models import Status as S
from refunds.reasons import REASONS, Reason
from shops import checking
from shops.models import CardCode, CodeEvent, SupplierAnswer
from shops.suppliers.base import CodeFact

RECENT = timedelta(days=90)
STEP_WORDS = {
    "submit": "提交申请",
    "auto_approve": "自动通过",
    "approve_canceled": "订单已取消，自动通过",
    "send_to_review": "转人工审核",
    "turn_down": "初审未通过",
    "lapse_evidence": "补充期限已过",
    "escalate": "超时升级",
    "cannot_send": "无法原路退回",
    "mark_paid_out": "渠道退款成功",
    "mark_returned": "渠道退回",
    "resume": "恢复处理",
}
FAULT = {"shop": "商家", "platform": "平台", "buyer": "买家", "nobody": "待定"}


@dataclass(frozen=True)
class LineOnFile:
    """One order line asked about: what was paid, which code was handed over, and every look at it. Never its text."""

    line: RefundLine
    code: CardCode | None
    delivered_at: datetime | None
    looks: Sequence[CodeEvent]
    issuer: SupplierAnswer | None = None  # what it last said, signed

    @property
    def used(self) -> tuple[str, str] | None:
        """What the issuer's answer says about "used", and its tone: redeemed before our buyer looked proves the buyer
        right, redeemed afterwards proves use."""
        if self.issuer is None or self.code is None:
            return None
        if self.issuer.state != CodeFact.REDEEMED or self.issuer.effective_at is None:
            return "未兑换", "good"
        if self.code.revealed_at is None:
            return "已兑换，而本站从未查看", "attention"
        if self.issuer.effective_at < self.code.revealed_at:
            return "在查看之前已兑换", "attention"
        return "在查看之后兑换", "bad"


@dataclass(frozen=True)
class PictureOnFile:
    """One picture: what it was laid before us as, and where else such a picture was (never a ground by itself)."""

    row: Evidence
    title: str
    seen_before: Sequence[Sighting]


@dataclass(frozen=True)
class History:
    """The buyer's refunds before this one, and in the last 90 days."""

    refunds: int
    recent: int
    rejected: int
    paid_back_fen: int
    orders: int


@dataclass(frozen=True)
class CaseFile:
    refund: Refund
    reason: Reason | None
    slots: Sequence[tuple[SlotGuide, bool]]  # what this reason needs with these goods, and whether it is there
    fault: str
    track: stages.Track
    lines: Sequence[LineOnFile]
    images: Sequence[PictureOnFile]
    statements: Sequence[Evidence]
    checks: PreCheck | None
    events: Sequence[tuple[RefundEvent, str]]  # the latest first, each with its words
    disbursements: Sequence[Disbursement]
    payment: Payment
    siblings: Sequence[Refund]
    history: History

    @property
    def missing(self) -> list[SlotGuide]:
        return [guide for guide, is_there in self.slots if not is_there]

    @property
    def has_sightings(self) -> bool:
        return any(picture.seen_before for picture in self.images)

    @property
    def open_checks(self) -> list[dict[str, object]]:
        """What kept the case from being decided by the machine: what a person has to look at."""
        return [result for result in self._results if not result["passed"]]

    @property
    def met_checks(self) -> list[dict[str, object]]:
        return [result for result in self._results if result["passed"]]

    @property
    def verdict(self) -> str:
        return step_words(self.checks.verdict) if self.checks else ""

    @property
    def _results(self) -> list[dict[str, object]]:
        return self.checks.results if self.checks else []


def open_file(refund: Refund, *, at: datetime) -> CaseFile:
    """The case with everything around it. ``refund`` comes with order, shop, policy, payment, account and people."""
    events = list(refund.events.select_related("actor").order_by("sequence"))
    given = list(refund.evidence.select_related("provided_by").order_by("created_at", "pk"))
    pictures = [row for row in given if row.image]
    reason, terms = REASONS.get(refund.reason), refund.order.policy.reason(refund.reason)
    return CaseFile(
        refund=refund,
        reason=reason,
        slots=evidence.completeness(refund, pictures),
        fault=FAULT[terms.at_fault] if terms else "",
        track=stages.track(refund, events, at=at),
        lines=_lines(refund),
        images=_pictures(refund, pictures, at),
        statements=[row for row in given if not row.image],
        checks=PreCheck.objects.filter(refund=refund).first(),
        events=[(event, step_words(event.step)) for event in reversed(events)],
        disbursements=list(refund.disbursements.select_related("attempt", "released_by").order_by("-pk")),
        payment=refund.payment,
        siblings=list(refund.order.refunds.exclude(pk=refund.pk).order_by("-pk")[:10]),
        history=_history(refund, at),
    )


def step_words(step: str) -> str:
    """A step of the record, in the desk's words: the button's where a person takes it."""
    return STEP_WORDS.get(step) or (str(STEPS[step].title) if step in STEPS else step)


def _pictures(refund: Refund, rows: Sequence[Evidence], at: datetime) -> list[PictureOnFile]:
    seen = evidence.seen_before(refund, rows, at=at)
    titles = {guide.slot: guide.title for guide in guides.slot_guides(sorted({row.slot for row in rows}))}
    return [PictureOnFile(row, titles.get(row.slot, "其他图片"), seen.get(row.pk, [])) for row in rows]


def _lines(refund: Refund) -> list[LineOnFile]:
    rows = list(
        refund.lines.select_related("order_line__product", "order_line__delivery__code")
        .defer("order_line__product_page", "order_line__delivery__code__sealed")
        .order_by("order_line__position")
    )
    deliveries = [getattr(row.order_line, "delivery", None) for row in rows]
    looks: dict[object, list[CodeEvent]] = defaultdict(list)
    codes = [delivery.code_id for delivery in deliveries if delivery]
    for event in (
        CodeEvent.objects.filter(code__in=codes, kind__in=["reveal", "look"]).select_related("actor").order_by("pk")
    ):
        looks[event.code_id].append(event)
    said = checking.latest(code for code in codes if code)
    return [
        LineOnFile(row, delivery.code, delivery.delivered_at, looks[delivery.code_id], said.get(delivery.code_id))
        if delivery
        else LineOnFile(row, None, None, [])
        for row, delivery in zip(rows, deliveries, strict=True)
    ]


def _history(refund: Refund, at: datetime) -> History:
    others = Refund.objects.filter(buyer_id=refund.buyer_id).exclude(pk=refund.pk)
    found = others.aggregate(
        refunds=Count("pk"),
        recent=Count("pk", filter=Q(submitted_at__gt=at - RECENT)),
        rejected=Count("pk", filter=Q(status=S.REJECTED)),
        paid_back=Sum("amount_fen", filter=Q(status__in=[S.PAID_OUT, S.ARRIVED])),
    )
    orders = Order.objects.filter(buyer_id=refund.buyer_id).exclude(status=OrderStatus.CANCELED).count()
    return History(found["refunds"], found["recent"], found["rejected"], found["paid_back"] or 0, orders)
