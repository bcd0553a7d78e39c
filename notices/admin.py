"""站内通知 on the staff desk: what people were told, in the very words; and what became of each message outside."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

import clock
from accounts.desk import ActsDesk, Desk, DialogForm, key, link, log, page_url, staff_act, tone_badge, when
from notices import sending, wording
from notices.models import DeliveryStatus, Notice, NoticeDelivery
from notices.words import trouble

TONES: dict[str, str] = {
    DeliveryStatus.WAITING: "progress",
    DeliveryStatus.SENT: "good",
    DeliveryStatus.GIVEN_UP: "bad",
    DeliveryStatus.DROPPED: "quiet",
}
GIVEN_UP_ADVICE = (
    "这条消息没有送到，系统不会再自己发。站内通知仍在，收件人登录就能看到；急的请另外联系。"
    "渠道修好后可“再发一次”；收件人在“通知设置”里改过地址的，发到新地址。"
)


@admin.register(Notice)
class NoticeDesk(Desk):
    list_display = ("created_at", "reader", "words", "read_at")
    list_display_links = ("created_at",)
    exact_search = ("recipient__username",)
    search_help_text = "收件账号"
    ordering = ("-pk",)
    list_select_related = ("recipient",)
    fields = ("reader", "words", "path", "created_at", "read_at", "deliveries")
    readonly_fields = ("reader", "words", "deliveries")

    @admin.display(description="收件人")
    def reader(self, notice: Notice) -> str:
        return notice.recipient.username

    @admin.display(description="内容")
    def words(self, notice: Notice) -> str:
        return wording.text(notice.kind, notice.params)

    @admin.display(description="站外发送")
    def deliveries(self, notice: Notice) -> str:
        rows = notice.deliveries.order_by("pk")
        return "；".join(f"{row.get_channel_display()}：{row.get_status_display()}" for row in rows) or "没有"


class SendAgainForm(DialogForm):
    @cached_property
    def refusal(self) -> str:
        row = NoticeDelivery.objects.filter(pk=key(self.object_id)).first()
        if row is None:
            return "没有这条发送记录。"
        given_up = row.status == DeliveryStatus.GIVEN_UP
        return "" if given_up else f"这条消息现在是“{row.get_status_display()}”，不用再发。"


@admin.register(NoticeDelivery)
class NoticeDeliveryDesk(ActsDesk):
    list_display = ("made", "reader", "channel", "words", "state", "tries", "why", "next_time", "sent")
    list_display_links = ("made",)
    list_filter = ("status", "channel")
    exact_search = ("notice__recipient__username",)
    search_help_text = "收件账号"
    ordering = ("-pk",)
    list_select_related = ("notice__recipient",)
    fields = readonly_fields = (
        "reader", "origin", "words", "channel", "state", "why", "tries", "made", "tried", "next_time", "sent",
        "sent_to", "provider_number",
    )  # fmt: skip
    actions_detail = ("send_again",)

    state = tone_badge("status", "状态", TONES)
    made, tried = when("created_at", "创建时间"), when("last_tried_at", "最近发送")
    next_time, sent = when("next_due_at", "下次发送"), when("sent_at", "发出时间")

    def get_queryset(self, request: HttpRequest) -> QuerySet[NoticeDelivery]:
        return super().get_queryset(request).select_related("notice__recipient")

    def acts_of(self, row: NoticeDelivery) -> list[str]:
        return ["send_again"] if row.status == DeliveryStatus.GIVEN_UP else []

    def advice(self, row: NoticeDelivery) -> list[tuple[str, str]]:
        return [("attention", GIVEN_UP_ADVICE)] if row.status == DeliveryStatus.GIVEN_UP else []

    @admin.display(description="收件人")
    def reader(self, row: NoticeDelivery) -> str:
        return row.notice.recipient.username

    @admin.display(description="通知")
    def origin(self, row: NoticeDelivery) -> SafeString | str:
        return link(row.notice)

    @admin.display(description="内容")
    def words(self, row: NoticeDelivery) -> str:
        return wording.text(row.notice.kind, row.notice.params)

    @admin.display(description="原因")
    def why(self, row: NoticeDelivery) -> str:
        return trouble(row.last_error) or "–"

    @staff_act(SendAgainForm, title="再发一次", submit="再发一次", icon="send")
    def send_again(self, request: HttpRequest, form: Any, object_id: str) -> str:
        row = NoticeDelivery.objects.get(pk=key(object_id))
        if sending.send_again(row, at=clock.now()):
            log(request, [row], "再发一次")
            messages.success(request, "已排队，马上再发。")
        else:
            messages.error(request, "这条消息刚刚已被处理。")
        return page_url(row)
