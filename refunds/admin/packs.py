"""证据包下载: who took which pack of which case, for looking up."""

from __future__ import annotations

from django.contrib import admin
from django.template.defaultfilters import filesizeformat

from accounts.desk import Desk, called
from records.models import PackDownload
from refunds.evidence_pack import Side

SIDES = {Side.BUYER: "买家", Side.SHOP: "商家", Side.STAFF: "平台"}


@admin.register(PackDownload)
class PackDownloadDesk(Desk):
    list_display = ("at", "about", "who", "side", "size")
    list_display_links = ("at",)
    list_filter = ("made_for",)
    exact_search = ("about",)
    search_help_text = "退款单号"
    ordering = ("-pk",)
    list_select_related = ("reader",)
    fields = ("about", "who", "side", "size", "manifest_digest", "at")
    readonly_fields = ("who", "side", "size")

    @admin.display(description="下载人")
    def who(self, row: PackDownload) -> str:
        return called(row.reader)

    @admin.display(description="身份")
    def side(self, row: PackDownload) -> str:
        return SIDES[Side(row.made_for)]

    @admin.display(description="大小")
    def size(self, row: PackDownload) -> str:
        return str(filesizeformat(row.size_bytes))
