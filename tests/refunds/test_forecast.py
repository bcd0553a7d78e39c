"""What will be late tomorrow: real cases, what falls due when and with whom, and how fast people decide."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.db import connection

import clock
from refunds import forecast as page
from refunds import lifecycle
from refunds.forecast import HOURS, Outlook, forecast, promised_after
from refunds.models import Refund

pytestmark = pytest.mark.django_db
SHANGHAI = ZoneInfo("Asia/Shanghai")
AT = datetime(2026, 11, 24, 10, 20, tzinfo=SHANGHAI)  # a Tuesday
HOUR = timedelta(hours=1)


def due(refund: Refund, at: datetime) -> Refund:
    Refund.objects.filter(pk=refund.pk).update(promised_by=at)
    return refund


def of(queue: str, at: datetime = AT) -> Outlook:
    return next(outlook for outlook in forecast(at).outlooks if outlook.queue == queue)


def hours(outlook: Outlook) -> dict[int, int]:
    return {hour: count for hour, count in enumerate(outlook.due) if count}


def test_what_falls_due_is_counted_by_queue_and_hour(reviewed, approved, released, ends_as):
    for at in (AT - HOUR, AT, AT + HOUR, AT + HOUR, AT + 47 * HOUR, AT + 49 * HOUR):
        due(reviewed(), at)
    due(approved(), AT + 5 * HOUR)
    due(ends_as(released(), "CLOSED"), AT - HOUR)  # what came back is late with finance, as its queue counts it
    found = forecast(AT)
    assert (found.start.minute, found.moments[0] - found.start, len(found.moments)) == (0, HOUR, HOURS)
    assert [(outlook.queue, outlook.overdue, hours(outlook)) for outlook in found.outlooks] == [
        ("reviewer", 1, {0: 1, 1: 2, 47: 1}),
        ("finance", 1, {5: 1}),
    ]
    assert found.outlooks[0].title == "客服"
    assert promised_after(AT) == 6
    assert promised_after(AT + 48 * HOUR) == 1


def test_if_nobody_decides_all_that_is_due_is_late(reviewed):
    for at in (AT - HOUR, AT + HOUR, AT + 2 * HOUR):
        due(reviewed(), at)
    outlook = of("reviewer")
    assert outlook.per_hour == 0
    assert outlook.open_late[:4] == [1, 2, 3, 3]
    assert (outlook.most_late, forecast(AT).most_late) == (3, 3)


def test_what_people_decided_lately_is_their_pace(reviewed, reviewer):
    at = clock.now()
    for _ in range(3):
        lifecycle.reject([reviewed()], by=reviewer, at=at, note="凭证与订单不符，请补充后再申请。")
    due(reviewed(), at + HOUR)
    outlook = of("reviewer", at)
    week = page.clocks.between(at - page.LATELY, at, working=True) / HOUR
    assert outlook.per_hour == pytest.approx(3 / week)
    assert {outlook.queue for outlook in forecast(at).outlooks} == {"reviewer"}


def test_the_oldest_first_and_days_off_decide_nothing():
    """From Friday 22:20 at one an hour: nothing is done on the weekend, yet Saturday's deadlines come."""
    friday = datetime(2026, 11, 20, 22, 20, tzinfo=SHANGHAI)
    worked = [
        page.clocks.between(friday, friday.replace(minute=0) + HOUR * (number + 1), working=True) / HOUR
        for number in range(HOURS)
    ]
    outlook = page._outlook("reviewer", {-1: 2, 0: 1, 20: 4}, 1.0, worked)
    assert outlook.open_late[0] == 3, "forty minutes are no whole case"
    assert outlook.open_late[1:20] == [2] * 19, "one is done by midnight, and then it is the weekend"
    assert outlook.open_late[20:] == [6] * 28
    assert outlook.most_late == 6


def test_with_nothing_open_nothing_is_foreseen():
    assert forecast(AT).outlooks == []
    assert forecast(AT).most_late == 0


def test_it_takes_two_statements_whatever_waits(reviewed, django_assert_num_queries: Any):
    for number in range(3):
        due(reviewed(), AT + number * HOUR)
        with django_assert_num_queries(2):
            forecast(AT)


def test_each_place_where_cases_wait_is_read_by_its_index():
    """What the planner can use at all: small tables are read whole otherwise."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(
            "EXPLAIN " + page.OPEN + page.DUE,
            {"at": AT, "start": AT, "until": AT + 48 * HOUR, "queues": list(page.QUEUES)},
        )
        plan = "\n".join(row[0] for row in cursor.fetchall())
        cursor.execute(
            "EXPLAIN " + page.DECIDED,
            {"lately": page.LATELY, "roles": list(page.QUEUES), "waited": list(page.WAITING)},
        )
        decided = "\n".join(row[0] for row in cursor.fetchall())
    assert "Seq Scan" not in plan
    assert plan.count("Index") >= 3  # which of the small ones, the planner chooses by what the tables hold
    assert "refund_event_of_day" in decided
