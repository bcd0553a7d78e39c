"""What a refund comes to: what is asked for, what the policy keeps of it, and what the buyer gets."""

from __future__ import annotations

from dataclasses import dataclass

from refunds.policy.known import Facts


@dataclass(frozen=True)
class Amounts:
    """What is asked for, what the policy keeps of it as a fee, and what the buyer gets. They add up exactly (I12)."""

    asked_fen: int
    fee_fen: int
    refund_fen: int


def amounts(facts: Facts) -> Amounts:
    """金额 (S4-5, S1-15): a fee only for what was delivered, by the code and rounded down, so that rounding never costs
    the buyer (P11); never where the shop or the platform is at fault."""
    percent = percent_kept(facts)
    fee_fen = sum(fen * percent // 100 for fen in facts.delivered_fens)
    return Amounts(facts.amount_fen, fee_fen, facts.amount_fen - fee_fen)


def fee_of(asked_fen: int, facts: Facts) -> int:
    """The fee of one delivered line: what ``amounts`` adds up."""
    return asked_fen * percent_kept(facts) // 100


def percent_kept(facts: Facts) -> int:
    terms = facts.terms
    percent = terms.fee_percent if terms.at_fault == "buyer" and not facts.is_canceled else 0
    if facts.to_balance and terms.at_fault in {"buyer", "nobody"} and not facts.is_canceled:
        percent += terms.balance_fee_percent
    return percent
