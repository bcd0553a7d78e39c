"""每日根: the root over the heads of all chains that grew on a day, signed, and published when the day is over.

A day is a day of ``recorded_at`` in Asia/Shanghai. Its leaves come by stream, then by subject as the database orders
keys. Each root names the one before it, so that none can be left out; a day on which nothing happened has a root too,
over no leaves.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.apps import apps
from django.db import IntegrityError, connection, transaction
from django.db.models import Min
from django.utils import timezone

from records import chain, merkle
from records.models import DailyRoot, Link
from records.signing import signer

log = logging.getLogger(__name__)
ONE_DAY = timedelta(days=1)
CHUNK = 2000


@dataclass(frozen=True)
class Head:
    """The last event that a chain got on a day: what the day's root holds of it."""

    stream: str
    subject: str
    sequence: int
    hash: bytes

    @property
    def leaf(self) -> bytes:
        return merkle.leaf_hash(chain.canonical(self.content))

    @property
    def content(self) -> dict[str, Any]:
        return {
            "stream": self.stream,
            "subject": self.subject,
            "sequence": self.sequence,
            "hash": self.hash.hex(),
        }


def publish(*, at: datetime) -> list[DailyRoot]:
    """公布 the roots of all days that are over and have none yet. Whoever comes second publishes nothing."""
    published = []
    for day in missing_days(at=at):
        if _is_still_written(day):
            break  # what began before midnight may yet commit into that day: the next call publishes it
        root = _publish_one(day, at)
        if root is None:
            break
        published.append(root)
        log.info("每日根 %s %s", chain.canonical(statement(root)).decode(), bytes(root.signature).hex())
    return published


def missing_days(*, at: datetime) -> list[date]:
    """Days that are over and have no root, oldest first. The first ever is that of the first event."""
    last = DailyRoot.objects.order_by("-day").values_list("day", flat=True).first()
    first = last + ONE_DAY if last else _first_day()
    today = timezone.localdate(at)
    return [first + n * ONE_DAY for n in range((today - first).days)] if first else []


def now() -> datetime:
    """The database's own time, which stamps ``recorded_at``; the shop's clock may be set forward in a rehearsal."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        (moment,) = cursor.fetchone()
    return moment


def streams() -> list[type[Link]]:
    """Every model whose rows are links of chains, by the name of its stream."""
    return sorted((model for model in apps.get_models() if issubclass(model, Link)), key=lambda model: model.STREAM)


def heads(day: date) -> Iterator[Head]:
    """The heads of all chains that grew that day, in the order of the tree; one row at a time."""
    start, end = bounds(day)
    for kind in streams():
        subject = f"{kind.SUBJECT}_id"
        of_day = kind._default_manager.filter(recorded_at__gte=start, recorded_at__lt=end)
        rows = of_day.order_by(subject, "-sequence").distinct(subject).values_list(subject, "sequence", "hash")
        for key, sequence, digest in rows.iterator(CHUNK):
            yield Head(kind.STREAM, str(key), sequence, bytes(digest))


def bounds(day: date) -> tuple[datetime, datetime]:
    """Its first moment, and that of the next day."""
    start = datetime.combine(day, datetime.min.time(), timezone.get_default_timezone())
    return start, start + ONE_DAY


def statement(root: DailyRoot) -> dict[str, Any]:
    """What is signed, as canonical JSON."""
    return {
        "day": root.day.isoformat(),
        "leaf_count": root.leaf_count,
        "root": bytes(root.root).hex(),
        "previous_root": bytes(root.previous_root).hex(),
        "key_id": root.key_id,
    }


def is_signed(root: DailyRoot) -> bool:
    return signer().is_signed(chain.canonical(statement(root)), bytes(root.signature), root.key_id)


def _publish_one(day: date, at: datetime) -> DailyRoot | None:
    try:
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute("SET LOCAL statement_timeout = '10min'")  # a day of a million chains is sorted first
            return _sign(day, b"".join(head.leaf for head in heads(day)), at)
    except IntegrityError:
        return None  # somebody else has just published it


def _sign(day: date, leaves: bytes, at: datetime) -> DailyRoot:
    previous = DailyRoot.objects.filter(day=day - ONE_DAY).values_list("root", flat=True).first()
    root = DailyRoot(
        day=day,
        leaf_count=len(leaves) // merkle.HASH_BYTES,
        leaves=leaves,
        root=merkle.root_of(merkle.split(leaves)),
        previous_root=bytes(previous) if previous else chain.BEGINNING,
        key_id=signer().key_id,
        published_at=at,
    )
    root.signature = signer().sign(chain.canonical(statement(root)))
    root.save(force_insert=True)
    return root


def _first_day() -> date | None:
    firsts = [kind._default_manager.aggregate(first=Min("recorded_at"))["first"] for kind in streams()]
    known = [first for first in firsts if first]
    return timezone.localdate(min(known)) if known else None


def _is_still_written(day: date) -> bool:
    """Whether a transaction that began before the day was over has not ended yet."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database()"
            " AND backend_type = 'client backend'"  # the database's own cleaners write no events
            " AND pid <> pg_backend_pid() AND backend_xid IS NOT NULL AND xact_start < %s)",
            [bounds(day)[1]],
        )
        (found,) = cursor.fetchone()
    return bool(found)
