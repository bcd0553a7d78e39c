"""Proofs: each lane opens by its own; where one is missing, a human looks."""

from __future__ import annotations

from refunds.policy.answers import RuleResult, answer
from refunds.policy.fees import percent_kept
from refunds.policy.known import Facts


def is_undelivered(facts: Facts) -> RuleResult:
    """S0-4: this alone opens the lane of undelivered goods."""
    return answer(
        "undelivered",
        facts.delivered_count == 0 and facts.begun_count == 0,
        f"delivered_count={facts.delivered_count}, begun_count={facts.begun_count}",
        ("商品未发货，自动全额原路退回", "Nothing was delivered: refunded automatically"),
        ("商品已发货", "Delivered") if facts.delivered_count else HAS_BEGUN,
    )


def is_unseen(facts: Facts) -> RuleResult:
    """What counts as used (docs/rules.md): a code never revealed is proved unused, and so is one whose issuer says so.
    Of a top-up that was sent, or work that has begun, nothing is proved: it may be carried out behind the refund."""
    yes = CLEARED if facts.revealed_count else UNSEEN
    return answer(
        "unrevealed",
        facts.unproved_count == 0 and facts.begun_count == 0,
        f"revealed_count={facts.revealed_count}, cleared_count={facts.cleared_count}, begun_count={facts.begun_count}",
        yes,
        _seen(facts) if facts.unproved_count else HAS_BEGUN,
    )


def _seen(facts: Facts) -> tuple[str, str]:
    """Nobody "views a code" of a top-up or of work."""
    return RECEIVED if facts.received_count == facts.revealed_count else SEEN


HAS_BEGUN = (
    "充值已提交或服务已开始，由人工核对",
    "The top-up was sent, or the work has begun: a person will check",
)
SEEN = ("已查看卡密或已收货，需人工核对是否使用", "Viewed or received; a person will check whether it was used")
UNSEEN = ("卡密从未被查看，可确认未使用", "The code was never viewed, so it is unused")
CLEARED = ("发卡方记录证明卡密未被使用", "The issuer's record proves that the code was not used")
RECEIVED = (
    "充值已到账或服务已交付，需人工核对",
    "The top-up arrived, or the work was handed over: a person will check",
)


def is_valid(facts: Facts) -> RuleResult:
    """S0-6: a code that nobody can redeem any more cannot be sold again. A person weighs why it was left to run out."""
    return answer(
        "in_validity",
        facts.expired_count == 0,
        f"expired_count={facts.expired_count}",
        ("卡密在有效期内", "The code is still valid"),
        ("卡密已过有效期，由人工审核", "The code is past its own date: reviewed by a person"),
    )


def is_whole(facts: Facts) -> RuleResult:
    """Of a part refund the buyer keeps the code, or is delivered to afterwards: a person weighs that, else nearly all
    of the price could come back. What was canceled is never delivered: there the machine asks for all that there is."""
    return answer(
        "whole",
        facts.is_canceled or facts.amount_fen == facts.left_fen,
        f"amount_fen={facts.amount_fen}, left_fen={facts.left_fen}",
        ("申请退还所选商品的全部剩余金额", "All that is left of the price is asked for"),
        ("申请部分退款，退款后商品仍归买家，由人工审核", "A part refund: you keep the goods, so a person reviews it"),
    )


def is_fault_clear(facts: Facts) -> RuleResult:
    """Where the policy keeps a fee from buyers at fault, whoever names another's fault is asked by a person first: a
    reason picked from a list must not be worth money. So with the fee for the balance, where it is asked to go there.
    """
    terms = facts.terms
    most_percent = terms.fee_percent + (terms.balance_fee_percent if facts.to_balance else 0)
    return answer(
        "fault_is_clear",
        percent_kept(facts) == most_percent or facts.delivered_count == 0,
        f"fee_percent={most_percent}, at_fault={terms.at_fault}",
        ("责任清楚，手续费已列明", "Whose fault it is, is clear; the fee is shown"),
        ("涉及手续费，责任由人工核对", "A fee depends on whose fault it is: a person checks"),
    )


PROOFS = [is_unseen, is_valid, is_whole, is_fault_clear]
