"""Paid out is not arrived: what a page says of a bank, by whose word, and how right that was (S0-15, S0-25, S2-24)."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

import clock
from payments.gateways.base import ReceivedAccountKind
from payments.models import AttemptStatus, RefundAttempt
from refunds import arrival_times, lifecycle, stages
from refunds.models import ArrivalFigures, Status
from refunds.workdays import SHANGHAI
from tests.cases import attempt_of
from tests.faults.conftest import CARD
from tests.faults.stories import all_is_well, later

pytestmark = pytest.mark.django_db
DAY = 86_400


def to_a_card(sent, simulator, channel="wechat"):
    """A refund that the channel has paid out to a bank card."""
    refund = sent(channel, funding=CARD[channel])
    later(1)
    simulator.settle(attempt_of(refund).request_no, "SUCCESS" if channel == "wechat" else "PROCESSING")
    for _ in range(3):
        later(60)
    refund.refresh_from_db()
    assert refund.status == Status.PAID_OUT
    return refund


def test_a_bank_that_refuses_days_later_is_heard_of_without_a_notification(sent, simulator, recorder, settings):
    """S0-25, PM11: asked again after 24 hours and after five days; nothing else would tell."""
    settings.TIME_SCALE = 1
    refund = to_a_card(sent, simulator)
    attempt = attempt_of(refund)
    assert attempt.next_due_at == attempt.finished_at + timedelta(days=1)
    asked = len(recorder.calls("query_refund"))
    later(DAY)
    attempt.refresh_from_db()
    assert len(recorder.calls("query_refund")) == asked + 1
    assert (attempt.status, attempt.next_due_at) == (
        AttemptStatus.SUCCEEDED, attempt.finished_at + timedelta(days=5),
    )  # fmt: skip
    simulator.settle(attempt.request_no, "ABNORMAL")
    later(4 * DAY)
    refund.refresh_from_db()
    assert refund.status == Status.RETURNED
    all_is_well(simulator)


def test_nobody_is_asked_about_a_wallet_again(sent, simulator):
    refund = sent("wechat")
    later(1)
    simulator.settle(attempt_of(refund).request_no, "SUCCESS")
    later(60)
    later(60)
    refund.refresh_from_db()
    assert (refund.status, attempt_of(refund).next_due_at) == (Status.ARRIVED, None)


def test_the_banks_own_date_is_told_as_soon_as_it_is_known(sent, simulator):
    """S2-24: before it is late, with the reason; a channel's word goes before a table."""
    refund = to_a_card(sent, simulator, "alipay")
    attempt = attempt_of(refund)
    day = attempt.arrival_expected_at.astimezone(SHANGHAI).date()
    assert refund.arrival_expected_until == day
    assert refund.next_due_at.astimezone(SHANGHAI) == datetime.combine(
        day + timedelta(days=1), datetime.min.time(), SHANGHAI
    )
    assert f"银行清算中，预计最晚 {day.month}月{day.day}日到账" in stages.next_step(refund)


def paid_out(**columns):
    """An attempt of Friday 20 November 2026, to a card."""
    moment = datetime(2026, 11, 20, 15, 0, tzinfo=SHANGHAI)
    kind = columns.pop("received_account_kind", ReceivedAccountKind.BANK_CARD.value)
    return RefundAttempt(finished_at=moment, received_account_kind=kind, **columns)


def figures(**columns):
    return ArrivalFigures(**{"proven_count": arrival_times.ENOUGH, "p90_workdays": 2} | columns)


@pytest.mark.parametrize(
    ("attempt", "measured", "until"),
    [
        ({}, None, "11-25"),  # three working days, as channels say
        ({}, {"proven_count": arrival_times.ENOUGH - 1}, "11-25"),  # too little to go by
        ({}, {}, "11-24"),  # nine of ten within two
        ({}, {"p90_workdays": 0}, "11-20"),
        ({}, {"p90_workdays": 7}, "12-01"),  # slower than channels say
        ({"arrival_expected_at": datetime(2026, 11, 23, 9, tzinfo=SHANGHAI)}, {}, "11-23"),
        ({"arrival_expected_at": datetime(2026, 11, 19, 9, tzinfo=SHANGHAI)}, None, "11-20"),  # no day before it left
        ({"received_account_kind": "wallet"}, {}, "11-20"),
    ],
)
def test_the_channels_word_then_what_was_measured_then_the_table(attempt, measured, until):
    known = None if measured is None else figures(**measured)
    window = arrival_times.window_of(paid_out(**attempt), known, at=clock.now())
    assert f"{window.latest.astimezone(SHANGHAI):%m-%d}" == until
    assert window.earliest <= window.latest


def test_how_right_we_were_is_counted_by_channel_and_account(sent, simulator, buyer):
    """校准: a bank's proof, a buyer's word and a buyer's complaint are told apart."""
    by_the_bank = to_a_card(sent, simulator, "alipay")
    simulator.settle(attempt_of(by_the_bank).request_no, "SUCCESS")
    by_the_buyer, missing = to_a_card(sent, simulator), to_a_card(sent, simulator)
    later(600)
    later(600)
    lifecycle.confirm_arrival([by_the_buyer], by=buyer, at=clock.now())
    lifecycle.report_missing(missing, by=buyer, at=clock.now() + timedelta(days=9))
    assert arrival_times.measure(at=clock.now() + timedelta(days=9)) == 2
    assert arrival_times.measure(at=clock.now() + timedelta(days=9)) == 0  # once an hour
    found = arrival_times.latest()
    alipay, wechat = found["alipay", "bank_card"], found["wechat", "bank_card"]
    assert (alipay.paid_out_count, alipay.proven_count, alipay.within_count, alipay.p90_workdays) == (1, 1, 1, 0)
    assert (wechat.paid_out_count, wechat.proven_count, wechat.confirmed_count) == (2, 0, 1)
    assert (wechat.within_count, wechat.missing_count, wechat.p90_workdays) == (1, 1, None)


def test_slow_banks_count_in_working_days():
    """Nine of ten is the fewest days within which so many were there; a weekend is nobody's delay."""
    friday, monday, wednesday = (datetime(2026, 11, day).date() for day in (20, 23, 25))
    rows = [("wechat", "bank_card", friday, there, None, friday, False, count)
            for there, count in ((friday, 5), (monday, 4), (wednesday, 1))]  # fmt: skip
    found = arrival_times._counted(rows)["wechat", "bank_card"]
    assert dict(found.by_workdays) == {0: 5, 1: 4, 3: 1}
    assert arrival_times._share_within(found.by_workdays, 50) == 0
    assert arrival_times._share_within(found.by_workdays, 90) == 1
    assert arrival_times._share_within({}, 90) is None
