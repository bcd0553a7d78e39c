"""Which events of refunds are told to whom: read after they were committed, none left out, none told twice.

Refunds know nothing of webhooks, and a step costs nothing more because of them: the events are read by their number.
But numbers are drawn before they are committed: 17 may appear after 18. So nothing is settled by its number alone.
``seen_id`` is noted first, then PostgreSQL's next transaction number. Whoever may still write a lower event holds a
lower transaction number by then, for a step locks its case, and an application its order, before it writes. Once every
transaction below is over, everything up to ``seen_id`` has been written or never will be. Until then what lies between
is read again, and what has its delivery is passed over.
"""

from __future__ import annotations

from datetime import datetime

from django.db import connection, transaction
from django.db.models import Max

from integrations.models import FeedMark, WebhookDelivery
from refunds.models import RefundEvent

BATCH = 500

#: Events past the mark, each with every address that asked for it and has no delivery of it.
UNTOLD = """
SELECT webhook.id, event.id, 'refund.' || event.to_status
FROM refunds_refundevent AS event
JOIN refunds_refund AS refund ON refund.id = event.refund_id
JOIN integrations_webhookendpoint AS webhook
  ON webhook.shop_id = refund.shop_id AND webhook.is_on AND webhook.created_at <= event.at
 AND ('refund.' || event.to_status) = ANY (webhook.events)
JOIN shops_shop AS shop ON shop.id = webhook.shop_id AND shop.status IN ('open', 'leaving') -- as its keys are served
WHERE event.id > %s AND event.to_status <> event.from_status
  AND NOT EXISTS (SELECT FROM integrations_webhookdelivery AS told
                  WHERE told.endpoint_id = webhook.id AND told.event_id = event.id)
ORDER BY event.id, webhook.id
LIMIT %s
"""


def read(*, at: datetime) -> int:
    """Make the deliveries of what has happened, up to a batch. Returns how many there were."""
    if not _is_anything_new():
        return 0
    with transaction.atomic():
        mark = FeedMark.objects.select_for_update(no_key=True, skip_locked=True).filter(pk=1).first()
        if mark is None:
            return 0  # somebody else reads
        may_settle = _number("pg_snapshot_xmin") >= mark.seen_xid
        made = _make(mark.settled_id, at)
        if may_settle and made < BATCH:
            mark.settled_id = mark.seen_id
            mark.seen_id = _last_event()  # first the event, …
            mark.seen_xid = _number("pg_snapshot_xmax")  # … then the transactions that may write a lower one
            mark.save()
    return made


def _is_anything_new() -> bool:
    mark, _made = FeedMark.objects.get_or_create(pk=1)
    return mark.settled_id < _last_event()


def _make(settled_id: int, at: datetime) -> int:
    with connection.cursor() as cursor:
        cursor.execute(UNTOLD, [settled_id, BATCH])
        rows = cursor.fetchall()
    WebhookDelivery.objects.bulk_create(
        [
            WebhookDelivery(endpoint_id=endpoint, event_id=event, kind=kind, created_at=at, next_due_at=at)
            for endpoint, event, kind in rows
        ],
        ignore_conflicts=True,
    )
    return len(rows)


def _last_event() -> int:
    return RefundEvent.objects.aggregate(last=Max("pk"))["last"] or 0


def _number(function: str) -> int:
    """Of the transactions at this moment: the oldest under way (``…_xmin``), or the next there will be (``…_xmax``)."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {function}(pg_current_snapshot())::text::bigint")  # noqa: S608 - our own two words
        (number,) = cursor.fetchone()
    return int(number)
