"""期限: by when each status ends, what stops its clock, and when a machine looks again. No status without one (I4).

The decision is promised as a whole: the shop's time runs inside it, and it stands while another side must answer. Every
number is the policy's; which statuses count on working days alone too (``RefundPolicy.working_time``).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from clock import SHANGHAI
from payments import payees
from refunds import clocks, followups
from refunds.models import Destination, Lane, Queue, RedirectAgreement, Refund
from refunds.models import Status as S
from shops.models import RefundPolicy

REMINDERS = (50, 80)  # per cent of the time, before it is over
LEAST_AFTER_A_WAIT = 8  # hours that a review has left at least, once another side has answered
PRE_CHECK_HOURS = 2  # S3-10
AUTOMATIC_HOURS = 2  # S2-11
CHANNEL_HOURS = 24
TRANSFER_HOURS = 48  # a person approves it, another one pays it
LOOK_AGAIN = timedelta(days=1)
HAIR = timedelta(milliseconds=1)  # marks are whole microseconds: what is reached by rounding is reached
ESCALATED_HOURS = 24
MISSING_HOURS = 24
OPEN_ENDED = {S.OFFERED, S.AWAITING_EVIDENCE}
REVIEWED = {S.FIRST_REVIEW, S.SECOND_REVIEW, S.APPEAL_REVIEW}
REMINDED = set(Queue) - {Queue.MACHINE, Queue.NOBODY}


def enter(refund: Refund, *, came_from: S | None, at: datetime) -> None:
    """The clocks of the status that the case has just entered, from where it was before."""
    status = S(refund.status)
    _review_clock(refund, came_from, at)
    refund.entered_at, refund.reminded_percent = at, 0
    refund.promised_by = _promise(refund, status, came_from, at)
    refund.decide_by = _last_day(refund, came_from, at)
    refund.next_due_at = _first_look(refund, at)


def next_look(refund: Refund, *, at: datetime) -> datetime | None:
    """When a machine looks again at a case that stays where it is: for a reminder, at the promise, or daily."""
    if refund.queue == Queue.NOBODY:
        return None
    if refund.status in REVIEWED and (alarm := _alarm(refund)) is not None and alarm <= at:
        return at  # its last day went by while another side was asked
    times = [moment for moment in (*_marks(refund), refund.promised_by, _alarm(refund)) if moment and moment > at]
    return min(times, default=at + LOOK_AGAIN)


def extend(refund: Refund, hours: float, *, at: datetime) -> None:
    """A later promise, never an earlier one: what third parties must answer, or who took over, takes this long."""
    later = clocks.add(at, hours, working=is_working(refund, S(refund.status)))
    refund.promised_by = max(refund.promised_by or later, later)
    _count_marks_anew(refund, at)


def put_off(refund: Refund, hours: float, *, at: datetime) -> None:
    """The review has so many hours more, of its own kind, from when it would have ended, or from now if it is late:
    its promise moves with it. While another side must answer it stands, and has them left afterwards; the shop's own
    time to answer stays as it is."""
    status = S(refund.status)
    working = _review_is_working(refund, status)
    if refund.review_left is not None:
        refund.review_left += timedelta(hours=hours)
    if refund.review_due_at is not None:
        refund.review_due_at = clocks.add(max(refund.review_due_at, at), hours, working=working)
    if status in REVIEWED:
        refund.promised_by = clocks.add(max(refund.promised_by or at, at), hours, working=working)
        _count_marks_anew(refund, at)


def _count_marks_anew(refund: Refund, at: datetime) -> None:
    gone = percent_gone(refund, at=at)  # how long the buyer waits already does not change with it
    refund.reminded_percent = max((mark for mark in REMINDERS if mark <= gone), default=0)


def may_urge_from(refund: Refund) -> datetime:
    """催办 (S0-18, conflict 10): after so long a wait or once a promise is past, also one that was put off since, and
    not more often than the policy says. A moment that is past: now."""
    terms = refund.order.policy
    waited = (refund.entered_at or refund.submitted_at) + timedelta(hours=terms.urge_after_hours)
    first = min(waited, refund.promised_by or waited, refund.review_due_at or waited)
    return max(first, refund.urged_at + timedelta(hours=terms.urge_every_hours)) if refund.urged_at else first


def is_missing(refund: Refund, *, at: datetime) -> bool:
    """Paid out, and the last day on which it was expected is over (S0-16)."""
    over = followups.after_arrival_window(refund)
    return over is not None and at >= over


def local(moment: datetime) -> datetime:
    return moment.astimezone(SHANGHAI)


def percent_gone(refund: Refund, *, at: datetime) -> int:
    """How much of the time promised for this status is over, in the status's own time; 100 from the moment it ends."""
    if refund.entered_at is None or refund.promised_by is None or at >= refund.promised_by:
        return 100
    working = is_working(refund, S(refund.status))
    whole = clocks.between(refund.entered_at, refund.promised_by, working=working)
    gone = 100 * clocks.between(refund.entered_at, at, working=working)
    return (gone + HAIR) // whole if whole else 100


def is_working(refund: Refund, status: S) -> bool:
    """Whether the hours of this status count on working days alone, by the order's policy."""
    return status in refund.order.policy.working_time


def merchant_hours(terms: RefundPolicy, review_hours: int) -> float:
    """S4-9, inside the review's own time (conflict 9): at most half of it, so that people can still decide in time."""
    return min(terms.merchant_hours, review_hours / 2)


def review_hours(refund: Refund) -> int:
    return refund.review_hours or refund.order.policy.review_hours


def decided_by(terms: RefundPolicy, review_hours: int, amount_fen: int, *, at: datetime) -> datetime:
    """By when people have decided what is asked for now: one after the other, where it takes two (S2-8)."""
    first = clocks.add(at, review_hours, working=S.FIRST_REVIEW in terms.working_time)
    if amount_fen <= terms.senior_above_fen:
        return first
    return clocks.add(first, terms.second_review_hours, working=S.SECOND_REVIEW in terms.working_time)


def answered_by(terms: RefundPolicy, review_hours: int, *, at: datetime) -> datetime:
    """By when the shop, where it is asked first, has answered what is asked for now."""
    return clocks.add(at, merchant_hours(terms, review_hours), working=S.MERCHANT_REVIEW in terms.working_time)


def hours_of(refund: Refund, status: S) -> float | None:
    """How long this status may last; None: it does not end by time."""
    terms = refund.order.policy
    return {
        S.SUBMITTED: PRE_CHECK_HOURS,
        S.MERCHANT_REVIEW: merchant_hours(terms, review_hours(refund)),
        S.OFFERED: terms.offer_hours,
        S.FIRST_REVIEW: review_hours(refund),
        S.AWAITING_EVIDENCE: terms.evidence_hours,
        S.SECOND_REVIEW: terms.second_review_hours,
        S.APPEAL_REVIEW: terms.appeal_review_hours,
        S.APPROVED: terms.release_hours if refund.lane == Lane.STANDARD else AUTOMATIC_HOURS,
        S.PROCESSING: TRANSFER_HOURS if refund.destination == Destination.OTHER_ACCOUNT else CHANNEL_HOURS,
        S.RETURNED: terms.release_hours,
        S.REDIRECT_SIGNED: terms.release_hours + _cooling_hours(refund, status),
    }.get(status)


def _cooling_hours(refund: Refund, status: S) -> int:
    """An account that was signed for is confirmed a day after it was laid down, at the soonest."""
    if status != S.REDIRECT_SIGNED or refund.pk is None:
        return 0
    signed = RedirectAgreement.objects.filter(refund=refund, confirmed_at=None, lapsed_at=None)
    return payees.COOLING_HOURS if signed.filter(payee__isnull=False).exists() else 0


# --- the review's clock -----------------------------------------------------------------------------------------------


def _review_clock(refund: Refund, came_from: S | None, at: datetime) -> None:
    """It starts with the pre-check's word, stands while another side must answer, and is over with the decision."""
    status, running = S(refund.status), refund.review_due_at
    if status in OPEN_ENDED and running:
        refund.review_left = clocks.between(at, running, working=_review_is_working(refund, came_from))
        refund.review_due_at = None
    elif status in {S.MERCHANT_REVIEW, *REVIEWED}:
        refund.review_due_at = _review_due(refund, came_from, at)
        refund.review_left = None
    elif status not in OPEN_ENDED:
        refund.review_due_at = refund.review_left = None


def _review_due(refund: Refund, came_from: S | None, at: datetime) -> datetime:
    status = S(refund.status)
    working = _review_is_working(refund, status)
    least = clocks.add(at, LEAST_AFTER_A_WAIT, working=working)
    if came_from in OPEN_ENDED and refund.review_left is not None:
        return max(least, clocks.add(at, refund.review_left.total_seconds() / 3600, working=working))
    if came_from == S.MERCHANT_REVIEW and refund.review_due_at:
        return max(least, refund.review_due_at)
    counted = S.FIRST_REVIEW if status == S.MERCHANT_REVIEW else status
    return clocks.add(at, hours_of(refund, counted) or 0, working=working)


def _review_is_working(refund: Refund, status: S | None) -> bool:
    """The shop's time runs inside the first review's."""
    return is_working(refund, S.FIRST_REVIEW if status in {None, S.MERCHANT_REVIEW} else S(status))


# --- the promise of a status ------------------------------------------------------------------------------------------


def _promise(refund: Refund, status: S, came_from: S | None, at: datetime) -> datetime | None:
    if status in REVIEWED:
        return refund.review_due_at
    hours = hours_of(refund, status)
    return clocks.add(at, hours, working=is_working(refund, status)) if hours is not None else None


def _last_day(refund: Refund, came_from: S | None, at: datetime) -> datetime | None:
    """最迟结论, of the application; an appeal, a correction, and money that came back have as long once more."""
    if S(refund.status) not in S.undecided():
        return refund.decide_by
    days = timedelta(days=refund.order.policy.decide_within_days)
    if came_from in {S.REJECTED, S.RETURNED}:
        return at + days
    return refund.decide_by or refund.submitted_at + days


def _first_look(refund: Refund, at: datetime) -> datetime | None:
    status = S(refund.status)
    if status == S.PAID_OUT:
        return followups.after_arrival_window(refund)
    if status == S.SUBMITTED or (status == S.APPROVED and refund.lane != Lane.STANDARD):
        return at  # the machine's turn, now
    return next_look(refund, at=at) if status not in S.at_rest() else None


def _marks(refund: Refund) -> Iterable[datetime]:
    """When somebody is reminded of the promise, as far as they have not been yet."""
    if refund.queue not in REMINDED or refund.entered_at is None or refund.promised_by is None:
        return
    working = is_working(refund, S(refund.status))
    hours = clocks.between(refund.entered_at, refund.promised_by, working=working).total_seconds() / 3600
    for percent in REMINDERS:
        if percent > refund.reminded_percent:
            yield clocks.add(refund.entered_at, hours * percent / 100, working=working)


def _alarm(refund: Refund) -> datetime | None:
    """最迟结论: from then on it is an alarm of the operator's, whoever has it."""
    return refund.decide_by if refund.status in S.undecided() and refund.queue != Queue.OPERATOR else None
