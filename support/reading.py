"""What the assistant may know of a case: its record, in a number of queries that never depends on the case."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.db.models import QuerySet

from accounts.models import User
from refunds import evidence, lifecycle, stages
from refunds.models import PreCheck, Queue, Refund, RefundEvent, Status
from refunds.reading import localized
from support import people
from support.assistant import Known

MOST_CASES = 20
_LEFT = {Status.PROCESSING, Status.PAID_OUT, Status.ARRIVED}
_ENDED_WITHOUT = {Status.REJECTED, Status.CLOSED}  # for a reason that the buyer may read


def cases_of(buyer: User) -> QuerySet[Refund]:
    """A buyer's cases to choose from, the newest first."""
    mine = Refund.objects.filter(buyer__in=people.accounts_of(buyer))
    return mine.select_related("order__shop", "order__policy", "payment__account").order_by("-submitted_at", "-pk")


def known_of(refund: Refund, reader: User, *, at: datetime) -> Known:
    """The case as its buyer may know it."""
    events = list(refund.events.order_by("sequence"))
    pictures = list(refund.evidence.exclude(image=""))
    slots = [(guide.title, is_there) for guide, is_there in evidence.completeness(refund, pictures)]
    check = PreCheck.objects.filter(refund=refund).first()
    return known(refund, events, slots, check, lifecycle.allowed_steps(refund, reader), at=at)


def known(
    refund: Refund, events: Sequence[RefundEvent], slots: Sequence[tuple[str, bool]], check: PreCheck | None,
    steps: Sequence[str], *, at: datetime,
) -> Known:  # fmt: skip
    """From rows that were read before."""
    track = stages.track(refund, events, at=at)
    refusal = next((event for event in reversed(events) if event.to_status in _ENDED_WITHOUT), None)
    is_refused = refund.status in _ENDED_WITHOUT and refusal is not None
    is_asked = refund.status == Status.AWAITING_EVIDENCE and refund.queue == Queue.BUYER
    return Known(
        refund_no=refund.refund_no,
        entry=events[-1].sequence,
        entered_at=events[-1].at,
        headline=track.headline,
        who=track.who,
        next_step=track.next_step,
        by=track.by,
        by_label=track.by_label,
        is_late=track.is_late,
        money=track.money,
        is_moving=track.is_moving,
        asked_for=refund.evidence_request if is_asked else "",
        slots=slots,
        has_left=refund.status in _LEFT,
        arrived_at=refund.arrived_at if refund.status == Status.ARRIVED else None,
        arrival_from=track.arrival_from,
        arrival_until=track.arrival_until,
        arrival_is_estimate=track.arrival_is_estimate,
        is_refused=is_refused,
        refused_because=_in_language(refusal.note, check) if is_refused and refusal else "",
        refused_at=refusal.at if is_refused and refusal else None,
        can_appeal="appeal" in steps,
    )


def _in_language(note: str, check: PreCheck | None) -> str:
    """A rule's sentence has both languages; a person's words stay as they were written."""
    for result in check.results if check else []:
        if result["sentence"] == note:
            return localized(result["sentence"], result["sentence_en"])
    return note
