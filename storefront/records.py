"""存证 for everybody: the signed roots, the public key, the program that checks; and for a buyer an order's record."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from django.contrib.auth.decorators import login_required
from django.http import FileResponse, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.cache import never_cache

import paging
import records
from accounts.visitors import SignedIn
from records import downloads
from records.models import DailyRoot
from refunds import order_record
from storefront import reading

PROGRAMS = Path(records.__file__).parent


def record_list(request: HttpRequest) -> HttpResponse:
    """每日根, the newest first, and what they prove and what not (S4-23)."""
    published = DailyRoot.objects.defer("leaves", "signature")
    page = paging.newest_first(published, by="published_at", after=request.GET.get("after", ""))
    for root in page.rows:
        root.hex = bytes(root.root).hex()[:16]  # type: ignore[attr-defined]
    key_id = page.rows[0].key_id if page.rows else ""
    return render(request, "storefront/records.html", {"page": page, "key_id": key_id})


def daily_root(request: HttpRequest, day: date) -> JsonResponse:
    """One day's statement with its signature. Never changes."""
    root = get_object_or_404(DailyRoot.objects.defer("leaves"), day=day)
    return downloads.plain(order_record.root_in_file(root))


def key(request: HttpRequest) -> JsonResponse:
    return downloads.plain(order_record.keys_in_file())


def checker(request: HttpRequest) -> FileResponse:
    """核对程序, to read and to run."""
    return _program("check_record.py")


def pack_checker(request: HttpRequest) -> FileResponse:
    """The one for evidence packs; it lies in each of them too."""
    return _program("check_pack.py")


def _program(name: str) -> FileResponse:
    file = (PROGRAMS / name).open("rb")
    return FileResponse(file, as_attachment=True, filename=name, content_type="text/plain; charset=utf-8")


@login_required
@never_cache
def order(request: SignedIn, order_no: str) -> HttpResponse:
    record = order_record.of(reading.order_of(request.user, order_no))
    return render(request, "storefront/order_record.html", {"record": record})


@login_required
@never_cache
def order_file(request: SignedIn, order_no: str) -> HttpResponse:
    record = order_record.of(reading.order_of(request.user, order_no))
    return downloads.of_order(order_record.as_file(record, reader=request.user), order_no)
