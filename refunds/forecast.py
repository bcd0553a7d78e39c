"""明天会超时多少: what falls due with whom in the next 48 hours, against what they decided per hour of late.

Two statements, whatever waits. Counted are cases that people may be late with: reviewers, seniors, finance, shops. What
lies with buyers runs out without anybody being late, and what lies with the machine is its own alarm.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection

from refunds import clocks
from refunds.models import Queue

HOUR = timedelta(hours=1)
HOURS = 48
LATELY = timedelta(days=7)
#: By queue, in the order of the page. Who decides is known by role: a senior who takes a reviewer's case counts as one.
QUEUES: tuple[str, ...] = ("reviewer", "senior", "finance", "merchant", "operator")


@dataclass(frozen=True)
class Outlook:
    """One queue. ``due[i]`` fall due in the i-th hour from ``Forecast.start``; ``overdue`` were due before;
    ``per_hour`` were decided per hour that counts; ``open_late[i]`` are due and still open as that hour ends, if
    it goes on like this and the oldest are decided first."""

    queue: str
    overdue: int
    due: Sequence[int]
    per_hour: float
    open_late: Sequence[int]

    @property
    def title(self) -> str:
        return str(Queue(self.queue).label)

    @property
    def most_late(self) -> int:
        """The most that will be overdue at once."""
        return max(self.open_late)


@dataclass(frozen=True)
class Forecast:
    """``start`` is the full hour that ``at`` is in; ``moments[i]`` ends the i-th hour."""

    at: datetime
    start: datetime
    moments: Sequence[datetime]
    outlooks: Sequence[Outlook]

    @property
    def most_late(self) -> int:
        return max((outlook.most_late for outlook in self.outlooks), default=0)


def forecast(at: datetime) -> Forecast:
    """Queues that something is due in, or overdue. Days off count no hour of work, yet what is due then is due."""
    start = at.replace(minute=0, second=0, microsecond=0)
    moments = [start + HOUR * (number + 1) for number in range(HOURS)]
    due, decided = _due(at, start, moments[-1]), _decided()
    lately = clocks.between(at - LATELY, at, working=True) or LATELY  # a week of days off: whoever worked, worked
    worked = [clocks.between(at, moment, working=True) / HOUR for moment in moments]
    outlooks = [
        _outlook(queue, due[queue], decided.get(queue, 0) / (lately / HOUR), worked) for queue in QUEUES if queue in due
    ]
    return Forecast(at, start, moments, outlooks)


def _outlook(queue: str, due: Mapping[int, int], per_hour: float, worked: Sequence[float]) -> Outlook:
    hourly = [due.get(number, 0) for number in range(HOURS)]
    overdue = due.get(-1, 0)
    so_far = overdue
    open_late = []
    for fell_due, hours in zip(hourly, worked, strict=True):
        so_far += fell_due
        open_late.append(max(0, so_far - int(per_hour * hours)))
    return Outlook(queue, overdue, hourly, per_hour, open_late)


def promised_after(moment: datetime) -> int:
    """How many open cases were promised for ``moment`` or later, with whomever they lie. One statement."""
    with connection.cursor() as cursor:
        cursor.execute(OPEN + PROMISED_AFTER, {"moment": moment})
        (count,) = cursor.fetchone()
    return int(count)


def _due(at: datetime, start: datetime, until: datetime) -> dict[str, dict[int, int]]:
    """{queue: {hour: how many}}; hour -1: overdue."""
    found: dict[str, dict[int, int]] = {}
    with connection.cursor() as cursor:
        cursor.execute(OPEN + DUE, {"at": at, "start": start, "until": until, "queues": list(QUEUES)})
        for queue, hour, count in cursor.fetchall():
            found.setdefault(queue, {})[hour] = count
    return found


def _decided() -> dict[str, int]:
    """{role: how many cases they moved on from where they waited}, by the database's own clock, as events are dated."""
    with connection.cursor() as cursor:
        about: dict[str, Any] = {"lately": LATELY, "roles": list(QUEUES), "waited": list(WAITING)}
        cursor.execute(DECIDED, about)
        return dict(cursor.fetchall())


#: Where a case waits for people; each has an index by ``promised_by``. Spelled out, as the indexes are.
WAITING = (
    "merchant_review", "first_review", "second_review", "appeal_review", "approved", "returned", "redirect_signed",
)  # fmt: skip
OPEN = """
WITH waits AS NOT MATERIALIZED (
    SELECT queue, promised_by FROM refunds_refund
    WHERE status IN ('first_review', 'second_review', 'appeal_review')
    UNION ALL SELECT queue, promised_by FROM refunds_refund WHERE status = 'approved'
    UNION ALL SELECT queue, promised_by FROM refunds_refund WHERE status IN ('returned', 'redirect_signed')
    UNION ALL SELECT queue, promised_by FROM refunds_refund WHERE queue = 'merchant'
)
"""
DUE = """
SELECT queue,
       CASE WHEN promised_by < %(at)s THEN -1
            ELSE floor(extract(epoch FROM promised_by - %(start)s) / 3600)::int END AS hour,
       count(*)
FROM waits WHERE promised_by < %(until)s AND queue = ANY(%(queues)s) GROUP BY 1, 2
"""
PROMISED_AFTER = "SELECT count(*) FROM waits WHERE promised_by >= %(moment)s"
DECIDED = """
SELECT role, count(*) FROM refunds_refundevent
WHERE recorded_at > now() - %(lately)s AND role = ANY(%(roles)s)
  AND from_status = ANY(%(waited)s) AND to_status <> from_status
GROUP BY role
"""
