"""The queue of cases: its tabs and its columns, the next one to claim, and the first step right from its row."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import DateTimeField, Exists, OuterRef, QuerySet, Value
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.loader import render_to_string
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

import clock
from accounts.desk import Desk, badge, called, deadline, list_url, me, money, page_url
from refunds import worklist
from refunds.admin import leaving
from refunds.admin.desk_steps import DESK
from refunds.admin.dialogs import reason_of
from refunds.lifecycle import STEPS, StepRefused, guards
from refunds.models import LineStatus, PayoutLine, Queue, Refund
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


class ClaimFilter(admin.SimpleListFilter):
    """Whose desk it is on."""

    title = "认领"
    parameter_name = "claimed"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("nobody", "没有人认领"), ("me", "我认领的"), ("others", "同事认领的")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Refund]) -> QuerySet[Refund]:
        user, at = me(request), clock.now()
        if self.value() == "nobody":
            return queryset.filter(worklist.unclaimed(at=at))
        if self.value() == "me":
            return queryset.filter(worklist.on_my_desk(user, at=at))
        if self.value() == "others":
            return queryset.exclude(worklist.unclaimed(at=at)).exclude(claimed_by=user)
        return queryset


class CaseList(Desk):
    """退款单 by queue, the most urgent first."""

    list_display = ("number", "buyers_name", "shops_name", "amount", "why", "state", "waits_for", "due", "at_once")
    list_display_links = ("number",)
    list_filter = (QueueFilter, ClaimFilter, "status", "lane", "is_complete")
    exact_search = (
        "refund_no",
        "order__order_no",
        "payment__payment_no",
        "disbursements__attempt__request_no",
        "buyer__username",
    )
    search_help_text = "退款单号 / 订单号 / 收款单号 / 商户退款单号 / 买家账号"
    list_before_template = "admin/refunds/refund/tabs.html"

    def get_urls(self) -> list[URLPattern]:
        own = path("claim-next/", self.admin_site.admin_view(self.claim_next_view), name="refunds_refund_claim_next")
        return [own, *super().get_urls()]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Refund]:
        rows = Refund.objects.select_related(
            "shop", "order__shop", "order__policy", "payment__account", "buyer", "asked_by", "claimed_by"
        )
        return rows.annotate(
            looked_at=Value(clock.now(), output_field=DateTimeField()),
            looked_by=Value(me(request).pk),
            role=Value(me(request).role),
            in_batch=Exists(PayoutLine.objects.filter(refund=OuterRef("pk"), status=LineStatus.WAITING)),
        )

    def get_list_display(self, request: HttpRequest) -> list[str]:
        """What waits for oneself is decided by its reason: without the shop the buttons fit on a small desk, too."""
        mine = worklist.queue_of(request.GET, request.user) == "mine"
        columns = super().get_list_display(request)
        return [column for column in columns if not (mine and column == "shops_name")]

    def get_ordering(self, request: HttpRequest) -> list[str]:
        return list(worklist.worklist(worklist.queue_of(request.GET, request.user), request.user).order)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        context = {"tabs": _tabs(request), "claims": me(request).role in worklist.CLAIMED}
        return super().changelist_view(request, context | (extra_context or {}))

    def claim_next_view(self, request: HttpRequest) -> HttpResponse:
        """认领下一张: one click, by POST; two who press at once get two cases."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if me(request).role not in worklist.CLAIMED:
            raise PermissionDenied
        try:
            found = worklist.claim_next(me(request), at=clock.now())
        except StepRefused as refusal:
            messages.error(request, str(refusal))
            return HttpResponseRedirect(list_url(Refund))
        if found is None:
            messages.info(request, "没有等您认领的退款单了。")
            return HttpResponseRedirect(list_url(Refund))
        return HttpResponseRedirect(page_url(found))

    # --- columns

    @admin.display(description="单号")
    def number(self, refund: Refund) -> str:
        return refund.refund_no

    @admin.display(description="买家")
    def buyers_name(self, refund: Refund) -> str:
        return refund.buyer.shown_name  # a guest's own name is forty characters that say nothing

    @admin.display(description="店铺")
    def shops_name(self, refund: Refund) -> SafeString:
        return format_html('<span class="desk-clip desk-clip--short" title="{0}">{0}</span>', refund.shop.name)

    amount = money("amount_fen", "金额")

    @admin.display(description="原因")
    def why(self, refund: Refund) -> SafeString:
        return format_html('<span class="desk-clip" title="{0}">{0}</span>', reason_of(refund))

    @admin.display(description="状态")
    def state(self, refund: Refund) -> SafeString:
        marks = [("已催办", "attention")] if refund.urged_at and refund.status in S.reviews() else []
        marks += [("材料齐全", "good")] if refund.is_complete and refund.status in S.reviews() else []
        shown = format_html_join("", " {}", ((badge(word, tone),) for word, tone in marks))
        state = badge(S(refund.status).label, TONE_OF.get(S(refund.status), "progress"))
        return format_html('<span class="desk-marks">{}{}</span>', state, shown)

    @admin.display(description="等谁处理")
    def waits_for(self, refund: Refund) -> SafeString | str:
        if refund.queue == Queue.NOBODY:
            return "–"
        who = str(Queue(refund.queue).label)
        if not guards.is_claimed_by_another(refund, 0, _looked_at(refund)):
            return who
        since = timezone.localtime(refund.claimed_at)
        return format_html(
            '{}<br><small class="desk-quiet">{} {} 认领</small>', who, called(refund.claimed_by), f"{since:%H:%M}"
        )

    @admin.display(description="期限")
    def due(self, refund: Refund) -> SafeString | str:
        return deadline(refund.promised_by, _looked_at(refund))

    @admin.display(description="处理")
    def at_once(self, refund: Refund) -> SafeString | str:
        """A clear case is decided from here: the dialog shows what it is about (two clicks)."""
        name = first_step(refund, refund.role)  # type: ignore[attr-defined]
        if not name or guards.is_claimed_by_another(refund, refund.looked_by, _looked_at(refund)):  # type: ignore[attr-defined]
            return ""
        if name in leaving.RELEASES and refund.in_batch:  # type: ignore[attr-defined]
            return "在发款批次里"
        act = self.get_unfold_action(name)
        button = {
            "title": STEPS[name].title,
            "icon": "",
            "look": "plain",
            "url": reverse(f"admin:{act.action_name}", args=[refund.pk]),
            "about": refund.refund_no,
        }
        return SafeString(render_to_string("admin/desk/button.html", {"button": button}))


def first_step(refund: Refund, role: str) -> str:
    """The step that a row of the queue offers at once; empty where the case must be read first. By the row alone: the
    dialog asks everything again."""
    is_large = refund.amount_fen > refund.order.policy.senior_above_fen
    releases = {"balance": "credit_balance", "account": "request_transfer"}
    release = releases.get(refund.destination, "disburse")
    name = {S.FIRST_REVIEW: "uphold" if is_large else "approve", S.APPROVED: release}.get(S(refund.status), "")
    return name if name in DESK and role in STEPS[name].who else ""


def _looked_at(refund: Refund) -> Any:
    return refund.looked_at  # type: ignore[attr-defined]


def _tabs(request: HttpRequest) -> list[dict[str, Any]]:
    here = worklist.queue_of(request.GET, request.user)
    backlog = worklist.backlog_now(request)
    names = worklist.tabs_of(request.user)
    return [
        {
            "title": worklist.worklist(name, request.user).title,
            "url": list_url(Refund) if name == "mine" else list_url(Refund, queue=name),
            "here": name == here,
            "waiting": backlog.of(name) if name in worklist.COUNTED else None,
        }
        for name in [*names[:-1], *([here] if here not in names else []), names[-1]]
    ]
