"""How long refunds take, told apart by whose time it is, and how often we kept our word (S2-30)."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

import clock
from payments.models import Channel, RefundAttempt
from refunds import disbursement, lifecycle, pace, sweeping
from refunds.lifecycle import STEPS
from refunds.models import RefundEvent, StageFigures, Status
from refunds.workdays import SHANGHAI
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
        refund = approved(working_time=[])
        disbursement.release([refund], by=finance, at=refund.decided_at + HOUR * hours)
    assert counted(clock.now() + HOUR * 26)["release_person"] == (2, 13 * 60, 1356, 1, 0)


@pytest.mark.parametrize(
    ("working_time", "hours", "kept"),
    [(["approved"], 24 * 9, 1), (["approved"], 24 * 9 + 1, 0), ([], 24, 1), ([], 25, 0)],
)
def test_a_release_is_promised_in_the_policys_own_time(working_time, hours, kept, approved, finance):
    """S2-11: from the noon before the nine days of Spring Festival on, 24 working hours are ten days."""
    refund = approved(working_time=working_time)
    at = datetime(2026, 2, 14, 12, tzinfo=SHANGHAI)  # a Saturday that is worked
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute("UPDATE refunds_refundevent SET at = %s WHERE refund_id = %s", [at, refund.pk])
        cursor.execute("SET LOCAL session_replication_role = DEFAULT")
    disbursement.release([refund], by=finance, at=at + HOUR * (hours + 24 if working_time else hours))
    assert counted(at + timedelta(days=12))["release_person"][3] == kept


def test_shorter_terms_for_the_release_are_shorter_promises(approved, finance):
    for hours in (7, 9):
        refund = approved(release_hours=8, working_time=[])
        disbursement.release([refund], by=finance, at=refund.decided_at + HOUR * hours)
    assert counted(clock.now() + HOUR * 10)["release_person"][3] == 1


def test_what_goes_to_the_balance_is_released_too(approved, finance):
    refund = approved(destination="balance")
    disbursement.release([refund], by=finance, at=refund.decided_at + HOUR)
    assert counted(refund.decided_at + HOUR)["release_person"][:4] == (1, 60, 60, 1)


# --- the shop, the second person, the appeal --------------------------------------------------------------------------


def test_the_shops_time_is_its_own_and_within_ours(house):
    """S4-9: two answer, one keeps silent; a buyer's urging in between starts nothing anew."""
    for step in ("agree", "contest"):
        refund = house.with_shop(urge_after_hours=1)
        lifecycle.urge(refund, by=house.buyer, at=refund.entered_at + HOUR)
        act = getattr(lifecycle, step)
        act([refund], by=house.merchant, at=refund.entered_at + HOUR * 3, note="卡密正常")
    silent = house.with_shop()
    assert counted(silent.promised_by)["merchant"] == (2, 180, 180, 2, 1)
    sweeping.sweep(at=silent.promised_by)
    found = counted(silent.promised_by + HOUR)
    assert found["merchant"] == (3, 180, 1188, 2, 0)  # between the second and the third: 3 h + 0.8 × 21 h
    cases, half, most, kept, _overdue = found["decision_person"]  # a yes after 3 hours, one of silence after 24,
    assert (cases, kept) == (2, 2)
    assert 810 <= half <= 815  # and the pre-check's seconds
    assert 1314 <= most <= 1319


def test_an_answer_to_an_offer_is_the_buyers_time(house):
    refund = house.with_shop()
    begun = refund.entered_at
    lifecycle.offer(refund, by=house.merchant, at=begun + HOUR, note="退一半", amount_fen=4000)
    lifecycle.accept_offer(refund, by=house.buyer, at=begun + HOUR * 41)
    found = counted(begun + HOUR * 42)
    assert found["offer"] == (1, 2400, 2400, None, 0)
    cases, half, _most, kept, _overdue = found["decision_person"]
    assert (cases, kept) == (1, 1)
    assert 60 <= half <= 65  # an hour, and the pre-check's seconds


def test_an_appeal_is_counted_from_the_appeal(house):
    """S1-17: the days in which a buyer thought about it are nobody's; what the first review broke is not its fault."""
    refund = house.case()
    late = refund.promised_by
    sweeping.sweep(at=late)
    lifecycle.reject([refund], by=house.reviewer, at=late + HOUR, note="凭证不足")
    lifecycle.appeal(refund, by=house.buyer, at=late + HOUR * 100, note="审核遗漏了兑换记录")
    lifecycle.grant_appeal([refund], by=house.senior, at=late + HOUR * 105)
    found = counted(late + HOUR * 106)["decision_person"]
    assert found[0] == 2
    assert found[3] == 1
    assert counted(late + pace.WINDOW + HOUR * 2)["decision_person"] == (1, 300, 300, 1, 0)


@pytest.mark.parametrize("story", ["second_review", "appeal_review"])
def test_every_review_can_be_overdue(story, house):
    steps = {"second_review": ["reviewer uphold"], "appeal_review": ["reviewer reject", "buyer appeal"]}[story]
    refund = house.case(*steps)
    assert refund.status == story
    assert counted(refund.promised_by)["decision_person"][4] == 1
    sweeping.sweep(at=refund.promised_by)
    assert counted(refund.promised_by + timedelta(minutes=1))["decision_person"][4] == 1


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
    last = {Status.APPROVED, Status.REJECTED, Status.REPLACED, Status.CLOSED}
    ends = {name for name, step in STEPS.items() if step.target in last}
    again = {"reissue", "confirm_redirect"}  # send again what was decided
    assert ends == {*pace.BY_MACHINE, *pace.BY_PEOPLE, *again}
    leave = {name for name, step in STEPS.items() if Status.MERCHANT_REVIEW in step.sources and "merchant" in step.who}
    assert leave == set(pace.SHOP_ANSWERS)
    assert {name for name, step in STEPS.items() if step.sources == {Status.OFFERED}} == set(pace.BUYER_ANSWERS)
    assert set(pace.PROMISES) < set(pace.STAGES)
    assert {f"channel_{channel}" for channel in Channel.values} < set(pace.STAGES)


def test_what_the_page_promises_is_what_each_case_is_promised(buy, apply):
    waiting, automatic = apply(buy(), precheck=False), apply(buy())
    promised = {
        "decision_automatic": waiting.promised_by - waiting.submitted_at,
        "release_automatic": automatic.promised_by - automatic.decided_at,
    }
    assert promised == {stage: promise for stage, promise in pace.PROMISES.items() if promise}


def test_shares_of_what_was_decided_appealed_refused_and_asked(house, buy, apply):
    apply(buy())  # by the machine
    house.with_shop("merchant agree")
    silent = house.with_shop()
    sweeping.sweep(at=silent.promised_by)
    for steps in (["senior grant_appeal"], ["senior dismiss_appeal"]):
        house.case("reviewer reject", "buyer appeal", *steps)
    house.case("reviewer reject", "senior reopen")
    pace.compute(at=silent.promised_by)
    found = {row.stage: (row.case_count, row.kept_count) for row in pace.latest(with_shares=True).values()}
    assert {share: found[share] for share in pace.SHARES} == {
        "share_automatic": (8, 1),  # three refusals, two answers to appeals, two ways of a shop
        "share_appeals_upheld": (2, 1),
        "share_reopened": (4, 1),
        "share_silent_shops": (2, 1),
    }
    assert not set(pace.latest()) & set(pace.SHARES)


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
    assert StageFigures.objects.count() == len(pace.STAGES) + len(pace.SHARES)


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
