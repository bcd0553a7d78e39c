"""Automatic lanes: what each asks for beside the proofs, and whether there is room in it."""

from __future__ import annotations

from collections.abc import Callable

from money import yuan
from refunds.models import Lane
from refunds.policy.answers import RuleResult, answer
from refunds.policy.known import Facts
from refunds.policy.proofs import is_whole


def is_small(facts: Facts) -> RuleResult:
    """S3-25."""
    limit = facts.terms.one_click_below_fen
    return answer(
        "small_amount",
        facts.amount_fen < limit,
        f"amount_fen={facts.amount_fen}, below_fen={limit}",
        (f"金额低于 {yuan(limit)}，可自动退款", f"Below {yuan(limit)}: can be automatic"),
        (f"金额达到 {yuan(limit)}，由人工审核", f"{yuan(limit)} or more: reviewed by a person"),
    )


def is_under_daily_cap(facts: Facts) -> RuleResult:
    """P12."""
    cap = facts.terms.one_click_daily_cap_fen
    return answer(
        "daily_cap",
        facts.auto_refunded_today_fen + facts.amount_fen <= cap,
        f"today_fen={facts.auto_refunded_today_fen}, amount_fen={facts.amount_fen}, cap_fen={cap}",
        ("在 24 小时的自动退款额度内", "Within the automatic allowance of 24 hours"),
        (
            "超出 24 小时内的自动退款额度，由人工审核",
            "More than the automatic allowance of 24 hours: a person decides",
        ),
    )


def has_opted_in(facts: Facts) -> RuleResult:
    """S0-19: who asked for the express lane, and whose real name is verified."""
    return answer(
        "express_opted_in",
        facts.has_opted_in and facts.is_verified,
        f"has_opted_in={facts.has_opted_in}, is_verified={facts.is_verified}",
        ("已开通极速退款，无需人工审核", "Express refunds are on: no person needs to look"),
        ("未开通极速退款，或未实名", "Express refunds are not on, or the real name is not verified"),
    )


def is_below_express(facts: Facts) -> RuleResult:
    """S0-20."""
    limit = facts.terms.express_below_fen
    return answer(
        "express_amount",
        facts.amount_fen < limit,
        f"amount_fen={facts.amount_fen}, below_fen={limit}",
        (f"金额低于 {yuan(limit)}，可极速退款", f"Below {yuan(limit)}: express"),
        (f"金额达到 {yuan(limit)}，不适用极速退款", f"{yuan(limit)} or more: not express"),
    )


def has_clean_record(facts: Facts) -> RuleResult:
    """S0-19 "good record": nothing refused within the days; S0-20 "no record" is the policy's strict switch."""
    terms = facts.terms
    strict = terms.express_needs_no_record
    return answer(
        "express_record",
        facts.refused_lately == 0 and not (strict and facts.refunded_ever),
        f"refused_lately={facts.refused_lately}, refunded_ever={facts.refunded_ever}, needs_no_record={strict}",
        ("退款记录良好", "A good refund record"),
        (
            "近期有未通过的退款，或政策要求无退款记录",
            "A refund was refused lately, or the policy wants no refunds at all",
        ),
    )


def has_room(lane: Lane) -> Callable[[Facts], RuleResult]:
    """P12, conflict 6: the lane is on, and none of its caps would be passed."""

    def rule(facts: Facts) -> RuleResult:
        caps = [cap for cap in facts.caps if cap.lane == lane]
        full = [cap for cap in caps if cap.given_fen + facts.amount_fen > cap.most_fen]
        is_on = lane not in facts.closed_lanes
        looked_at = ", ".join(f"{cap.of}_fen={cap.given_fen}, {cap.of}_most_fen={cap.most_fen}" for cap in full or caps)
        return answer(
            f"{lane}_room",
            is_on and not full,
            f"on={is_on}, amount_fen={facts.amount_fen}, {looked_at}",
            ("在自动退款的总额度内", "Within the allowances of automatic refunds"),
            BEYOND_CAPS if is_on else SWITCHED_OFF,
        )

    return rule


BEYOND_CAPS = (
    "超出 24 小时内自动退款的总额度，由人工审核，不影响您的退款",
    "More than the allowance of automatic refunds in 24 hours: a person reviews it, and nothing is lost",
)
SWITCHED_OFF = ("自动退款暂停，由人工审核", "Automatic refunds are paused: a person reviews it")
LANE_RULES: dict[Lane, list[Callable[[Facts], RuleResult]]] = {
    Lane.ONE_CLICK: [is_small, is_under_daily_cap, has_room(Lane.ONE_CLICK)],
    Lane.EXPRESS: [has_opted_in, is_below_express, has_clean_record, has_room(Lane.EXPRESS)],
}
UNDELIVERED_RULES = [is_whole, has_room(Lane.UNDELIVERED)]  # what is refunded in part is delivered afterwards
