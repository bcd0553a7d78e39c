"""异步通知: verify, store, answer; then the query decides (I14). The only views without CSRF protection.

Always answered fast: a notification makes its payment or attempt due and rings the bell, nothing more.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime

from django.db import transaction
from django.db.models import F
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

import clock
from payments import channels, charging, refunding
from payments.gateways.base import GatewayMisconfigured, Notification, NotificationKind, NotificationRefused, Reply
from payments.models import ChannelAccount, ChannelNotification, RefusedNotification
from writing import insert

log = logging.getLogger(__name__)
MAX_BYTES = 64 * 1024


@csrf_exempt
@require_POST
def notified(request: HttpRequest, account_code: str) -> HttpResponse:
    """A channel's notification to one of its accounts, answered exactly as that channel wants it."""
    at = clock.now()
    try:
        account = channels.account(account_code)
    except LookupError:
        return HttpResponse(status=404)
    try:
        gateway = channels.gateway(account)
    except GatewayMisconfigured as error:
        log.error("channel account %s cannot read its notifications: %s", account.code, error)
        return HttpResponse(status=503)  # to be sent again, when our keys are mended
    try:
        notification = gateway.read_notification(request.headers, _body(request), real_time=datetime.now(UTC))
    except NotificationRefused as refusal:
        _count_refusal(account, refusal.code, at)
        return _answer(gateway.refused(refusal.code))
    receive(account, notification, at=at)
    return _answer(gateway.received())


def _answer(reply: Reply) -> HttpResponse:
    return HttpResponse(reply.body, status=reply.status, content_type=reply.content_type if reply.body else None)


def receive(account: ChannelAccount, notification: Notification, *, at: datetime) -> None:
    """Store once, and make what it is about due. A repeat only asks again; a number not ours changes nothing."""
    with transaction.atomic():
        row = ChannelNotification(
            account=account,
            notification_id=notification.notification_id,
            kind=notification.kind.value,
            payment_no=notification.payment_no,
            request_no=notification.request_no,
            complaint_id=notification.complaint_id,
            facts=dict(notification.facts),
            received_at=at,
        )
        insert([row], once=True)
        if notification.kind is NotificationKind.REFUND:
            refunding.hint(account, notification.request_no, payment_no=notification.payment_no, at=at)
        elif notification.kind is NotificationKind.PAYMENT:
            charging.hint(account, notification.payment_no, at=at)


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
