"""Reading notices: how many are new, which, and marking them as read."""

from __future__ import annotations

from datetime import datetime

from django.db.models import QuerySet

from accounts.models import User
from notices.models import Notice


def of(reader: User) -> QuerySet[Notice]:
    return Notice.objects.filter(recipient=reader)


def unread_count(reader: User) -> int:
    return of(reader).filter(read_at=None).count()


def mark_read(notices: QuerySet[Notice], *, at: datetime) -> None:
    """已读. What was read before keeps its first time."""
    notices.filter(read_at=None).update(read_at=at)
