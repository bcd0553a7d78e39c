"""等待: how much of a promise is over, who has had the case for how long, and how many are ahead of it.

For the buyer's page, the shop's and the API. What is promised, and when a clock stands, is ``clocking.py``'s.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from refunds import clocking, clocks
from refunds.lifecycle import guards
from refunds.models import Queue, Refund, RefundEvent
from refunds.models import Status as S
from refunds.worklist import DESK_ORDER, ON_DESK

MOST_COUNTED = 100  # of those ahead: beyond, the page says "more than"
QUEUED = {S.FIRST_REVIEW, S.SECOND_REVIEW, S.APPEAL_REVIEW}
MINUTE = timedelta(minutes=1)

#: Whose time a status takes: 平台, 商家, 等答复 (of the buyer, or of the shop), 渠道与银行.
OURS, SHOPS, ANSWERS, BANKS = "platform", "merchant", "answer", "channel"
_WHOSE = {
    S.MERCHANT_REVIEW: SHOPS,
    S.OFFERED: ANSWERS,
    S.AWAITING_EVIDENCE: ANSWERS,
    S.PROCESSING: BANKS,
    S.PAID_OUT: BANKS,
}


@dataclass(frozen=True)
class Clock:
    """The promise of the present status. ``percent`` of it is over; minutes are of the status's own time, which counts
    working days alone where ``is_working``. ``is_official``: all its days rest on a published plan."""

    percent: int
    gone_minutes: int
    whole_minutes: int
    is_working: bool
    is_official: bool


@dataclass(frozen=True)
class Place:
    """排队: so many are ``ahead``, in the order of the desk; ``is_more``: at least. ``is_read``: somebody has it on
    their desk already."""

    ahead: int
    is_more: bool
    is_read: bool


def clock_of(refund: Refund, *, at: datetime) -> Clock | None:
    """None where nothing is promised, or nobody must act."""
    start, end = refund.entered_at, refund.promised_by
    if start is None or end is None or refund.queue == Queue.NOBODY:
        return None
    working = clocking.is_working(refund, S(refund.status))
    return Clock(
        percent=min(100, clocking.percent_gone(refund, at=at)),
        gone_minutes=clocks.between(start, min(at, end), working=working) // MINUTE,
        whole_minutes=clocks.between(start, end, working=working) // MINUTE,
        is_working=working,
        is_official=not working or clocks.is_official(start, end),
    )


def left_of_review(refund: Refund) -> int | None:
    """Minutes that the review will still have once another side has answered; None while its clock runs."""
    return refund.review_left // MINUTE if refund.review_left is not None else None


def place_of(refund: Refund, *, at: datetime) -> Place | None:
    """Among the cases that wait for the same decision. Reads at most ``MOST_COUNTED`` of them, by the desk's index."""
    if S(refund.status) not in QUEUED:
        return None
    if refund.claimed_by_id and refund.claimed_at and at < refund.claimed_at + guards.CLAIM_LASTS:
        return Place(0, is_more=False, is_read=True)
    first = Refund.objects.filter(ON_DESK, status=refund.status).order_by(*DESK_ORDER)
    keys = list(first.values_list("pk", flat=True)[: MOST_COUNTED + 1])
    ahead = keys.index(refund.pk) if refund.pk in keys else MOST_COUNTED
    return Place(ahead, is_more=refund.pk not in keys, is_read=False)


def spent(events: Sequence[RefundEvent], *, at: datetime) -> list[tuple[str, int]]:
    """时间用在哪里 (S2-15): [(whose, minutes)] since it was asked for; until it came to
    rest, else until now. What is at rest takes nobody's time. Events oldest first."""
    sums: dict[str, timedelta] = dict.fromkeys((OURS, SHOPS, ANSWERS, BANKS), timedelta(0))
    ends = [event.at for event in events[1:]] + [at]
    for event, end in zip(events, ends, strict=True):
        status = S(event.to_status)
        if status not in S.at_rest() and end > event.at:
            sums[_WHOSE.get(status, OURS)] += end - event.at
    return [(whose, total // MINUTE) for whose, total in sums.items() if total >= MINUTE]
