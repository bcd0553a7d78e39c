"""退款保障标识: earned by rule, and lost by rule; nobody hands it out (S0-30). Pure: no database, no clock.

What is demanded is data (``GuaranteeTerms``); what is known about the shop are its own records. Each answer carries its
sentence, which the shop reads on its page. ``refunds/figures.py`` asks every hour, and keeps ``Shop.guarantee_since``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from money import yuan


@dataclass(frozen=True)
class Demands:
    """The numbers of the terms in force (``GuaranteeTerms``)."""

    deposit_fen: int
    open_days: int
    in_time_percent: int
    least_deliveries: int
    most_canceled_percent: int
    unsuspended_days: int


@dataclass(frozen=True)
class Facts:
    """What our records say about a shop at ``at``; counts are of the last 30 days."""

    at: datetime
    is_open: bool
    opened_at: datetime
    deposit_fen: int
    paid_orders: int
    delivered_in_time: int
    delivered_late: int
    canceled_by_shop: int
    suspended_at: datetime | None  # last time


@dataclass(frozen=True)
class RuleResult:
    """One rule's answer; the sentences are what people read."""

    rule: str
    passed: bool
    sentence: str
    sentence_en: str


def judge(facts: Facts, demands: Demands) -> list[RuleResult]:
    """Every rule's answer, in the order in which a shop can do something about it."""
    return [rule(facts, demands) for rule in RULES]


def has_badge(results: Sequence[RuleResult]) -> bool:
    return all(result.passed for result in results)


def is_open(facts: Facts, demands: Demands) -> RuleResult:
    return _result("open", facts.is_open, ("店铺营业中", "The shop is open"), ("店铺未在营业", "The shop is not open"))


def has_deposit(facts: Facts, demands: Demands) -> RuleResult:
    held, needed = yuan(facts.deposit_fen), yuan(demands.deposit_fen)
    return _result(
        "deposit",
        facts.deposit_fen >= demands.deposit_fen,
        (f"保证金 {held}，达到 {needed}", f"Deposit {held}, at least {needed}"),
        (f"保证金 {held}，需要 {needed}", f"Deposit {held}; {needed} is needed"),
    )


def has_been_open(facts: Facts, demands: Demands) -> RuleResult:
    days, needed = (facts.at - facts.opened_at) // timedelta(days=1), demands.open_days
    return _result(
        "open_days",
        days >= needed,
        (f"开店已满 {needed} 天", f"Open for {needed} days or more"),
        (f"开店 {days} 天，需满 {needed} 天", f"Open for {days} days; {needed} are needed"),
    )


def delivers_enough(facts: Facts, demands: Demands) -> RuleResult:
    count, needed = facts.delivered_in_time + facts.delivered_late, demands.least_deliveries
    return _result(
        "deliveries",
        count >= needed,
        (f"近 30 天应交付 {count} 单，达到 {needed} 单", f"{count} deliveries due in 30 days, at least {needed}"),
        (f"近 30 天应交付 {count} 单，需要 {needed} 单", f"{count} deliveries due in 30 days; {needed} are needed"),
    )


def delivers_in_time(facts: Facts, demands: Demands) -> RuleResult:
    count, needed = facts.delivered_in_time + facts.delivered_late, demands.in_time_percent
    share = percent(facts.delivered_in_time, count)
    return _result(
        "in_time",
        count > 0 and facts.delivered_in_time * 100 >= needed * count,
        (f"按时交付率 {share}，不低于 {needed}%", f"{share} delivered in time, at least {needed}%"),
        (f"按时交付率 {share}，需不低于 {needed}%", f"{share} delivered in time; {needed}% is needed"),
    )


def cancels_rarely(facts: Facts, demands: Demands) -> RuleResult:
    most, share = demands.most_canceled_percent, percent(facts.canceled_by_shop, facts.paid_orders)
    return _result(
        "canceled",
        facts.canceled_by_shop * 100 <= most * facts.paid_orders,
        (f"商家原因取消率 {share}，不高于 {most}%", f"{share} canceled by the shop, at most {most}%"),
        (f"商家原因取消率 {share}，需不高于 {most}%", f"{share} canceled by the shop; at most {most}% is allowed"),
    )


def is_unsuspended(facts: Facts, demands: Demands) -> RuleResult:
    days = demands.unsuspended_days
    since = facts.suspended_at
    return _result(
        "unsuspended",
        since is None or facts.at - since >= timedelta(days=days),
        (f"近 {days} 天没有被处罚", f"Not suspended in the last {days} days"),
        (f"近 {days} 天内被处罚过", f"Suspended within the last {days} days"),
    )


RULES = [is_open, has_deposit, has_been_open, delivers_enough, delivers_in_time, cancels_rarely, is_unsuspended]


def percent(part: int, whole: int) -> str:
    """95.2%, rounded down, so that nothing short of all is called 100%; – of nothing."""
    if not whole:
        return "–"
    thousandths = part * 1000 // whole
    return f"{thousandths // 10}.{thousandths % 10}%" if thousandths % 10 else f"{thousandths // 10}%"


def _result(rule: str, passed: bool, yes: tuple[str, str], no: tuple[str, str]) -> RuleResult:
    return RuleResult(rule, passed, *(yes if passed else no))
