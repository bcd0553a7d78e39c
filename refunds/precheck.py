"""系统初审: run the rules over what was submitted, keep every result, take the step they lead to."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from django.db import connection

from accounts.models import User
from refunds import applying, goods, lifecycle, policy
from refunds.applying import Asked
from refunds.models import Lane, PreCheck, Refund, RefundLine
from refunds.policy import Facts, Verdict

ORIGINS_LOCK = 4901  # names this lock among the database's advisory ones


def run(refunds: Sequence[Refund], *, at: datetime) -> None:
    """In the caller's transaction, the cases locked. The number of queries does not grow with the cases."""
    if not refunds:
        return
    asked = _asked(refunds)
    _hold_purses(refunds)
    judged = _judge(refunds, asked, at)
    PreCheck.objects.bulk_create(
        PreCheck(
            refund=refund,
            facts=facts.as_json(),
            results=[result.as_json() for result in verdict.results],
            verdict=verdict.step,
            at=at,
        )
        for refund, (facts, verdict) in zip(refunds, judged, strict=True)
    )
    _take_steps(refunds, [verdict for _, verdict in judged], at)


def _asked(refunds: Sequence[Refund]) -> list[Asked]:
    """Each case with its codes, locked, and with what was left of its lines."""
    lines: dict[int, list[RefundLine]] = defaultdict(list)
    for line in RefundLine.objects.filter(refund__in=refunds).select_related("order_line"):
        lines[line.refund_id].append(line)
    line_ids = [line.order_line_id for rows in lines.values() for line in rows]
    promised_fen = applying.promised_fen(RefundLine.objects.filter(order_line__in=line_ids).exclude(refund__in=refunds))
    goods.hold_orders(refunds)
    goods.of_lines(line_ids)  # nobody looks at a code while the rules do
    facts = applying.facts_of(line_ids)
    return [
        Asked(
            order=refund.order,
            payment=refund.payment,
            lines=[facts[row.order_line_id] for row in lines[refund.pk]],
            amount_fen=refund.amount_fen,
            is_canceled=refund.cancellation_id is not None,
            left_fen=sum(row.order_line.price_fen - promised_fen.get(row.order_line_id, 0) for row in lines[refund.pk]),
        )
        for refund in refunds
    ]


def _hold_purses(refunds: Sequence[Refund]) -> None:
    """One sweeper at a time counts a purse's automatic refunds of the day: two could each stay below the cap (P12)."""
    rows = User.objects.select_for_update(no_key=True).filter(pk__in=[refund.buyer_id for refund in refunds])
    list(rows.order_by("pk").values_list("pk"))
    origins = {bytes(refund.order.guest_origin) for refund in refunds if refund.order.guest_origin}
    keys = sorted(int.from_bytes(origin[:4], signed=True) for origin in origins)
    with connection.cursor() as cursor:  # one after the other, in the order of the list
        cursor.execute("SELECT pg_advisory_xact_lock(%s, key) FROM unnest(%s::int[]) AS key", [ORIGINS_LOCK, keys])


def _judge(refunds: Sequence[Refund], asked: Sequence[Asked], at: datetime) -> list[tuple[Facts, Verdict]]:
    """What each case was judged by, and how. One case of a purse sees the automatic refunds of those before it."""
    given_fen: dict[int | bytes, int] = defaultdict(int)
    judged = []
    for refund, known in zip(refunds, applying.gather(asked, at=at), strict=True):
        purses = applying.purses(refund.order)
        today_fen = known.auto_refunded_today_fen + max(given_fen[purse] for purse in purses)
        facts = replace(known, auto_refunded_today_fen=today_fen)
        verdict = policy.decide(facts)
        if verdict.lane == Lane.ONE_CLICK:
            for purse in purses:
                given_fen[purse] += refund.amount_fen
        judged.append((facts, verdict))
    return judged


def _take_steps(refunds: Sequence[Refund], verdicts: Sequence[Verdict], at: datetime) -> None:
    """The same step for all cases that it is for; a refusal has its sentence, so those go by sentence."""
    alike: dict[tuple[str, Lane, str], list[Refund]] = defaultdict(list)
    for refund, verdict in zip(refunds, verdicts, strict=True):
        note = verdict.sentence if verdict.step == "turn_down" else ""
        alike[verdict.step, verdict.lane, note].append(refund)
    for (step, lane, note), group in alike.items():
        if step == "auto_approve":
            lifecycle.auto_approve(group, at=at, lane=lane)
        elif step == "send_to_review":
            lifecycle.send_to_review(group, at=at)
        else:
            lifecycle.turn_down(group, at=at, note=note)
