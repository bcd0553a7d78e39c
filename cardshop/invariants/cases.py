"""I4, I5, I10, I11, I12: the life of a case, who decides on it, and what it pays."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db.models import Count, F, OuterRef, Q, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce

from accounts.roles import Role
from cardshop.invariants.asking import Asked, Question, rows
from payments.models import AttemptStatus, RefundAttempt
from refunds.lifecycle import AT_REST, BACK, SAME, STEPS
from refunds.lifecycle.guards import FAVORABLE, in_favor
from refunds.models import (
    BalanceCredit,
    Destination,
    Disbursement,
    Queue,
    RedirectTransfer,
    Refund,
    RefundEvent,
    RefundLine,
    Status,
)

Broken = list[str]
MOST_PEOPLE_NEEDED = 2
DECISIONS = {name for name, step in STEPS.items() if step.who & {Role.REVIEWER, Role.SENIOR, Role.FINANCE}}
BY_SHOP = {name for name, step in STEPS.items() if Role.MERCHANT in step.who} - {"provide_evidence"}


def moving_things_have_owners() -> Broken:
    """I4: what is not at rest lies with somebody, and has a time when a machine looks again."""
    rest = [*AT_REST, Status.PAID_OUT]
    refunds = Refund.objects.exclude(status__in=rest).filter(Q(next_due_at=None) | Q(queue=Queue.NOBODY))
    held = Q(disbursements__attempt__status=AttemptStatus.HELD, disbursements__attempt__news_at=None)
    unowned = Refund.objects.filter(held, status=Status.PROCESSING, queue=Queue.MACHINE)
    resting = [AttemptStatus.SUCCEEDED, AttemptStatus.CLOSED, AttemptStatus.HELD, AttemptStatus.BACK_WITH_MERCHANT]
    attempts = RefundAttempt.objects.exclude(status__in=[*resting, AttemptStatus.EXTERNAL]).filter(next_due_at=None)
    return [
        *(f"{row.refund_no}: {row.status}, nobody's turn" for row in refunds),
        *(f"{row.refund_no}: its attempt is held, yet the machine owns the case" for row in unowned),
        *(f"{row.request_no}: {row.status}, never due" for row in attempts),
    ]


def only_listed_steps_were_taken() -> Broken:
    """I5, I8: each event is a row of the table, follows on the one before, and the last one is the status."""
    lines = []
    for refund in Refund.objects.prefetch_related("events"):
        at, waits_from = "", ""
        events = sorted(refund.events.all(), key=lambda event: event.sequence)
        for number, event in enumerate(events, start=1):
            if not _is_listed(event, number, waits_from) or event.from_status != at:
                lines.append(f"{refund.refund_no}: event {event.sequence} {event.step}: {at} → {event.to_status}")
            if event.to_status == Status.AWAITING_EVIDENCE:
                waits_from = event.from_status
            at = event.to_status
        if at != refund.status:
            lines.append(f"{refund.refund_no}: is {refund.status}, its events say {at or 'nothing'}")
    return lines


def who_decides_is_somebody_else() -> Broken:
    """I10: not who asked; above the limit two people; and who was for it does not release."""
    decisions = RefundEvent.objects.filter(step__in=DECISIONS | BY_SHOP, actor__isnull=False)
    own = decisions.filter(Q(actor=F("refund__buyer")) | Q(actor=F("refund__asked_by")))
    for_it = {
        "refund__events__step__in": FAVORABLE,
        "refund__events__actor": F("released_by"),
        "refund__events__at__lte": F("created_at"),  # who released what came back may look at it again
    }
    released = Disbursement.objects.filter(released_by__isnull=False, **for_it).distinct()
    credited = BalanceCredit.objects.filter(released_by__isnull=False, **for_it).distinct()
    return [
        *(f"{event.refund}: {event.step} by who asked for it" for event in own.select_related("refund")),
        *(f"{refund}: approved above the limit by fewer than two people" for refund in _alone_above_limit()),
        *(f"{row.refund}: approved and released by the same person" for row in released.select_related("refund")),
        *(f"{row.refund}: approved and credited by the same person" for row in credited.select_related("refund")),
    ]


def _alone_above_limit() -> list[Refund]:
    """Released by people for more than the limit, with fewer than two of the platform for it."""
    large = Refund.objects.filter(
        lane="standard", amount_fen__gt=F("order__policy__senior_above_fen"),
        status__in=[Status.APPROVED, Status.PROCESSING, Status.PAID_OUT, Status.ARRIVED],
    ).prefetch_related("events")  # fmt: skip
    return [
        refund
        for refund in large
        if len(in_favor(sorted(refund.events.all(), key=lambda event: event.sequence))) < MOST_PEOPLE_NEEDED
    ]


@Asked
def each_case_is_paid_once() -> Iterable[Question]:
    """I11: at most one attempt or transfer of a case may still pay or has paid; about the same payment and amount.

    What goes to the balance has none (I13)."""
    of_case = Disbursement.objects.filter(refund=OuterRef("pk"))
    alive = of_case.exclude(attempt__status__in=[AttemptStatus.CLOSED, AttemptStatus.BACK_WITH_MERCHANT])
    moved = RedirectTransfer.objects.filter(refund=OuterRef("pk")).exclude(transfer__status__in=["refused", "failed"])
    refunds = Refund.objects.annotate(alive=_count(alive) + _count(moved))
    same = Disbursement.objects.exclude(
        attempt__payment=F("refund__payment"), attempt__amount_fen=F("refund__amount_fen")
    )
    unpaid = refunds.filter(alive=0, status__in=[Status.PROCESSING, Status.PAID_OUT, Status.ARRIVED]).exclude(
        destination=Destination.BALANCE
    )
    unheard = unpaid.exclude(disbursements__attempt__news_at__isnull=False).exclude(
        redirect_transfers__transfer__news_at__isnull=False
    )
    ours = RefundAttempt.objects.exclude(status=AttemptStatus.EXTERNAL)
    yield rows("{refund__refund_no}: attempt {attempt__request_no} is about something else", same)
    yield rows("{refund_no}: {alive} attempts at once", refunds.filter(alive__gt=1))
    yield rows("{refund_no}: {status}, but no attempt stands for it", unheard)
    yield rows(
        "{request_no}: belongs to no case, and its payment is no surplus",
        ours.filter(disbursement=None, payment__is_surplus=False),
    )


@Asked
def parts_sum_up() -> Iterable[Question]:
    """I12: a case's lines sum to it, fees too; all cases together never take more of a line than it cost."""
    refunds = Refund.objects.annotate(
        parts=Coalesce(Sum("lines__amount_fen"), 0), fees=Coalesce(Sum("lines__fee_fen"), 0)
    )
    promised = RefundLine.objects.filter(refund__status__in=Status.holding_money()).order_by()
    lines = promised.values("order_line_id", price_fen=F("order_line__price_fen"))
    taken = lines.annotate(fen=Sum(F("amount_fen") + F("fee_fen")))
    yield rows(
        "{refund_no}: {amount_fen} fen and {fee_fen} of fees, its lines {parts} and {fees}",
        refunds.exclude(parts=F("amount_fen"), fees=F("fee_fen")),
    )
    yield rows("order line {order_line_id}: {fen} of {price_fen} fen refunded", taken.filter(fen__gt=F("price_fen")))


def _count(found: QuerySet[Any]) -> Coalesce:
    """How many of these there are of the case."""
    return Coalesce(Subquery(found.order_by().values("refund").values(number=Count("pk"))), 0)


def _is_listed(event: RefundEvent, number: int, waits_from: str) -> bool:
    if event.sequence != number:
        return False
    if number == 1:
        return (event.step, event.from_status, event.to_status) == ("submit", "", Status.SUBMITTED)
    step = STEPS.get(event.step)
    if step is None:
        return False
    target = {BACK: waits_from, SAME: event.from_status}.get(str(step.target), step.target)
    return event.from_status in step.sources and event.to_status == target and event.role in step.who
