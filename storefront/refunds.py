"""Watching a refund until the money is there, and what its buyer can do meanwhile. Asking for one: ``applying.py``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache

import clock
import paging
import private_pictures
from accounts.visitors import SignedIn
from refunds import clocking, evidence, lifecycle, stages
from refunds import reading as case
from refunds.evidence import TooManyImages
from refunds.lifecycle import StepRefused
from refunds.lifecycle.redirect import choosing
from refunds.models import Appeal, Evidence, Offer, Queue, Refund, Status
from storefront import reading, refund_answers
from storefront.forms import EvidenceForm

# --- watching ---------------------------------------------------------------------------------------------------------


@login_required
def refund_list(request: SignedIn) -> HttpResponse:
    page = paging.newest_first(reading.refunds_of(request.user), by="submitted_at", after=request.GET.get("after", ""))
    at = clock.now()
    came_back = [refund for refund in page.rows if refund.status == Status.RETURNED]
    chosen_by_buyer = {refund.pk for refund in choosing(came_back)} if came_back else set()
    rows = [(refund, stages.due(refund, at=at), refund.pk in chosen_by_buyer) for refund in page.rows]
    return render(request, "storefront/refunds.html", {"page": page, "rows": rows})


@login_required
@never_cache
def refund_page(request: SignedIn, refund_no: str) -> HttpResponse:
    refund = _refund(request, refund_no)
    return render(request, "storefront/refund.html", _progress(request, refund))


@login_required
@never_cache
def track(request: SignedIn, refund_no: str) -> HttpResponse:
    """The changing part of the progress page, for htmx: 204 while nothing has changed since ``seen``."""
    refund = _refund(request, refund_no)
    if not request.htmx:  # type: ignore[attr-defined]
        return redirect("storefront:refund", refund_no)
    facts = _progress(request, refund)
    if request.GET.get("seen") == facts["progress"].version:
        return HttpResponse(status=204)
    return render(request, "storefront/_case.html", facts)


@login_required
def provide_evidence(request: SignedIn, refund_no: str) -> HttpResponse:
    """补充材料 (B7)."""
    refund = _refund(request, refund_no)
    if request.method != "POST":
        return redirect("storefront:refund", refund_no)
    form = EvidenceForm(request.POST, request.FILES, missing=evidence.missing(refund))
    if form.is_valid():
        said = {"note": form.cleaned_data["note"], "images": form.laid_down()}
        try:
            lifecycle.provide_evidence(refund, by=request.user, at=clock.now(), **said)
        except (StepRefused, TooManyImages) as refusal:
            form.add_error(None, str(refusal))
        else:
            messages.success(request, _("材料已收到，审核继续。"))
            return redirect("storefront:refund", refund_no)
    refund = _refund(request, refund_no)
    facts = _progress(request, refund, form) | {"pictures_lost": bool(request.FILES)}
    return render(request, "storefront/refund.html", facts)


@login_required
@never_cache
def withdraw(request: SignedIn, refund_no: str) -> HttpResponse:
    """撤销: the page says what it means, the button does it (B9)."""
    refund = _refund(request, refund_no)
    if request.method == "POST":
        return _take(request, refund, lifecycle.withdraw, _("申请已撤销。"))
    if "withdraw" not in lifecycle.allowed_steps(refund, request.user):
        messages.info(request, _("这张退款单现在不能撤销。"))
        return redirect("storefront:refund", refund_no)
    return render(request, "storefront/withdraw.html", {"refund": refund})


@login_required
@never_cache
def confirm_arrival(request: SignedIn, refund_no: str) -> HttpResponse:
    """我已收到退款: it closes the case, so it is asked twice."""
    refund = _refund(request, refund_no)
    if request.method == "POST":
        return _take(request, refund, _confirm, _("已确认到账，感谢您的反馈。"))
    if "confirm_arrival" not in lifecycle.allowed_steps(refund, request.user):
        messages.info(request, _("这张退款单现在不需要确认到账。"))
        return redirect("storefront:refund", refund_no)
    return render(request, "storefront/confirm_arrival.html", {"refund": refund})


@login_required
def evidence_image(request: SignedIn, evidence_id: Any) -> HttpResponseBase:
    """An image of a case, for its buyer, its shop and staff, at an address signed for them; for others it is not there
    (X4, X7)."""
    row = Evidence.objects.exclude(image="").select_related("refund__order").filter(pk=evidence_id).first()
    if row is None or not lifecycle.roles_on(row.refund, request.user):
        raise Http404(evidence_id)
    return private_pictures.shown_by_address(request, row)


def _refund(request: SignedIn, refund_no: str) -> Refund:
    return refund_answers.case_of(request, refund_no)


def _progress(request: SignedIn, refund: Refund, form: EvidenceForm | None = None) -> dict[str, Any]:
    at = clock.now()
    came_to_nothing = refund.status in {Status.REJECTED, Status.WITHDRAWN, Status.CLOSED, Status.REPLACED}
    again = reading.refund_entry(refund.order, at=at) if came_to_nothing else None
    steps = lifecycle.allowed_steps(refund, request.user)
    if form is None and "provide_evidence" in steps:
        form = EvidenceForm(missing=evidence.missing(refund))
    progress = case.progress(refund, at=at)
    return {
        "refund": refund,
        "progress": progress,
        "still_with": refund.get_queue_display() if refund.status == Status.RETURNED else progress.track.who,
        "lines": refund.lines.select_related("order_line").order_by("order_line__position"),
        "steps": steps,
        "form": form,
        "poll_seconds": 5 if refund.queue == Queue.MACHINE else 15,
        "again": again,
        "offer": Offer.objects.filter(refund=refund, answer="").first() if refund.status == Status.OFFERED else None,
        "appeal": Appeal.objects.filter(refund=refund).first(),
        "redirect": refund.redirects.order_by("-pk").first(),
        "chooses_once_claimed": _chooses_once_claimed(refund),
        "urge_from": clocking.may_urge_from(refund) if refund.status in lifecycle.STEPS["urge"].sources else None,
    }


def _chooses_once_claimed(refund: Refund) -> bool:
    """Whether a guest would have a choice, had he an account. What a shop's own merchant account took has none."""
    return refund.status == Status.RETURNED and refund.buyer.is_guest and bool(choosing([refund]))


def _take(request: SignedIn, refund: Refund, step: Callable[..., None], done: str) -> HttpResponse:
    try:
        step(refund, by=request.user, at=clock.now())
    except StepRefused as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(request, done)
    return redirect("storefront:refund", refund.refund_no)


def _confirm(refund: Refund, *, by: Any, at: Any) -> None:
    lifecycle.confirm_arrival([refund], by=by, at=at)
