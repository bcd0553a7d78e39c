"""Complaints about a shop, as its people see them: from the beginning of the investigation, with one answer (S0-34)."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

import clock
import paging
from accounts.visitors import SignedIn
from portal.door import Here, for_members, show
from shops import figures, rights
from support import complaints, showing, words
from support.models import ShopComplaint


@for_members("talk")
def complaint_list(request: SignedIn, here: Here) -> HttpResponse:
    rows = complaints.told_to(here.shop)
    page = paging.newest_first(rows, by="opened_at", after=request.GET.get("after", ""))
    upheld = figures.upheld_complaints(here.shop.pk, at=clock.now())
    return show(request, here, "complaints.html", {"page": page, "rows": page.rows, "upheld": upheld})


@for_members("talk")
@never_cache
def complaint_page(request: SignedIn, here: Here, complaint_no: str) -> HttpResponse:
    return _page(request, here, _complaint(request, complaint_no))


@for_members("talk")
@require_POST
@never_cache
def answer(request: SignedIn, here: Here, complaint_no: str) -> HttpResponse:
    """答复, once."""
    complaint = _complaint(request, complaint_no)
    try:
        complaints.answer(complaint, request.POST.get("text", ""), by=request.user, at=clock.now())
    except (complaints.CannotComplain, words.CannotWrite) as refusal:
        messages.error(request, str(refusal))
        return _page(request, here, _complaint(request, complaint_no), typed=request.POST.get("text", ""))
    messages.success(request, _("已答复，平台调查时会看到。"))
    return redirect("portal:complaint", complaint_no)


def _complaint(request: SignedIn, complaint_no: str) -> ShopComplaint:
    """Another shop's is not there, nor what nobody investigates yet (X8)."""
    shops = rights.shops_of(request.user, "talk")
    rows = ShopComplaint.objects.filter(shop__in=shops).exclude(status="open").select_related("order", "shop")
    return get_object_or_404(rows, complaint_no=complaint_no)


def _page(request: SignedIn, here: Here, complaint: ShopComplaint, typed: str = "") -> HttpResponse:
    facts = {
        "complaint": complaint,
        "told": showing.complaint(complaint),
        "pictures": showing.pictures_of(complaint, request.user),
        "typed": typed,
    }
    return show(request, here, "complaint.html", facts)
