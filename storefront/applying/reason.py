"""① 为什么退, and what of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _

from accounts.visitors import SignedIn
from orders.models import Order
from refunds import applying, drafts, guides, one_tap
from refunds import reading as case
from refunds.lifecycle import StepRefused
from refunds.reasons import REASONS, obstacle
from refunds.refundable import Refundable, sold
from storefront.application_forms import ReasonForm
from storefront.applying.again import refused_before
from storefront.applying.way import Writing, go_on, page, step, weighed


@step
def choose_reason(request: SignedIn, writing: Writing) -> HttpResponse:
    order, refundable = writing.order, writing.refundable
    form = ReasonForm(
        request.POST if request.method == "POST" else None,
        policy=order.policy, refundable=refundable, initial=_said_before(writing),
    )  # fmt: skip
    if request.method == "POST" and "check" in request.POST:
        return render(request, "storefront/apply/_verdict.html", _look_ahead(writing, form) | {"is_news": True})
    if request.method == "POST" and form.is_valid():
        before = writing.answers.get("reason")
        writing.keep(form.answers())
        if before and before != form.cleaned_data["reason"]:
            messages.info(request, _("原因已改，已填的描述和图片都还在。"))
        return go_on(request, writing, "reason")
    facts = {
        "form": form,
        "reasons": _reasons(order, refundable, form),
        "chosen": [(item, str(item.line.position) in _positions(form)) for item in refundable],
        "refused": refused_before(order),
        "one_tap": one_tap.offer(order.policy, writing.entry.seen),
        "verdict": weighed(seen.verdict) if (seen := writing.entry.seen) and not writing.entry.is_open else None,
    }
    return page(request, writing, "reason", facts)


def _said_before(writing: Writing) -> dict[str, Any]:
    """The draft's answers; without one, what the refused application said: it is to be mended, not typed again."""
    said = {"reason": writing.answers.get("reason", ""), "lines": writing.answers.get("lines")}
    if not said["reason"] and (refused := drafts.last_refused(writing.order)):
        said["reason"] = refused.reason
    return {name: value for name, value in said.items() if value}


def _positions(form: ReasonForm) -> set[str]:
    """As text: nobody's digits are made a number before they were checked."""
    chosen = form["lines"].value() if "lines" in form.fields else []
    return {str(position) for position in chosen or []}


def _reasons(order: Order, refundable: Sequence[Refundable], form: ReasonForm) -> list[tuple[str, str, str]]:
    """[(code, title, which pictures it needs)] of the reasons that the order's policy takes for any of these goods
    (S0-33, S3-6)."""
    seen, page = sold(refundable), refundable[0].line.product_page if refundable else {}
    kind, is_abroad = page.get("kind", ""), bool(page.get("is_cross_border"))
    return [
        (
            reason.code,
            case.localized(reason.title, reason.title_en),
            guides.needed(order.policy.slots_for(reason.code, kind, is_cross_border=is_abroad)),
        )
        for reason in REASONS.values()
        if (terms := order.policy.reason(reason.code))
        and (not obstacle(terms, seen) or (form.is_bound and reason.code == form["reason"].value()))
    ]


def _look_ahead(writing: Writing, form: ReasonForm) -> dict[str, Any]:
    """The pre-check's answer to what is chosen so far, or why there is none. Nothing is kept."""
    form.is_valid()  # reads what can be read
    wrong = form.errors.get("lines") or (form.errors.get("reason") if form["reason"].value() else None)
    facts = {"order": writing.order, "form": form}
    if wrong:
        return facts | {"verdict": None, "sentence": str(wrong[0])}
    try:
        seen = applying.preview(writing.order, form.application(), at=writing.at)
    except StepRefused as refusal:
        return facts | {"verdict": None, "sentence": str(refusal)}
    return facts | {"verdict": weighed(seen.verdict, seen), "needed": guides.needed(seen.facts.terms.slots)}
