"""The database row is the queue; Celery is the bell (docs/decisions/0002-row-is-the-queue.md).

A row that is not at rest has ``next_due_at``, ``leased_until`` and ``tries``. Any number of sweepers may claim due
rows; a claim is a lease, so a killed worker costs nothing but time. A bell rings a sweeper at once instead of at the
next beat; losing every bell loses only time.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import cache
from time import monotonic
from typing import Any, TypeVar

import kombu.exceptions
import redis
from celery import current_app
from django.conf import settings
from django.db import OperationalError, models, transaction

log = logging.getLogger(__name__)
LEASE = timedelta(seconds=30)
BELL_SECONDS = 5
GATHER_SECONDS = 0.2
MUCH = 40  # rows: the next batch is likely to be as large
REST, MOST_REST_SECONDS = 2, 1.0  # times as long as the work took

Row = TypeVar("Row", bound="WorkItem")
Found = TypeVar("Found", bound=models.Model)


class WorkItem(models.Model):
    """待办: a row that a machine must come back to, until ``next_due_at`` is empty."""

    next_due_at = models.DateTimeField("下次处理", null=True, blank=True)
    leased_until = models.DateTimeField("占用至", null=True, blank=True)
    tries = models.PositiveIntegerField("尝试次数", default=0)

    class Meta:
        abstract = True


def claim(
    rows: models.QuerySet[Row], *, at: datetime, limit: int, lease: timedelta = LEASE, first: Sequence[str] = ()
) -> list[Row]:
    """Lease up to ``limit`` due rows that nobody else holds, oldest first. Must run inside a transaction.

    ``first``: columns that come before age.
    """
    claimed = hold(rows, at=at, limit=limit, first=first)
    rows.model._default_manager.filter(pk__in=[row.pk for row in claimed]).update(leased_until=at + lease)
    for row in claimed:
        row.leased_until = at + lease
    return claimed


def hold(rows: models.QuerySet[Row], *, at: datetime, limit: int, first: Sequence[str] = ()) -> list[Row]:
    """As ``claim``, for work that ends with this very transaction: until then its locks are lease enough."""
    due = rows.filter(next_due_at__lte=at).exclude(leased_until__gt=at)
    locked = due.select_for_update(no_key=True, skip_locked=True, of=("self",))
    return list(locked.order_by(*first, "next_due_at", "pk")[:limit])


def together_or_alone(
    due: Callable[[int], list[Found]],
    act: Callable[[list[Found]], None],
    put_off: Callable[[Found], None],
    *,
    limit: int,
) -> int:
    """Act on up to ``limit`` due rows in one transaction; returns how many. If one of them spoils it, each is done in
    its own, and what fails alone is put off, so that it stops no other (F12).

    Raises OperationalError: the database is away, or somebody else goes first; then all of them wait.
    """
    try:
        return len(_in_one(due, act, limit))
    except OperationalError:
        raise
    except Exception:
        log.exception("%s: a batch failed, each row is done alone", act.__module__)
        return sum(_alone(due, act, put_off) for _ in range(limit))


def _in_one(due: Callable[[int], list[Found]], act: Callable[[list[Found]], None], limit: int) -> list[Found]:
    with transaction.atomic():
        rows = due(limit)
        act(rows)
        return rows


def _alone(
    due: Callable[[int], list[Found]], act: Callable[[list[Found]], None], put_off: Callable[[Found], None]
) -> int:
    taken: list[Found] = []

    def one(limit: int) -> list[Found]:
        taken.extend(due(limit))
        return taken

    try:
        return len(_in_one(one, act, 1))
    except OperationalError:
        raise
    except Exception:
        if not taken:
            raise
        log.exception("%s: %s failed alone", act.__module__, taken[0].pk)
        put_off(taken[0])
        return 1


def is_unchanged(row: Row, asked: Row) -> bool:
    """Whether nobody has written an answer into ``row`` since ``asked`` was claimed.

    A lease that ran out while the channel was slow is no reason to throw an answer away: were it one, two sweepers at a
    slow channel would take turns for ever. Whoever writes first empties the lease and moves the due time.
    """
    return row.leased_until == asked.leased_until or (
        row.leased_until is not None and row.next_due_at == asked.next_due_at
    )


def ring(task: str) -> None:
    """After this transaction commits, wake the sweeper ``task``. Bells are coalesced: one message until it is heard."""
    transaction.on_commit(lambda: _ring_now(task))


def heard(task: str) -> None:
    """The sweeper has woken and will look: what is committed from now on may ring again.

    After a bell it waits a moment first, for under load others ring as well: one message per queue in that time.
    """
    try:
        if _redis().exists(f"bell:{task}"):
            threading.Event().wait(GATHER_SECONDS)  # nothing is held meanwhile: no row, no lease, no lock
        _redis().delete(f"bell:{task}")
    except redis.RedisError as error:
        log.warning("bell %s: %s", task, error)


def rest_after(done: int, *, began: float) -> None:
    """Between two batches: a pause in proportion to the one of ``done`` rows, begun then by ``time.monotonic``, unless
    there is much to do.

    Under load there is always a little to do, and a batch of forty costs little more than one of four. Who is alone
    waits a tenth of a second.
    """
    if done < MUCH:
        pause = min(REST * (monotonic() - began), MOST_REST_SECONDS)
        threading.Event().wait(pause)  # nothing is held meanwhile


def _ring_now(task: str) -> None:
    try:
        if _redis().set(f"bell:{task}", 1, nx=True, ex=BELL_SECONDS):
            current_app.send_task(task)
    except (redis.RedisError, kombu.exceptions.KombuError, OSError) as error:
        log.warning("bell %s did not ring, the sweeper will find the row: %s", task, error)


@cache
def _redis() -> redis.Redis:
    return redis.Redis.from_url(settings.REDIS_URL, socket_timeout=1, socket_connect_timeout=1)


def pks(rows: Sequence[models.Model]) -> list[Any]:
    """The rows' keys, in the order in which everybody locks."""
    return sorted(row.pk for row in rows)
