"""试算: what a draft of a policy would have decided of past cases. A draft is published once this was looked at.

    start → running, a batch of the newest pre-checks at a time, downwards → done
               ↓
            stopped

Each case is decided again on the facts that it was decided on, once by its own terms and once by the draft's; what
differs is the draft's doing and nothing else's. Caps count as used what was used then: no case sees the others under
the draft. A batch writes its changes and where it is in one transaction: killed anywhere, the run goes on behind the
last batch, and each case is counted once. The draft's terms were copied at the start: it may be edited meanwhile.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from django.db import OperationalError, transaction
from django.db.models import F, QuerySet

import workqueue
from accounts.models import User
from refunds import facts, policy
from refunds.models import Destination, PolicySimulation, PreCheck, Refund, RefundLine, SimulatedChange
from refunds.models import SimulationStatus as S
from refunds.policy import Facts
from shops import policies
from shops.models import RefundPolicy
from shops.policies import CannotChange

log = logging.getLogger(__name__)

SWEEP = "refunds.simulate"
BATCH = 500
WINDOW = 2 * BATCH  # pre-checks looked at for one batch: those of other policies are passed over
MOST_TRIES = 8
OF_A_CASE = ("refund__reason", "refund__destination", "refund__cancellation")  # what facts of old left out
SIZES = (1_000, 10_000)
SKIPPED: dict[str, str] = {  # why a past case was not tried
    "no_facts": "当时还没有保存依据",
    "unreadable": "依据无法读取",
    "rules_changed": "规则本身已改，按原条款也不再是当时的结论",
}


Row = dict[str, Any]


class CannotStart(CannotChange):
    """It is no draft, or one run is under way. The message says what to do."""


@dataclass(frozen=True)
class Outcome:
    """What a case comes to. ``out_fen``: what goes out without a person; a fee is none where nothing is refunded."""

    step: str
    lane: str
    fee_fen: int
    out_fen: int
    sentence: str


# --- what people do ---------------------------------------------------------------------------------------------------


def start(draft: RefundPolicy, *, wanted: int, by: User, at: datetime) -> PolicySimulation:
    """From now on a worker tries the draft, as it is now, on the newest ``wanted`` pre-checks. Raises CannotStart."""
    if wanted < 1:
        raise CannotStart("请选择试算多少件。")
    with transaction.atomic():
        policies.demand_operator(by)
        locked = policies.held_draft(draft)
        if locked.simulations.filter(status=S.RUNNING).exists():
            raise CannotStart("这份草稿正在试算，请等它完成或先停止。")
        top = PreCheck.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
        run = PolicySimulation.objects.create(
            draft=locked,
            terms=policies.as_json(locked),
            wanted=wanted,
            next_below=top + 1,
            asked_by=by,
            created_at=at,
            next_due_at=at,
        )
        workqueue.ring(SWEEP)
    return run


def stop(simulation: PolicySimulation, *, by: User, at: datetime) -> None:
    """停止. What was tried so far stays to be looked at; it does not count as tried. Raises CannotChange."""
    with transaction.atomic():
        policies.demand_operator(by)
        locked = PolicySimulation.objects.select_for_update(no_key=True, of=("self",)).get(pk=simulation.pk)
        if locked.status != S.RUNNING:
            raise CannotChange(f"这次试算{locked.get_status_display()}。")
        _end(locked, S.STOPPED, at)


def discard(draft: RefundPolicy, *, by: User) -> None:
    """删除 a draft, and what was tried with it. Raises CannotChange."""
    with transaction.atomic():
        policies.demand_operator(by)
        locked = policies.held_draft(draft)
        list(locked.simulations.select_for_update(no_key=True).order_by("pk"))  # no batch adds to what is deleted
        locked.delete()


def publish(draft: RefundPolicy, *, by: User, at: datetime, reason: str, seen: str = "") -> int:
    """发布, once these very terms were tried out on past cases, if there are any. Returns how many products moved.

    ``seen``: ``policies.digest`` of what was confirmed; anything else is refused. Raises CannotChange.
    """
    with transaction.atomic():
        locked = policies.held_draft(draft)
        if seen and seen != policies.digest(locked):
            raise CannotChange("草稿刚刚被修改过，请核对后再发布。")
        if not is_tried(locked) and has_cases(locked.code):
            raise CannotChange("这些条款还没有试算过，请先试算并等它完成。")
        return policies.publish(locked, by=by, at=at, reason=reason)


def is_tried(draft: RefundPolicy) -> bool:
    """Whether a run with exactly these terms is done."""
    return PolicySimulation.objects.filter(draft=draft, status=S.DONE, terms=policies.as_json(draft)).exists()


def has_cases(code: str) -> bool:
    """Whether there is anything to try a draft of this policy on."""
    return Refund.objects.filter(order__policy__code=code, pre_check__isnull=False).exists()


# --- what the machine does --------------------------------------------------------------------------------------------


def run(*, at: datetime, limit: int = BATCH) -> int:
    """One batch of one run that is due; returns how many of its cases were tried, at least 1; 0: nothing to do now."""
    due: PolicySimulation | None = None
    try:
        with transaction.atomic():
            due = _claim(at)
            return _batch(due, at, limit) if due else 0
    except OperationalError:
        raise  # the database is away: it goes on where it was
    except Exception:
        if due is None:
            raise
        log.exception("simulation %s: a batch failed", due.pk)
        _set_back(due, at)
        return 0


def _claim(at: datetime) -> PolicySimulation | None:
    running = PolicySimulation.objects.filter(status=S.RUNNING).select_related("draft")
    return next(iter(workqueue.claim(running, at=at, limit=1)), None)


def _batch(simulation: PolicySimulation, at: datetime, limit: int) -> int:
    keys, next_below = _next(simulation, min(limit, simulation.wanted - simulation.done))
    draft = policies.of_json(simulation.draft.code, simulation.terms)
    changes = []
    for row, known in _known(keys):
        both = _both(row["verdict"], known, draft)
        if isinstance(both, str):
            simulation.skipped = dict(Counter(simulation.skipped) + Counter([both]))
            continue
        then, now = both
        if (then.step, then.lane, then.fee_fen) != (now.step, now.lane, now.fee_fen):
            changes.append(_change(simulation, row["refund_id"], then, now))
            simulation.delta_fen += now.out_fen - then.out_fen
            simulation.fee_delta_fen += now.fee_fen - then.fee_fen
    SimulatedChange.objects.bulk_create(changes)
    simulation.changed += len(changes)
    simulation.done += len(keys)
    _past(simulation, next_below, at)
    return max(1, len(keys))


def _next(simulation: PolicySimulation, limit: int) -> tuple[list[int], int | None]:
    """The keys of the next pre-checks under this policy, newest first, and below which key to go on; None: at the end.

    Looks at no more than ``WINDOW`` rows, whosever they are.
    """
    rows = PreCheck.objects.filter(pk__lt=simulation.next_below).order_by("-pk")
    window = list(rows.values_list("pk", "refund__order__policy__code")[:WINDOW])
    ours = [key for key, code in window if code == simulation.draft.code]
    if len(ours) >= limit:
        return ours[:limit], ours[limit - 1]
    return ours, window[-1][0] if len(window) == WINDOW else None


def _past(simulation: PolicySimulation, next_below: int | None, at: datetime) -> None:
    """Where it is now; done once it has seen what was wanted, or everything."""
    simulation.next_below, simulation.tries = next_below, 0
    if next_below is None or simulation.done >= simulation.wanted:
        _end(simulation, S.DONE, at)
        return
    simulation.next_due_at, simulation.leased_until = at, None
    simulation.save()
    workqueue.ring(SWEEP)


def _end(simulation: PolicySimulation, status: S, at: datetime) -> None:
    simulation.status, simulation.finished_at = status, at
    simulation.next_due_at = simulation.leased_until = None
    simulation.save()


def _set_back(failed: PolicySimulation, at: datetime) -> None:
    """What failed is tried again later, longer each time, and given up in the end: a person sees it stopped."""
    with transaction.atomic():
        running = PolicySimulation.objects.select_for_update(no_key=True).filter(pk=failed.pk, status=S.RUNNING)
        simulation = running.first()
        if simulation is None:  # a person stopped it, or took its draft away
            return
        simulation.tries += 1
        if simulation.tries >= MOST_TRIES:
            _end(simulation, S.STOPPED, at)
            return
        simulation.next_due_at, simulation.leased_until = at + timedelta(seconds=5 * 2**simulation.tries), None
        simulation.save()


# --- one case, twice --------------------------------------------------------------------------------------------------


def _known(keys: Sequence[int]) -> Iterator[tuple[Row, Mapping[str, Any]]]:
    """The pre-checks, newest first, with their facts; what those of old did not say comes from the case's own rows."""
    found = PreCheck.objects.filter(pk__in=keys).order_by("-pk")
    rows: list[Row] = list(found.values("refund_id", "facts", "verdict", "at", *OF_A_CASE))  # no objects: they linger
    lines = _lines([row for row in rows if row["facts"] and "reason" not in row["facts"]])
    for row in rows:
        more = _left_out(row, lines[row["refund_id"]]) if row["refund_id"] in lines else {}
        yield row, row["facts"] | more


def _lines(old: Sequence[Row]) -> dict[int, list[Row]]:
    """{refund: its lines}, of those whose facts said neither the goods nor the reason."""
    if not old:
        return {}
    at = {row["refund_id"]: row["at"] for row in old}
    found = RefundLine.objects.filter(refund__in=list(at)).order_by("pk").values(
        "refund_id", "amount_fen", "fee_fen", delivered_at=F("order_line__delivery__delivered_at"),
        kind=F("order_line__product_page__kind"), abroad=F("order_line__product_page__is_cross_border"),
    )  # fmt: skip
    lines: dict[int, list[Row]] = {refund_id: [] for refund_id in at}
    for line in found:
        was_delivered = line["delivered_at"] is not None and line["delivered_at"] <= at[line["refund_id"]]
        lines[line["refund_id"]].append(line | {"was_delivered": was_delivered})
    return lines


def _left_out(row: Row, lines: Sequence[Row]) -> dict[str, Any]:
    return {
        "reason": row["refund__reason"],
        "kind": next((line["kind"] for line in lines if line["kind"]), ""),
        "is_cross_border": any(line["abroad"] for line in lines),
        "is_canceled": row["refund__cancellation"] is not None,
        "to_balance": row["refund__destination"] == Destination.BALANCE,
        "delivered_fens": [line["amount_fen"] + line["fee_fen"] for line in lines if line["was_delivered"]],
    }


def _both(verdict: str, known: Mapping[str, Any], draft: RefundPolicy) -> tuple[Outcome, Outcome] | str:
    """What the case comes to by its own terms, and by the draft's; or why that cannot be said."""
    if not known:
        return "no_facts"
    try:
        seen = Facts.of_json(known)
        then = outcome(seen)
    except (KeyError, TypeError, ValueError, AttributeError):
        return "unreadable"
    if then.step != verdict:
        return "rules_changed"
    terms = facts.terms_of(draft, seen.reason, seen.kind, is_cross_border=seen.is_cross_border)
    return then, outcome(replace(seen, terms=terms))


def outcome(seen: Facts) -> Outcome:
    """What the rules make of these facts."""
    verdict, sums = policy.decide(seen), policy.amounts(seen)
    is_refused, is_automatic = verdict.step == "turn_down", verdict.step == "auto_approve"
    return Outcome(
        step=verdict.step,
        lane=verdict.lane,
        fee_fen=0 if is_refused else sums.fee_fen,
        out_fen=sums.refund_fen if is_automatic else 0,
        sentence=verdict.sentence,
    )


def _change(simulation: PolicySimulation, refund_id: int, then: Outcome, now: Outcome) -> SimulatedChange:
    return SimulatedChange(
        simulation=simulation,
        refund_id=refund_id,
        step_then=then.step,
        lane_then=then.lane,
        fee_then_fen=then.fee_fen,
        step_now=now.step,
        lane_now=now.lane,
        fee_now_fen=now.fee_fen,
        sentence=now.sentence[:200],
    )


def changes_of(simulation: PolicySimulation, *, after: int, size: int) -> QuerySet[SimulatedChange]:
    """The next of them, in the order in which they were found; one more than ``size``, if there is more."""
    rows = SimulatedChange.objects.filter(simulation=simulation, pk__gt=after).select_related("refund")
    return rows.order_by("pk")[: size + 1]
