"""A shop's orders: what must be delivered next, and each order's page with its promise, its work and its talk (M4)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

import clock
import paging
from accounts.visitors import SignedIn
from orders import cancellation, looking, service_jobs, talk
from orders.models import Cause, Order, OrderLine, OrderStatus, ServiceJob, ServiceReport, ServiceStatus
from orders.recipients import Recipient
from portal.door import Here, for_members, order_of, posted, show
from portal.forms import CancelForm, MessageForm, ReportForm

MOST_WAITING = 50  # shown of what must be delivered: the most urgent; the rest follows as these are done
MOST_REPORTS = 50  # of each job, the newest


@for_members("orders")
def order_list(request: SignedIn, here: Here) -> HttpResponse:
    """What must be delivered, overdue first; all, newest first, if asked for or if there is nothing to deliver."""
    orders = Order.objects.filter(shop=here.shop).select_related("shop", "policy").prefetch_related("lines", "refunds")
    orders = orders.annotate(last_said_by=talk.last_said_by())
    asked, after = request.GET.get("show"), request.GET.get("after", "")
    if asked != "all" and not after:
        waiting = list(orders.filter(status=OrderStatus.PAID).order_by("promised_at", "pk")[: MOST_WAITING + 1])
        if waiting or asked == "waiting":
            facts = {"rows": waiting[:MOST_WAITING], "is_cut": len(waiting) > MOST_WAITING, "waiting": True}
            return show(request, here, "orders.html", facts | {"at": clock.now()})
    page = paging.newest_first(orders, by="placed_at", after=after)
    return show(request, here, "orders.html", {"page": page, "rows": page.rows, "keep": "show=all&", "at": clock.now()})


@for_members("orders")
@never_cache
def order_page(request: SignedIn, here: Here, order_no: str) -> HttpResponse:
    return _page(request, here, order_of(request, order_no))


@for_members("talk")
@require_POST
def say(request: SignedIn, here: Here, order_no: str) -> HttpResponse:
    """留言 for the shop."""
    order = order_of(request, order_no)
    form = MessageForm(request.POST)
    if form.is_valid():
        try:
            talk.say(order, form.cleaned_data["text"], by=request.user, at=clock.now())
        except talk.CannotSpeak as refusal:
            form.add_error("text", str(refusal))
        else:
            return _where_it_was_said(order, request.POST.get("case", ""))
    return _page(request, here, order, message_form=form)


def _where_it_was_said(order: Order, refund_no: str) -> HttpResponse:
    """The page of a case of this order, or else the order's own."""
    if refund_no in order.refunds.values_list("refund_no", flat=True):  # anybody may have typed it
        return redirect(reverse("portal:refund", args=[refund_no]) + "#talk")
    return _back(order, "talk")


@for_members("orders")
@never_cache
def cancel(request: SignedIn, here: Here, order_no: str) -> HttpResponse:
    """缺货取消: the page says what it costs, the button does it."""
    order = order_of(request, order_no)
    if not cancellation.can_cancel(order):
        messages.info(request, _("这张订单现在不能取消。交不出的，请在这里和买家商量，由买家申请退款。"))
        return _back(order, "talk")
    form = CancelForm(*posted(request))
    if request.method == "POST" and form.is_valid():
        try:
            canceled = cancellation.cancel(
                order, cause=Cause.OUT_OF_STOCK, by=request.user, at=clock.now(), reason=form.cleaned_data["reason"]
            )
        except cancellation.CannotCancel as refusal:
            messages.error(request, str(refusal))
        else:
            messages.success(request, _("已取消，买家的款项正在原路退回。"))
            if canceled.penalty_fen:
                messages.info(request, _("商家原因取消，违约金将从货款付给买家。"))
        return _back(order)
    facts = {"order": order, "form": form, "cost": cancellation.cost(order, Cause.OUT_OF_STOCK)}
    return show(request, here, "cancel.html", facts)


@for_members("orders")
@require_POST
@never_cache
def see_recipient(request: SignedIn, here: Here, order_no: str) -> HttpResponse:
    """查看完整的充值对象: recorded first, shown in this very answer, kept nowhere."""
    order = order_of(request, order_no)
    try:
        recipient = looking.see_recipient(order, by=request.user, at=clock.now())
    except looking.CannotSee as refusal:
        messages.error(request, str(refusal))
        return _back(order)
    return _page(request, here, order, recipient=recipient)


@for_members("orders")
@require_POST
def start(request: SignedIn, here: Here, order_no: str, position: int) -> HttpResponse:
    """开始服务."""
    order = order_of(request, order_no)
    try:
        service_jobs.start(_job(order, position), by=request.user, at=clock.now())
    except service_jobs.CannotServe as refusal:
        messages.error(request, str(refusal))
    return _back(order, f"line-{position}")


@for_members("orders")
@require_POST
def report(request: SignedIn, here: Here, order_no: str, position: int) -> HttpResponse:
    """提交进度与凭证."""

    def act(job: ServiceJob, said: dict[str, Any]) -> None:
        service_jobs.report(job, by=request.user, by_shop=True, at=clock.now(), **said)

    return _hand_in(request, here, order_no, position, act, _("进度已提交，买家会收到通知。"))


@for_members("orders")
@require_POST
def hand_over(request: SignedIn, here: Here, order_no: str, position: int) -> HttpResponse:
    """交付成果: done, whatever percentage stands in the form."""

    def act(job: ServiceJob, said: dict[str, Any]) -> None:
        service_jobs.hand_over(job, by=request.user, at=clock.now(), text=said["text"], image=said["image"])

    return _hand_in(request, here, order_no, position, act, _("已交付，等待买家确认。"))


def _hand_in(
    request: SignedIn, here: Here, order_no: str, position: int, act: Callable[[ServiceJob, dict[str, Any]], None],
    done: str,
) -> HttpResponse:  # fmt: skip
    """One form, two buttons: what was typed in goes where its button says, or comes back with what is wrong."""
    order = order_of(request, order_no)
    job = _job(order, position)
    form = ReportForm(request.POST, request.FILES, prefix=f"report-{position}")
    if form.is_valid():
        try:
            act(job, form.cleaned_data)
        except service_jobs.CannotServe as refusal:
            form.add_error(None, str(refusal))
        else:
            messages.success(request, done)
            return _back(order, f"line-{position}")
    return _page(request, here, order, job_forms={position: form}, pictures_lost=bool(request.FILES))


# --- what the page shows ----------------------------------------------------------------------------------------------


def _page(
    request: SignedIn, here: Here, order: Order, *, message_form: MessageForm | None = None,
    recipient: Recipient | None = None, job_forms: dict[int, Any] | None = None, pictures_lost: bool = False,
) -> HttpResponse:  # fmt: skip
    at = clock.now()
    facts = {
        "order": order,
        "at": at,
        "clock": _promise(order, at),
        "lines": _with_work(_lines(order), job_forms or {}),
        "may_cancel": cancellation.can_cancel(order),
        "recipient": recipient,
        "may_see_recipient": recipient is None and looking.may_see_recipient(order),
        "message_form": message_form or MessageForm(),
        "refunds": order.refunds.order_by("-pk")[:20],
        "pictures_lost": pictures_lost,
    }
    return show(request, here, "order.html", facts)


def _promise(order: Order, at: datetime) -> dict[str, Any] | None:
    """承诺交付: until when, and whether it is broken."""
    if order.promised_at is None or order.status not in {
        OrderStatus.PAID,
        OrderStatus.DELIVERED,
        OrderStatus.COMPLETED,
    }:
        return None
    done = order.delivered_at or at
    return {
        "by": order.promised_at,
        "is_late": done > order.promised_at,
        "is_running": order.status == OrderStatus.PAID,
        "minutes": abs(int((order.promised_at - at).total_seconds())) // 60,
    }


def _lines(order: Order) -> QuerySet[OrderLine]:
    """Without any sealed text: what a code is stands on no page of a shop."""
    rows = order.lines.select_related("delivery__code", "cancellation_line__cancellation", "topup", "service")
    return rows.defer("delivery__code__sealed").order_by("position")


def _with_work(lines: Iterable[OrderLine], forms: dict[int, Any]) -> list[dict[str, Any]]:
    rows = list(lines)
    reports = service_jobs.latest_reports([line.service for line in rows if hasattr(line, "service")], MOST_REPORTS)
    return [_line(line, forms.get(line.position), reports) for line in rows]


def _line(line: OrderLine, form: Any, reports: dict[int, list[ServiceReport]]) -> dict[str, Any]:
    job: ServiceJob | None = getattr(line, "service", None)
    prefix = f"report-{line.position}"
    is_working = job is not None and job.status == ServiceStatus.WORKING
    return {
        "line": line,
        "job": job,
        "reports": reports.get(job.pk, []) if job else [],
        "form": form or (ReportForm(prefix=prefix) if is_working else None),
    }


def _job(order: Order, position: int) -> ServiceJob:
    return get_object_or_404(ServiceJob, line__order=order, line__position=position)


def _back(order: Order, place: str = "") -> HttpResponse:
    answer = redirect("portal:order", order.order_no)
    if place:
        answer["Location"] += f"#{place}"
    return answer
