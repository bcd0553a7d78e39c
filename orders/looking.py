"""查看服务对象: a shop's people see whom a service is for, in full, only while they work on it; each look is recorded.

Top-ups never need it: their supplier is told by the machine.
"""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext as _

from accounts.models import User
from orders import history, recipients
from orders.models import Order, OrderStatus, OrderStep, ServiceJob, ServiceStatus
from orders.recipients import Recipient
from shops import rights


class CannotSee(Exception):
    """No open service, or not this person's to see. The message is for them."""


def may_see_recipient(order: Order) -> bool:
    """Whether work on this order is open, so that its recipient is needed."""
    open_jobs = ServiceJob.objects.filter(
        line__order=order, line__cancellation_line=None, status__in=[ServiceStatus.WAITING, ServiceStatus.WORKING]
    )
    return order.status == OrderStatus.PAID and bool(order.recipient_key_id) and open_jobs.exists()


def see_recipient(order: Order, *, by: User, at: datetime) -> Recipient:
    """The recipient in full; who looked, and when, stands in the order's record first. Raises CannotSee."""
    with transaction.atomic():
        locked = Order.objects.select_for_update(no_key=True, of=("self",)).select_related("shop").get(pk=order.pk)
        if not rights.may(by, locked.shop, "orders"):
            raise CannotSee(_("您不能查看这张订单的充值对象。"))
        if not may_see_recipient(locked):
            raise CannotSee(_("服务未在进行，不再显示完整的充值对象。"))
        history.record([locked], OrderStep.SEE_RECIPIENT, at=at, by=by)
        found = recipients.of(locked)
    if found is None:
        raise CannotSee(_("这张订单没有充值对象。"))
    return found
