"""Sending what ``telling.py`` made, in three phases: commit the intent, call with no transaction open, commit the
outcome.

Whoever dies in between leaves a lease that ends; the message goes out once more, under the same number. What was given
up stands on the desk for people, and before its reader in the site as ever.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache

from django.db import transaction

import asking
import workqueue
from notices import channels, letters, preferences
from notices.channels import SendFailed
from notices.models import DeliveryStatus, NoticeDelivery
from notices.preferences import Reader
from notices.telling import SWEEP

log = logging.getLogger(__name__)

#: After each failure but the last: 21 hours in all. Then a person reads of it on the desk.
PAUSES = [
    timedelta(seconds=30), timedelta(minutes=2), timedelta(minutes=10), timedelta(minutes=30), timedelta(hours=2),
    timedelta(hours=6), timedelta(hours=12),
]  # fmt: skip
BATCH = THREADS = 16
LEASE = timedelta(minutes=2)
WRITTEN = ["status", "next_due_at", "leased_until", "tries", "last_tried_at", "last_error"]


@dataclass(frozen=True)
class Letter:
    """A claimed delivery and whom it is for, as both were then."""

    row: NoticeDelivery
    reader: Reader


Outcome = str | SendFailed


def sweep(*, at: datetime) -> int:
    """Send what is due, up to a batch. Returns how many rows it had in hand."""
    count, letters_due = claim(at)
    record(call(letters_due), at=at)
    return count


def claim(at: datetime) -> tuple[int, list[Letter]]:
    """The intent: whatever becomes of the call, this was a try. What its reader does not want any more is dropped,
    what fell into their quiet hours waits for the end of them. Returns how many were looked at, and those to send."""
    with transaction.atomic():
        due = NoticeDelivery.objects.select_related("notice")
        rows = workqueue.claim(due, at=at, limit=BATCH, lease=LEASE)
        readers = preferences.readers(row.notice.recipient_id for row in rows) if rows else {}
        going = [Letter(row, reader) for row in rows if (reader := _prepared(row, readers, at))]
        NoticeDelivery.objects.bulk_update(rows, WRITTEN)
    return len(rows), going


def call(due: Sequence[Letter]) -> list[tuple[Letter, Outcome]]:
    """Ask each provider, in threads that touch no database; the answer is its number of it, or why there is none."""
    asking.demand_no_transaction()
    return list(_pool().map(lambda letter: (letter, _answer(letter)), due))


def record(outcomes: Sequence[tuple[Letter, Outcome]], *, at: datetime) -> None:
    """Write down what came of it."""
    if not outcomes:
        return
    asked = {letter.row.pk: (letter, outcome) for letter, outcome in outcomes}
    with transaction.atomic():
        rows = NoticeDelivery.objects.select_for_update(no_key=True).filter(pk__in=list(asked)).order_by("pk")
        held = [row for row in rows if _is_ours(row, asked[row.pk][0].row)]
        for row in held:
            _write(row, *asked[row.pk], at)
        NoticeDelivery.objects.bulk_update(held, [*WRITTEN, "sent_at", "sent_to", "provider_number"])


def send_again(row: NoticeDelivery, *, at: datetime) -> bool:
    """A person has it tried anew. Returns False if it is not one that was given up."""
    with transaction.atomic():
        found = NoticeDelivery.objects.filter(pk=row.pk, status=DeliveryStatus.GIVEN_UP)
        locked = found.select_for_update(no_key=True).first()
        if locked is None:
            return False
        locked.status, locked.next_due_at, locked.tries = DeliveryStatus.WAITING, at, 0
        locked.save(update_fields=["status", "next_due_at", "tries"])
        workqueue.ring(SWEEP)
    return True


def _prepared(row: NoticeDelivery, readers: dict[int, Reader], at: datetime) -> Reader | None:
    """Whom this row goes to now, with the try counted; None if it does not go now."""
    reader = readers.get(row.notice.recipient_id)
    refused = reader.why_not(row.notice, row.channel) if reader else "no_address"
    if reader is None or refused:
        row.status, row.next_due_at, row.leased_until, row.last_error = DeliveryStatus.DROPPED, None, None, refused
        return None
    due_at = preferences.due_at(row.notice, reader.settings, at=at)
    if due_at > at:
        row.next_due_at, row.leased_until = due_at, None
        return None
    row.tries, row.last_tried_at = row.tries + 1, at
    return reader


def _answer(letter: Letter) -> Outcome:
    return asking.answer_of(letter, _send, known=SendFailed, unknown=SendFailed)


def _send(letter: Letter) -> str:
    message = letters.compose(letter.row, letter.reader)
    return channels.sender_of(letter.row.channel).send(message)


def _is_ours(row: NoticeDelivery, asked: NoticeDelivery) -> bool:
    return row.status == DeliveryStatus.WAITING and workqueue.is_unchanged(row, asked)


def _write(row: NoticeDelivery, letter: Letter, outcome: Outcome, at: datetime) -> None:
    row.leased_until = None
    if isinstance(outcome, str):
        row.status, row.next_due_at, row.sent_at, row.last_error = DeliveryStatus.SENT, None, at, ""
        row.sent_to = letters.masked(letter.reader.address(row.channel), row.channel)
        row.provider_number = outcome[:120]
        return
    row.last_error = outcome.code[:60]
    if outcome.is_final or row.tries > len(PAUSES):
        row.status, row.next_due_at = DeliveryStatus.GIVEN_UP, None
        log.warning("notice delivery %s is given up: %s", row.pk, row.last_error)
    else:
        row.next_due_at = at + PAUSES[max(row.tries - 1, 0)]


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(THREADS, thread_name_prefix="notice")
