"""A case as people read it: its progress, its log, its checks, in the reader's language. For every door."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.utils.translation import get_language

from money import yuan
from notices import wording
from payments import outgoing
from payments.models import RefundAttempt
from refunds import evidence as laid_down
from refunds import followups, policy, stages, waiting
from refunds.models import Answer, Disbursement, Evidence, Offer, PreCheck, Refund, RefundEvent, Status
from refunds.policy import Verdict
from refunds.reasons import REASONS


@dataclass(frozen=True)
class Progress:
    """Everything that a page about one case shows. ``version`` changes whenever any of it does."""

    refund: Refund
    track: stages.Track
    events: list[RefundEvent]
    log: list[tuple[datetime, str]]
    attempt: RefundAttempt | None
    checks: list[tuple[str, str]]  # policy.weights: what each rule's answer means, and its sentence
    evidence: list[Evidence]
    reason: str
    version: str
    clock: waiting.Clock | None
    place: waiting.Place | None
    left_minutes: int | None  # of the review, while its clock stands
    spent: list[tuple[str, int]]  # [(whose, minutes)]: waiting.spent
    shops: set[UUID]  # of ``evidence``: what the shop laid down
    is_stopped: bool  # 出款暂停: it waits for the switch of outgoing money, and for nothing else


def progress(refund: Refund, *, at: datetime) -> Progress:
    """The case as its buyer, its shop or support sees it."""
    events = list(refund.events.order_by("sequence"))
    evidence = list(refund.evidence.order_by("created_at", "pk"))
    row = Disbursement.objects.filter(refund=refund).select_related("attempt").order_by("-pk").first()
    attempt = row.attempt if row else None
    track = stages.track(refund, events, at=at)
    is_stopped = _waits_for_the_switch(refund, attempt)
    marks = [len(events), refund.queue, int(track.is_late), len(evidence), attempt.status if attempt else "none"]
    marks.append(int(is_stopped))
    return Progress(
        refund=refund,
        track=track,
        events=events,
        log=[(event.at, told(refund, event)) for event in reversed(events)],
        attempt=attempt,
        checks=_checks(refund),
        evidence=evidence,
        reason=reason_title(refund.reason),
        version="-".join(str(mark) for mark in marks),
        clock=waiting.clock_of(refund, at=at),
        place=waiting.place_of(refund, at=at),
        left_minutes=waiting.left_of_review(refund),
        spent=waiting.spent(events, at=at),
        shops={row.pk for row in evidence if laid_down.is_shops(refund, row.provided_by_id)},
        is_stopped=is_stopped,
    )


def _waits_for_the_switch(refund: Refund, attempt: RefundAttempt | None) -> bool:
    if refund.status == Status.APPROVED:
        return outgoing.stopped() is not None
    if refund.status != Status.PROCESSING or attempt is None or attempt.first_sent_at is not None:
        return False
    return outgoing.now().of(refund.payment.account_id) is not None


def made_offer(refund: Refund, offers: Iterable[Offer]) -> Offer | None:
    """The latest of these (oldest first) that its buyer was told of: neither what two people still think about, nor
    what the second of them refused."""
    told = [offer for offer in offers if offer.answer != Answer.DROPPED]
    is_draft = bool(told) and refund.status == Status.SECOND_REVIEW and not told[-1].answer
    return told[-1] if told and not is_draft else None


def reason_title(code: str) -> str:
    reason = REASONS.get(code)
    return localized(reason.title, reason.title_en) if reason else code


def in_language(verdict: Verdict) -> str:
    """The verdict's sentence in the reader's language: the rule that it comes from has both."""
    for result in verdict.results:
        if result.sentence == verdict.sentence:
            return localized(result.sentence, result.sentence_en)
    return verdict.sentence


def localized(chinese: str, english: str) -> str:
    return english if (get_language() or "").startswith("en") and english else chinese


def told(refund: Refund, event: RefundEvent) -> str:
    """The step in the words of its notice."""
    params = {"refund_no": refund.refund_no, "amount": yuan(refund.amount_fen), "note": event.note}
    return wording.text(followups.kind_of(refund, event.step), params)


def weighed(results: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """[(weight, sentence)] of rules as ``RuleResult.as_json`` keeps them: what is true is not called a failure."""
    weights = policy.weights({result["rule"]: result["passed"] for result in results})
    told = [(weights.get(result["rule"]), localized(result["sentence"], result["sentence_en"])) for result in results]
    return [(weight, sentence) for weight, sentence in told if weight]


def _checks(refund: Refund) -> list[tuple[str, str]]:
    pre_check = PreCheck.objects.filter(refund=refund).first()
    return weighed(pre_check.results) if pre_check else []
