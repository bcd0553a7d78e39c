"""商家异议: after a verdict against it the shop lays new evidence before a senior, once a case, within seven days.

It never moves money: what the buyer was given stays the buyer's, and nothing is reopened. An objection that is upheld
is the record of a recovery (``recoveries``): so much of the case was not the shop's to bear.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from accounts.roles import Role as R
from money import yuan
from notices import telling
from notices.models import Notice
from orders import masking
from refunds import clocking, clocks, evidence, followups
from refunds.lifecycle import StepRefused, guards, roles_on
from refunds.lifecycle.taking import demand_charge, reread
from refunds.models import Objection, Refund, RefundEvent
from refunds.models import Status as S

WITHIN = timedelta(days=7)
#: By these people of the platform decided against the shop. What the shop agreed to, and what the rules of its own
#: policy gave back, is no verdict.
VERDICTS = {"approve", "approve_second", "grant_appeal"}
AGREED = {"agree", "agree_above_limit"}  # by its word or its silence: what people add above the limit is no verdict
STANDING = {S.APPROVED, S.PROCESSING, S.PAID_OUT, S.ARRIVED, S.RETURNED, S.REDIRECT_SIGNED}  # the verdict is in force
UPHELD, DISMISSED = "upheld", "dismissed"


@dataclass(frozen=True)
class Recovery:
    """追偿 that an upheld objection records: ``amount_fen`` of the case are not the shop's to bear. Recorded here; the
    ledger posts it."""

    objection: Objection
    shop_id: int
    amount_fen: int


def open_until(refund: Refund) -> datetime | None:
    """Until when the shop may object; None where there is no verdict against it that stands."""
    if S(refund.status) not in STANDING:
        return None
    events = RefundEvent.objects.filter(refund=refund)
    verdict = events.filter(step__in=VERDICTS).order_by("-sequence").first()
    return verdict.at + WITHIN if verdict and not events.filter(step__in=AGREED).exists() else None


def why_not(refund: Refund, *, at: datetime) -> str:
    """Why the shop cannot object (any more), for its page; empty: it can."""
    until = open_until(refund)
    if Objection.objects.filter(refund=refund).exists():
        return str(_("每张退款单只能提出一次异议。"))
    if until is None:
        return str(_("平台判定退款之后才可以提出异议。"))
    return str(_("异议须在判定后 7 天内提出，期限已过。")) if at >= until else ""


def object(refund: Refund, *, by: User, at: datetime, text: str, images: Sequence[evidence.Image] = ()) -> Objection:
    """提出异议, by one of the shop: what is new, with pictures of it. Raises StepRefused, TooManyImages."""
    guards.demand_note(text, _("请写明异议的理由：有什么新的凭证，或判定与哪些事实不符。"))
    with transaction.atomic():
        case = _locked(refund)
        if R.MERCHANT not in roles_on(case, reread(by)):
            raise StepRefused("not_yours", _("只有店铺成员可以对自己店铺的退款单提出异议。"))
        demand_charge(case, reread(by))
        if refusal := why_not(case, at=at):
            raise StepRefused("cannot_object", refusal)
        made = Objection.objects.create(
            refund=case, text=masking.mask(case.order, text.strip())[:1000], by=by, at=at, due_at=_due(case, at)
        )
        if images:
            evidence.store(case, by=by, at=at, images=images)
    return made


def judge(objection: Objection, *, by: User, at: datetime, verdict: str, note: str) -> None:
    """异议结论 (``verdict``: "upheld", "dismissed"), by a senior who has not decided the case; the shop reads ``note``.
    Raises StepRefused."""
    guards.demand_note(note, _("请写明结论的理由，商家会看到这段话。"))
    if verdict not in {UPHELD, DISMISSED}:
        raise StepRefused("unknown_verdict", _("请选择异议成立或不成立。"))
    with transaction.atomic():
        case = _locked(objection.refund)
        if refusal := why_not_judge(case, reread(by)):
            raise StepRefused("not_yours", refusal)
        row = Objection.objects.select_for_update(no_key=True).get(pk=objection.pk)
        if row.verdict:
            raise StepRefused("judged", _("这项异议已有结论。"))
        row.verdict, row.decided_by, row.decided_at = verdict, by, at
        row.verdict_note = guards.without_codes([case], note.strip())[:500]
        row.save(update_fields=["verdict", "verdict_note", "decided_by", "decided_at"])
        _tell(case, row, at)


def why_not_judge(refund: Refund, by: User | None) -> str:
    """Why this colleague does not judge the objection of this case; empty: may."""
    if R.SENIOR not in roles_on(refund, by):
        return str(_("商家异议由高级审核员处理，且不能与本人或本人店铺有关。"))
    if RefundEvent.objects.filter(refund=refund, step__in=guards.DECIDES, actor=by).exists():
        return str(_("您审核过这张退款单，异议须由另一位高级审核员处理。"))
    return ""


def waiting() -> QuerySet[Objection]:
    """Without a verdict, the most urgent first."""
    return Objection.objects.filter(verdict="").order_by("due_at", "pk")


def recoveries(objections: QuerySet[Objection]) -> list[Recovery]:
    """What of these is upheld, as causes for the ledger. A case's amount stands from its verdict on; of what was
    withdrawn, stopped or refused since, there is nothing to recover."""
    rows = objections.filter(verdict=UPHELD, refund__status__in=STANDING).select_related("refund").order_by("pk")
    return [Recovery(row, row.refund.shop_id, row.refund.amount_fen) for row in rows]


def _locked(refund: Refund) -> Refund:
    rows = Refund.objects.select_for_update(no_key=True, of=("self",)).select_related("order__policy", "order__shop")
    return rows.get(pk=refund.pk)


def _due(case: Refund, at: datetime) -> datetime:
    """As long as an appeal takes."""
    hours = case.order.policy.appeal_review_hours
    return clocks.add(at, hours, working=clocking.is_working(case, S.APPEAL_REVIEW))


def _tell(case: Refund, judged: Objection, at: datetime) -> None:
    params = {"refund_no": case.refund_no, "amount": yuan(case.amount_fen), "note": judged.verdict_note}
    readers = followups.answering_for(case.order.shop_id)
    telling.tell(
        Notice(
            recipient_id=reader,
            kind=f"shop_objection_{judged.verdict}",
            params=params,
            path=f"/shop/refunds/{case.refund_no}/",
            source=f"objection:{judged.pk}",
            created_at=at,
        )
        for reader in readers
    )
