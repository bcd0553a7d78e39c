"""公告 on the desk: operators write what every page shows for a while, in both languages (S2-20)."""

from __future__ import annotations

from django.contrib import admin
from django.forms import ModelForm
from django.http import HttpRequest
from django.utils.safestring import SafeString

import clock
from accounts.desk import Desk, badge, called, me, when
from orders.models import Announcement


@admin.register(Announcement)
class AnnouncementDesk(Desk):
    list_display = ("text", "starts", "ends", "who", "state")
    ordering = ("-ends_at", "-pk")
    list_select_related = ("created_by",)
    fields = ("text", "text_en", "path", ("starts_at", "ends_at"))

    starts = when("starts_at", "开始")
    ends = when("ends_at", "结束")

    def save_model(self, request: HttpRequest, obj: Announcement, form: ModelForm, change: bool) -> None:
        if not change:
            obj.created_by = me(request)
        super().save_model(request, obj, form, change)

    @admin.display(description="操作人")
    def who(self, row: Announcement) -> str:
        return called(row.created_by)

    @admin.display(description="状态")
    def state(self, row: Announcement) -> SafeString:
        at = clock.now()
        if row.ends_at <= at:
            return badge("已结束")
        return badge("显示中", "good") if row.starts_at <= at else badge("未开始", "attention")
