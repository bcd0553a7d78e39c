"""月结单 of any shop, for finance: the one its shop reads, to look at and to take away as a sheet (N4)."""

from __future__ import annotations

from datetime import date

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

import clock
import sheets
from accounts import rights
from accounts.desk import log, page_url
from accounts.rights import Act
from ledger.books_desk import XLSX
from refunds import shop_books
from refunds.shop_books import Statement
from shops.models import Shop


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def page(request: HttpRequest, shop_id: int) -> HttpResponseBase:
    """``?month=2026-10``, else the last one that is over. Sent, it answers with the sheet; who took it is on record."""
    if not rights.may(request.user, Act.SEE, "ledger.account"):
        raise PermissionDenied
    shop, at = get_object_or_404(Shop, pk=shop_id), clock.now()
    months = shop_books.months(shop, at=at)
    made = shop_books.statement(shop, _chosen(months, request.GET.get("month", "")), at=at)
    if request.method == "POST":
        log(request, [shop], f"导出月结单：{made.month:%Y-%m}")
        return _sheet(shop, made, kind=request.POST.get("kind", ""))
    context = admin.site.each_context(request) | {
        "title": f"月结单：{shop.name}",
        "shop_url": page_url(shop),
        "months": months,
        "statement": made,
    }
    return TemplateResponse(request, "admin/month_end.html", context)


def _chosen(months: list[date], text: str) -> date:
    if not text:
        return months[1] if len(months) > 1 else months[0]
    try:
        return next(month for month in months if f"{month:%Y-%m}" == text)
    except StopIteration:
        raise Http404 from None


def _sheet(shop: Shop, made: Statement, *, kind: str) -> HttpResponseBase:
    rows, name = shop_books.as_rows(made), f"statement-{shop.pk}-{made.month:%Y-%m}"
    if kind == "xlsx":
        file = sheets.as_xlsx(rows, title=f"{made.month:%Y-%m}")
        return FileResponse(file, as_attachment=True, filename=f"{name}.xlsx", content_type=XLSX)
    headers = {"Content-Disposition": f'attachment; filename="{name}.csv"'}
    return HttpResponse("".join(sheets.as_csv(rows)), content_type="text/csv; charset=utf-8", headers=headers)
