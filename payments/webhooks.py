"""异步通知: verify, store, answer; then the query decides (I14). The only views without CSRF protection.

Always answered fast: a notification makes its payment or attempt due and rings the bell, nothing more.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime

from django.db import transaction
from django.db.models import F
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

import clock
import workqueue
from payments import channels, charging, refunding
from payments.gateways.base import Notification, NotificationKind, NotificationRefused
from payments.models import ChannelAccount, ChannelNotification, Payment, RefusedNotification

log = logging.getLogger(__name__)
MAX_BYTES = 64 * 1024


@csrf_exempt
@require_POST
def wechat(request: HttpRequest, kind: str) -> HttpResponse:
    """WeChat's notification of a ``payment`` or a ``refund``: 204 received, 400 refused (it will be sent again)."""
    at = clock.now()
    account = channels.wechat_account()
    try:
        notification = channels.gateway(account.code).read_notification(
            request.headers, _body(request), real_time=datetime.now(UTC)
        )
    except NotificationRefused as refusal:
        _count_refusal(account, refusal.code, at)
        return JsonResponse({"code": "FAIL", "message": refusal.code}, status=400)
    receive(account, notification, at=at)
    return HttpResponse(status=204)


def receive(account: ChannelAccount, notification: Notification, *, at: datetime) -> None:
    """Store once, and make what it is about due. A repeat, or one about a number that is not ours, changes nothing."""
    with transaction.atomic():
        row = ChannelNotification(
            account=account,
            notification_id=notification.notification_id,
            kind=notification.kind.value,
            payment_no=notification.payment_no,
            request_no=notification.request_no,
            facts=dict(notification.facts),
            received_at=at,
        )
        ChannelNotification.objects.bulk_create([row], ignore_conflicts=True)
        if notification.kind is NotificationKind.REFUND:
            refunding.hint(notification.request_no, at=at)
        else:
            Payment.objects.filter(payment_no=notification.payment_no, status__in=charging.OPEN).update(next_due_at=at)
            workqueue.ring(refunding.SWEEP)


def _body(request: HttpRequest) -> bytes:
    """At most MAX_BYTES are ever read, whatever the sender announces."""
    announced = request.headers.get("Content-Length", "")
    if not announced.isdecimal() or int(announced) > MAX_BYTES:
        raise NotificationRefused("too_large")
    return request.body


def _count_refusal(account: ChannelAccount, code: str, at: datetime) -> None:
    log.warning("notification refused: %s", code)
    hour = at.replace(minute=0, second=0, microsecond=0)
    counter, fresh = RefusedNotification.objects.get_or_create(
        account=account, code=code[:40], hour=hour, defaults={"last_at": at}
    )
    if not fresh:
        RefusedNotification.objects.filter(pk=counter.pk).update(count=F("count") + 1, last_at=at)
