"""The way through an application: what every step begins with, and which step is next."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property, wraps
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache

import clock
from accounts.visitors import SignedIn
from orders.models import Order
from refunds import applying, drafts, guides, policy
from refunds import reading as case
from refunds.applying import Application, Preview
from refunds.lifecycle import StepRefused
from refunds.models import RefundDraft
from refunds.reasons import REASONS
from refunds.refundable import Refundable, lines_of
from storefront import reading
from storefront.device import key_of
from storefront.reading import RefundEntry

PLACES = {
    "reason": "storefront:apply",
    "material": "storefront:apply_material",
    "money": "storefront:apply_money",
    "check": "storefront:apply_check",
}

Step = Callable[..., HttpResponseBase]


@dataclass
class Writing:
    """An order whose application is being written. ``refundable``: what is left of it; what was seen once is seen."""

    order: Order
    at: datetime
    refundable: Sequence[Refundable]
    draft: RefundDraft | None
    device_key: bytes | None
    _asked: tuple[RefundDraft, Application] | None = None
    _seen: list[tuple[Application, Preview]] = field(default_factory=list)

    @property
    def answers(self) -> dict[str, Any]:
        return self.draft.answers if self.draft else {}

    @cached_property
    def entry(self) -> RefundEntry:
        return reading.unnamed(self.order, at=self.at)

    @property
    def asked(self) -> Application:
        """Read again when the draft was."""
        if self.draft is None:
            return Application(reason="")
        if self._asked is None or self._asked[0] is not self.draft:
            self._asked = (self.draft, drafts.application(self.draft, device_key=self.device_key))
        return self._asked[1]

    def keep(self, answers: dict[str, Any]) -> None:
        self.draft = drafts.keep(self.order, answers, at=self.at)

    def gap(self) -> drafts.Gap | None:
        return drafts.gap(self.order, self.asked if self.draft else None, self.refundable)

    def preview(self, **otherwise: Any) -> Preview:
        """What the pre-check would say of what is asked so far, or of all that is left where the amount is wrong."""
        asked = replace(self.asked, **otherwise)
        left_fen = sum(item.amount_fen for item in self.chosen())
        if asked.amount_fen is not None and not 0 < asked.amount_fen <= left_fen:
            asked = replace(asked, amount_fen=None)
        for before, seen in self._seen:
            if before == asked:
                return seen
        seen = applying.preview(self.order, asked, at=self.at, left=self.refundable)
        self._seen.append((asked, seen))
        return seen

    def chosen(self) -> list[Refundable]:
        """What is asked about, of what is still to be had."""
        positions = self.answers.get("lines")
        return [item for item in self.refundable if positions is None or item.line.position in positions]


def step(view: Step) -> Step:
    """What every step begins with: the order is the visitor's own, and there is something to ask for (S0-27)."""

    @login_required
    @never_cache
    @wraps(view)
    def opened(request: SignedIn, order_no: str, **named: Any) -> HttpResponseBase:
        order = reading.order_of(request.user, order_no)
        at = clock.now()
        refundable = lines_of(order)
        if shut := reading.shut(order, refundable):  # a case is running, unpaid, or nothing left of it
            messages.info(request, shut.reason)
            place, number = ("refund", shut.running.refund_no) if shut.running else ("order", order_no)
            return redirect(f"storefront:{place}", number)
        try:
            return view(request, Writing(order, at, refundable, drafts.of(order), key_of(request)), **named)
        except StepRefused as refusal:  # the order changed between two looks at it
            messages.error(request, str(refusal))
            return redirect("storefront:order", order_no)

    return opened


def go_on(request: SignedIn, writing: Writing, here: str) -> HttpResponse:
    """To the next step that has something to ask; from a change, back to the answers."""
    gap = writing.gap()
    if gap and gap.step == "reason":
        return redirect(PLACES["reason"], writing.order.order_no)
    way = _way(writing)
    if here != "reason" and request.GET.get("change"):
        return redirect(PLACES["check"], writing.order.order_no)
    later = list(PLACES)[list(PLACES).index(here) + 1 :]
    return redirect(PLACES[next(step for step in way if step in later)], writing.order.order_no)


def _way(writing: Writing) -> list[str]:
    """The steps of this application. What the machine approves needs neither pictures nor questions (S3-25)."""
    asked, seen = writing.asked, writing.preview(amount_fen=None)
    needs_words = REASONS[asked.reason].needs_description
    if seen.verdict.step == "auto_approve":
        return ["reason", *(["material"] if needs_words else []), "check"]
    if seen.verdict.step == "turn_down":
        return ["reason", "material", "check"]
    terms = writing.order.policy.reason(asked.reason)
    is_proved_by_us = terms is not None and not terms.slots and terms.only in {"undelivered", "unseen"}
    return ["reason", *([] if is_proved_by_us and not needs_words else ["material"]), "money", "check"]


def led_back(request: SignedIn, writing: Writing, here: str) -> HttpResponse | None:
    """Where something before this step is missing, or is no longer true of the order: there, with a clear word."""
    gap = writing.gap()
    if gap is None:
        return None
    if not gap.step:
        messages.info(request, gap.sentence)
        return redirect("storefront:order", writing.order.order_no)
    steps = list(PLACES)
    if steps.index(gap.step) >= steps.index(here):
        return None
    if gap.is_news or gap.step != "reason":
        messages.warning(request, gap.sentence)
    return redirect(PLACES[gap.step], writing.order.order_no)


def address(request: SignedIn, order: Order, step: str) -> str:
    change = "?change=1" if request.GET.get("change") else ""
    return reverse(PLACES[step], args=[order.order_no]) + change


def page(request: SignedIn, writing: Writing, step: str, facts: dict[str, Any]) -> HttpResponse:
    way = _way(writing) if step != "reason" else list(PLACES)
    is_change = bool(request.GET.get("change"))
    before = way[max(0, way.index(step) - 1)] if step in way else "check"
    back = "check" if is_change and step != "check" else before
    facts |= {
        "order": writing.order,
        "step": step,
        "number": way.index(step) + 1 if step in way else 0,
        "of": len(way),
        "back": reverse(PLACES[back] if step != "reason" else "storefront:order", args=[writing.order.order_no]),
        "is_change": is_change,
    }
    return render(request, f"storefront/apply/{step}.html", facts)


def weighed(verdict: policy.Verdict, seen: Preview | None = None) -> dict[str, Any]:
    """预审 as the page shows it: [(weight, sentence, rule id)] of every rule that means something to the buyer."""
    weights = policy.weights({rule.rule: rule.passed for rule in verdict.results})
    rules = [
        (weights[rule.rule], case.localized(rule.sentence, rule.sentence_en), rule.rule)
        for rule in verdict.results
        if rule.rule in weights
    ]
    unmet = {rule.rule for rule in verdict.results if weights.get(rule.rule) == "unmet"}
    return {
        "step": verdict.step,
        "sentence": case.in_language(verdict),
        "rules": rules,
        "is_about_reason": bool(unmet & {"reason", "not_used"}),
        "is_incomplete": bool(seen and seen.verdict.step in policy.TO_PEOPLE and seen.facts.missing_slots),
    }


def hint(writing: Writing) -> str:
    """What the words do not say yet; nothing is said of words that nobody has begun."""
    description = str(writing.answers.get("description", ""))
    return guides.vagueness(description, writing.answers["reason"]) if description else ""
