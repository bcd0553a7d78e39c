"""The queue of cases: its tabs and its columns."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import DateTimeField, QuerySet, Value
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from django.utils.safestring import SafeString

import clock
from accounts.desk import Desk, badge, deadline, list_url, money
from refunds import worklist
from refunds.admin.dialogs import reason_of
from refunds.models import Queue, Refund
from refunds.models import Status as S
from refunds.stages import TONE_OF


class QueueFilter(admin.SimpleListFilter):
    """Which tab. What lies with one's own role is where everybody starts (K1)."""

    title = "队列"
    parameter_name = "queue"
    template = "admin/desk/nothing.html"  # shown as tabs instead

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        self.name = worklist.queue_of(request.GET, request.user)
        self.worklist = worklist.worklist(self.name, request.user)
        return [(name, queue.title) for name, queue in worklist.QUEUES.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Refund]) -> QuerySet[Refund]:
        return queryset.filter(self.worklist.rows)


class CaseList(Desk):
    """退款单 by queue, the most urgent first."""

    list_display = ("number", "buyers_name", "shop", "amount", "why", "state", "waits_for", "due")
    list_display_links = ("number",)
    list_filter = (QueueFilter, "status", "lane")
    sortable_by = ("amount", "due")
    exact_search = (
        "refund_no",
        "order__order_no",
        "payment__payment_no",
        "disbursements__attempt__request_no",
        "buyer__username",
    )
    search_help_text = "退款单号 / 订单号 / 收款单号 / 商户退款单号 / 买家账号"
    list_before_template = "admin/refunds/refund/tabs.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Refund]:
        rows = Refund.objects.select_related(
            "shop", "order__shop", "order__policy", "payment__account", "buyer", "asked_by"
        )
        return rows.annotate(looked_at=Value(clock.now(), output_field=DateTimeField()))

    def get_ordering(self, request: HttpRequest) -> list[str]:
        queue = worklist.worklist(worklist.queue_of(request.GET, request.user), request.user)
        return ["promised_by", "pk"] if queue.by_deadline else ["-pk"]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        return super().changelist_view(request, {"tabs": _tabs(request)} | (extra_context or {}))

    # --- columns

    @admin.display(description="单号", ordering="pk")
    def number(self, refund: Refund) -> str:
        return refund.refund_no

    @admin.display(description="买家")
    def buyers_name(self, refund: Refund) -> str:
        return refund.buyer.shown_name  # a guest's own name is forty characters that say nothing

    amount = money("amount_fen", "金额")

    @admin.display(description="原因")
    def why(self, refund: Refund) -> SafeString:
        return format_html('<span class="desk-clip" title="{0}">{0}</span>', reason_of(refund))

    @admin.display(description="状态")
    def state(self, refund: Refund) -> SafeString:
        return badge(S(refund.status).label, TONE_OF.get(S(refund.status), "progress"))

    @admin.display(description="等谁处理")
    def waits_for(self, refund: Refund) -> str:
        return "–" if refund.queue == Queue.NOBODY else str(Queue(refund.queue).label)

    @admin.display(description="期限", ordering="promised_by")
    def due(self, refund: Refund) -> SafeString | str:
        return deadline(refund.promised_by, refund.looked_at)  # type: ignore[attr-defined]


def _tabs(request: HttpRequest) -> list[dict[str, Any]]:
    here = worklist.queue_of(request.GET, request.user)
    backlog = worklist.backlog_now(request)
    return [
        {
            "title": worklist.worklist(name, request.user).title,
            "url": list_url(Refund) if name == "mine" else list_url(Refund, queue=name),
            "here": name == here,
            "waiting": backlog.of(name) if name in worklist.COUNTED else None,
        }
        for name in [*worklist.TABS[:-1], *([here] if here not in worklist.TABS else []), "all"]
    ]
