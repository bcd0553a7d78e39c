"""系统初审: run the rules over what was submitted, keep every result, take the step they lead to."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from refunds import facts, goods, lanes, lifecycle, policy, refundable
from refunds.facts import Asked
from refunds.models import AuditSample, Evidence, Lane, PreCheck, Refund, RefundLine
from refunds.policy import Facts, Verdict
from writing import insert


def run(refunds: Sequence[Refund], *, at: datetime) -> None:
    """In the caller's transaction, the cases locked. The number of queries does not grow with the cases."""
    if not refunds:
        return
    asked = _asked(refunds)
    lanes.hold()
    judged = _judge(refunds, asked, at)
    insert(
        [
            PreCheck(
                refund=refund,
                facts=seen.as_json(),
                results=[result.as_json() for result in verdict.results],
                verdict=verdict.step,
                at=at,
            )
            for refund, (seen, verdict) in zip(refunds, judged, strict=True)
        ]
    )
    _take_steps(refunds, [verdict for _, verdict in judged], at)


def _asked(refunds: Sequence[Refund]) -> list[Asked]:
    """Each case with its codes, locked, and with what was left of its lines."""
    lines: dict[int, list[RefundLine]] = defaultdict(list)
    for line in RefundLine.objects.filter(refund__in=refunds).select_related("order_line"):
        lines[line.refund_id].append(line)
    line_ids = [line.order_line_id for rows in lines.values() for line in rows]
    others = RefundLine.objects.filter(order_line__in=line_ids).exclude(refund__in=refunds)
    promised_fen = refundable.promised_fen(others)
    goods.lock_orders(refunds)
    goods.of_lines(line_ids)  # nobody looks at a code while the rules do
    became = facts.facts_of(line_ids)
    slots: dict[int, list[str]] = defaultdict(list)
    for refund_id, slot in Evidence.objects.filter(refund__in=refunds).exclude(slot="").values_list("refund", "slot"):
        slots[refund_id].append(slot)
    return [
        Asked(
            order=refund.order,
            payment=refund.payment,
            lines=[became[row.order_line_id] for row in lines[refund.pk]],
            shares=[row.amount_fen + row.fee_fen for row in lines[refund.pk]],
            amount_fen=refund.amount_fen + refund.fee_fen,
            reason=refund.reason,
            destination=refund.destination,
            slots_given=slots[refund.pk],
            device_key=bytes(refund.device_key) if refund.device_key else None,
            is_canceled=refund.cancellation_id is not None,
            left_fen=sum(row.order_line.price_fen - promised_fen.get(row.order_line_id, 0) for row in lines[refund.pk]),
        )
        for refund in refunds
    ]


def _judge(refunds: Sequence[Refund], asked: Sequence[Asked], at: datetime) -> list[tuple[Facts, Verdict]]:
    """What each case was judged by, and how. One case of a purse sees the automatic refunds of those before it."""
    here = lanes.Given()
    judged = []
    for refund, each, known in zip(refunds, asked, facts.gather(asked, at=at), strict=True):
        seen = _after_those_before(known, each, here)
        verdict = policy.decide(seen)
        if verdict.step == "auto_approve" and not each.is_canceled:
            here.add(verdict.lane, each.purses, refund.amount_fen)
        judged.append((seen, verdict))
    return judged


def _after_those_before(known: Facts, each: Asked, here: lanes.Given) -> Facts:
    more_today = max(here.to(Lane.ONE_CLICK, of, each.purses) for of in ("buyer", "address"))
    caps = tuple(replace(cap, given_fen=cap.given_fen + here.to(cap.lane, cap.of, each.purses)) for cap in known.caps)
    return replace(known, auto_refunded_today_fen=known.auto_refunded_today_fen + more_today, caps=caps)


def _take_steps(refunds: Sequence[Refund], verdicts: Sequence[Verdict], at: datetime) -> None:
    """The same step for all cases that it is for; a refusal has its sentence, so those go by sentence."""
    alike: dict[tuple[str, Lane, str], list[Refund]] = defaultdict(list)
    for refund, verdict in zip(refunds, verdicts, strict=True):
        note = verdict.sentence if verdict.step == "turn_down" else ""
        alike[verdict.step, verdict.lane, note].append(refund)
    limits = lanes.limits()
    for (step, lane, note), group in alike.items():
        if step == "auto_approve":
            lifecycle.auto_approve(group, at=at, lane=lane)
            _draw(group, lane, limits[lane].audit_percent, at)
        elif step == "ask_merchant":
            lifecycle.ask_merchant(group, at=at)
        elif step == "send_to_review":
            lifecycle.send_to_review(group, at=at, held=True)
        else:
            lifecycle.turn_down(group, at=at, note=note)


def _draw(refunds: Sequence[Refund], lane: Lane, percent: int, at: datetime) -> None:
    """抽查: some of what no person has decided, a person looks at afterwards (conflict 6)."""
    AuditSample.objects.bulk_create(
        AuditSample(refund=refund, lane=lane, drawn_at=at)
        for refund in refunds
        if lanes.is_drawn(refund.refund_no, percent)
    )
