"""A shop's refunds (M1): what waits for its answer, until when, and what its silence would mean; and all the others."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.http import HttpResponse
from django.views.decorators.cache import never_cache

import clock
import paging
from accounts.visitors import SignedIn
from portal.answering import ANSWERS, case_of, open_steps
from portal.door import Here, for_members, show
from refunds import reading, silence
from refunds.models import Objection, Offer, Queue, Refund
from refunds.models import Status as S

MOST_WAITING = 50  # shown at once; whoever has more answers the most urgent first


@for_members("orders")
@never_cache
def refund_list(request: SignedIn, here: Here) -> HttpResponse:
    refunds = Refund.objects.filter(shop=here.shop).select_related("order__shop", "buyer")
    refunds = refunds.prefetch_related("order__lines")
    page = paging.newest_first(refunds, by="submitted_at", after=request.GET.get("after", ""))
    at = clock.now()
    facts = {"page": page, "rows": _with_reasons(page.rows), "waiting": _waiting(refunds, at), "at": at}
    return show(request, here, "refunds.html", facts)


@for_members("orders")
@never_cache
def refund_page(request: SignedIn, here: Here, refund_no: str) -> HttpResponse:
    """Another shop's case is not there (X8)."""
    refund, at = case_of(request, refund_no), clock.now()
    steps = open_steps(refund, request.user)
    facts = {
        "refund": refund,
        "progress": reading.progress(refund, at=at),
        "lines": refund.lines.select_related("order_line").order_by("order_line__position"),
        "answers": [(kind, answer) for kind, answer in ANSWERS.items() if answer.steps & steps],
        "offer": Offer.objects.filter(refund=refund).order_by("-pk").first(),
        "objection": Objection.objects.filter(refund=refund).first(),
        "on_silence": silence.foretold(refund) if refund.status == S.MERCHANT_REVIEW else "",
    }
    return show(request, here, "refund.html", facts)


def _waiting(refunds: Any, at: datetime) -> list[tuple[Refund, str, str]]:
    """The most urgent first, each with its reason and the time that is left."""
    rows = refunds.filter(queue=Queue.MERCHANT).order_by("promised_by", "pk")[:MOST_WAITING]
    return [(refund, reason, _left(refund, at)) for refund, reason in _with_reasons(rows)]


def _left(refund: Refund, at: datetime) -> str:
    return silence.time_left(refund.promised_by, at) if refund.promised_by else ""


def _with_reasons(rows: Any) -> list[tuple[Refund, str]]:
    return [(refund, reading.reason_title(refund.reason)) for refund in rows]
