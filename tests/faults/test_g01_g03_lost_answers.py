"""G1 to G3: no answer, or one that says nothing. The buyer is paid once, under one number, by the very same request."""

from __future__ import annotations

import itertools

import pytest

import clock
from payments import hearing
from payments.models import AttemptStatus
from tests.cases import attempt_of
from tests.faults.stories import arrives_once, ends_well, later, ledger_row

pytestmark = pytest.mark.django_db

UNDONE = {"wechat": ["http_500_before"], "alipay": ["http_500_before", "system_error_before", "unknown_20000_before"]}
DONE = {"wechat": ["http_500_after"], "alipay": ["http_500_after", "system_error_after", "unknown_20000"]}


def says_the_same(recorder, attempt, *, times=None):
    """Every request about this refund is the same, to the byte."""
    bodies = [each.body for each in recorder.calls("refund") if attempt.request_no in each.body.decode()]
    assert len(set(bodies)) == 1
    assert times is None or len(bodies) == times


def waits_unknown(refund):
    attempt = attempt_of(refund)
    assert attempt.status == AttemptStatus.UNKNOWN
    assert attempt.payment.reserved_fen == refund.amount_fen  # no timer frees it


def test_g01_no_answer_and_nothing_was_done(channel, sent, simulator, recorder):
    """Twice lost: once the request, once the question; then the very same request again."""
    refund = sent(channel)
    attempt = attempt_of(refund)
    simulator.faults("request_lost", request_no=attempt.request_no, times=2)
    for _ in range(2):
        later(700)
        waits_unknown(refund)
        assert ledger_row(simulator, attempt) == {}
    later(700)
    ends_well(refund, simulator=simulator)
    arrives_once(refund, simulator)
    says_the_same(recorder, attempt, times=2)


@pytest.mark.parametrize("fault", ["answer_lost", "half_body", "reset_after"])
def test_g02_no_answer_but_it_was_done(fault, channel, sent, simulator, recorder):
    """The question finds it: there is no second request."""
    refund = sent(channel)
    attempt = attempt_of(refund)
    simulator.faults(fault, request_no=attempt.request_no)
    later(700)
    waits_unknown(refund)
    assert ledger_row(simulator, attempt)["effects"] == 1
    later(700)
    ends_well(refund, simulator=simulator)
    arrives_once(refund, simulator)
    says_the_same(recorder, attempt, times=1)


def test_g03_a_server_error_says_nothing(channel, sent, simulator, recorder):
    """Before the effect or after it, in each of the channel's words: several refunds, each with its own error."""
    stories = {fault: sent(channel) for fault in [*UNDONE[channel], *DONE[channel]]}
    for fault, refund in stories.items():
        simulator.faults(fault, request_no=attempt_of(refund).request_no, times=1)
    later(700)
    for fault, refund in stories.items():
        attempt = attempt_of(refund)
        if attempt.first_sent_at is None:
            continue  # the channel failed too often in this second: the rest waits its turn
        assert (ledger_row(simulator, attempt) != {}) == (fault in DONE[channel])
    for _ in range(3):
        later(700)
    for fault, refund in stories.items():
        ends_well(refund, simulator=simulator)
        arrives_once(refund, simulator)
        # Alipay's errors come in a 200: the gateway asks at once, in the same breath.
        says_the_same(recorder, attempt_of(refund), times=1 if fault in DONE[channel] else 2)


def test_g03_it_is_asked_ever_more_slowly(channel, sent, simulator, settings):
    """Five seconds, ten, twenty … up to ten minutes, and never all at the same moment."""
    settings.TIME_SCALE = 1
    attempt = attempt_of(sent(channel))
    simulator.faults("http_500_before", request_no=attempt.request_no, times=20)
    pauses = []
    for tries in range(1, 11):
        later(721)
        attempt.refresh_from_db()
        pauses.append((attempt.next_due_at - clock.now()).total_seconds() / min(5 * 2**tries, 600))
    assert all(0.75 < pause <= 1.2 for pause in pauses), pauses
    assert all(one != other for one, other in itertools.pairwise(pauses))
    assert attempt.tries < hearing.MOST_TRIES
