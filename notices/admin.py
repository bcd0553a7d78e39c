"""站内通知 on the staff desk: what buyers were told, in the very words."""

from __future__ import annotations

from django.contrib import admin

from accounts.desk import Desk
from notices import wording
from notices.models import Notice


@admin.register(Notice)
class NoticeDesk(Desk):
    list_display = ("created_at", "reader", "words", "read_at")
    list_display_links = ("created_at",)
    exact_search = ("recipient__username",)
    search_help_text = "收件账号"
    ordering = ("-pk",)
    sortable_by = ()
    list_select_related = ("recipient",)
    fields = ("reader", "words", "path", "created_at", "read_at")
    readonly_fields = ("reader", "words")

    @admin.display(description="收件人")
    def reader(self, notice: Notice) -> str:
        return notice.recipient.username

    @admin.display(description="内容")
    def words(self, notice: Notice) -> str:
        return wording.text(notice.kind, notice.params)
