"""批量入库: upload a list, watch it being checked, read what is wrong line by line, take it in or give it up (M5)."""

from __future__ import annotations

from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

import clock
import paging
from accounts.visitors import SignedIn
from portal import uploads
from portal.door import Here, for_members, show
from portal.stock import product_of, taken_out
from shops import importing, quarantine
from shops.importing import CannotImport
from shops.models import CodeState, ImportStatus, ProductKind, StockImport
from shops.spreadsheets import UnusableFile
from shops.stock_lines import PROBLEMS

WORKING = {ImportStatus.CHECKING, ImportStatus.IMPORTING}
TONES: dict[str, str] = {
    ImportStatus.CHECKING: "progress",
    ImportStatus.CHECKED: "attention",
    ImportStatus.IMPORTING: "progress",
    ImportStatus.IMPORTED: "good",
    ImportStatus.DISCARDED: "quiet",
}


class UploadForm(forms.Form):
    file = forms.FileField(
        label=gettext_lazy("选择文件"),
        widget=forms.FileInput(attrs={"accept": ".csv,.txt,.xlsx"}),
        help_text=gettext_lazy("CSV 或 XLSX，10 MB、100,000 行以内。"),
        error_messages={"required": gettext_lazy("请选择一个文件。"), "empty": PROBLEMS["file_empty"]},
    )


@uploads.in_memory
@for_members("stock")
@never_cache
def import_list(request: SignedIn, here: Here, product_id: int) -> HttpResponse:
    """The product's imports, and the form for the next one."""
    product = product_of(here, product_id)
    form = UploadForm(request.POST or None, request.FILES or None)
    if request.method == "POST" and form.is_valid():
        file = form.cleaned_data["file"]
        try:
            made = importing.upload(product, file.read(), file_name=file.name or "", by=request.user, at=clock.now())
        except UnusableFile as unusable:
            form.add_error("file", str(PROBLEMS[unusable.code]))
        except CannotImport as refusal:
            form.add_error(None, str(refusal))
        else:
            return redirect("portal:stock_import", made.pk)
    imports = product.imports.all()
    page = paging.newest_first(imports, by="uploaded_at", after=request.GET.get("after", ""))
    facts = {
        "product": product,
        "form": form,
        "is_account": product.kind == ProductKind.ACCOUNT,
        "page": page,
        "rows": [(row, TONES[row.status]) for row in page.rows],
    }
    return show(request, here, "stock_imports.html", facts)


@for_members("stock")
@never_cache
def import_page(request: SignedIn, here: Here, import_id: int) -> HttpResponse:
    row = _import(here, import_id)
    facts = _facts(row)
    if row.status == ImportStatus.IMPORTED:
        facts["left"] = row.codes.filter(state=CodeState.IN_STOCK)[:1].exists()
        facts["most"] = quarantine.MOST_AT_ONCE
    return show(request, here, "stock_import.html", facts)


@for_members("stock")
@never_cache
def import_progress(request: SignedIn, here: Here, import_id: int) -> HttpResponse:
    """How far it is, for htmx; the whole page anew once it is no longer at work."""
    row = _import(here, import_id)
    if not request.htmx:  # type: ignore[attr-defined]
        return redirect("portal:stock_import", import_id)
    if row.status not in WORKING:
        return HttpResponse(headers={"HX-Refresh": "true"})
    return show(request, here, "_stock_progress.html", _facts(row))


@for_members("stock")
@require_POST
def confirm(request: SignedIn, here: Here, import_id: int) -> HttpResponse:
    """入库 of as many as were shown."""
    row = _import(here, import_id)
    good = request.POST.get("good", "")
    is_part = request.POST.get("part") == "on"
    try:
        importing.confirm(
            row, good=int(good) if good.isascii() and good.isdigit() and len(good) < 9 else -1, is_part=is_part,
            by=request.user, at=clock.now(),
        )  # fmt: skip
    except CannotImport as refusal:
        messages.error(request, str(refusal))
    return redirect("portal:stock_import", import_id)


@for_members("stock")
@require_POST
def discard(request: SignedIn, here: Here, import_id: int) -> HttpResponse:
    """放弃."""
    row = _import(here, import_id)
    try:
        importing.discard(row, by=request.user)
        messages.success(request, _("已放弃，没有入库，上传的内容已删除。"))
    except CannotImport as refusal:
        messages.error(request, str(refusal))
    return redirect("portal:stock_imports", row.product_id)


@for_members("stock")
@require_POST
def take_out_import(request: SignedIn, here: Here, import_id: int) -> HttpResponse:
    """下架 of what is unsold of a list that turned out bad."""
    row = _import(here, import_id)
    done = quarantine.take_out_import(row, by=request.user, at=clock.now())
    messages.success(request, taken_out(done))
    return redirect("portal:stock_import", import_id)


def _import(here: Here, import_id: int) -> StockImport:
    """Another shop's import is not there (X8)."""
    rows = StockImport.objects.select_related("product__shop", "uploaded_by", "confirmed_by")
    return get_object_or_404(rows, pk=import_id, product__shop=here.shop)


def _facts(row: StockImport) -> dict[str, object]:
    is_working = row.status in WORKING
    total = importing.good_count(row) if row.status == ImportStatus.IMPORTING else row.line_count
    facts: dict[str, object] = {
        "row": row,
        "product": row.product,
        "tone": TONES[row.status],
        "is_working": is_working,
        "total": max(total, row.done_count) if total else 0,
    }
    if row.status == ImportStatus.CHECKED:
        problems = importing.problems(row)
        facts |= {
            "good": importing.good_count(row),
            "file_problem": problems[0][1] if problems and problems[0][0] == 0 else "",
            "problems": problems,
            "more": max(0, row.problem_count - len(problems)),
        }
    return facts
