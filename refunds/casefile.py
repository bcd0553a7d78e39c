"""案卷: everything a reviewer needs to decide one case, in a fixed number of queries.

Beside what the buyer claims stand our own facts: order, codes and who looked at them, payment, earlier requests to the
channel, the buyer's other refunds, and what every rule of the pre-check said.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from payments.models import Payment
from refunds import evidence, guides, profiles, stages
from refunds.evidence import Sighting
from refunds.guides import SlotGuide
from refunds.lifecycle import STEPS
from refunds.models import (
    Appeal,
    Consultation,
    Disbursement,
    Evidence,
    Objection,
    Offer,
    PreCheck,
    RedirectAgreement,
    Refund,
    RefundEvent,
    RefundLine,
)
from refunds.profiles import BuyerRecord, ShopRecord
from refunds.reasons import REASONS, Reason
from shops import checking
from shops.models import CardCode, CodeEvent, SupplierAnswer
from shops.suppliers.base import CodeFact

MOST_SHOWN = 20
STEP_WORDS = {
    "submit": "提交申请",
    "auto_approve": "自动通过",
    "approve_canceled": "订单已取消，自动通过",
    "ask_merchant": "转商家处理",
    "send_to_review": "转人工审核",
    "turn_down": "初审未通过",
    "lapse_evidence": "补充期限已过",
    "lapse_offer": "方案逾期未答",
    "lapse_redirect": "变更协议失效",
    "escalate": "超时升级",
    "extend": "因投诉调查延长审核",
    "cannot_send": "无法原路退回",
    "mark_paid_out": "渠道退款成功",
    "mark_transferred": "已转账",
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
    is_shops: bool = False


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
    history: BuyerRecord
    shop: ShopRecord
    offers: Sequence[Offer]  # the latest first
    appeal: Appeal | None
    objection: Objection | None
    consultations: Sequence[Consultation]  # the latest first
    redirect: RedirectAgreement | None

    @property
    def shop_answers(self) -> list[RefundEvent]:
        """What the shop said of it, the latest first, and what its silence was taken for."""
        return [event for event, _ in self.events if event.step in {"agree", "agree_above_limit", "contest"}]

    @property
    def own_images(self) -> list[PictureOnFile]:
        return [picture for picture in self.images if not picture.is_shops]

    @property
    def shop_images(self) -> list[PictureOnFile]:
        return [picture for picture in self.images if picture.is_shops]

    @property
    def own_statements(self) -> list[Evidence]:
        return [row for row in self.statements if not evidence.is_shops(self.refund, row.provided_by_id)]

    @property
    def shop_statements(self) -> list[Evidence]:
        return [row for row in self.statements if evidence.is_shops(self.refund, row.provided_by_id)]

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
        history=profiles.of_buyer(refund.buyer_id, at=at, apart_from=refund),
        shop=profiles.of_shop(refund.shop_id, at=at),
        offers=list(refund.offers.select_related("made_by", "confirmed_by").order_by("-pk")[:MOST_SHOWN]),
        appeal=Appeal.objects.filter(refund=refund).first(),
        objection=Objection.objects.filter(refund=refund).select_related("decided_by").first(),
        consultations=list(refund.consultations.select_related("asked_by", "answered_by").order_by("-pk")[:MOST_SHOWN]),
        redirect=refund.redirects.order_by("-pk").first(),
    )


def step_words(step: str) -> str:
    """A step of the record, in the desk's words: the button's where a person takes it."""
    return STEP_WORDS.get(step) or (str(STEPS[step].title) if step in STEPS else step)


def _pictures(refund: Refund, rows: Sequence[Evidence], at: datetime) -> list[PictureOnFile]:
    seen = evidence.seen_before(refund, rows, at=at)
    titles = {guide.slot: guide.title for guide in guides.slot_guides(sorted({row.slot for row in rows}))}
    return [
        PictureOnFile(
            row, titles.get(row.slot, "其他图片"), seen.get(row.pk, []), evidence.is_shops(refund, row.provided_by_id)
        )
        for row in rows
    ]


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
