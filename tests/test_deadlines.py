"""docs/deadlines.md is true, row by row; and the numbers that no other test lives through, each at its very second."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.conf import settings
from django.db import models

import clock
from payments import refunding
from payments.models import Payment
from refunds import clocking, clocks, lifecycle, sweeping
from refunds.lifecycle import StepRefused
from refunds.models import Queue, Refund, Status
from refunds.workdays import SHANGHAI
from shops.models import RefundPolicy
from shops.policy_terms import CLOCKED, usual_working_time
from tests import rules
from tests.cases import CARD, LARGE, House

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "deadlines.md"
SECOND = timedelta(seconds=1)
#: Requirements that are numbers or deadlines of a case; each has its row.
NUMBERS = {
    "S0-11", "S0-15", "S0-16", "S0-17", "S0-18", "S0-25", "S1-4", "S1-10", "S1-12", "S1-13", "S1-17", "S1-28", "S2-6",
    "S2-8", "S2-11", "S2-13", "S2-14", "S3-5", "S3-10", "S3-11", "S3-12", "S3-19", "S4-9", "S4-14", "S4-22",
}  # fmt: skip


# --- the page ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Row:
    rule: str
    title: str
    default: str
    setting: str
    counted: str
    then: str
    test: str


def rows() -> list[Row]:
    lines = [line.strip("| ").split(" | ") for line in PAGE.read_text(encoding="utf-8").splitlines() if "`" in line]
    return [Row(*(cell.strip("` ") for cell in line)) for line in lines if len(line) == 7]


def test_every_number_of_the_requirements_has_its_row():
    assert len(rows()) > 30
    named = {tag for row in rows() for tag in rules.tags_in(row.rule)}
    assert named >= NUMBERS, NUMBERS - named


def test_every_deadline_of_a_policy_has_its_row():
    """Whoever adds an hours column to the policy writes its row."""
    columns = {
        field.name for field in RefundPolicy._meta.get_fields() if re.search("_(hours|days)$|_after$", field.name)
    } - {"window_days"}  # no default of its own: each policy says it
    assert columns <= {row.setting.removeprefix("policy.") for row in rows()}, "docs/deadlines.md"


@pytest.mark.parametrize("row", rows(), ids=lambda row: f"{row.setting} {row.title[:4]}")
def test_a_row_is_true(row: Row):
    wanted = [int(number) for number in re.findall(r"\d+", row.default)]
    value = found(row.setting)
    if isinstance(value, timedelta):
        unit = {"min": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}[row.default.split()[-1]]
        assert value == wanted[0] * unit
    else:
        assert (list(value) if isinstance(value, tuple) else [value]) == wanted
    for unit, suffix in {"h": "hours", "d": "days", "min": "minutes"}.items():
        if row.setting.lower().endswith(f"_{suffix}"):
            assert row.default.split()[-1] == unit
    _is_counted_as_said(row.counted)
    path, _, name = row.test.partition("::")
    assert re.search(rf"^def {name}\(", (ROOT / path).read_text(encoding="utf-8"), re.MULTILINE), row.test


def _is_counted_as_said(counted: str) -> None:
    """Plain hours of what the usual policy counts in working time, or the other way round, would be a lie."""
    if counted == "—":
        return
    kind, status = counted.split()[1].rstrip(":"), Status(counted.split()[-1])
    assert kind in {"working", "plain"}
    if status in CLOCKED and counted != "自然时 plain: first_review":  # a claim is of minutes
        is_claim = status == Status.APPROVED and kind == "plain"  # an objection, in days of the calendar
        assert is_claim or (kind == "working") == (status in usual_working_time())
    else:
        assert kind == "plain"


def found(setting: str) -> Any:
    """The value behind a name of the page: a policy's or a model's default, a setting, or a constant of a module."""
    first, _, rest = setting.partition(".")
    if first == "policy":
        return _default(RefundPolicy, rest)
    if first == "settings":
        return getattr(settings, rest)
    names = setting.split(".")
    if len(names) == 3 and names[1][0].isupper():
        return _default(apps.get_model(names[0], names[1]), names[2])
    end = next(number for number, name in enumerate(names) if name.isupper())
    value: Any = import_module(".".join(names[:end]))
    for name in names[end:]:
        value = _part(value, name)
    return value


def _default(model: type[models.Model], name: str) -> Any:
    field: Any = model._meta.get_field(name)
    return field.get_default()


def _part(value: Any, name: str) -> Any:
    if name.isdigit():
        return value[int(name)]
    return value[name] if isinstance(value, dict) else getattr(value, name)


# --- each at its very second ------------------------------------------------------------------------------------------

pytestmark = pytest.mark.django_db


def lasts(refund: Refund) -> timedelta:
    """From the step until the promise, as it counts for this status."""
    assert refund.entered_at is not None
    assert refund.promised_by is not None
    working = clocking.is_working(refund, Status(refund.status))
    return clocks.between(refund.entered_at, refund.promised_by, working=working)


def hours(number: float) -> timedelta:
    return timedelta(hours=number)


def test_the_pre_check_has_two_hours(buy: Any, apply: Any):
    """S3-10."""
    refund = apply(buy(), precheck=False)
    assert lasts(refund) == hours(2)
    assert refund.next_due_at == refund.submitted_at


def test_a_large_sum_has_three_working_days(house: House):
    """S2-8: three in all, for both looks, also where all pictures are there; no smaller sum has that long."""
    refund = house.case(price_fen=LARGE)
    first = lasts(refund)
    second = lasts(house.on(refund, "reviewer uphold"))
    assert (first, second, first + second) == (hours(48), hours(24), hours(72))
    longer = house.case(price_fen=LARGE, high_value_review_hours=120, second_review_hours=8)
    assert lasts(longer) == hours(112)
    assert lasts(house.case(price_fen=8800, complete_review_hours=24, review_hours=24)) == hours(24)


@pytest.mark.parametrize(("asked_fen", "day"), [(50_000, 24), (50_001, 25)])
def test_before_it_is_sent_the_same_working_days_are_promised(asked_fen: int, day: int):
    """S1-24, S2-8: from a Friday evening; for two people it is a day more."""
    terms = RefundPolicy(review_hours=48, second_review_hours=24, senior_above_fen=50_000)
    friday = datetime(2026, 11, 20, 20, tzinfo=SHANGHAI)
    until = clocking.decided_by(terms, 48, asked_fen, at=friday)
    assert until == datetime(2026, 11, day, 20, tzinfo=SHANGHAI)


def test_asking_a_third_party_takes_two_working_days_more(house: House):
    """S2-8, S3-11, S2-17: the promise moves later, never earlier, and only once at a time."""
    refund = house.case(complete_review_hours=24, review_hours=24)
    begun, before = clock.now(), refund.promised_by
    house.on(refund, "reviewer consult")
    assert refund.promised_by > before
    asked_at = refund.consultations.get().asked_at
    assert asked_at >= begun
    assert refund.promised_by == clocks.add(asked_at, 48, working=True)
    with pytest.raises(StepRefused) as refused:
        lifecycle.consult(refund, by=house.reviewer, at=clock.now(), note="再问一次")
    assert refused.value.code == "consulted"
    house.on(refund, "reviewer record_answer", "reviewer consult")
    late = house.case()
    promised = late.promised_by
    lifecycle.consult(late, by=house.reviewer, at=late.submitted_at, note="是否已兑换")
    late.refresh_from_db()
    assert late.promised_by == promised, "48 working hours from the start are what was promised anyway"


@pytest.mark.parametrize(("seconds", "code"), [(-1, None), (0, "appeal_is_over")])
def test_an_appeal_is_open_for_seven_days(seconds: int, code: str | None, house: House):
    """S1-17."""
    refund = house.case("reviewer reject")
    assert refund.appeal_until == refund.decided_at + timedelta(days=7)
    at = refund.appeal_until + seconds * SECOND
    _refused(code, lambda: lifecycle.appeal(refund, by=house.buyer, at=at, note="审核遗漏了兑换记录"))


def test_an_appeal_has_as_long_as_the_application_had(house: House):
    """An appeal on the twentieth day is not late because the application would be."""
    refund = house.case()
    at = refund.submitted_at + timedelta(days=14)
    lifecycle.reject([refund], by=house.senior, at=at, note="凭证不足")
    refund.refresh_from_db()
    lifecycle.appeal(refund, by=house.buyer, at=at + timedelta(days=6), note="审核遗漏了兑换记录")
    refund.refresh_from_db()
    assert refund.decide_by == at + timedelta(days=21)
    assert lasts(refund) == hours(72)


def test_the_last_day_that_went_by_while_a_buyer_was_asked_is_an_alarm_at_once(house: House):
    refund = house.case(evidence_hours=24 * 20)
    at = refund.submitted_at + hours(1)
    lifecycle.request_evidence([refund], by=house.reviewer, at=at, note="请补截图")
    refund.refresh_from_db()
    back_at = refund.decide_by + hours(1)
    lifecycle.provide_evidence(refund, by=house.buyer, at=back_at, note="补好了")
    sweeping.sweep(at=back_at)
    refund.refresh_from_db()
    assert (refund.status, refund.queue) == (Status.FIRST_REVIEW, Queue.OPERATOR)
    assert refund.next_due_at > back_at


def test_a_reminder_is_not_lost_to_rounding(house: House):
    """Half of an odd number of microseconds is no whole one; the mark is reached all the same."""
    refund = house.case()
    for promised in (7, 13, 333_333):
        refund.promised_by = refund.entered_at + timedelta(microseconds=promised * 10**6 + 1)
        refund.order.policy.working_time, refund.reminded_percent = [], 0
        for percent in clocking.REMINDERS:
            due = clocking.next_look(refund, at=refund.entered_at)
            assert due is not None
            assert clocking.percent_gone(refund, at=due) == percent
            refund.reminded_percent = percent


def test_nobody_is_asked_a_third_time(house: House):
    """S1-12."""
    refund = house.case("reviewer request_evidence", "buyer provide_evidence", "reviewer request_evidence")
    house.on(refund, "buyer provide_evidence")
    _refused("asked_twice", lambda: house.on(refund, "reviewer request_evidence"))


@pytest.mark.parametrize(("seconds", "code"), [(-1, "claimed"), (0, None)])
def test_a_claim_lasts_half_an_hour(seconds: int, code: str | None, house: House):
    refund = house.case("colleague claim")
    at = refund.claimed_at + timedelta(minutes=30) + seconds * SECOND
    _refused(code, lambda: lifecycle.approve([refund], by=house.reviewer, at=at))


def test_a_buyer_urges_after_two_days_and_every_twelve_hours(house: House):
    """S0-18, conflict 10: 48 hours of waiting, or as soon as a promise is past; it goes first, and not every hour."""
    refund = house.case(price_fen=LARGE, high_value_review_hours=120)
    first = refund.entered_at + hours(48)
    for at, code in (
        (first - SECOND, "too_early"), (first, None), (first + hours(12) - SECOND, "too_early"),
        (first + hours(12), None),
    ):  # fmt: skip
        _refused(code, lambda at=at: lifecycle.urge(refund, by=house.buyer, at=at))
        refund.refresh_from_db()
    soon = house.case(review_hours=24)
    soon_at = min(soon.promised_by, soon.entered_at + hours(48))
    _refused("too_early", lambda: lifecycle.urge(soon, by=house.buyer, at=soon_at - SECOND))
    lifecycle.urge(soon, by=house.buyer, at=soon_at)


def test_people_release_within_a_working_day_and_the_machine_within_two_hours(house: House, buy: Any, apply: Any):
    """S2-11, S4-22."""
    assert lasts(house.case("reviewer approve")) == hours(24)
    assert lasts(house.case("reviewer approve", release_hours=8)) == hours(8)
    automatic = apply(buy())
    assert automatic.promised_by - automatic.entered_at == hours(2)


def test_the_channel_has_a_day_and_is_looked_at_daily_after_it(house: House):
    """S0-25."""
    refund = house.sent(house.case("reviewer approve"))
    assert refund.promised_by - refund.entered_at == hours(24)
    for day in (1, 2, 3):
        at = refund.entered_at + timedelta(days=day)
        assert refund.next_due_at == at
        sweeping.sweep(at=at)
        refund.refresh_from_db()


def test_what_did_not_arrive_is_answered_within_a_day(house: House):
    """S0-16, S0-25."""
    refund = house.ends_as(house.sent(house.case("reviewer approve", funding=CARD)), "SUCCESS")
    from refunds import followups

    over = followups.after_arrival_window(refund)
    _refused("too_early", lambda: lifecycle.report_missing(refund, by=house.buyer, at=over - SECOND))
    lifecycle.report_missing(refund, by=house.buyer, at=over)
    refund.refresh_from_db()
    assert (refund.queue, refund.promised_by) == (Queue.REVIEWER, over + hours(24))


def test_the_original_route_ends_after_a_year(house: House):
    """G9: known before anybody calls."""
    payment = Payment.objects.select_related("account").get(pk=house.case().payment_id)
    over = payment.paid_at + timedelta(days=365)
    assert not refunding.why_not(payment, 100, at=over - SECOND)
    assert refunding.why_not(payment, 100, at=over)


def _refused(code: str | None, act: Callable[[], object]) -> None:
    if code is None:
        act()
        return
    with pytest.raises(StepRefused) as refused:
        act()
    assert refused.value.code == code
