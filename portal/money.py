"""A shop's money (M4): what lies in which pot, what moved it, and each month's statement."""

from __future__ import annotations

from datetime import date

from django.http import Http404, HttpResponse
from django.views.decorators.cache import never_cache

import clock
import sheets
from accounts.visitors import SignedIn
from portal.door import Here, for_members, show
from refunds import shop_books


@for_members("figures")
@never_cache
def money_page(request: SignedIn, here: Here) -> HttpResponse:
    """货款: what there is, when more of it becomes the shop's own, and what moved."""
    facts = {
        "now": shop_books.now(here.shop),
        "page": shop_books.moved(here.shop, after=request.GET.get("after", "")),
        "months": shop_books.months(here.shop, at=clock.now()),
    }
    return show(request, here, "money.html", facts)


@for_members("figures")
@never_cache
def statement_page(request: SignedIn, here: Here, year: int, month: int) -> HttpResponse:
    """月结单."""
    made = shop_books.statement(here.shop, _first_day(year, month), at=clock.now())
    return show(request, here, "statement.html", {"statement": made})


@for_members("figures")
@never_cache
def statement_file(request: SignedIn, here: Here, year: int, month: int) -> HttpResponse:
    made = shop_books.statement(here.shop, _first_day(year, month), at=clock.now())
    name = f"statement-{here.shop.pk}-{made.month:%Y-%m}.csv"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    rows = sheets.as_csv(shop_books.as_rows(made))
    return HttpResponse("".join(rows), content_type="text/csv; charset=utf-8", headers=headers)


def _first_day(year: int, month: int) -> date:
    if not (2000 <= year <= 2200 and 1 <= month <= 12):
        raise Http404
    return date(year, month, 1)
