"""停下: what of a paid order can still be stopped, what a refund holds meanwhile, what goes on if it comes to nothing.

Every call is in a transaction, the order locked by the caller. A top-up that left us may still arrive, and work that
began is work: neither is stopped.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.db.models import Case, F, QuerySet, When

import workqueue
from orders.models import IfMissing, OrderLine, ServiceJob, ServiceStatus, TopUp, TopUpStatus

DELIVER = "orders.sweep"  # the bell of whoever delivers


def undelivered_lines() -> QuerySet[OrderLine]:
    """Order lines that can be canceled: nothing was handed over, nothing has left us, no work has begun."""
    return _not_begun([TopUpStatus.UNKNOWN, TopUpStatus.ACCEPTED, TopUpStatus.SUCCEEDED])


def stop(lines: Sequence[OrderLine]) -> list[OrderLine]:
    """Stop what has not begun, and say which of these lines can no longer be delivered by anybody.

    A top-up that left us may still arrive, and work that began is work: they are not stopped. The order is locked.
    """
    resting = TopUp.objects.filter(line__in=lines, status=TopUpStatus.PREPARED, first_sent_at=None)
    # What was sent once and got lost may still land: as ``topups.py`` has it, it is asked about afterwards.
    asked_afterwards = Case(When(last_sent_at=None, then=None), default=F("next_due_at"))
    resting.update(status=TopUpStatus.STOPPED, next_due_at=asked_afterwards, leased_until=None, person_due_at=None)
    ServiceJob.objects.filter(line__in=lines, status=ServiceStatus.WAITING).update(status=ServiceStatus.STOPPED)
    fresh = _not_begun([TopUpStatus.PREPARED, TopUpStatus.UNKNOWN, TopUpStatus.ACCEPTED, TopUpStatus.SUCCEEDED])
    return list(fresh.filter(pk__in=[line.pk for line in lines]).order_by("order_id", "position"))


def hold_sent(lines: Sequence[OrderLine]) -> None:
    """A refund of these lines is weighed: what may have got lost on its way is not sent anew meanwhile."""
    TopUp.objects.filter(line__in=lines, status=TopUpStatus.UNKNOWN).update(if_missing=IfMissing.HOLD)


def give_up(lines: Sequence[OrderLine]) -> list[OrderLine]:
    """Their money goes back in full: as ``stop``, and work that was begun is over as well. The order is locked.

    A top-up that left us may still arrive, or fail; however it ends, it is canceled then (``topups.conclude``).
    """
    ServiceJob.objects.filter(line__in=lines, status=ServiceStatus.WORKING).update(status=ServiceStatus.STOPPED)
    sent = [TopUpStatus.UNKNOWN, TopUpStatus.ACCEPTED]
    TopUp.objects.filter(line__in=lines, status__in=sent).update(if_missing=IfMissing.END)
    return stop(lines)


def go_on(line_ids: Sequence[int], *, at: datetime) -> None:
    """接着交付 what ``stop`` took back for a refund that came to nothing; not what is canceled. The order is locked."""
    waiting = OrderLine.objects.filter(pk__in=line_ids, delivery=None, cancellation_line=None)
    sent = [TopUpStatus.UNKNOWN, TopUpStatus.ACCEPTED]
    TopUp.objects.filter(line__in=waiting, status__in=sent).update(if_missing=IfMissing.SEND)
    taken_up = TopUp.objects.filter(line__in=waiting, status=TopUpStatus.STOPPED).update(
        status=TopUpStatus.PREPARED, if_missing=IfMissing.SEND, next_due_at=at, tries=0
    )
    ServiceJob.objects.filter(line__in=waiting, status=ServiceStatus.STOPPED).update(status=ServiceStatus.WAITING)
    if taken_up:
        workqueue.ring(DELIVER)


def _not_begun(sent: Sequence[TopUpStatus]) -> QuerySet[OrderLine]:
    begun = [ServiceStatus.WORKING, ServiceStatus.HANDED_OVER, ServiceStatus.CONFIRMED]
    open_lines = OrderLine.objects.filter(delivery=None, cancellation_line=None)
    return open_lines.exclude(topup__status__in=sent).exclude(service__status__in=begun)
