"""一键退款: what our own records prove needs no form."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _

from accounts.visitors import SignedIn
from refunds import applying, one_tap
from refunds import reading as case
from refunds.applying import AlreadyActive, Application
from refunds.lifecycle import StepRefused
from storefront.applying.check import sent
from storefront.applying.way import PLACES, Writing, step, weighed
from storefront.device import key_of
from storefront.reading import sums


@step
def take_one_tap(request: SignedIn, writing: Writing) -> HttpResponse:
    """一键退款: what our own records prove needs no form. GET says what it means, POST does it (S3-25, S3-27)."""
    order = writing.order
    offer = one_tap.offer(order.policy, writing.entry.seen)
    if offer is None:
        messages.info(request, _("这张订单现在不能一键退款，请按步骤申请。"))
        return redirect(PLACES["reason"], order.order_no)
    is_sent = request.method == "POST"
    if is_sent and request.POST.get("amount") != str(offer.seen.amounts.refund_fen):
        messages.warning(request, _("可退金额有变化，请再核对一遍，然后确认。"))
    elif is_sent:
        wish = Application(reason=offer.reason, device_key=key_of(request))
        try:
            return sent(request, applying.submit(order, wish, by=request.user, at=writing.at))
        except AlreadyActive as active:
            messages.info(request, str(active))
            return redirect("storefront:refund", active.refund_no)
        except StepRefused as refusal:
            messages.error(request, str(refusal))
            return redirect(PLACES["reason"], order.order_no)
    facts = {
        "order": order,
        "reason": case.reason_title(offer.reason),
        "sums": sums(offer.seen, writing.refundable),
        "verdict": weighed(offer.seen.verdict, offer.seen),
        "payment": applying.paid_payment(order),
        "amount": offer.seen.amounts.refund_fen,
    }
    return render(request, "storefront/apply/one_tap.html", facts)
