"""工作日历 on the desk: which years are known, what colleagues entered, and two dialogs to enter more.

Both dialogs are confirmed twice: first what would change is shown, the second time it is entered, if it is still that.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from unfold.widgets import UnfoldAdminDateWidget, UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

import clock
from accounts.desk import (
    Desk,
    DeskInline,
    DialogForm,
    badge,
    called,
    choice_field,
    log,
    me,
    number_field,
    page_url,
    staff_act,
    when,
)
from clock import SHANGHAI, midnight
from refunds.forecast import promised_after
from workcalendar import current, plans
from workcalendar.days import is_published
from workcalendar.models import CalendarDay, CalendarPlan
from workcalendar.notice import LONGEST_NAME, LONGEST_TEXT
from workcalendar.plans import CannotEnter, Draft

KEPT = "已承诺的期限一律不变；从录入起新承诺的期限按新安排计算。"
EXAMPLE = "一、元旦：1月1日（周五）至3日（周日）放假调休，共3天。\n二、春节：……放假。1月31日（周日）上班。"
WEEKDAYS = "一二三四五六日"


class PlanForm(DialogForm):
    """Valid only with the digest of what the dialog itself has shown; until then it shows it."""

    template = "admin/workcalendar/calendarplan/dialog.html"
    source = forms.CharField(
        label="依据",
        max_length=plans.LONGEST_SOURCE,
        help_text="文号或网址，写入记录，不可修改。",
        widget=UnfoldAdminTextInputWidget(),
        error_messages={"required": "请写明依据。"},
    )
    seen = forms.CharField(required=False, max_length=64, widget=forms.HiddenInput())
    data: Any  # as posted
    draft: Draft | None = None

    def read(self) -> Draft:
        raise NotImplementedError

    def clean(self) -> dict[str, Any]:
        said = super().clean() or self.cleaned_data
        if self.errors:
            return said
        try:
            self.draft = self.read()
        except CannotEnter as unread:
            raise forms.ValidationError(str(unread)) from unread
        if said.get("seen") != self.draft.digest:
            self.data = self.data.copy()
            self.data["seen"] = self.draft.digest
            raise forms.ValidationError("请核对上面的改动，再次提交即生效。")
        return said

    def facts(self) -> dict[str, Any]:
        facts: dict[str, Any] = {"kept": KEPT, "problems": self.non_field_errors()}
        return facts | _preview(self.draft) if self.draft else facts


class YearForm(PlanForm):
    year = number_field(least=2004, most=2200, label="年份")
    text = forms.CharField(
        label="通知正文",
        max_length=LONGEST_TEXT,
        help_text="粘贴国务院办公厅通知中的放假安排，或每行写一个节日。周末照常休息的不必写。",
        widget=UnfoldAdminTextareaWidget({"rows": 10, "placeholder": EXAMPLE}),
        error_messages={"required": "请粘贴通知正文。"},
    )
    field_order = ("year", "text", "source", "seen")

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["year"].required = True
        self.fields["year"].initial = _next_unknown(clock.now())

    def read(self) -> Draft:
        said = self.cleaned_data
        return plans.draft_of_year(said["text"], said["year"], at=clock.now())


class DayForm(PlanForm):
    day = forms.DateField(label="日期", widget=UnfoldAdminDateWidget(), error_messages={"required": "请填写日期。"})
    works = choice_field(choices=[("on", "上班"), ("off", "休息")], label="这一天")
    name = forms.CharField(
        label="节日或原因", required=False, max_length=LONGEST_NAME, widget=UnfoldAdminTextInputWidget()
    )
    field_order = ("day", "works", "name", "source", "seen")

    def read(self) -> Draft:
        said = self.cleaned_data
        return plans.draft_of_day(said["day"], is_working=said["works"] == "on", name=said["name"], at=clock.now())


def _preview(draft: Draft) -> dict[str, Any]:
    """What would change, and how many open promises reach past the first such day: at most so many were counted."""
    at = clock.now()
    ahead = [change.day for change in draft.changes if change.day >= at.astimezone(SHANGHAI).date()]
    promised = promised_after(midnight(ahead[0])) if ahead else 0
    return {
        "draft": draft,
        "becomes_known": draft.is_whole_year and not draft.known.is_known(draft.year),
        "changes": [(change, WEEKDAYS[change.day.weekday()]) for change in draft.changes],
        "forgotten": draft.forgotten,
        "promised": promised,
    }


class DayRows(DeskInline):
    model = CalendarDay
    fields = readonly_fields = ("day", "weekday", "works", "name")
    ordering = ("day",)

    @admin.display(description="星期")
    def weekday(self, row: CalendarDay) -> str:
        return f"周{WEEKDAYS[row.day.weekday()]}"

    @admin.display(description="这一天")
    def works(self, row: CalendarDay) -> SafeString:
        return _works(row.is_working)


@admin.register(CalendarPlan)
class CalendarPlanDesk(Desk):
    list_display = ("moment", "year", "scope", "source", "setter")
    list_display_links = ("moment",)
    list_filter = ("year",)
    ordering = ("-pk",)
    list_select_related = ("entered_by",)
    list_before_template = "admin/workcalendar/calendarplan/years.html"
    fields = readonly_fields = ("moment", "year", "scope", "source", "setter")
    inlines = (DayRows,)
    actions_list = ("enter_year", "correct_day")

    moment = when("at", "录入时间")

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        may_see = self.has_view_permission(request)
        context = self._years(clock.now()) | {"buttons": self._buttons(request)} if may_see else {}
        return super().changelist_view(request, context | (extra_context or {}))

    def _years(self, at: datetime) -> dict[str, Any]:
        this_year = timezone.localtime(at, SHANGHAI).year
        known = current.calendar()
        return {
            "kept": KEPT,
            "missing": plans.missing_year(at),
            "years": [
                {"year": year, "how": _how_known(year), "working": len(known.workdays(year))}
                for year in range(this_year, this_year + plans.YEARS_AHEAD + 1)
            ],
        }

    def _buttons(self, request: HttpRequest) -> list[dict[str, Any]]:
        acts = [self.get_unfold_action(name) for name in self.actions_list if self.may_act(request, name)]
        return [
            {
                "title": act.description,
                "icon": act.icon,
                "look": "plain",
                "url": reverse(f"admin:{act.action_name}"),
            }
            for act in acts
        ]

    @admin.display(description="范围")
    def scope(self, row: CalendarPlan) -> str:
        return "全年" if row.is_whole_year else "更正"

    @admin.display(description="录入人")
    def setter(self, row: CalendarPlan) -> str:
        return called(row.entered_by)

    @staff_act(YearForm, title="录入全年安排", submit="核对 / 生效", icon="edit_calendar", refused_by=(CannotEnter,))
    def enter_year(self, request: HttpRequest, form: YearForm) -> str:
        return _enter(request, form)

    @staff_act(DayForm, title="更正一天", submit="核对 / 生效", icon="event_repeat", refused_by=(CannotEnter,))
    def correct_day(self, request: HttpRequest, form: DayForm) -> str:
        return _enter(request, form)


def _enter(request: HttpRequest, form: PlanForm) -> str:
    assert form.draft  # a form without has been shown again
    plan = plans.enter(form.draft, source=form.cleaned_data["source"], by=me(request), at=clock.now())
    log(request, [plan], f"录入{plan}：{plan.source}")
    messages.success(request, f"{plan} 已生效。{KEPT}")
    return page_url(plan)


def _works(is_working: bool) -> SafeString:
    return badge("上班", "progress") if is_working else badge("休息", "quiet")


def _how_known(year: int) -> SafeString:
    if year in current.calendar().years:
        return badge("已录入", "good")
    return badge("已公布", "good") if is_published(year) else badge("估算", "attention")


def _next_unknown(at: datetime) -> int:
    this_year: int = timezone.localtime(at, SHANGHAI).year
    years = range(this_year, this_year + plans.YEARS_AHEAD + 1)
    return next((year for year in years if not current.calendar().is_known(year)), this_year + 1)
