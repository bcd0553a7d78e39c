"""⑤ 核对后提交."""

from __future__ import annotations

from datetime import datetime

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _

from accounts.visitors import SignedIn
from refunds import applying, clocking, drafts, guides, policy
from refunds import reading as case
from refunds.applying import AlreadyActive
from refunds.evidence import TooManyImages
from refunds.lifecycle import StepRefused
from refunds.models import Destination, Refund
from storefront.applying.way import PLACES, Writing, hint, led_back, page, step, weighed
from storefront.device import key_of
from storefront.reading import sums
from storefront.templatetags.words import deadline


@step
def check_answers(request: SignedIn, writing: Writing) -> HttpResponse:
    if elsewhere := led_back(request, writing, "check"):
        return elsewhere
    if request.method == "POST":
        return _send(request, writing)
    asked, terms = writing.asked, writing.order.policy
    seen, chosen = writing.preview(), writing.chosen()
    hours = applying.review_hours(terms, seen.facts)
    facts = {
        "asked": asked,
        "reason": case.reason_title(asked.reason),
        "to_balance": asked.destination == Destination.BALANCE,
        "chosen": chosen,
        "sums": sums(seen, chosen),
        "payment": applying.paid_payment(writing.order),
        "verdict": weighed(seen.verdict, seen),
        "hint": hint(writing),
        "missing": guides.slot_guides(seen.facts.missing_slots) if seen.verdict.step in policy.TO_PEOPLE else [],
        "answered_by": clocking.answered_by(terms, hours, at=writing.at),
        "decided_by": clocking.decided_by(terms, hours, seen.facts.amount_fen, at=writing.at),
        "seen": writing.draft.updated_at.isoformat() if writing.draft else "",
    }
    return page(request, writing, "check", facts)


def _send(request: SignedIn, writing: Writing) -> HttpResponse:
    order = writing.order
    try:
        seen_at = datetime.fromisoformat(request.POST.get("seen", ""))
    except ValueError:
        return redirect(PLACES["check"], order.order_no)
    try:
        refund = drafts.submit(order, by=request.user, at=writing.at, seen=seen_at, device_key=key_of(request))
    except AlreadyActive as active:
        messages.info(request, str(active))
        return redirect("storefront:refund", active.refund_no)
    except (StepRefused, TooManyImages) as refusal:
        messages.error(request, str(refusal))
        mended_at = "material" if isinstance(refusal, TooManyImages) else drafts.MENDED_AT.get(refusal.code, "")
        return redirect(PLACES.get(mended_at, "storefront:order"), order.order_no)
    return sent(request, refund)


def sent(request: SignedIn, refund: Refund) -> HttpResponse:
    """The number, what happens next and by when, at the top of the page that from now on says everything (S1-24)."""
    terms, hours = refund.order.policy, clocking.review_hours(refund)
    decided_by = clocking.decided_by(terms, hours, refund.amount_fen, at=refund.submitted_at)
    words = _(
        "已提交。单号 %(no)s。系统正在核对：符合规则的几分钟内自动退款，需要人工审核的最迟 %(at)s 前给结果。"
        "进展会通知您，也可随时在本页查看。"
    )
    messages.success(request, words % {"no": refund.refund_no, "at": deadline(decided_by)})
    return redirect("storefront:refund", refund.refund_no)
