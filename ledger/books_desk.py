"""账簿 on the desk: what each class of account holds, and the entries of some days to take away (N4)."""

from __future__ import annotations

from datetime import date
from typing import Any

from django import forms
from django.contrib import messages
from django.http import FileResponse, HttpRequest, HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

import clock
import sheets
from accounts.desk import Desk, log
from ledger import books
from ledger.models import Account

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


class ExportForm(forms.Form):
    """Which days, which account, and for which program."""

    first = forms.DateField(label="从", widget=forms.DateInput({"type": "date"}, format="%Y-%m-%d"))
    last = forms.DateField(label="到", widget=forms.DateInput({"type": "date"}, format="%Y-%m-%d"))
    account = forms.CharField(label="账户（选填）", max_length=60, required=False)
    kind = forms.ChoiceField(label="格式", choices=[("csv", "CSV"), ("xlsx", "Excel（xlsx）")])

    def clean_account(self) -> str:
        code: str = self.cleaned_data["account"].strip()
        if code and not Account.objects.filter(code=code).exists():
            raise forms.ValidationError("没有这个账户。请从“账户”列表复制，如 channel:wechat。")
        return code

    def clean(self) -> dict[str, Any]:
        said = super().clean() or {}
        first, last = said.get("first"), said.get("last")
        if first and last and last < first:
            self.add_error("last", "不能早于开始日期。")
        elif first and last and last - first >= books.LONGEST:
            self.add_error("last", f"一次最多导出 {books.LONGEST.days} 天，请分几次。")
        return said


class BooksDesk(Desk):
    """Mixed into the desk of the accounts."""

    list_before_template = "admin/ledger/account/above.html"

    def get_urls(self) -> list[URLPattern]:
        view = require_http_methods(["GET", "HEAD", "POST"])(never_cache(self.books_view))
        return [path("books/", self.admin_site.admin_view(view), name="ledger_account_books"), *super().get_urls()]

    def books_view(self, request: HttpRequest) -> HttpResponse | StreamingHttpResponse:
        """试算平衡, and the form; sent, it answers with the file, and the log of the desk knows who took what."""
        if not self.has_view_permission(request):
            return HttpResponse(status=403)
        today = timezone.localdate(clock.now(), clock.SHANGHAI)
        usual = {"first": today.replace(day=1), "last": today, "kind": "csv"}
        form = ExportForm(request.POST) if request.method == "POST" else ExportForm(initial=usual)
        if request.method == "POST" and form.is_valid():
            return self._file(request, form)
        classes = books.trial_balance()
        context = self.admin_site.each_context(request) | {
            "title": "账簿与导出",
            "form": form,
            "classes": classes,
            "debit_fen": sum(row.debit_balance_fen for row in classes),
            "credit_fen": sum(row.credit_balance_fen for row in classes),
        }
        return TemplateResponse(request, "admin/ledger/books.html", context)

    def _file(self, request: HttpRequest, form: ExportForm) -> HttpResponse | StreamingHttpResponse:
        first, last, account = (form.cleaned_data[name] for name in ("first", "last", "account"))
        rows = books.entries(first, last, account)
        name = _name(first, last, account)
        if form.cleaned_data["kind"] == "csv":
            answer: StreamingHttpResponse = StreamingHttpResponse(sheets.as_csv(rows), content_type="text/csv")
            answer.headers["Content-Disposition"] = f'attachment; filename="{name}.csv"'
        else:
            try:
                file = sheets.as_xlsx(rows, title="ledger")
            except ValueError:
                messages.error(request, "超过一张 Excel 表能放的行数。请缩短日期，或导出 CSV。")
                return HttpResponseRedirect(request.path)
            answer = FileResponse(file, as_attachment=True, filename=f"{name}.xlsx", content_type=XLSX)
        taken = Account.objects.filter(code=account) if account else Account.objects.order_by("pk")[:1]
        log(request, list(taken), f"导出分录：{first} 至 {last}，{account or '全部账户'}")
        return answer


def _name(first: date, last: date, account: str) -> str:
    return "-".join(["ledger", f"{first:%Y%m%d}", f"{last:%Y%m%d}", *([account.replace(":", "-")] if account else [])])
