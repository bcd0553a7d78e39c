"""Rules that open and shut no lane: they tell the buyer and the reviewer, or lead past the shop."""

from __future__ import annotations

from datetime import timedelta

from refunds.policy.answers import RuleResult, answer
from refunds.policy.known import Facts


def has_evidence(facts: Facts) -> RuleResult:
    """S2-6, S0-17: later than the policy's hours after delivery, an application shows what it claims. Opens and shuts
    no lane: what is complete is decided sooner, what is not is looked at by a person all the same."""
    hours, since = facts.terms.evidence_after_hours, facts.delivered_at
    is_due = since is not None and facts.at > since + timedelta(hours=hours)
    missing = facts.missing_slots
    return answer(
        "evidence",
        not missing or not is_due,
        f"missing={','.join(missing)}, is_due={is_due}",
        ("材料齐全，优先审核", "The material is complete: reviewed first")
        if not missing
        else ("现在不要求凭证；附上会更快", "No pictures are demanded yet; with them it goes faster"),
        (
            f"缺 {len(missing)} 项凭证：补上后优先审核",
            f"{len(missing)} picture(s) missing: with them it is reviewed first",
        ),
    )


def in_cooling_off(facts: Facts) -> RuleResult:
    """S2-13: opens no lane; tells the reviewer, and the buyer, whether a reason is needed."""
    hours = facts.terms.cooling_off_hours
    return answer(
        "cooling_off",
        facts.at <= facts.ordered_at + timedelta(hours=hours) and facts.revealed_count == 0,
        f"ordered_at={facts.ordered_at.isoformat()}, cooling_off_hours={hours}, revealed_count={facts.revealed_count}",
        (
            f"下单 {hours} 小时内且未查看，退款无需理由",
            f"Within {hours} hours of ordering and not viewed: no reason is needed",
        ),
        (f"已过 {hours} 小时冷静期或已查看，退款须有理由", f"Later than {hours} hours, or viewed: a reason is needed"),
    )


def asks_merchant(facts: Facts) -> RuleResult:
    """S4-8, S4-9, conflict 9: the shop answers first, but where the platform or nobody is at fault, where nothing was
    delivered, or where the shop would not answer anyway."""
    terms = facts.terms
    is_theirs = terms.at_fault in {"shop", "buyer"} and not terms.skips_merchant and not facts.is_canceled
    return answer(
        "asks_merchant",
        is_theirs and facts.shop_answers and facts.delivered_count + facts.begun_count > 0,
        f"merchant_hours={terms.merchant_hours}, skips_merchant={terms.skips_merchant}, at_fault={terms.at_fault},"
        f" shop_answers={facts.shop_answers}",
        ("先由商家答复，逾期视为商家责任", "The shop answers first; if it does not in time, it is liable"),
        ("不经商家，由平台审核", "Not the shop's to answer: the platform reviews it"),
    )
