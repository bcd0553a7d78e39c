"""Sending what ``feed.py`` made, in three phases: commit the intent, call with no transaction open, commit the outcome.

Whoever dies in between leaves a lease that ends; the letter is sent once more, under the same ``webhook-id``. Told at
least once, in no certain order: the receiver goes by ``timestamp``, or asks the API.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import cache
from uuid import UUID

from django.db import transaction
from django.db.models import F, Q

import asking
import workqueue
from integrations import calling, endpoints, letters
from integrations.calling import CallFailed
from integrations.models import DeliveryStatus, SwitchedOff, WebhookDelivery, WebhookEndpoint

log = logging.getLogger(__name__)

#: After each failure but the last, as Standard Webhooks advise: 75 hours in all. Then it is given up, for all to see.
PAUSES = [
    timedelta(seconds=5), timedelta(minutes=5), timedelta(minutes=30), timedelta(hours=2), timedelta(hours=5),
    timedelta(hours=10), timedelta(hours=14), timedelta(hours=20), timedelta(hours=24),
]  # fmt: skip
PATIENCE = timedelta(days=3)  # an address that took nothing for so long, and let a letter run out, is switched off
REST = timedelta(minutes=1)  # an address that failed lets the others go first
BATCH = THREADS = 16
LEASE = timedelta(minutes=2)  # resolving a name may take its time, too
GONE = 410  # of the standard: the receiver wants no more

Outcome = int | CallFailed


def sweep(*, at: datetime) -> int:
    """Send what is due, up to a batch. Returns how many were sent."""
    claimed = claim(at)
    record(call(claimed), at=at)
    return len(claimed)


def claim(at: datetime) -> list[WebhookDelivery]:
    """The intent: whatever becomes of the call, this was a try."""
    may_go = Q(event=None) | Q(endpoint__is_on=True)
    rested = Q(event=None) | Q(endpoint__rests_until__isnull=True) | Q(endpoint__rests_until__lte=at)
    with transaction.atomic():
        rows = workqueue.claim(WebhookDelivery.objects.filter(may_go, rested), at=at, limit=BATCH, lease=LEASE)
        keys = [row.pk for row in rows]
        WebhookDelivery.objects.filter(pk__in=keys).update(tries=F("tries") + 1, last_tried_at=at)
    related = ("endpoint", "event__refund__order")
    return list(WebhookDelivery.objects.filter(pk__in=keys).select_related(*related).order_by("next_due_at", "pk"))


def call(
    claimed: Sequence[WebhookDelivery], post: Callable[[WebhookDelivery], int] | None = None
) -> list[tuple[WebhookDelivery, Outcome]]:
    """Ask each address, in threads that touch no database; the answer is a status code, or why there is none."""
    asking.demand_no_transaction()
    ask = post or _post
    return list(_pool().map(lambda row: (row, _answer(row, ask)), claimed))


def record(outcomes: Sequence[tuple[WebhookDelivery, Outcome]], *, at: datetime) -> None:
    """Write down what came of it, address by address."""
    of_endpoint: dict[UUID, list[tuple[WebhookDelivery, Outcome]]] = defaultdict(list)
    for row, outcome in outcomes:
        of_endpoint[row.endpoint_id].append((row, outcome))
    for key in sorted(of_endpoint):
        if why := _record_of(key, of_endpoint[key], at):
            endpoints.switch_off(WebhookEndpoint.objects.get(pk=key), why, at=at)


def _post(row: WebhookDelivery) -> int:
    body = letters.body_of(row)
    secret = letters.secret_of(row.endpoint)
    headers = letters.headers_of(row, body, secret=secret, sent_at=datetime.now(UTC))
    return calling.post(row.endpoint.url, body, headers)


def _answer(row: WebhookDelivery, ask: Callable[[WebhookDelivery], int]) -> Outcome:
    return asking.answer_of(row, ask, known=CallFailed, unknown=CallFailed)


def _record_of(key: UUID, outcomes: list[tuple[WebhookDelivery, Outcome]], at: datetime) -> SwitchedOff | None:
    """Returns why the address is to be switched off, if it is."""
    with transaction.atomic():
        endpoint = WebhookEndpoint.objects.select_for_update(no_key=True).get(pk=key)
        asked = {row.pk: row for row, _ in outcomes}
        rows = WebhookDelivery.objects.select_for_update(no_key=True).filter(pk__in=list(asked)).order_by("pk")
        held = {row.pk: row for row in rows if _is_ours(row, asked[row.pk])}
        for row, outcome in outcomes:
            if row.pk in held:
                _write(held[row.pk], outcome, at)
        WebhookDelivery.objects.bulk_update(
            held.values(),
            ["status", "next_due_at", "leased_until", "last_status_code", "last_error", "delivered_at"],
        )
        return _judge(endpoint, list(held.values()), at)


def _is_ours(row: WebhookDelivery, asked: WebhookDelivery) -> bool:
    return row.status == DeliveryStatus.WAITING and workqueue.is_unchanged(row, asked)


def _write(row: WebhookDelivery, outcome: Outcome, at: datetime) -> None:
    row.leased_until = None
    row.last_status_code = outcome if isinstance(outcome, int) else None
    if isinstance(outcome, int) and 200 <= outcome < 300:
        row.status, row.delivered_at, row.next_due_at, row.last_error = DeliveryStatus.DELIVERED, at, None, ""
        return
    row.last_error = "status" if isinstance(outcome, int) else outcome.code
    if row.event_id is None or row.tries > len(PAUSES) or outcome == GONE:  # a ping is asked for again by who wants it
        row.status, row.next_due_at = DeliveryStatus.GIVEN_UP, None
    else:
        row.next_due_at = at + PAUSES[max(row.tries - 1, 0)]


def _judge(endpoint: WebhookEndpoint, rows: list[WebhookDelivery], at: datetime) -> SwitchedOff | None:
    """One that got through shows that somebody is there."""
    if not rows:
        return None
    if any(row.status == DeliveryStatus.DELIVERED for row in rows):
        endpoint.failing_since = endpoint.rests_until = None
    else:
        endpoint.failing_since = endpoint.failing_since or at
        endpoint.rests_until = at + REST
    endpoint.save(update_fields=["failing_since", "rests_until"])
    if any(row.last_status_code == GONE for row in rows if row.event_id):
        return SwitchedOff.GONE
    ran_out = any(row.status == DeliveryStatus.GIVEN_UP and row.event_id for row in rows)
    if ran_out and endpoint.failing_since and endpoint.failing_since <= at - PATIENCE:
        return SwitchedOff.FAILURES
    return None


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(THREADS, thread_name_prefix="webhook")
