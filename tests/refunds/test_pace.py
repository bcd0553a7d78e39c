"""How long refunds take, told apart by whose time it is, and how often we kept our word (S2-30)."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

import clock
from payments.models import Channel, RefundAttempt
from refunds import disbursement, lifecycle, pace, sweeping
from refunds.lifecycle import STEPS
from refunds.models import RefundEvent, StageFigures, Status
from tests.cases import attempt_of
from tests.refunds.test_races import at_once

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


def counted(at=None):
    """{stage: (cases, median, nine in ten, kept, overdue)} of the stages through which anything went."""
    StageFigures.objects.all().delete()
    assert pace.compute(at=at or clock.now()) == len(pace.STAGES)
    rows = pace.latest().values()
    columns = ("case_count", "median_minutes", "p90_minutes", "kept_count", "overdue_count")
    found = {row.stage: tuple(getattr(row, column) for column in columns) for row in rows}
    return {stage: row for stage, row in found.items() if row[0] or row[4]}


def decide(refund, reviewer, *, after):
    lifecycle.approve([refund], by=reviewer, at=refund.submitted_at + after)


def test_what_the_machine_does_and_what_people_do_stand_apart(buy, apply, drain, reviewed, reviewer):
    apply(buy())  # never looked at: decided and paid at once
    drain()
    for hours in (1, 2, 9):
        decide(reviewed(), reviewer, after=HOUR * hours)
    found = counted(clock.now() + HOUR * 10)
    assert {stage: row[0] for stage, row in found.items()} == {
        "decision_automatic": 1, "release_automatic": 1, "handover": 1, "channel_wechat": 1, "whole_automatic": 1,
        "decision_person": 3,
    }  # fmt: skip
    assert found["decision_automatic"][3] == found["release_automatic"][3] == 1
    assert found["decision_person"] == (3, 120, 456, 3, 0)  # between the second and the third of three: 2 h + 0.8 × 7 h
    assert found["handover"][3] is None  # nothing was promised


def test_what_the_buyer_takes_is_not_ours(reviewed, reviewer, buyer):
    refund = reviewed()
    begun = refund.submitted_at
    lifecycle.request_evidence([refund], by=reviewer, at=begun + HOUR, note="请补截图")
    lifecycle.provide_evidence(refund, by=buyer, at=begun + HOUR * 31, note="补好了")
    decide(refund, reviewer, after=HOUR * 33)
    found = counted(begun + HOUR * 34)
    assert found["evidence"][:3] == (1, 30 * 60, 30 * 60)
    assert found["decision_person"] == (1, 180, 180, 1, 0)


def test_release_keeps_its_promise_or_not(approved, finance):
    for hours in (1, 25):
        refund = approved()
        disbursement.release([refund], by=finance, at=refund.decided_at + HOUR * hours)
    assert counted(clock.now() + HOUR * 26)["release_person"] == (2, 13 * 60, 1356, 1, 0)


def test_the_channels_time_is_the_channels(approved, finance, drain):
    """S0-32, S2-15: WeChat accepts first; Alipay says nothing until it is done, and all that is its own time."""
    for channel in Channel.values:
        refund = approved(channel=channel)
        disbursement.release([refund], by=finance, at=clock.now())
        drain()
        attempt = attempt_of(refund)
        RefundAttempt.objects.filter(pk=attempt.pk).update(
            first_sent_at=attempt.created_at + HOUR,
            accepted_at=attempt.created_at + HOUR * (2 if channel == "wechat" else 7),
            finished_at=attempt.created_at + HOUR * 6,
        )
    found = counted()
    assert found["channel_wechat"][1] == 4 * 60
    assert found["channel_alipay"][1] == 5 * 60
    assert found["handover"][:3] == (2, 90, 114)
    assert found["whole_person"][0] == 2
    assert found["whole_person"][1] >= 6 * 60


def test_an_escalated_review_has_broken_its_promise(reviewed, reviewer):
    open_still, decided = reviewed(), reviewed()
    late = decided.promised_by + timedelta(minutes=1)
    assert counted(late)["decision_person"] == (0, None, None, 0, 2)
    sweeping.sweep(at=late)  # a new promise, to a senior: the first one is broken all the same
    assert counted(late)["decision_person"] == (0, None, None, 0, 2)
    lifecycle.approve([decided], by=reviewer, at=late)
    open_still.refresh_from_db()
    assert open_still.promised_by > late
    assert counted(late)["decision_person"][0] == 1
    assert counted(late)["decision_person"][3:] == (0, 1)


def test_money_that_is_not_released_in_time_is_overdue(approved, buy, apply):
    refund = approved()
    assert counted(refund.promised_by + HOUR)["release_person"] == (0, None, None, 0, 1)
    automatic = apply(buy())
    assert counted(automatic.promised_by + HOUR)["release_automatic"] == (0, None, None, 0, 1)


def test_only_thirty_days_count_by_the_shops_clock(reviewed, reviewer):
    refund = reviewed()
    decide(refund, reviewer, after=HOUR)
    decided_at = refund.submitted_at + HOUR
    assert counted(decided_at + pace.WINDOW)["decision_person"][0] == 1
    assert "decision_person" not in counted(decided_at + pace.WINDOW + timedelta(seconds=1))
    assert "decision_person" not in counted(decided_at - timedelta(seconds=1))


def test_every_step_that_decides_is_counted():
    ends = {name for name, step in STEPS.items() if step.target in {Status.APPROVED, Status.REJECTED}}
    assert ends == {*pace.BY_MACHINE, *pace.BY_PEOPLE, "reissue"}  # reissue sends again what was decided
    assert set(pace.PROMISES) < set(pace.STAGES)
    assert {f"channel_{channel}" for channel in Channel.values} < set(pace.STAGES)


def test_what_the_page_promises_is_what_each_case_is_promised(buy, apply, approved):
    waiting, automatic, by_people = apply(buy(), precheck=False), apply(buy()), approved()
    promised = {
        "decision_automatic": waiting.promised_by - waiting.submitted_at,
        "release_automatic": automatic.promised_by - automatic.decided_at,
        "release_person": by_people.promised_by - by_people.decided_at,
    }
    assert promised == {stage: promise for stage, promise in pace.PROMISES.items() if promise}


# --- when, and at what cost -------------------------------------------------------------------------------------------


def test_counted_once_an_hour_and_the_old_row_gives_way(reviewed, reviewer):
    at = clock.now()
    assert pace.compute(at=at) == len(pace.STAGES)
    refund = reviewed()
    decide(refund, reviewer, after=timedelta())
    assert pace.compute(at=at + timedelta(minutes=59)) == 0
    assert pace.latest()["decision_person"].case_count == 0
    assert pace.compute(at=at + HOUR) == len(pace.STAGES)
    row = pace.latest()["decision_person"]
    assert (row.case_count, row.computed_at, row.since) == (1, at + HOUR, at + HOUR - pace.WINDOW)
    assert StageFigures.objects.count() == len(pace.STAGES)


@pytest.mark.django_db(transaction=True)
def test_of_two_workers_one_counts():
    at = clock.now()
    for hours in range(3):
        found = at_once(*[lambda hours=hours: pace.compute(at=at + HOUR * hours)] * 4)
        assert sorted(found) == [0, 0, 0, len(pace.STAGES)]


def test_many_cases_cost_as_many_queries_as_none(reviewed, reviewer):
    at = clock.now()
    with CaptureQueriesContext(connection) as none:
        pace.compute(at=at)
    for _ in range(3):
        decide(reviewed(), reviewer, after=timedelta())
    with CaptureQueriesContext(connection) as many:
        pace.compute(at=at + HOUR)
    assert len(many) == len(none)


def test_what_is_long_past_is_not_read(reviewed, reviewer):
    """The history may be as long as it likes: the events of the window are found by their day, cases by their key."""
    decide(reviewed(), reviewer, after=timedelta())
    with transaction.atomic(), connection.cursor() as cursor:
        columns = [field.column for field in RefundEvent._meta.fields if field.column not in {"id", "recorded_at"}]
        others = ", ".join(f"refund_id + n AS {name}" if name == "refund_id" else name for name in columns)
        cursor.execute(
            f"INSERT INTO refunds_refundevent ({', '.join(columns)}, recorded_at)"  # noqa: S608
            f" SELECT {others}, now() - interval '90 days' FROM refunds_refundevent, generate_series(1, 5000) n"
        )
        cursor.execute("ANALYZE refunds_refundevent")
        cursor.execute("EXPLAIN " + pace.ENDED, pace.asked(clock.now()))
        plan = "\n".join(line for (line,) in cursor.fetchall())
        transaction.set_rollback(True)  # these events have no cases
    assert "refund_event_of_day" in plan
    assert "Seq Scan on refunds_refundevent" not in plan, plan
