"""How a shop is doing: its figures, what its badge still needs, its deposit, and what buyers said of it (M4)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

import clock
import paging
from accounts.visitors import SignedIn
from orders import reviews
from orders.models import Review
from portal.door import Here, for_members, show
from portal.forms import ReplyForm
from refunds import figures, reading
from shops import deposits, money
from shops import figures as counted
from shops.badge import has_badge, percent
from shops.models import ShopFigures


@dataclass(frozen=True)
class Bar:
    """One row of the picture: a share in whole percent, and how it is said."""

    title: str
    share: int
    said: str
    tone: str


@for_members("figures")
def figures_page(request: SignedIn, here: Here) -> HttpResponse:
    """店铺数据 of the last 30 days (S1-21). Buyers read the same shares, but none of fewer than ten orders."""
    row = counted.of(here.shop)
    upheld = counted.upheld_complaints(here.shop.pk, at=clock.now())
    return show(request, here, "figures.html", {"figures": row, "bars": _bars(row) if row else [], "upheld": upheld})


def _bars(row: ShopFigures) -> list[Bar]:
    due = row.delivered_in_time + row.delivered_late
    rows = [
        (_("按时交付率"), row.delivered_in_time, due, "good"),
        (_("退款率"), row.refunded_orders, row.paid_orders, "warn"),
        (_("商家原因取消率"), row.canceled_by_shop, row.paid_orders, "bad"),
    ]
    return [Bar(title, part * 100 // whole if whole else 0, percent(part, whole), tone)
            for title, part, whole, tone in rows]  # fmt: skip


@for_members("figures")
def deposit_page(request: SignedIn, here: Here) -> HttpResponse:
    """保证金流水, and what the badge of the shop rests on, rule by rule (S0-30)."""
    at = clock.now()
    page = paging.newest_first(deposits.of(here.shop), by="at", after=request.GET.get("after", ""))
    results, purse = figures.standing_of(here.shop, at=at), money.purses([here.shop.pk])[here.shop.pk]
    facts: dict[str, Any] = {
        "page": page,
        "held_fen": purse.deposit_fen,
        "drawn_fen": purse.deposit_fen - purse.returnable_fen,
        "checks": [(rule.passed, reading.localized(rule.sentence, rule.sentence_en)) for rule in results],
        "is_earned": has_badge(results),
    }
    return show(request, here, "deposit.html", facts)


@for_members("orders")
def review_list(request: SignedIn, here: Here) -> HttpResponse:
    """买家评价, hidden ones left out; each may be answered once."""
    page = paging.newest_first(reviews.of_shop(here.shop), by="at", after=request.GET.get("after", ""))
    rows = [(review, reviews.shown_author(review)) for review in page.rows]
    return show(request, here, "reviews.html", {"page": page, "rows": rows, "form": ReplyForm()})


@for_members("talk")
@require_POST
def reply(request: SignedIn, here: Here, review_id: int) -> HttpResponse:
    review = get_object_or_404(Review, pk=review_id, shop=here.shop, is_hidden=False)
    form = ReplyForm(request.POST)
    if not form.is_valid():
        messages.error(request, _("请写下回复，最多 500 字。"))
        return redirect("portal:reviews")
    try:
        reviews.reply(review, form.cleaned_data["text"], by=request.user, at=clock.now())
    except reviews.CannotReview as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(request, _("回复已发布。"))
    return redirect("portal:reviews")
