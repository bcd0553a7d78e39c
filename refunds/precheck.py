"""系统初审: run the rules over what was submitted, keep every result, take the step they lead to."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from refunds import applying, codes, lifecycle, policy
from refunds.models import PreCheck, Refund
from refunds.policy import Verdict


def run(refunds: Sequence[Refund], *, at: datetime) -> None:
    """In the caller's transaction, the cases locked. One case of a buyer sees the others' automatic refunds."""
    for refund in refunds:
        verdict = _judge(refund, at)
        PreCheck.objects.create(
            refund=refund, results=[result.as_json() for result in verdict.results], verdict=verdict.step, at=at
        )
        _take(refund, verdict, at)


def _judge(refund: Refund, at: datetime) -> Verdict:
    line_ids = list(refund.lines.values_list("order_line_id", flat=True))
    facts = applying.gather(refund.order, refund.payment, codes.of_lines(line_ids), refund.amount_fen, at=at)
    return policy.decide(facts)


def _take(refund: Refund, verdict: Verdict, at: datetime) -> None:
    if verdict.step == "auto_approve":
        lifecycle.auto_approve([refund], at=at, lane=verdict.lane)
    elif verdict.step == "send_to_review":
        lifecycle.send_to_review([refund], at=at)
    else:
        lifecycle.turn_down([refund], at=at, note=verdict.sentence)
