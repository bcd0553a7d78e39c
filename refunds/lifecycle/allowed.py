"""What may be done now, by whom: the buttons of every page, and the API's list."""

from __future__ import annotations

from collections.abc import Sequence

import clock
from accounts.models import User
from accounts.roles import Role as R
from refunds import clocking
from refunds.lifecycle import guards
from refunds.lifecycle.guards import above_limit
from refunds.lifecycle.table import STEPS
from refunds.lifecycle.taking import demand_role, is_in_charge, reread, roles_on
from refunds.models import Consultation, Destination, Offer, OfferKind, Queue, Refund, RefundEvent
from refunds.models import Status as S


def allowed_steps(refund: Refund, by: User) -> list[str]:
    """The steps that this person may take on this case now, in the order of the table. Each is decided again under
    its lock; what a guard is sure to refuse is not offered."""
    roles = roles_on(refund, by)
    if not is_in_charge(refund, by):
        return []
    steps = [name for name, step in STEPS.items() if S(refund.status) in step.sources and step.who & roles]
    return [name for name in steps if name not in _shut(refund, by, roles)] if steps else []


def demand_right(name: str, refunds: Sequence[Refund], *, by: User | None) -> None:
    """Refuse who may not take this step, before anything is done in its name. In the caller's transaction."""
    actor = reread(by)
    for refund in refunds:
        demand_role(STEPS[name], refund, actor)


#: What is too late from the deadline on (``guards.in_time``).
_ANSWERS = {
    S.MERCHANT_REVIEW: {"agree", "agree_above_limit", "contest", "offer"},
    S.OFFERED: {"accept_offer", "accept_replacement"},
}
#: What nobody does who had decided before the appeal (``guards.not_who_decided``).
_AFTER_AN_APPEAL = {"grant_appeal", "uphold_appeal", "dismiss_appeal", "reject", "reject_second", "close"}


def _shut(refund: Refund, by: User, roles: frozenset[R]) -> set[str]:
    """Steps of the table that this case is not for."""
    shut = {"disburse" if refund.destination == Destination.BALANCE else "credit_balance"}
    shut |= {"withdraw"} if refund.cancellation_id else set()
    status, at = S(refund.status), clock.now()
    if status == S.AWAITING_EVIDENCE and roles != {R.MERCHANT if refund.queue == Queue.MERCHANT else R.BUYER}:
        shut.add("provide_evidence")
    if status == S.OFFERED and R.BUYER in roles:
        shut.add("accept_offer" if _offered(refund) == OfferKind.REPLACEMENT else "accept_replacement")
    if status in _ANSWERS and refund.promised_by and at >= refund.promised_by:
        shut |= _ANSWERS[status]
    if at < clocking.may_urge_from(refund):
        shut.add("urge")
    if status == S.REJECTED and _was_asked_again(refund):
        shut |= {"appeal", "reopen"}
    if status == S.REJECTED and (refund.appeal_until is None or at >= refund.appeal_until):
        shut.add("appeal")
    if status == S.PAID_OUT and (refund.queue == Queue.REVIEWER or not clocking.is_missing(refund, at=at)):
        shut.add("report_missing")
    if status == S.PAID_OUT and refund.queue in {Queue.MACHINE, Queue.NOBODY}:
        shut.add("explain_missing")
    if status in {S.FIRST_REVIEW, S.SECOND_REVIEW, S.APPEAL_REVIEW}:
        shut.add("consult" if _is_consulted(refund) else "record_answer")
    return shut | _by_limit(refund, by)


def _by_limit(refund: Refund, by: User) -> set[str]:
    """Of each pair the one that the limit leaves."""
    status = S(refund.status)
    if status not in {S.MERCHANT_REVIEW, S.FIRST_REVIEW, S.SECOND_REVIEW, S.APPEAL_REVIEW, S.RETURNED}:
        return set()
    is_large = bool(above_limit([refund]))
    if status == S.MERCHANT_REVIEW:
        return {"agree"} if is_large else {"agree_above_limit"}
    events = list(RefundEvent.objects.filter(refund=refund).order_by("sequence"))
    people = guards.in_favor(events)
    suffices = not is_large or len(people | {by.pk}) >= 2
    if status == S.RETURNED:
        shut = {"reissue_above_limit"} if suffices else {"reissue"}
        may_be_signed = (people or not is_large) and not any(guards.open_attempts([refund]))
        return shut | (set() if may_be_signed else {"sign_redirect"})
    shut = set() if suffices else {"approve", "grant_appeal", "approve_second"}
    shut |= {"uphold_appeal"} if suffices else set()
    shut |= _AFTER_AN_APPEAL if by.pk in guards.decided_before_appeal(events) else set()
    shut |= {"approve_second", "confirm_offer"} if by.pk in people else set()
    if status == S.SECOND_REVIEW:
        shut |= {"approve_second"} if _offered(refund) else {"confirm_offer"}
    return shut | (set() if is_large else {"propose_offer"})


def _offered(refund: Refund) -> str:
    return Offer.objects.filter(refund=refund, answer="").values_list("kind", flat=True).first() or ""


def _was_asked_again(refund: Refund) -> bool:
    return Refund.objects.filter(order=refund.order_id, pk__gt=refund.pk).exists()


def _is_consulted(refund: Refund) -> bool:
    return Consultation.objects.filter(refund=refund, answer="").exists()


__all__ = ["above_limit", "allowed_steps", "demand_right"]
