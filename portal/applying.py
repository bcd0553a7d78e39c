"""申请入驻: a buyer asks to open a shop, and sees what became of it. The papers are private."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache

import clock
import private_pictures
from accounts import rights as staff
from accounts.rights import Act
from accounts.visitors import SignedIn
from portal.door import posted
from portal.forms import ApplicationForm
from shops import life
from shops.models import ApplicationDocument, ApplicationStatus, ShopApplication


@login_required
@never_cache
def apply(request: SignedIn) -> HttpResponse:
    latest = ShopApplication.objects.filter(applicant=request.user).order_by("-pk").first()
    if latest and latest.status == ApplicationStatus.SUBMITTED:
        return render(
            request, "portal/applied.html", {"application": latest, "papers": latest.documents.order_by("pk")}
        )
    form = ApplicationForm(*posted(request, files=True))
    if request.method == "POST" and form.is_valid():
        try:
            life.apply(form.papers(), by=request.user, at=clock.now())
        except life.CannotApply as refusal:
            form.add_error(None, str(refusal))
        else:
            messages.success(request, _("申请已提交，运营会在 3 个工作日内审核，结果用站内通知告诉您。"))
            return redirect("portal:apply")
    facts = {"form": form, "latest": latest, "pictures_lost": bool(request.FILES)}
    return render(request, "portal/apply.html", facts)


@login_required
def document(request: SignedIn, document_id: Any) -> HttpResponseBase:
    """入驻材料, for its applicant and for those who decide; for others it is not there (X7)."""
    row = ApplicationDocument.objects.select_related("application").filter(pk=document_id).first()
    if row is None or not _may_see(request, row):
        raise Http404(document_id)
    return private_pictures.shown(row)


def _may_see(request: SignedIn, row: ApplicationDocument) -> bool:
    return row.application.applicant_id == request.user.pk or staff.may(request.user, Act.SEE, "shops.shopapplication")
