"""G4, G5: too many calls, too little money. We slow down or wait, under the same numbers, in nobody else's way."""

from __future__ import annotations

from datetime import timedelta

import pytest

import clock
from payments import channels, funds, refunding
from payments.models import AttemptStatus, Attention, ChannelAccount, RefundAttempt
from refunds.models import Queue, Refund, Status
from tests.cases import attempt_of
from tests.faults.stories import all_is_well, arrives_once, ends_well, later, ledger_row, refunds_there

pytestmark = pytest.mark.django_db

LIMITED = {"wechat": ("http_429", True), "alipay": ("limited_40005", False)}  # the fault, and whether it was done
STEP_SECONDS = 0.1


def run_for(seconds, recorder, *, until=lambda: False):
    """The machine works as fast as it may for so long, by the shop's clock alone; returns how long it took."""
    start = clock.now()
    for step in range(int(seconds / STEP_SECONDS)):
        elapsed = step * STEP_SECONDS
        recorder.now = lambda: elapsed  # noqa: B023 - used before it changes
        if until():
            return elapsed
        refunding.sweep(at=start + timedelta(seconds=elapsed))
    return seconds


def most_in_a_second(exchanges):
    """The largest number of these calls that began within any one second."""
    times = [each.at for each in exchanges]
    return max((sum(at <= other < at + 1 for other in times) for at in times), default=0)


def test_g04_too_fast_may_mean_accepted(channel, sent, simulator, recorder, settings):
    """A minute's pause, a question, the same number; WeChat had taken it on all the same."""
    settings.TIME_SCALE = 1
    refund = sent(channel)
    attempt = attempt_of(refund)
    fault, done = LIMITED[channel]
    simulator.faults(fault, request_no=attempt.request_no)
    later(1)
    attempt.refresh_from_db()
    assert attempt.status == AttemptStatus.UNKNOWN
    assert attempt.next_due_at >= clock.now() + timedelta(seconds=59)
    assert (ledger_row(simulator, attempt) != {}) == done
    later(61)
    ends_well(refund, simulator=simulator)
    arrives_once(refund, simulator)
    assert len({each.body for each in recorder.calls("refund")}) == 1
    assert len(recorder.calls("refund")) == (1 if done else 2)


def test_g04_a_failing_channel_is_asked_six_times_a_second_at_most(channel, many_sent, simulator, recorder):
    """WeChat's limit for failing calls is 6 a second, Alipay's (ours) 20: no second sees more, whatever is due."""
    refunds = many_sent(channel, 14)
    account = channels.account(channel)
    limits = channels.limits(account)
    simulator.faults("http_500_before", rate=1.0, times=None)
    run_for(3, recorder)
    failing = [each for each in recorder.exchanges if each.status == 500]
    assert len(failing) >= 6  # it goes on asking
    assert most_in_a_second(failing) <= limits.failures_per_second
    assert ChannelAccount.objects.get(pk=account.pk).calls_from is not None
    simulator.post("faults", clear=True)
    clock.advance(timedelta(minutes=15))

    def all_are_done():
        return not RefundAttempt.objects.filter(status__in=["prepared", "unknown"]).exists()

    assert run_for(20, recorder, until=all_are_done) < 20
    numbers = {attempt_of(refund).request_no for refund in refunds}
    there = [row for refund in refunds for row in refunds_there(simulator, refund.payment)]
    assert {row["out_refund_no"] for row in there} == numbers
    assert len(there) == len(numbers)
    assert {row["effects"] for row in there} == {1}


def test_g04_good_calls_keep_the_accounts_limit_and_use_it(channel, many_sent, simulator, recorder):
    """No second has more than the contract's calls; a queue is worked off at more than nine tenths of that rate."""
    many_sent(channel, 16)
    ChannelAccount.objects.filter(code=channel).update(calls_per_second=8)

    def all_are_sent():
        return not RefundAttempt.objects.filter(first_sent_at=None).exists()

    recorder.exchanges.clear()
    took = run_for(10, recorder, until=all_are_sent)
    assert took <= 16 / 8 / 0.8
    assert most_in_a_second(recorder.exchanges) <= 8


@pytest.mark.parametrize(("short", "other"), [("wechat", "alipay"), ("alipay", "wechat")])
def test_g05_one_accounts_lack_of_money_stops_no_other(short, other, many_sent, simulator, recorder, finance):
    """Fifty refunds of an account without money, more than a batch: all wait, those of another go at once."""
    poor, rich = many_sent(short, 50 if short == "wechat" else 8), many_sent(other, 4)
    simulator.post("funds", channel=short, amount_fen=0)
    recorder.exchanges.clear()
    for _ in range(8):
        later(0.5)
    assert {attempt_of(refund).status for refund in rich} <= {AttemptStatus.ACCEPTED, AttemptStatus.SUCCEEDED}
    waiting = RefundAttempt.objects.filter(payment__account__code=short)
    assert {attempt.status for attempt in waiting} == {AttemptStatus.WAITING_FUNDS}
    assert sum(attempt.amount_fen for attempt in waiting) == sum(refund.payment.reserved_fen for refund in fresh(poor))
    account = channels.account(short)
    assert account.short_since is not None
    failed = [each for each in recorder.calls("refund") if b"NOT_ENOUGH" in each.answer]
    assert 1 <= len(failed) <= channels.limits(account).failures_per_second  # not one call for each of them

    recorder.exchanges.clear()
    later(601)
    assert len(recorder.calls("refund")) == 1  # a single one probes, the others wait
    clock.advance(timedelta(days=3))
    for _ in range(3):
        later(1)
    assert {attempt.attention for attempt in waiting.all()} == {Attention.FUNDS}
    assert {refund.queue for refund in fresh(poor)} == {Queue.FINANCE}

    simulator.post("funds", channel=short, amount_fen=None)
    numbers = {attempt.request_no for attempt in waiting}
    if short == "wechat":
        assert funds.topped_up(account, by=finance, at=clock.now()) == len(poor)  # a person says so
    for _ in range(20):
        later(601 if short == "alipay" else 1)  # or the next probe finds out
    ends_well(*poor, *rich, simulator=simulator)
    assert {refund.status for refund in fresh(poor + rich)} == {Status.ARRIVED}
    assert {attempt.request_no for attempt in waiting.all()} == numbers
    all_is_well(simulator)


def test_g05_the_money_runs_out_again(many_sent, simulator, recorder, finance):
    """Topped up with enough for three: three go, the rest waits again, and costs no call each."""
    refunds = many_sent("wechat", 9)
    simulator.post("funds", channel="wechat", amount_fen=0)
    for _ in range(3):
        later(0.5)
    simulator.post("funds", channel="wechat", amount_fen=3 * 300)
    recorder.exchanges.clear()
    funds.topped_up(channels.account("wechat"), by=finance, at=clock.now())
    for _ in range(10):
        later(1)
    statuses = [attempt_of(refund).status for refund in refunds]
    assert statuses.count(AttemptStatus.WAITING_FUNDS) == 6
    refused = [each for each in recorder.calls("refund") if each.status == 403]
    assert len(refused) <= channels.limits(channels.account("wechat")).failures_per_second


def fresh(refunds):
    return list(Refund.objects.filter(pk__in=[refund.pk for refund in refunds]).select_related("payment"))
