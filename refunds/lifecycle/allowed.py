"""What may be done now, by whom: the buttons of every page, and the API's list."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Max

import clock
from accounts.models import User
from accounts.roles import Role as R
from payments import payees
from payments.models import RefundAttempt
from refunds import clocking, doubts
from refunds.lifecycle import guards, redirect
from refunds.lifecycle.guards import above_limit
from refunds.lifecycle.table import PLATFORM, STEPS
from refunds.lifecycle.taking import demand_role, is_in_charge, reread, roles_on, wrong_status
from refunds.models import (
    Consultation,
    Destination,
    Disbursement,
    Offer,
    OfferKind,
    Queue,
    RedirectAgreement,
    Refund,
    RefundEvent,
)
from refunds.models import Status as S


def allowed_steps(refund: Refund, by: User, *, at: datetime | None = None) -> list[str]:
    """The steps that this person may take on this case at that moment (without one: now), in the order of the table.
    Each is decided again under its lock; what a guard is sure to refuse is not offered."""
    return allowed_each([refund], by, at=at)[refund.pk]


def allowed_each(refunds: Sequence[Refund], by: User, *, at: datetime | None = None) -> dict[int, list[str]]:
    """``allowed_steps`` of many, by key: what is asked of the database does not grow with them."""
    listed = {refund.pk: _listed(refund, by) for refund in refunds}
    known = _look_up([refund for refund in refunds if listed[refund.pk]], at or clock.now())
    return {
        refund.pk: [name for name in listed[refund.pk] if name not in _shut(refund, by, known)]
        if listed[refund.pk]
        else []
        for refund in refunds
    }


def _listed(refund: Refund, by: User) -> list[str]:
    """By the table alone."""
    if not is_in_charge(refund, by):
        return []
    roles = roles_on(refund, by)
    return [name for name, step in STEPS.items() if S(refund.status) in step.sources and step.who & roles]


def demand_right(name: str, refunds: Sequence[Refund], *, by: User | None) -> None:
    """Refuse who may not take this step, before anything is done in its name. In the caller's transaction."""
    actor = reread(by)
    for refund in refunds:
        demand_role(STEPS[name], refund, actor)


def demand_status(name: str, refunds: Sequence[Refund]) -> None:
    """Refuse at once what ``take`` would refuse at last: who comes too late keeps nobody waiting for its locks."""
    for refund in refunds:
        if S(refund.status) not in STEPS[name].sources:
            raise wrong_status(refund, since=refund.events.latest("sequence").at)


#: What is too late from the deadline on (``guards.in_time``).
_ANSWERS = {
    S.MERCHANT_REVIEW: {"agree", "agree_above_limit", "contest", "offer"},
    S.OFFERED: {"accept_offer", "accept_replacement"},
}
#: What nobody does who had decided before the appeal (``guards.not_who_decided``).
_AFTER_AN_APPEAL = {"grant_appeal", "uphold_appeal", "dismiss_appeal", "reject", "reject_second", "close"}
#: What waits until the channel has closed what was sent (``guards.attempts_are_closed``).
_AFTER_CLOSING = {"reissue", "reissue_above_limit", "confirm_redirect"}
#: Where money could be sent a second time (``guards.none_is_in_doubt``).
_SENDS = {S.RETURNED, S.REDIRECT_SIGNED, S.APPROVED}
#: How each destination is released.
_RELEASES = {
    Destination.ORIGINAL: "disburse",
    Destination.BALANCE: "credit_balance",
    Destination.OTHER_ACCOUNT: "request_transfer",
}


@dataclass(frozen=True)
class _Known:
    """What the guards look at, of all these cases at once, by their keys."""

    at: datetime
    large: set[int]
    events: Mapping[int, list[RefundEvent]]
    offered: Mapping[int, str]  # the kind of the open offer
    consulted: set[int]
    asked_again: set[int]
    still_open: Mapping[int, RefundAttempt]  # at the channel
    signed: Mapping[int, RedirectAgreement]  # for another destination, and not confirmed
    confirmed: Mapping[int, RedirectAgreement]  # for another destination, and to be released
    released: set[tuple[int, int | None]]  # (case that came back, who released it)
    paid_to_the_shop: set[int]  # of what came back: 自带商户号
    doubted: Collection[int]  # what was sent may have been paid, says the channel's bill


def _look_up(refunds: Sequence[Refund], at: datetime) -> _Known:
    """As few questions as these cases need."""
    weighed = [refund for refund in refunds if refund.status in WEIGHED]
    events: dict[int, list[RefundEvent]] = defaultdict(list)
    if weighed:
        for event in RefundEvent.objects.filter(refund__in=weighed).order_by("refund_id", "sequence"):
            events[event.refund_id].append(event)
    negotiated = [refund for refund in refunds if refund.status in {S.OFFERED, S.SECOND_REVIEW}]
    reviewed = [refund for refund in refunds if refund.status in PLATFORM]
    rejected = [refund for refund in refunds if refund.status == S.REJECTED]
    returned = [refund for refund in refunds if refund.status in {S.RETURNED, S.REDIRECT_SIGNED}]
    elsewhere = [r for r in refunds if r.status == S.APPROVED and r.destination != Destination.ORIGINAL]
    return _Known(
        at=at,
        large=above_limit(weighed) if weighed else set(),
        events=events,
        offered=dict(Offer.objects.filter(refund__in=negotiated, answer="").values_list("refund", "kind"))
        if negotiated
        else {},
        consulted=set(Consultation.objects.filter(refund__in=reviewed, answer="").values_list("refund", flat=True))
        if reviewed
        else set(),
        asked_again=_asked_again(rejected) if rejected else set(),
        still_open=guards.unclosed(returned) if returned else {},
        signed=redirect.signed_of([r for r in returned if r.status == S.REDIRECT_SIGNED]) if returned else {},
        released=set(Disbursement.objects.filter(refund__in=returned).values_list("refund_id", "released_by_id"))
        if returned
        else set(),
        paid_to_the_shop=set(redirect.paid_to_the_shop(returned)) if returned else set(),
        confirmed=redirect.confirmed_of(elsewhere) if elsewhere else {},
        doubted=doubts.of(sending) if (sending := [r for r in refunds if r.status in _SENDS]) else (),
    )


#: Where who is for it, and on how much, decides what is offered.
WEIGHED = {S.MERCHANT_REVIEW, *PLATFORM, S.RETURNED}


def _asked_again(refunds: Sequence[Refund]) -> set[int]:
    latest = Refund.objects.filter(order__in=[refund.order_id for refund in refunds]).order_by()
    last = dict(latest.values_list("order").annotate(Max("pk")))
    return {refund.pk for refund in refunds if last[refund.order_id] > refund.pk}


def _shut(refund: Refund, by: User, known: _Known) -> set[str]:
    """Steps of the table that this case is not for."""
    shut = set(_RELEASES.values()) - {_RELEASES[Destination(refund.destination)]}
    shut |= {"withdraw"} if refund.cancellation_id else set()
    status, at, roles = S(refund.status), known.at, roles_on(refund, by)
    if status == S.AWAITING_EVIDENCE and roles != {R.MERCHANT if refund.queue == Queue.MERCHANT else R.BUYER}:
        shut.add("provide_evidence")
    if status == S.OFFERED:
        is_code = known.offered.get(refund.pk) == OfferKind.REPLACEMENT
        shut.add("accept_offer" if is_code else "accept_replacement")
    if status in _ANSWERS and refund.promised_by and at >= refund.promised_by:
        shut |= _ANSWERS[status]
    if at < clocking.may_urge_from(refund):
        shut.add("urge")
    if status == S.REJECTED and refund.pk in known.asked_again:
        shut |= {"appeal", "reopen"}
    if status == S.REJECTED and (refund.appeal_until is None or at >= refund.appeal_until):
        shut.add("appeal")
    if status == S.PAID_OUT and (refund.queue == Queue.REVIEWER or not clocking.is_missing(refund, at=at)):
        shut.add("report_missing")
    if status == S.PAID_OUT and refund.queue in {Queue.MACHINE, Queue.NOBODY}:
        shut.add("explain_missing")
    if refund.pk in known.still_open:
        shut |= _AFTER_CLOSING
    if refund.pk in known.doubted:
        shut |= _AFTER_CLOSING | set(_RELEASES.values())
    if status in {S.RETURNED, S.REDIRECT_SIGNED}:
        shut |= _by_signature(refund, by, known)
    if refund.pk in known.confirmed and known.confirmed[refund.pk].confirmed_by_id == by.pk:
        shut |= {"request_transfer", "credit_balance"}
    if R.SENIOR not in roles and guards.is_claimed_by_another(refund, by.pk, at):
        shut |= guards.BY_WHO_CLAIMED
    if status in PLATFORM:
        shut.add("consult" if refund.pk in known.consulted else "record_answer")
    return shut | (_by_limit(refund, by, known) if status in WEIGHED else set())


def _by_signature(refund: Refund, by: User, known: _Known) -> set[str]:
    """变更去向: where the money is says what may be signed, and which way it then goes."""
    attempt, signed = known.still_open.get(refund.pk), known.signed.get(refund.pk)
    is_the_shops = refund.pk in known.paid_to_the_shop
    shut = {"confirm_redirect"} if is_the_shops else set()
    shut |= set() if redirect.may_choose(attempt, is_the_shops=is_the_shops) and not by.is_guest else {"sign_redirect"}
    if signed is None or attempt is None or not redirect.goes_on_to_card(attempt, signed.payee):
        shut.add("send_to_card")
    if (refund.pk, by.pk) in known.released:
        shut.add("send_to_card")
    if signed and signed.payee and known.at < payees.usable_from(signed.payee):
        shut |= {"confirm_redirect", "send_to_card"}
    return shut


def _by_limit(refund: Refund, by: User, known: _Known) -> set[str]:
    """Of each pair the one that the limit leaves."""
    status, is_large = S(refund.status), refund.pk in known.large
    if status == S.MERCHANT_REVIEW:
        return {"agree"} if is_large else {"agree_above_limit"}
    events = known.events[refund.pk]
    people = guards.in_favor(events)
    suffices = not is_large or len(people | {by.pk}) >= 2
    if status == S.RETURNED:
        shut = {"reissue_above_limit"} if suffices else {"reissue"}
        return shut | (set() if people or not is_large else {"sign_redirect"})
    shut = set() if suffices else {"approve", "grant_appeal", "approve_second"}
    shut |= {"uphold_appeal"} if suffices else set()
    shut |= _AFTER_AN_APPEAL if by.pk in guards.decided_before_appeal(events) else set()
    shut |= {"approve_second", "confirm_offer"} if by.pk in people else set()
    if status == S.SECOND_REVIEW:
        shut |= {"approve_second"} if known.offered.get(refund.pk) else {"confirm_offer"}
    return shut | (set() if is_large else {"propose_offer"})


__all__ = ["above_limit", "allowed_each", "allowed_steps", "demand_right", "demand_status"]
