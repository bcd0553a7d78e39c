"""核验标准示例 (S3-24): short cases under a policy, decided by the rules themselves as the page is made.

Each case is the facts that a real application would have; its words say no more than these. What comes of it is never
written down here: ``policy.decide`` says it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from django.utils.translation import gettext as _

from money import yuan
from refunds import policy
from refunds.facts import terms_of
from refunds.models import Lane
from refunds.policy import Facts, Verdict
from refunds.reading import in_language
from shops.models import RefundPolicy

DELIVERED = datetime(2026, 1, 5, 4, 0, tzinfo=UTC)  # any day: only what has passed since counts
CARD_FEN, OTHER_CARDS_FEN, DEAR_FEN, MEMBERSHIP_FEN = 3000, 2000, 30_000, 2500
LATE_BY_DAYS = 5  # behind the window
TRIAL_DAYS, TRIAL_USED_DAYS = 7, 3  # S3-22
BOUGHT, USED = 3, 1  # S4-13


@dataclass(frozen=True)
class Example:
    """``outcome``, ``tone``: what was decided, in a word; ``because``: the deciding rule's own sentence."""

    story: str
    verdict: Verdict
    outcome: str
    tone: str
    because: str


def sample(terms: RefundPolicy, *, reason: str, amount_fen: int, kind: str = "card_code", **known: Any) -> Facts:
    """The facts of one application for goods delivered and never looked at, an hour later; ``known``: what differs."""
    facts = Facts(
        at=DELIVERED + timedelta(hours=1),
        terms=terms_of(terms, reason, kind, is_cross_border=False),
        ordered_at=DELIVERED,
        paid=True,
        delivered_at=DELIVERED,
        delivered_count=1,
        begun_count=0,
        revealed_count=0,
        expired_count=0,
        amount_fen=amount_fen,
        left_fen=amount_fen,
        refundable_fen=amount_fen,
        rejections=0,
        auto_refunded_today_fen=0,
        delivered_fens=(amount_fen,),
        reason=reason,
        kind=kind,
    )
    return replace(facts, **known)


def examples(terms: RefundPolicy) -> list[Example]:
    """What this policy comes to in eight cases."""
    return [_example(case(terms)) for case in CASES]


def late_day(terms: RefundPolicy, kind: str = "card_code") -> int:
    """The day of the example that is too late: 20 of 15 (S3-23)."""
    return terms.window_of(kind) + LATE_BY_DAYS


def _example(case: tuple[str, Facts]) -> Example:
    story, facts = case
    verdict = policy.decide(facts)
    outcome, tone = {
        "auto_approve": (_("自动通过"), "good"),
        "ask_merchant": (_("先由商家答复"), "attention"),
        "send_to_review": (_("转人工审核"), "attention"),
        "turn_down": (_("不能退"), "bad"),
    }[verdict.step]
    if verdict.lane != Lane.STANDARD:
        outcome = f"{outcome} · {verdict.lane.label}"
    return Example(story, verdict, outcome, tone, in_language(verdict))


# --- the cases: what happened, and the same as the rules see it -------------------------------------------------------


def _undelivered(terms: RefundPolicy) -> tuple[str, Facts]:
    story = _("付了 %(amount)s，一直没有发货。") % {"amount": yuan(DEAR_FEN)}
    return story, sample(
        terms, reason="undelivered", amount_fen=DEAR_FEN, delivered_at=None, delivered_count=0, delivered_fens=()
    )


def _regretted(terms: RefundPolicy) -> tuple[str, Facts]:
    story = _("%(amount)s 的点卡，交付 1 小时后不想要了，卡密没有查看过。") % {"amount": yuan(CARD_FEN)}
    return story, sample(terms, reason="changed_mind", amount_fen=CARD_FEN)


def _said_to_be_invalid(terms: RefundPolicy) -> tuple[str, Facts]:
    story = _("查看过卡密，兑换时提示无效，附了报错截图；发卡方还没有记录。")
    shown = terms_of(terms, "invalid_code", "card_code", is_cross_border=False).slots
    return story, sample(terms, reason="invalid_code", amount_fen=CARD_FEN, revealed_count=1, slots_given=shown)


def _proved_invalid(terms: RefundPolicy) -> tuple[str, Facts]:
    story = _("同样的情况，发卡方的记录显示：在买家查看之前，卡密已被别人兑换。")
    return story, sample(terms, reason="invalid_code", amount_fen=CARD_FEN, revealed_count=1, cleared_count=1)


def _too_late(terms: RefundPolicy) -> tuple[str, Facts]:
    """S3-23."""
    day = late_day(terms)
    story = _("交付后第 %(day)d 天才申请，卡密没有查看过。") % {"day": day}
    return story, sample(terms, reason="not_as_described", amount_fen=CARD_FEN, at=DELIVERED + timedelta(days=day))


def _all_though_one_is_used(terms: RefundPolicy) -> tuple[str, Facts]:
    """S4-13."""
    story = _("一单买了 %(bought)d 张，其中 %(used)d 张兑换了，%(bought)d 张都申请，理由是不想要了。")
    amount_fen = BOUGHT * OTHER_CARDS_FEN
    facts = sample(terms, reason="changed_mind", amount_fen=amount_fen, revealed_count=USED, used_count=USED)
    shares = (OTHER_CARDS_FEN,) * BOUGHT
    return story % {"bought": BOUGHT, "used": USED}, replace(facts, delivered_count=BOUGHT, delivered_fens=shares)


def _only_those_unused(terms: RefundPolicy) -> tuple[str, Facts]:
    """S4-13."""
    left = BOUGHT - USED
    amount_fen = left * OTHER_CARDS_FEN
    story = _("同一单，只申请没有查看过的 %(left)d 张，共 %(amount)s。") % {"left": left, "amount": yuan(amount_fen)}
    facts = sample(terms, reason="changed_mind", amount_fen=amount_fen, delivered_count=left)
    return story, replace(facts, delivered_fens=(OTHER_CARDS_FEN,) * left)


def _trial_begun(terms: RefundPolicy) -> tuple[str, Facts]:
    """S3-22."""
    story = _("%(days)d 天的会员，开通后用了 %(used)d 天，因为重复下单想退。有开通记录。")
    facts = sample(
        terms, reason="duplicate", amount_fen=MEMBERSHIP_FEN, kind="membership", revealed_count=1, used_count=1,
        at=DELIVERED + timedelta(days=TRIAL_USED_DAYS),
    )  # fmt: skip
    return story % {"days": TRIAL_DAYS, "used": TRIAL_USED_DAYS}, facts


CASES: list[Callable[[RefundPolicy], tuple[str, Facts]]] = [
    _undelivered,
    _regretted,
    _said_to_be_invalid,
    _proved_invalid,
    _too_late,
    _all_though_one_is_used,
    _only_those_unused,
    _trial_begun,
]
