"""公告: what every page shows between two moments (S2-20)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from orders.models import Announcement

MOST_SHOWN = 3


def current(at: datetime) -> Sequence[Announcement]:
    """The banners of this moment, the newest first. One look at the index of those that have not ended."""
    shown = Announcement.objects.filter(ends_at__gt=at, starts_at__lte=at)
    return list(shown.order_by("-starts_at", "-pk")[:MOST_SHOWN])
