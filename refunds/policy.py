"""Pure rules: may this be refunded, by which lane, how is it shared out, by when. No database, no clock.

The same rules answer the application page before submitting, the API, the pre-check and the reviewer's panel. Each
answer carries its reason, in the words that the buyer reads.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from money import yuan
from refunds.models import Lane, Status


@dataclass(frozen=True)
class Terms:
    """The numbers of the policy version that the order was placed under."""

    window_days: int
    cooling_off_hours: int
    one_click_below_fen: int
    one_click_daily_cap_fen: int
    max_rejections: int


@dataclass(frozen=True)
class Facts:
    """Everything the rules look at, as our own records say it at ``at``."""

    at: datetime
    terms: Terms
    ordered_at: datetime
    paid: bool
    delivered_at: datetime | None  # of the codes asked about; empty if none was handed over
    delivered_count: int
    begun_count: int  # top-ups that left us and work that began: neither delivered nor stoppable
    revealed_count: int
    expired_count: int  # codes whose own date is past
    amount_fen: int
    left_fen: int  # of the lines asked about, before this refund
    refundable_fen: int  # of the whole payment
    rejections: int
    auto_refunded_today_fen: int
    received_count: int = 0  # of those seen, what has no code; 0 also in facts from before it was counted

    def as_json(self) -> dict[str, Any]:
        """For the record: what was decided on once can be decided again, by the same rules or by other terms."""
        kept = asdict(self)
        return kept | {name: at.isoformat() for name, at in kept.items() if isinstance(at, datetime)}

    @classmethod
    def of_json(cls, kept: Mapping[str, Any]) -> Facts:
        times = {
            name: datetime.fromisoformat(kept[name]) for name in ("at", "ordered_at", "delivered_at") if kept[name]
        }
        return cls(**{**kept, **times, "terms": Terms(**kept["terms"])})


@dataclass(frozen=True)
class RuleResult:
    """One rule's answer. ``input`` is what it looked at; the sentences are what people read."""

    rule: str
    passed: bool
    input: str
    sentence: str
    sentence_en: str

    def as_json(self) -> dict[str, object]:
        return asdict(self)


@dataclass(frozen=True)
class Verdict:
    """What the pre-check decides: the step to take, the lane, and the sentence that tells why."""

    step: str  # auto_approve, send_to_review or turn_down
    lane: Lane
    sentence: str
    results: Sequence[RuleResult]


def decide(facts: Facts) -> Verdict:
    """系统初审. A failed hard rule turns the case down; what no rule can prove goes to a human, never to a refusal."""
    hard = [rule(facts) for rule in HARD_RULES]
    if failed := _first_failed(hard):
        return Verdict("turn_down", Lane.STANDARD, failed.sentence, hard)
    undelivered = is_undelivered(facts)
    one_click = [rule(facts) for rule in ONE_CLICK_PROOFS]
    results = [*hard, undelivered, *one_click, in_cooling_off(facts)]
    if undelivered.passed:
        return Verdict("auto_approve", Lane.UNDELIVERED, undelivered.sentence, results)
    if doubt := _first_failed(one_click):
        return Verdict("send_to_review", Lane.STANDARD, doubt.sentence, results)
    return Verdict("auto_approve", Lane.ONE_CLICK, one_click[0].sentence, results)


# --- hard rules: one that fails turns the case down -------------------------------------------------------------------


def is_paid(facts: Facts) -> RuleResult:
    return _result(
        "paid",
        facts.paid,
        f"paid={facts.paid}",
        ("订单已付款", "The order is paid"),
        ("订单没有成功的付款，无款可退", "The order has no successful payment to give back"),
    )


def fits_payment(facts: Facts) -> RuleResult:
    """I1, explained before the database has to refuse."""
    return _result(
        "amount_fits",
        0 < facts.amount_fen <= facts.refundable_fen,
        f"amount_fen={facts.amount_fen}, refundable_fen={facts.refundable_fen}",
        ("申请金额在可退范围内", "The amount is within what can be refunded"),
        ("申请金额超过剩余可退金额", "The amount exceeds what can still be refunded"),
    )


def within_window(facts: Facts) -> RuleResult:
    """S3-5, S3-23, PM18: undelivered orders know no window; a window of 0 means not refundable once delivered."""
    days = facts.terms.window_days
    since = facts.delivered_at
    if since is None:
        return _result(
            "window", True, "not delivered", ("尚未发货，不受售后期限制", "Not delivered: no time limit"), ("", "")
        )
    if days == 0:
        refusal = ("该商品购买前已注明：交付后不支持退款", "Marked before purchase as not refundable once delivered")
        return _result("window", False, "window_days=0", ("", ""), refusal)
    passed = facts.at <= since + timedelta(days=days)
    return _result(
        "window",
        passed,
        f"delivered_at={since.isoformat()}, window_days={days}",
        (f"在 {days} 天售后期内", f"Within the refund window of {days} days"),
        (f"已超过 {days} 天售后期", f"The refund window of {days} days is over"),
    )


def not_rejected_too_often(facts: Facts) -> RuleResult:
    most = facts.terms.max_rejections
    return _result(
        "rejections",
        facts.rejections < most,
        f"rejections={facts.rejections}, max={most}",
        (f"被拒次数未满 {most} 次", f"Fewer than {most} refused applications"),
        (
            f"同一订单已被拒 {most} 次，请联系客服",
            f"Refused {most} times already; please contact support",
        ),
    )


HARD_RULES = [is_paid, fits_payment, within_window, not_rejected_too_often]

# --- proofs: each lane opens by its own; where one is missing, a human looks ------------------------------------------


HAS_BEGUN = (
    "充值已提交或服务已开始，由人工核对",
    "The top-up was sent, or the work has begun: a person will check",
)
SEEN = ("已查看卡密或已收货，需人工核对是否使用", "Viewed or received; a person will check whether it was used")

RECEIVED = (
    "充值已到账或服务已交付，需人工核对",
    "The top-up arrived, or the work was handed over: a person will check",
)


def is_undelivered(facts: Facts) -> RuleResult:
    """S0-4: this alone opens the lane of undelivered goods."""
    return _result(
        "undelivered",
        facts.delivered_count == 0 and facts.begun_count == 0,
        f"delivered_count={facts.delivered_count}, begun_count={facts.begun_count}",
        ("商品未发货，自动全额原路退回", "Nothing was delivered: refunded automatically"),
        ("商品已发货", "Delivered") if facts.delivered_count else HAS_BEGUN,
    )


def is_unseen(facts: Facts) -> RuleResult:
    """What counts as used (docs/rules.md): a code never revealed is proved unused. Of a top-up that was sent, or work
    that has begun, nothing is proved: it may be carried out behind the refund."""
    return _result(
        "unrevealed",
        facts.revealed_count == 0 and facts.begun_count == 0,
        f"revealed_count={facts.revealed_count}, begun_count={facts.begun_count}",
        ("卡密从未被查看，可确认未使用", "The code was never viewed, so it is unused"),
        _seen(facts) if facts.revealed_count else HAS_BEGUN,
    )


def _seen(facts: Facts) -> tuple[str, str]:
    """Nobody "views a code" of a top-up or of work."""
    return RECEIVED if facts.received_count == facts.revealed_count else SEEN


def is_valid(facts: Facts) -> RuleResult:
    """S0-6: a code that nobody can redeem any more cannot be sold again. A person weighs why it was left to run out."""
    return _result(
        "in_validity",
        facts.expired_count == 0,
        f"expired_count={facts.expired_count}",
        ("卡密在有效期内", "The code is still valid"),
        ("卡密已过有效期，由人工审核", "The code is past its own date: reviewed by a person"),
    )


def is_whole(facts: Facts) -> RuleResult:
    """Of a part refund the buyer keeps the code: a person weighs that, else nearly all of the price could come back."""
    return _result(
        "whole",
        facts.amount_fen == facts.left_fen,
        f"amount_fen={facts.amount_fen}, left_fen={facts.left_fen}",
        ("申请退还所选商品的全部剩余金额", "All that is left of the price is asked for"),
        ("申请部分退款，退款后卡密仍归买家，由人工审核", "A part refund: you keep the code, so a person reviews it"),
    )


def is_small(facts: Facts) -> RuleResult:
    """S3-25."""
    limit = facts.terms.one_click_below_fen
    return _result(
        "small_amount",
        facts.amount_fen < limit,
        f"amount_fen={facts.amount_fen}, below_fen={limit}",
        (f"金额低于 {yuan(limit)}，可自动退款", f"Below {yuan(limit)}: can be automatic"),
        (f"金额达到 {yuan(limit)}，由人工审核", f"{yuan(limit)} or more: reviewed by a person"),
    )


def is_under_daily_cap(facts: Facts) -> RuleResult:
    """P12."""
    cap = facts.terms.one_click_daily_cap_fen
    return _result(
        "daily_cap",
        facts.auto_refunded_today_fen + facts.amount_fen <= cap,
        f"today_fen={facts.auto_refunded_today_fen}, amount_fen={facts.amount_fen}, cap_fen={cap}",
        ("未超过当日自动退款额度", "Within today's automatic allowance"),
        ("已超过当日自动退款额度，由人工审核", "Beyond today's automatic allowance: reviewed by a person"),
    )


ONE_CLICK_PROOFS = [is_unseen, is_valid, is_whole, is_small, is_under_daily_cap]


def in_cooling_off(facts: Facts) -> RuleResult:
    """S2-13: opens no lane; tells the reviewer, and the buyer, whether a reason is needed."""
    hours = facts.terms.cooling_off_hours
    return _result(
        "cooling_off",
        facts.at <= facts.ordered_at + timedelta(hours=hours) and facts.revealed_count == 0,
        f"ordered_at={facts.ordered_at.isoformat()}, cooling_off_hours={hours}, revealed_count={facts.revealed_count}",
        (
            f"下单 {hours} 小时内且未查看，退款无需理由",
            f"Within {hours} hours of ordering and not viewed: no reason is needed",
        ),
        (f"已过 {hours} 小时冷静期或已查看，退款须有理由", f"Later than {hours} hours, or viewed: a reason is needed"),
    )


# --- what an answer weighs --------------------------------------------------------------------------------------------


def weights(answers: Mapping[str, bool]) -> dict[str, str]:
    """{rule: passed} → {rule: what its answer means to the buyer}, as far as it means anything.

    "met"; "unmet": turned down by it; "person": nothing is wrong, but somebody has to look; "fact": true, and decides
    nothing by itself. Where nothing was delivered no proof is needed: those that fail are left out.
    """
    is_automatic = answers.get("undelivered", False)
    weighed = {rule: "met" if passed else _weight(rule) for rule, passed in answers.items()}
    return {rule: weight for rule, weight in weighed.items() if not (is_automatic and weight == "person")}


def _weight(rule: str) -> str:
    """Of a rule that failed."""
    if rule in {"undelivered", "cooling_off"}:
        return "fact"
    return "unmet" if rule in {"paid", "amount_fits", "window", "rejections"} else "person"


# --- amounts and deadlines --------------------------------------------------------------------------------------------


def promise(status: Status, lane: Lane, *, review_hours: int, evidence_hours: int) -> timedelta | None:
    """How long a status may last before whoever owns it is late. Calendar time; working time comes with the clocks."""
    if status == Status.APPROVED:
        return timedelta(hours=24 if lane == Lane.STANDARD else 2)  # S2-11
    return {
        Status.SUBMITTED: timedelta(hours=2),  # S3-10
        Status.FIRST_REVIEW: timedelta(hours=review_hours),
        Status.AWAITING_EVIDENCE: timedelta(hours=evidence_hours),
        Status.PROCESSING: timedelta(hours=24),
        Status.RETURNED: timedelta(hours=24),
    }.get(status)


def _first_failed(results: Sequence[RuleResult]) -> RuleResult | None:
    return next((result for result in results if not result.passed), None)


def _result(rule: str, passed: bool, looked_at: str, yes: tuple[str, str], no: tuple[str, str]) -> RuleResult:
    sentence, sentence_en = yes if passed else no
    return RuleResult(rule, passed, looked_at, sentence, sentence_en)
