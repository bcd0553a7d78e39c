"""系统初审: from every rule's answer to one verdict, and what each answer means to the buyer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from refunds.models import Lane
from refunds.policy.advice import asks_merchant, has_evidence, in_cooling_off
from refunds.policy.answers import RuleResult, first_failed
from refunds.policy.doors import LANE_RULES, UNDELIVERED_RULES
from refunds.policy.known import Facts
from refunds.policy.limits import HARD_RULES, TURNS_DOWN
from refunds.policy.proofs import PROOFS, is_undelivered

#: Verdicts after which people answer, of the shop or of the platform.
TO_PEOPLE = frozenset({"ask_merchant", "send_to_review"})


@dataclass(frozen=True)
class Verdict:
    """What the pre-check decides: the step to take, the lane, and the sentence that tells why."""

    step: str  # auto_approve, ask_merchant, send_to_review or turn_down
    lane: Lane
    sentence: str
    results: Sequence[RuleResult]


def decide(facts: Facts) -> Verdict:
    """系统初审. A failed hard rule turns the case down; what no rule can prove goes to a human, never to a refusal."""
    hard = [rule(facts) for rule in HARD_RULES]
    if failed := first_failed(hard):
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
        if doubt := first_failed(needed):
            return Verdict("send_to_review", Lane.STANDARD, doubt.sentence, [*results, *needed[1:]])
        return Verdict("auto_approve", Lane.UNDELIVERED, undelivered.sentence, results)
    if doubt := first_failed(proofs):
        return Verdict(to_people, Lane.STANDARD, doubt.sentence, results)
    for lane, answers in lanes.items():
        if not first_failed(answers):
            return Verdict("auto_approve", lane, _opens(lane, proofs, answers).sentence, results)
    doubt = first_failed(lanes[Lane.ONE_CLICK])
    return Verdict(to_people, Lane.STANDARD, doubt.sentence if doubt else "", results)


def _opens(lane: Lane, proofs: Sequence[RuleResult], answers: Sequence[RuleResult]) -> RuleResult:
    """The rule whose sentence tells why this lane is open."""
    return proofs[0] if lane == Lane.ONE_CLICK else answers[0]


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
