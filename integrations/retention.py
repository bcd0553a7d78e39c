"""How long deliveries of webhooks are kept.

What was delivered goes after 90 days: longer than a shop looks for a letter of its own, and the refund itself says
for ever what it told. What was given up stays, so that nobody is told that a letter came which never did. A delivery of
an event that ``feed.py`` might still read stays as well, for without it the event would be told once more.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import Q

from integrations.models import DeliveryStatus, FeedMark, WebhookDelivery

KEPT = timedelta(days=90)
BATCH = 500


def prune(*, at: datetime) -> int:
    """Delete what was delivered longer ago, up to a batch. Returns how many; call until there are none."""
    settled_id = FeedMark.objects.filter(pk=1).values_list("settled_id", flat=True).first() or 0
    with transaction.atomic():
        old = WebhookDelivery.objects.filter(
            Q(event=None) | Q(event__lte=settled_id),
            pk__lt=_first_number_of(at - KEPT),
            status=DeliveryStatus.DELIVERED,
            delivered_at__lt=at - KEPT,
        )
        rows = old.select_for_update(no_key=True, skip_locked=True, of=("self",)).order_by("pk")
        keys = list(rows.values_list("pk", flat=True)[:BATCH])
        WebhookDelivery.objects.filter(pk__in=keys).delete()
    return len(keys)


def _first_number_of(at: datetime) -> UUID:
    """The least key (UUIDv7) of this moment: so that the primary key finds what is old."""
    return UUID(int=int(at.timestamp() * 1000) << 80)
