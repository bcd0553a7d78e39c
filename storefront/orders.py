"""A buyer's orders: what became of them, and what the buyer can do about each. Paying: ``paying.py``; codes:
``revealing.py``; refunds: ``refunds.py``.
"""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache

import clock
import paging
import private_pictures
from accounts.visitors import SignedIn
from orders import cancellation, delivery, service_jobs, talk, transcript
from orders.models import Cause, Order, OrderStatus, ServiceJob
from payments import charging
from refunds import applying, one_tap
from refunds.applying import AlreadyActive, Application
from refunds.lifecycle import StepRefused
from storefront import guests, policies, reading
from storefront.forms import ReportForm
from storefront.lines import lines_now
from storefront.paying import is_payable
from storefront.standing import given_beside, late_offer, listed, standing


@login_required
def order_list(request: SignedIn) -> HttpResponse:
    page = paging.newest_first(reading.orders_of(request.user), by="placed_at", after=request.GET.get("after", ""))
    rows = [(order, title) for order, title in zip(page.rows, listed(page.rows), strict=True)]
    waits = guests.is_waited_for(request)
    return render(request, "storefront/orders.html", {"page": page, "rows": rows, "waits": waits, "now": clock.now()})


@login_required
@never_cache
def order_page(request: SignedIn, order_no: str) -> HttpResponse:
    """B3: the state in plain words, its deadline, one primary action; below it everything else."""
    order = reading.order_of(request.user, order_no)
    if order.status != OrderStatus.PLACED:
        guests.forget_slip(request)
    return render(request, "storefront/order.html", _facts(request, order))


def _facts(request: SignedIn, order: Order, report: ReportForm | None = None) -> dict[str, Any]:
    at = clock.now()
    lines = lines_now(order)
    payable = is_payable(order, at)
    has_unseen = any(now.can_reveal and not now.is_seen for now in lines)
    needs_no_code = any(now.topup or now.service for now in lines)
    entry = reading.refund_entry(order, at=at)
    return {
        "order": order,
        "lines": lines,
        "standing": standing(order, lines, at=at, is_payable=payable),
        "has_unseen": has_unseen,
        "money_back": reading.money_back(order, at=at),
        "given_beside": given_beside(order) if order.paid_at else [],
        "payment": applying.paid_payment(order),
        "surpluses": reading.surplus_of(order),
        "entry": entry,
        "one_tap": one_tap.offer(order.policy, entry.seen),
        "late": late_offer(order, lines, at=at),
        "is_payable": payable,
        "can_cancel": bool(cancellation.offer(order)),
        "can_confirm": order.status == OrderStatus.DELIVERED and needs_no_code and not has_unseen,
        "report": report or ReportForm(),
        "may_review": order.status == OrderStatus.COMPLETED,
    }


# --- what is kept -----------------------------------------------------------------------------------------------------


@login_required
def voucher(request: SignedIn, order_no: str) -> HttpResponse:
    """订单凭证, to print or to keep (S1-25, S3-16)."""
    order = reading.order_of(request.user, order_no)
    payment = applying.paid_payment(order)
    if payment is None:
        messages.info(request, _("付款成功后才有订单凭证。"))
        return redirect("storefront:order", order_no)
    return render(request, "storefront/voucher.html", {"order": order, "payment": payment, "lines": lines_now(order)})


@login_required
def policy_text(request: SignedIn, order_no: str) -> HttpResponse:
    """The terms that this order was placed under, as a text to keep (S4-17)."""
    order = reading.order_of(request.user, order_no)
    answer = HttpResponse(policies.of_order(order), content_type="text/plain; charset=utf-8")
    answer.headers["Content-Disposition"] = f'attachment; filename="{order.order_no}-refund-policy.txt"'
    return answer


# --- canceling, confirming, taking the money back ---------------------------------------------------------------------


@login_required
@never_cache
def cancel(request: SignedIn, order_no: str) -> HttpResponse:
    """取消 by the buyer: unpaid, or paid with something that nobody has begun to deliver (S4-6)."""
    order = reading.order_of(request.user, order_no)
    causes = [Cause(cause) for cause in cancellation.offer(order)]
    if order.status != OrderStatus.PLACED and not causes:
        messages.info(request, _("这张订单现在不能取消；若有问题，可以申请退款。"))
        return redirect("storefront:order", order_no)
    chosen = request.POST.get("cause", "")
    if request.method == "POST" and order.status == OrderStatus.PLACED:
        return _call_off(request, order)
    if request.method == "POST" and chosen in causes:
        return _cancel(request, order, Cause(chosen))
    facts = {"order": order, "causes": causes, "nothing_chosen": request.method == "POST"}
    return render(request, "storefront/order_cancel.html", facts)


def _cancel(request: SignedIn, order: Order, cause: Cause) -> HttpResponse:
    try:
        cancellation.cancel(order, cause=cause, by=request.user, at=clock.now())
    except cancellation.CannotCancel as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(request, _("订单已取消，款项自动原路退回。"))
    return redirect("storefront:order", order.order_no)


def _call_off(request: SignedIn, order: Order) -> HttpResponse:
    """An order that nobody paid: its till is closed first, so that nobody pays for what is gone."""
    try:
        charging.call_off(order, by=request.user, at=clock.now())
    except charging.StillOpenElsewhere:
        messages.info(request, _("正在请支付渠道关闭付款，关闭后订单自动取消；若恰好已付款，会自动原路退回。"))
    except charging.OrderIsNotPayable:
        messages.info(request, _("付款可能已经成功，订单没有取消。请稍候刷新，看订单状态。"))
    else:
        messages.success(request, _("订单已取消，没有扣款。"))
    return redirect("storefront:order", order.order_no)


@login_required
def confirm(request: SignedIn, order_no: str) -> HttpResponse:
    """确认收货, for what has no code to be seen."""
    order = reading.order_of(request.user, order_no)
    if request.method == "POST" and order.status == OrderStatus.DELIVERED:
        try:
            delivery.confirm(order, by=request.user, at=clock.now())
        except delivery.NotTheBuyer:  # claimed since it was read
            raise Http404 from None
        messages.success(request, _("已确认收货。售后期内有问题仍可申请退款。"))
    return redirect("storefront:order", order_no)


@login_required
def take_back(request: SignedIn, order_no: str) -> HttpResponse:
    """超时一键退款: the promise is broken, and one tap asks for what was not delivered."""
    order = reading.order_of(request.user, order_no)
    at = clock.now()
    offer = late_offer(order, lines_now(order), at=at)
    if request.method != "POST" or offer is None:
        return redirect("storefront:order", order_no)
    try:
        wish = Application(reason="late", description=_("超过承诺的交付时间，一键退款"), line_ids=offer.line_ids)
        refund = applying.submit(order, wish, by=request.user, at=at)
    except AlreadyActive as active:
        messages.info(request, str(active))
        return redirect("storefront:refund", active.refund_no)
    except StepRefused as refusal:
        messages.error(request, str(refusal))
        return redirect("storefront:order", order_no)
    return redirect("storefront:refund", refund.refund_no)


# --- talking, and showing how the work stands -------------------------------------------------------------------------


@login_required
def say(request: SignedIn, order_no: str) -> HttpResponse:
    """留言 to the shop, before any refund too (S4-27)."""
    order = reading.order_of(request.user, order_no)
    if request.method == "POST":
        try:
            talk.say(order, request.POST.get("text", ""), by=request.user, at=clock.now())
        except talk.CannotSpeak as refusal:
            messages.error(request, str(refusal))
    return redirect(_where_it_was_said(order, request.POST.get("case", "")) + "#talk")


def _where_it_was_said(order: Order, refund_no: str) -> str:
    """The page of a case of this order, or else the order's own."""
    if any(refund.refund_no == refund_no for refund in order.refunds.all()):
        return reverse("storefront:refund", args=[refund_no])
    return reverse("storefront:order", args=[order.order_no])


@login_required
@never_cache
def talk_text(request: SignedIn, order_no: str) -> HttpResponse:
    """导出沟通记录, for the order's buyer, its shop and staff; for others it is not there (S1-26, X7)."""
    order = get_object_or_404(Order.objects.select_related("shop"), order_no=order_no)
    if not talk.may_read(order, request.user):
        raise Http404(order_no)
    answer = HttpResponse(transcript.of(order, at=clock.now()), content_type="text/plain; charset=utf-8")
    answer.headers["Content-Disposition"] = f'attachment; filename="{order.order_no}-talk.txt"'
    return answer


@login_required
def report(request: SignedIn, order_no: str, position: int) -> HttpResponse:
    """The buyer's side of a service: words, or a picture of how it really stands (S2-16)."""
    order = reading.order_of(request.user, order_no)
    job = ServiceJob.objects.filter(line__order=order, line__position=position).first()
    if job is None:
        raise Http404(order_no)
    if request.method != "POST":
        return redirect("storefront:order", order_no)
    form = ReportForm(request.POST, request.FILES)
    if form.is_valid():
        try:
            service_jobs.report(job, by=request.user, by_shop=False, at=clock.now(), **form.cleaned_data)
        except service_jobs.CannotServe as refusal:
            form.add_error(None, str(refusal))
        else:
            messages.success(request, _("已提交，商家和平台都能看到。"))
            return redirect(reverse("storefront:order", args=[order_no]) + f"#line-{position}")
    return render(request, "storefront/order.html", _facts(request, order, form))


@login_required
def report_image(request: SignedIn, report_id: Any) -> HttpResponseBase:
    """A picture of a service, for its buyer, its shop and staff; for others it is not there (X7)."""
    row = service_jobs.image_for(report_id, request.user)
    if row is None:
        raise Http404(report_id)
    return private_pictures.shown(row)
