"""通知: the one way to tell somebody something. In the site at once; by message as each reader chose."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from django.db import transaction

import workqueue
from notices import preferences
from notices.models import Notice, NoticeDelivery
from writing import insert

SWEEP = "notices.sweep"


def tell(news: Iterable[Notice]) -> None:
    """Write these notices, unsaved till now, and the deliveries of them, in the caller's transaction.

    One notice per source and reader: telling the same twice tells it once. Three queries more however many they are,
    one more if nobody among them is reached by a message.
    """
    notices = list(news)
    if not notices:
        return
    with transaction.atomic(savepoint=False):
        insert(notices, once=True)
        _send_out(notices)


def _send_out(notices: Sequence[Notice]) -> None:
    readers = preferences.readers(notice.recipient_id for notice in notices)
    wanted = [
        (notice, channel, readers[notice.recipient_id].settings)
        for notice in notices
        if notice.recipient_id in readers
        for channel in preferences.goes_by(notice)
        if not readers[notice.recipient_id].why_not(notice, channel)
    ]
    if not wanted:
        return
    keys = _keys([notice for notice, _channel, _settings in wanted])
    NoticeDelivery.objects.bulk_create(
        [
            NoticeDelivery(
                notice_id=keys[notice.recipient_id, notice.source],
                channel=channel,
                created_at=notice.created_at,
                next_due_at=preferences.due_at(notice, settings, at=notice.created_at),
            )
            for notice, channel, settings in wanted
        ],
        ignore_conflicts=True,
    )
    workqueue.ring(SWEEP)


def _keys(notices: Sequence[Notice]) -> dict[tuple[int, str], int]:
    """The rows' keys: the database does not tell them where a notice was there before."""
    rows = Notice.objects.filter(
        recipient__in={notice.recipient_id for notice in notices}, source__in={notice.source for notice in notices}
    )
    return {(reader, source): pk for pk, reader, source in rows.values_list("pk", "recipient_id", "source")}
