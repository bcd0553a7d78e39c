"""申诉与纠正: a refusal is looked at again, by somebody who has not decided the case (P18, S1-17, S0-22)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.utils.translation import gettext_lazy as _

from accounts.models import User
from orders import masking
from orders.models import OrderLine
from refunds import evidence, goods
from refunds.lifecycle import guards
from refunds.lifecycle.review import refuse
from refunds.lifecycle.taking import StepRefused, Taken, take
from refunds.models import Appeal, Ground, Refund
from shops.models import CardCode


def appeal(
    refund: Refund,
    *,
    by: User,
    at: datetime,
    note: str,
    ground: str = Ground.OVERLOOKED,
    images: Sequence[evidence.Image] = (),
) -> None:
    """申诉, once, in the window: with new evidence, or with what the review overlooked. Codes are held again."""
    guards.demand_note(note, _("请写明申诉的理由：有什么新的凭证，或审核遗漏了什么。"))
    if ground not in Ground.values:
        raise StepRefused("unknown_ground", _("请选择申诉的理由类别。"))
    if ground == Ground.NEW_EVIDENCE and not images:
        raise StepRefused("evidence_is_empty", _("请附上新的凭证；没有新凭证的，请选“审核遗漏了已有的事实”。"))
    with take("appeal", [refund], by=by, at=at) as taken:
        case = taken.refunds[0]
        _window_is_open(case, at)
        guards.no_other_active(taken)
        guards.nothing_since(taken)
        _not_seen_since(taken)
        _hold_again(taken)
        text = masking.mask(case.order, note.strip())[:1000]
        Appeal.objects.create(refund=case, ground=ground, text=text, by=by, at=at)
        if images:
            evidence.store(case, by=by, at=at, images=images)
        case.appeal_until = None


def grant_appeal(refunds: Sequence[Refund], *, by: User, at: datetime, note: str = "") -> None:
    """申诉成立: the money goes back."""
    note = guards.without_codes(refunds, note)
    with take("grant_appeal", refunds, by=by, at=at, note=note) as taken:
        guards.not_claimed_by_another(taken)
        guards.not_who_decided(taken)
        guards.two_people(taken)
        guards.decide(taken, note)


def uphold_appeal(refunds: Sequence[Refund], *, by: User, at: datetime, note: str = "") -> None:
    """申诉成立，提交复核: above the limit a second senior decides too."""
    note = guards.without_codes(refunds, note)
    with take("uphold_appeal", refunds, by=by, at=at, note=note) as taken:
        guards.not_claimed_by_another(taken)
        guards.not_who_decided(taken)


def dismiss_appeal(refunds: Sequence[Refund], *, by: User, at: datetime, note: str, ground: str = "other") -> None:
    """维持原结论, with reasons; what is left are the routes outside (S0-23, S1-18)."""
    guards.demand_note(note, _("请写明维持原结论的理由，买家会看到这段话。"))
    kept = guards.without_codes(refunds, note)
    with take("dismiss_appeal", refunds, by=by, at=at, note=kept) as taken:
        guards.demand_a_ground(taken, ground, note)
        guards.not_claimed_by_another(taken)
        refuse(taken, kept, ground)


def reopen(refunds: Sequence[Refund], *, by: User, at: datetime, note: str) -> None:
    """纠正: a senior finds the refusal wrong, whether or not anybody appealed."""
    guards.demand_note(note, _("请写明为什么要重新复核。"))
    note = guards.without_codes(refunds, note)
    with take("reopen", refunds, by=by, at=at, note=note) as taken:
        guards.no_other_active(taken)
        guards.nothing_since(taken)
        _hold_again(taken)
        for refund in taken.refunds:
            refund.decided_at, refund.decision_note, refund.refusal_ground = None, "", ""


def _window_is_open(case: Refund, at: datetime) -> None:
    if Appeal.objects.filter(refund=case).exists():
        raise StepRefused("appealed", _("每张退款单只能申诉一次，结论是最终的。"))
    if case.appeal_until is None or at >= case.appeal_until:
        raise StepRefused("appeal_is_over", _("申诉期已过。您仍可查看平台外的途径。"))


def _not_seen_since(taken: Taken) -> None:
    """Whoever looks at a code after the refusal has taken the goods: that ends the appeal about it."""
    for refund in taken.refunds:
        codes = CardCode.objects.filter(delivery__line__refund_lines__refund=refund, revealed_at__gt=refund.decided_at)
        if refund.decided_at and codes.exists():
            raise StepRefused("seen_since", _("驳回之后您查看了卡密，视为接受商品，不能再申诉。"))


def _hold_again(taken: Taken) -> None:
    goods.hold_orders(taken.refunds)
    lines = OrderLine.objects.filter(refund_lines__refund__in=taken.refunds, cancellation_line=None)
    goods.hold(list(lines.order_by("pk")), at=taken.at, by=taken.by)
