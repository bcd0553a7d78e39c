"""A shop's refunds (M1): what waits for its answer, until when, and what its silence would mean; and all the others."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.http import HttpResponse
from django.views.decorators.cache import never_cache

import clock
import paging
from accounts.visitors import SignedIn
from portal.claim_answers import ANSWERS, case_of, open_steps
from portal.door import Here, for_members, show, waiting_refunds
from refunds import reading, silence
from refunds.models import Objection, Offer, Refund, RefundEvent, RefundLine
from refunds.models import Status as S
from shops import checking
from shops.models import CardCode, SupplierAnswer
from shops.suppliers.base import CodeFact

MOST_WAITING = 50  # shown at once; whoever has more answers the most urgent first


@for_members("orders")
@never_cache
def refund_list(request: SignedIn, here: Here) -> HttpResponse:
    refunds = Refund.objects.filter(shop=here.shop).select_related("order__shop", "buyer")
    refunds = refunds.prefetch_related("order__lines")
    page = paging.newest_first(refunds, by="submitted_at", after=request.GET.get("after", ""))
    waiting = [] if request.GET.get("after") else _waiting(here, clock.now())
    facts = {"page": page, "rows": _with_reasons(page.rows), "waiting": waiting, "is_cut": len(waiting) > MOST_WAITING}
    return show(request, here, "refunds.html", facts | {"waiting": waiting[:MOST_WAITING]})


@for_members("orders")
@never_cache
def refund_page(request: SignedIn, here: Here, refund_no: str) -> HttpResponse:
    """Another shop's case is not there (X8)."""
    refund, at = case_of(request, refund_no), clock.now()
    steps = open_steps(refund, request.user)
    is_asked = refund.status == S.MERCHANT_REVIEW
    facts = {
        "refund": refund,
        "progress": reading.progress(refund, at=at),
        "lines": refund.lines.select_related("order_line").order_by("order_line__position"),
        "goods": _goods(refund),
        "answers": [(kind, answer) for kind, answer in ANSWERS.items() if answer.steps & steps],
        "is_for_others": refund.queue == "merchant" and "refunds" not in here.may,
        "said": RefundEvent.objects.filter(refund=refund, step="contest").exclude(actor=None).last(),
        "offer": reading.made_offer(refund, Offer.objects.filter(refund=refund).order_by("pk")),
        "objection": Objection.objects.filter(refund=refund).first(),
        "on_silence": silence.foretold(refund) if is_asked else "",
        "left": silence.time_left(refund.promised_by, at) if refund.promised_by else "",
    }
    return show(request, here, "refund.html", facts)


# --- the list ---------------------------------------------------------------------------------------------------------


def _waiting(here: Here, at: datetime) -> list[tuple[Refund, str, str]]:
    """The most urgent first, each with its reason and the time that is left; one more than is shown."""
    refunds = waiting_refunds(here.shop).select_related("order").prefetch_related("order__lines")
    rows = refunds.order_by("promised_by", "pk")[: MOST_WAITING + 1]
    return [(refund, reason, _left(refund, at)) for refund, reason in _with_reasons(rows)]


def _left(refund: Refund, at: datetime) -> str:
    return silence.time_left(refund.promised_by, at) if refund.promised_by else ""


def _with_reasons(rows: Any) -> list[tuple[Refund, str]]:
    return [(refund, reading.reason_title(refund.reason)) for refund in rows]


# --- 交付记录: what the shop must know to answer ----------------------------------------------------------------------


@dataclass(frozen=True)
class Handed:
    """One line asked about, by our own records. ``redeemed``: by the issuer's word "before" the buyer looked, "after",
    "unseen" (never looked at here), "no", or "" where the issuer has not been asked."""

    line: RefundLine
    code: CardCode | None
    delivered_at: datetime | None
    redeemed: str
    redeemed_at: datetime | None
    asked_at: datetime | None


def _goods(refund: Refund) -> list[Handed]:
    """In two queries, and never with the text of a code."""
    rows = refund.lines.select_related("order_line__delivery__code", "order_line__topup", "order_line__service")
    rows = rows.defer("order_line__product_page", "order_line__delivery__code__sealed")
    lines = list(rows.order_by("order_line__position"))
    deliveries = [getattr(row.order_line, "delivery", None) for row in lines]
    said = checking.latest(delivery.code_id for delivery in deliveries if delivery and delivery.code_id)
    return [_handed(line, delivery, said) for line, delivery in zip(lines, deliveries, strict=True)]


def _handed(line: RefundLine, delivery: Any, said: dict[Any, SupplierAnswer]) -> Handed:
    if delivery is None or delivery.code is None:
        return Handed(line, None, delivery.delivered_at if delivery else None, "", None, None)
    answer = said.get(delivery.code_id)
    if answer is None:
        return Handed(line, delivery.code, delivery.delivered_at, "", None, None)
    redeemed_at = answer.effective_at if answer.state == CodeFact.REDEEMED else None
    return Handed(line, delivery.code, delivery.delivered_at, _when(redeemed_at, delivery), redeemed_at, answer.at)


def _when(redeemed_at: datetime | None, delivery: Any) -> str:
    if redeemed_at is None:
        return "no"
    seen_at = delivery.code.revealed_at
    if seen_at is None:
        return "unseen"
    return "before" if redeemed_at < seen_at else "after"
