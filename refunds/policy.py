"""Pure rules: may this be refunded, by which lane, how is it shared out, by when. No database, no clock.

The same rules answer the application page before submitting, the API, the pre-check and the reviewer's panel. Each
answer carries its reason, in the words that the buyer reads. What was decided on is kept as ``Facts`` and can be
decided again: under the terms of a draft that is how a policy is tried out (``simulation.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from money import yuan
from refunds.models import Lane


@dataclass(frozen=True)
class Terms:
    """What the policy version that the order was placed under says of these goods and this reason.

    Those with a default were not yet said in facts from before they were kept.
    """

    window_days: int
    cooling_off_hours: int
    one_click_below_fen: int
    one_click_daily_cap_fen: int
    max_rejections: int
    express_below_fen: int = 0  # 0: there is no express lane
    express_clean_days: int = 180
    express_needs_no_record: bool = False
    fee_percent: int = 0
    balance_fee_percent: int = 0
    evidence_after_hours: int = 24 * 365
    at_fault: str = "nobody"  # "shop", "platform", "buyer", "nobody"
    takes_reason: bool = True  # the reason is in the policy's list
    slots: tuple[str, ...] = ()  # what a complete application shows
    merchant_hours: int = 0  # 0: no shop is asked
    skips_merchant: bool = False  # this reason does not go by the shop


@dataclass(frozen=True)
class Cap:
    """额度: what one automatic lane has given one buyer, payer, device, address, shop or the whole platform in 24
    hours, and the most that it may."""

    lane: str
    of: str  # "buyer", "payer", "device", "address", "shop", "platform"
    given_fen: int
    most_fen: int


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
    auto_refunded_today_fen: int  # by the one-click lane: what its own daily cap in the policy is about
    received_count: int = 0  # of those seen, what has no code; 0 also in facts from before it was counted
    used_count: int = 0  # proved used: redeemed after we had shown the code, topped up, or confirmed by the buyer
    cleared_count: int = 0  # of those seen, proved unused: the issuer says not redeemed, or redeemed before our reveal
    delivered_fens: tuple[int, ...] = ()  # what is asked of each line that was handed over: a fee is counted by code
    reason: str = ""
    kind: str = ""  # of the goods, as their page said when they were ordered
    is_cross_border: bool = False
    is_canceled: bool = False  # the machine asks, for what was canceled
    to_balance: bool = False  # the buyer wants it on the balance, not by the original route
    slots_given: tuple[str, ...] = ()  # which of ``terms.slots`` a picture was laid before us for
    has_opted_in: bool = False  # to the express lane
    is_verified: bool = False  # real name
    refused_lately: int = 0  # refused or abusive refunds within ``terms.express_clean_days``
    refunded_ever: int = 0
    caps: tuple[Cap, ...] = ()
    closed_lanes: tuple[str, ...] = ()  # switched off by the operator
    shop_answers: bool = True  # the shop is there, and has not kept silent too often of late

    def as_json(self) -> dict[str, Any]:
        """For the record: what was decided on once can be decided again, by the same rules or by other terms."""
        kept = asdict(self)
        return kept | {name: at.isoformat() for name, at in kept.items() if isinstance(at, datetime)}

    @classmethod
    def of_json(cls, kept: Mapping[str, Any]) -> Facts:
        times = {
            name: datetime.fromisoformat(kept[name]) for name in ("at", "ordered_at", "delivered_at") if kept[name]
        }
        lists = {name: tuple(kept.get(name, ())) for name in ("delivered_fens", "slots_given", "closed_lanes")} | {
            "caps": tuple(Cap(**cap) for cap in kept.get("caps", ()))
        }
        terms = kept["terms"] | {"slots": tuple(kept["terms"].get("slots", ()))}
        return cls(**{**kept, **times, **lists, "terms": Terms(**terms)})

    @property
    def unproved_count(self) -> int:
        """Of those seen, what nobody has proved unused."""
        return max(0, self.revealed_count - self.cleared_count)

    @property
    def missing_slots(self) -> tuple[str, ...]:
        """举证: what a complete application would show, and this one does not."""
        return tuple(slot for slot in self.terms.slots if slot not in self.slots_given)

    @property
    def is_complete(self) -> bool:
        """材料齐全 (S0-17): something is to be shown, and all of it is."""
        return bool(self.terms.slots) and not self.missing_slots


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


#: Verdicts after which people answer, of the shop or of the platform.
TO_PEOPLE = frozenset({"ask_merchant", "send_to_review"})


@dataclass(frozen=True)
class Verdict:
    """What the pre-check decides: the step to take, the lane, and the sentence that tells why."""

    step: str  # auto_approve, ask_merchant, send_to_review or turn_down
    lane: Lane
    sentence: str
    results: Sequence[RuleResult]


@dataclass(frozen=True)
class Amounts:
    """What is asked for, what the policy keeps of it as a fee, and what the buyer gets. They add up exactly (I12)."""

    asked_fen: int
    fee_fen: int
    refund_fen: int


def decide(facts: Facts) -> Verdict:
    """系统初审. A failed hard rule turns the case down; what no rule can prove goes to a human, never to a refusal."""
    hard = [rule(facts) for rule in HARD_RULES]
    if failed := _first_failed(hard):
        return Verdict("turn_down", Lane.STANDARD, failed.sentence, hard)
    undelivered = is_undelivered(facts)
    proofs = [rule(facts) for rule in PROOFS]
    lanes = {lane: [rule(facts) for rule in rules] for lane, rules in LANE_RULES.items()}
    results = [*hard, undelivered, *proofs, *lanes[Lane.ONE_CLICK], in_cooling_off(facts), has_evidence(facts)]
    to_people = "send_to_review"
    if facts.terms.merchant_hours:
        asked = asks_merchant(facts)
        results.append(asked)
        to_people = "ask_merchant" if asked.passed else to_people
    if facts.terms.express_below_fen and facts.has_opted_in:
        results += lanes[Lane.EXPRESS]
    if undelivered.passed:
        needed = [rule(facts) for rule in UNDELIVERED_RULES]
        if doubt := _first_failed(needed):
            return Verdict("send_to_review", Lane.STANDARD, doubt.sentence, [*results, *needed[1:]])
        return Verdict("auto_approve", Lane.UNDELIVERED, undelivered.sentence, results)
    if doubt := _first_failed(proofs):
        return Verdict(to_people, Lane.STANDARD, doubt.sentence, results)
    for lane, answers in lanes.items():
        if not _first_failed(answers):
            return Verdict("auto_approve", lane, _opens(lane, proofs, answers).sentence, results)
    doubt = _first_failed(lanes[Lane.ONE_CLICK])
    return Verdict(to_people, Lane.STANDARD, doubt.sentence if doubt else "", results)


def amounts(facts: Facts) -> Amounts:
    """金额 (S4-5, S1-15): a fee only for what was delivered, by the code and rounded down, so that rounding never costs
    the buyer (P11); never where the shop or the platform is at fault."""
    percent = _fee_percent(facts)
    fee_fen = sum(fen * percent // 100 for fen in facts.delivered_fens)
    return Amounts(facts.amount_fen, fee_fen, facts.amount_fen - fee_fen)


def fee_of(asked_fen: int, facts: Facts) -> int:
    """The fee of one delivered line: what ``amounts`` adds up."""
    return asked_fen * _fee_percent(facts) // 100


def _fee_percent(facts: Facts) -> int:
    terms = facts.terms
    percent = terms.fee_percent if terms.at_fault == "buyer" and not facts.is_canceled else 0
    if facts.to_balance and terms.at_fault in {"buyer", "nobody"} and not facts.is_canceled:
        percent += terms.balance_fee_percent
    return percent


def _opens(lane: Lane, proofs: Sequence[RuleResult], answers: Sequence[RuleResult]) -> RuleResult:
    """The rule whose sentence tells why this lane is open."""
    return proofs[0] if lane == Lane.ONE_CLICK else answers[0]


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


def takes_reason(facts: Facts) -> RuleResult:
    """S3-6: the policy's own list. What the machine asks for needs no reason of a buyer's."""
    return _result(
        "reason",
        facts.terms.takes_reason or facts.is_canceled or not facts.reason,
        f"reason={facts.reason}",
        ("退款原因在政策列表内", "The reason is on the policy's list"),
        ("这份政策不接受该退款原因，请另选", "This policy does not take that reason; please choose another"),
    )


def not_used_by_choice(facts: Facts) -> RuleResult:
    """S2-2, S3-4, S0-21: who only regrets gets nothing back for what is proved used, and the proof is ours: the
    issuer's signed record. Where somebody else may be at fault, a person weighs the same record."""
    regrets = facts.terms.at_fault == "buyer"
    return _result(
        "not_used",
        not (regrets and facts.used_count),
        f"used_count={facts.used_count}, at_fault={facts.terms.at_fault}",
        ("没有使用记录", "No record of use"),
        TOPPED_UP if facts.received_count else REDEEMED,
    )


REDEEMED = (
    "发卡方记录显示：卡密在您查看之后已兑换，按政策不支持因个人原因退款",
    "The issuer's record shows that the code was redeemed after you viewed it: not refundable for personal reasons",
)
TOPPED_UP = (
    "记录显示充值已到账，或服务经您确认完成，按政策不支持因个人原因退款",
    "By our record the top-up arrived, or you confirmed the work: not refundable for personal reasons",
)
TURNS_DOWN = {"reason", "paid", "amount_fits", "window", "rejections", "not_used"}
HARD_RULES = [takes_reason, is_paid, fits_payment, within_window, not_rejected_too_often, not_used_by_choice]

# --- proofs: each lane opens by its own; where one is missing, a human looks ------------------------------------------


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
    """What counts as used (docs/rules.md): a code never revealed is proved unused, and so is one whose issuer says so.
    Of a top-up that was sent, or work that has begun, nothing is proved: it may be carried out behind the refund."""
    yes = CLEARED if facts.revealed_count else UNSEEN
    return _result(
        "unrevealed",
        facts.unproved_count == 0 and facts.begun_count == 0,
        f"revealed_count={facts.revealed_count}, cleared_count={facts.cleared_count}, begun_count={facts.begun_count}",
        yes,
        _seen(facts) if facts.unproved_count else HAS_BEGUN,
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
    """Of a part refund the buyer keeps the code, or is delivered to afterwards: a person weighs that, else nearly all
    of the price could come back. What was canceled is never delivered: there the machine asks for all that there is."""
    return _result(
        "whole",
        facts.is_canceled or facts.amount_fen == facts.left_fen,
        f"amount_fen={facts.amount_fen}, left_fen={facts.left_fen}",
        ("申请退还所选商品的全部剩余金额", "All that is left of the price is asked for"),
        ("申请部分退款，退款后商品仍归买家，由人工审核", "A part refund: you keep the goods, so a person reviews it"),
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
        ("在 24 小时的自动退款额度内", "Within the automatic allowance of 24 hours"),
        (
            "24 小时内的自动退款额度已用完，由人工审核",
            "The automatic allowance of 24 hours is used up: a person decides",
        ),
    )


def is_fault_clear(facts: Facts) -> RuleResult:
    """Where the policy keeps a fee from buyers at fault, whoever names another's fault is asked by a person first: a
    reason picked from a list must not be worth money. So with the fee for the balance, where it is asked to go there.
    """
    terms = facts.terms
    most_percent = terms.fee_percent + (terms.balance_fee_percent if facts.to_balance else 0)
    return _result(
        "fault_is_clear",
        _fee_percent(facts) == most_percent or facts.delivered_count == 0,
        f"fee_percent={most_percent}, at_fault={terms.at_fault}",
        ("责任清楚，手续费已列明", "Whose fault it is, is clear; the fee is shown"),
        ("涉及手续费，责任由人工核对", "A fee depends on whose fault it is: a person checks"),
    )


def has_opted_in(facts: Facts) -> RuleResult:
    """S0-19: who asked for the express lane, and whose real name is verified."""
    return _result(
        "express_opted_in",
        facts.has_opted_in and facts.is_verified,
        f"has_opted_in={facts.has_opted_in}, is_verified={facts.is_verified}",
        ("已开通极速退款，无需人工审核", "Express refunds are on: no person needs to look"),
        ("未开通极速退款，或未实名", "Express refunds are not on, or the real name is not verified"),
    )


def is_below_express(facts: Facts) -> RuleResult:
    """S0-20."""
    limit = facts.terms.express_below_fen
    return _result(
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
    return _result(
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
        looked_at = ", ".join(f"{cap.of}={cap.given_fen}/{cap.most_fen}" for cap in full or caps)
        return _result(
            f"{lane}_room",
            is_on and not full,
            f"on={is_on}, amount_fen={facts.amount_fen}, {looked_at}",
            ("在自动退款的总额度内", "Within the allowances of automatic refunds"),
            BEYOND_CAPS if is_on else SWITCHED_OFF,
        )

    return rule


BEYOND_CAPS = (
    "24 小时内自动退款的总额度已用完，由人工审核，不影响您的退款",
    "The allowance of automatic refunds in 24 hours is used up: a person reviews it, and nothing is lost",
)
SWITCHED_OFF = ("自动退款暂停，由人工审核", "Automatic refunds are paused: a person reviews it")

PROOFS = [is_unseen, is_valid, is_whole, is_fault_clear]
LANE_RULES: dict[Lane, list[Callable[[Facts], RuleResult]]] = {
    Lane.ONE_CLICK: [is_small, is_under_daily_cap, has_room(Lane.ONE_CLICK)],
    Lane.EXPRESS: [has_opted_in, is_below_express, has_clean_record, has_room(Lane.EXPRESS)],
}
UNDELIVERED_RULES = [is_whole, has_room(Lane.UNDELIVERED)]  # what is refunded in part is delivered afterwards


def has_evidence(facts: Facts) -> RuleResult:
    """S2-6, S0-17: later than the policy's hours after delivery, an application shows what it claims. Opens and shuts
    no lane: what is complete is decided sooner, what is not is looked at by a person all the same."""
    hours, since = facts.terms.evidence_after_hours, facts.delivered_at
    is_due = since is not None and facts.at > since + timedelta(hours=hours)
    missing = facts.missing_slots
    return _result(
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


def asks_merchant(facts: Facts) -> RuleResult:
    """S4-8, S4-9, conflict 9: the shop answers first, but where the platform or nobody is at fault, where nothing was
    delivered, or where the shop would not answer anyway."""
    terms = facts.terms
    is_theirs = terms.at_fault in {"shop", "buyer"} and not terms.skips_merchant and not facts.is_canceled
    return _result(
        "asks_merchant",
        is_theirs and facts.shop_answers and facts.delivered_count + facts.begun_count > 0,
        f"merchant_hours={terms.merchant_hours}, skips_merchant={terms.skips_merchant}, at_fault={terms.at_fault},"
        f" shop_answers={facts.shop_answers}",
        ("先由商家答复，逾期视为商家责任", "The shop answers first; if it does not in time, it is liable"),
        ("不经商家，由平台审核", "Not the shop's to answer: the platform reviews it"),
    )


# --- what an answer weighs --------------------------------------------------------------------------------------------


def weights(answers: Mapping[str, bool]) -> dict[str, str]:
    """{rule: passed} → {rule: what its answer means to the buyer}, as far as it means anything.

    "met"; "unmet": turned down by it; "person": nothing is wrong, but somebody has to look; "fact": true, and decides
    nothing by itself. Where nothing was delivered no proof is needed: those that fail are left out.
    """
    is_automatic = answers.get("undelivered", False)
    weighed = {rule: "met" if passed else _weight(rule) for rule, passed in answers.items()}
    needed = {"whole", "undelivered_room"}  # by ``UNDELIVERED_RULES``
    return {
        rule: weight for rule, weight in weighed.items() if not (is_automatic and weight == "person") or rule in needed
    }


def _weight(rule: str) -> str:
    """Of a rule that failed."""
    if rule in {"undelivered", "cooling_off", "evidence", "asks_merchant"} or rule.startswith("express_"):
        return "fact"
    return "unmet" if rule in TURNS_DOWN else "person"


# --- deadlines --------------------------------------------------------------------------------------------------------


def hours_to_review(
    *, usual: int, complete: int, high_value: int, extra: int, is_complete: bool, is_large: bool, is_cross_border: bool
) -> int:
    """S0-17: what is complete is decided sooner; S2-8: what two people look at, and S3-14, goods from abroad, take
    longer."""
    hours = max(usual, high_value) if is_large else min(usual, complete) if is_complete else usual
    return hours + (extra if is_cross_border else 0)


def _first_failed(results: Sequence[RuleResult]) -> RuleResult | None:
    return next((result for result in results if not result.passed), None)


def _result(rule: str, passed: bool, looked_at: str, yes: tuple[str, str], no: tuple[str, str]) -> RuleResult:
    sentence, sentence_en = yes if passed else no
    return RuleResult(rule, passed, looked_at, sentence, sentence_en)
