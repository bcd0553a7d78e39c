"""Whatever becomes of a request or its answer: the buyer is paid exactly once, under the same number (PM1, G1–G8)."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

import pytest
from django.db import transaction

import clock
import workqueue
from cardshop import invariants
from payments import by_hand, hearing, outgoing, refunding
from payments.asking import ask_all
from payments.gateways.wechat.answers import Call
from payments.models import AttemptStatus, RefundAttempt
from refunds import disbursement
from refunds.models import Queue, Status
from tests.cases import attempt_of, hint, scripted_channel
from tests.gateways.test_wechat import (  # noqa: F401  a channel that answers as it is told
    REFUND_BODY,
    Reply,
    channel,
    credentials,
)

pytestmark = pytest.mark.django_db
asking = partial(refunding._ask, may_send=True)

CALL_FAULTS = ["request_lost", "answer_lost", "http_500_before", "http_500_after", "http_429", "bad_signature",
               "signtest_signature"]  # fmt: skip


def look_later(seconds: float = 60) -> int:
    """Time passes; the sweepers look at what is due."""
    clock.advance(timedelta(seconds=seconds))
    return refunding.sweep(at=clock.now()) + disbursement.hear(at=clock.now())


def theirs(simulator, attempt):
    return [row for row in simulator.ledger()["refunds"] if row["out_trade_no"] == attempt.payment.payment_no]


def arrives_once(refund, simulator):
    refund.refresh_from_db()
    assert refund.status == Status.ARRIVED
    attempt = refund.disbursements.get().attempt
    (row,) = theirs(simulator, attempt)
    assert (row["out_refund_no"], row["status"], row["amount_fen"], row["effects"], row["returns"]) == (
        attempt.request_no, "SUCCESS", refund.amount_fen, 1, 0,
    )  # fmt: skip
    assert invariants.broken(simulator.ledger()) == []


# --- faults of the network and of the channel -------------------------------------------------------------------------


@pytest.mark.parametrize("times", [1, 3])
@pytest.mark.parametrize("fault", CALL_FAULTS)
def test_a_fault_costs_time_and_nothing_else(fault, times, released, simulator):
    refund = released()
    attempt = attempt_of(refund)
    simulator.faults(fault, request_no=attempt.request_no, times=times)
    for tries in range(1, times + 1):
        look_later()
        attempt.refresh_from_db()
        assert (attempt.status, attempt.tries) == (AttemptStatus.UNKNOWN, tries)
        assert attempt.payment.reserved_fen == refund.amount_fen  # no timer frees it
    look_later()
    attempt.refresh_from_db()
    assert attempt.status == AttemptStatus.ACCEPTED
    simulator.settle(attempt.request_no, "SUCCESS")
    look_later()
    arrives_once(refund, simulator)


def test_mixed_faults_of_a_whole_day(released, simulator):
    """Every fault strikes one refund after the other; none is lost, none is doubled."""
    refund = released()
    attempt = attempt_of(refund)
    for fault in CALL_FAULTS:
        simulator.faults(fault, request_no=attempt.request_no)
    for _ in CALL_FAULTS:
        look_later(700)
    look_later(700)
    simulator.settle(attempt.request_no, "SUCCESS")
    look_later(700)
    arrives_once(refund, simulator)


def test_an_attempt_without_answer_ends_with_a_human_its_money_kept(released, simulator, finance):
    """I4: after the last try nobody forgets it, and no timer frees the reserve."""
    refund = released()
    attempt = attempt_of(refund)
    simulator.faults("request_lost", request_no=attempt.request_no, times=10**6)
    for _ in range(hearing.MOST_TRIES):
        look_later(700)
    attempt.refresh_from_db()
    refund.refresh_from_db()
    assert (attempt.status, attempt.next_due_at) == (AttemptStatus.HELD, None)
    assert (refund.status, refund.queue) == (Status.PROCESSING, Queue.FINANCE)
    assert attempt.payment.reserved_fen == refund.amount_fen
    assert invariants.broken() == []

    simulator.post("faults", clear=True)
    assert by_hand.ask_again([attempt], by=finance, at=clock.now()) == 1
    look_later()
    simulator.settle(attempt.request_no, "SUCCESS")
    look_later()
    arrives_once(refund, simulator)


def test_polling_alone_finishes(released, simulator):
    """G15: no notification ever comes here, the shop has no address that the simulator could reach."""
    refund = released()
    look_later()
    for _ in range(10):
        look_later(60)
    simulator.settle(attempt_of(refund).request_no, "SUCCESS")
    look_later(30 * 60)
    arrives_once(refund, simulator)


# --- what the channel may say later -----------------------------------------------------------------------------------


def test_abnormal_is_not_the_end(released, ends_as, simulator):
    """G8: PROCESSING → ABNORMAL → SUCCESS, as when the channel's own desk mends it."""
    refund = ends_as(released(), "ABNORMAL")
    assert (refund.status, refund.queue) == (Status.RETURNED, Queue.FINANCE)
    assert refund.payment.attempts.get().status == AttemptStatus.RETURNED
    simulator.settle(attempt_of(refund).request_no, "SUCCESS")
    look_later(3600)
    arrives_once(refund, simulator)
    assert [event.step for event in refund.events.order_by("sequence")][-4:] == [
        "mark_returned", "resume", "mark_paid_out", "confirm_arrival",
    ]  # fmt: skip


def test_success_that_turns_into_failure_reopens_the_case(released, ends_as, simulator):
    """PM11: the ledger goes back and forth with it, each move a posting of its own."""
    refund = ends_as(released(), "SUCCESS")
    assert refund.status == Status.ARRIVED
    attempt = attempt_of(refund)
    for status, ends in [("ABNORMAL", Status.RETURNED), ("SUCCESS", Status.ARRIVED)]:
        simulator.settle(attempt.request_no, status)
        hint(attempt)
        look_later()
        refund.refresh_from_db()
        assert refund.status == ends
        assert invariants.broken(simulator.ledger()) == []
    attempt.refresh_from_db()
    assert attempt.money_moves == 3


def test_closed_frees_the_reserve_and_waits_for_a_person(released, ends_as, simulator):
    """G7: no new number opens by itself."""
    refund = ends_as(released(), "CLOSED")
    assert (refund.status, refund.queue) == (Status.RETURNED, Queue.FINANCE)
    refund.payment.refresh_from_db()
    assert (refund.payment.reserved_fen, refund.payment.refunded_fen) == (0, 0)
    for _ in range(5):
        look_later(86400)
    assert refund.disbursements.count() == len(theirs(simulator, attempt_of(refund))) == 1
    assert invariants.broken(simulator.ledger()) == []


def test_what_is_closed_is_never_asked_for_again(released, ends_as):
    refund = ends_as(released(), "CLOSED")
    hint(attempt_of(refund))
    assert refunding.sweep(at=clock.now()) == 0


# --- a channel that answers as the test says --------------------------------------------------------------------------


@pytest.fixture
def scripted(released, channel, credentials, settings):  # noqa: F811
    """A released case, its attempt, and the channel that the shop asks about it: one that answers as the test says."""
    refund = released()
    with scripted_channel(credentials, settings):
        yield refund, attempt_of(refund), channel


def says(attempt, **changes) -> Reply:
    """A genuine answer about this attempt, with changes."""
    amount = {"total": attempt.payment.amount_fen, "refund": attempt.amount_fen, "currency": "CNY"}
    body = REFUND_BODY | {"out_refund_no": attempt.request_no, "out_trade_no": attempt.payment.payment_no}
    body |= {"amount": amount | {"payer_total": amount["total"], "payer_refund": amount["refund"]}}
    if changes.get("status") == "SUCCESS":
        body["success_time"] = "2026-11-20T20:05:00+08:00"
    body["amount"] |= changes.pop("amount", {})
    return Reply(200, body | changes)


def no_such_refund() -> Reply:
    return Reply(404, {"code": "RESOURCE_NOT_EXISTS", "message": "退款单不存在"})


def test_another_amount_is_never_believed(scripted):
    """G16: a success of one fen less waits for a human, and moves nothing."""
    refund, attempt, channel = scripted  # noqa: F811
    channel.answers[Call.REFUND] = says(attempt, status="PROCESSING")
    channel.answers[Call.QUERY_REFUND] = says(attempt, status="SUCCESS", amount={"refund": attempt.amount_fen - 1})
    look_later()
    look_later()
    attempt.refresh_from_db()
    refund.refresh_from_db()
    assert (attempt.status, refund.status, refund.queue) == (AttemptStatus.HELD, Status.PROCESSING, Queue.FINANCE)
    assert "不符" in attempt.last_error
    assert (attempt.payment.reserved_fen, attempt.payment.refunded_fen) == (refund.amount_fen, 0)
    assert invariants.broken() == []


def test_without_funds_the_same_number_waits_and_goes_on_after_topping_up(scripted, finance):
    """G5, PM15."""
    refund, attempt, channel = scripted  # noqa: F811
    channel.answers[Call.REFUND] = Reply(403, {"code": "NOT_ENOUGH", "message": "商户余额不足"})
    channel.answers[Call.QUERY_REFUND] = no_such_refund()
    for _ in range(3):
        look_later(600)
        attempt.refresh_from_db()
        assert attempt.status == AttemptStatus.WAITING_FUNDS
        assert attempt.accepted_at is None
    channel.answers[Call.REFUND] = says(attempt, status="SUCCESS")
    assert by_hand.ask_again([attempt], by=finance, at=clock.now()) == 1
    look_later(1)
    refund.refresh_from_db()
    assert refund.status == Status.ARRIVED
    bodies = {asked.body for asked in channel.requests if asked.body}
    assert len(bodies) == 1  # every try was the very same request
    assert invariants.broken() == []


def test_what_the_channel_will_not_do_waits_for_a_human(scripted):
    refund, attempt, channel = scripted  # noqa: F811
    channel.answers[Call.REFUND] = Reply(400, {"code": "INVALID_REQUEST", "message": "请核实后再试"})
    channel.answers[Call.QUERY_REFUND] = no_such_refund()
    look_later()
    attempt.refresh_from_db()
    refund.refresh_from_db()
    assert (attempt.status, refund.queue) == (AttemptStatus.HELD, Queue.FINANCE)
    asked = len(channel.requests)
    look_later(86400)
    assert len(channel.requests) == asked


def test_wrong_keys_use_up_no_tries(scripted):
    """Nothing works until the keys are mended: no refund gives up because of that."""
    _, attempt, channel = scripted  # noqa: F811
    refused = Reply(401, {"code": "SIGN_ERROR", "message": "错误的签名"})
    channel.answers |= {Call.REFUND: refused, Call.QUERY_REFUND: refused}
    for _ in range(hearing.MOST_TRIES + 2):
        look_later(61)
    attempt.refresh_from_db()
    assert (attempt.status, attempt.tries) == (AttemptStatus.UNKNOWN, 0)


# --- a process dies between the phases (F1) ---------------------------------------------------------------------------


def test_death_after_the_claim(released, simulator):
    refund = released()
    refunding._claim(clock.now(), outgoing.now())[0]
    attempt = attempt_of(refund)
    assert attempt.status == AttemptStatus.UNKNOWN  # before the first byte could leave
    assert refunding.sweep(at=clock.now()) == 0  # somebody holds it
    look_later(workqueue.LEASE.total_seconds() + 1)
    simulator.settle(attempt.request_no, "SUCCESS")
    look_later()
    arrives_once(refund, simulator)


def test_death_after_the_call(released, simulator):
    refund = released()
    ask_all(refunding._claim(clock.now(), outgoing.now())[0], asking)
    attempt = attempt_of(refund)
    assert theirs(simulator, attempt)[0]["effects"] == 1
    look_later(workqueue.LEASE.total_seconds() + 1)
    attempt.refresh_from_db()
    assert attempt.status == AttemptStatus.ACCEPTED
    simulator.settle(attempt.request_no, "SUCCESS")
    look_later()
    arrives_once(refund, simulator)


def test_death_before_the_case_hears(released, simulator):
    refund = released()
    refunding.sweep(at=clock.now())
    simulator.settle(attempt_of(refund).request_no, "SUCCESS")
    clock.advance(timedelta(seconds=60))
    refunding.sweep(at=clock.now())
    refund.refresh_from_db()
    assert refund.status == Status.PROCESSING
    disbursement.hear(at=clock.now())
    arrives_once(refund, simulator)
    assert disbursement.hear(at=clock.now()) == 0


def two_askers(simulator, attempt):
    """Two sweepers with answers of the same attempt: the first one's lease had run out while the channel was slow."""
    first = refunding._claim(clock.now(), outgoing.now())[0]
    slow = ask_all(first, asking)
    clock.advance(workqueue.LEASE + timedelta(seconds=1))
    second = refunding._claim(clock.now(), outgoing.now())[0]
    assert [row.pk for row in first] == [row.pk for row in second] == [attempt.pk]
    simulator.settle(attempt.request_no, "SUCCESS")
    return slow, ask_all(second, asking)


def test_an_answer_that_comes_late_undoes_no_newer_one(released, simulator):
    refund = released()
    slow, quick = two_askers(simulator, attempt_of(refund))
    refunding.record(quick, at=clock.now())
    refunding.record(slow, at=clock.now())
    assert attempt_of(refund).status == AttemptStatus.SUCCEEDED
    disbursement.hear(at=clock.now())
    arrives_once(refund, simulator)


def test_an_old_success_undoes_no_newer_failure(released, simulator):
    """Both are steps of the table, so only who asked last can tell."""
    refund = released()
    attempt = attempt_of(refund)
    refunding.sweep(at=clock.now())
    simulator.settle(attempt.request_no, "SUCCESS")
    clock.advance(timedelta(seconds=60))
    slow = ask_all(refunding._claim(clock.now(), outgoing.now())[0], asking)
    clock.advance(workqueue.LEASE + timedelta(seconds=1))
    newer = refunding._claim(clock.now(), outgoing.now())[0]
    simulator.settle(attempt.request_no, "ABNORMAL")
    refunding.record(ask_all(newer, asking), at=clock.now())
    refunding.record(slow, at=clock.now())
    assert attempt_of(refund).status == AttemptStatus.RETURNED
    assert invariants.broken(simulator.ledger()) == []


def test_an_answer_that_comes_late_is_taken_if_it_is_the_first(released, simulator):
    """A channel slower than the lease must not make two sweepers throw each other's answers away for ever."""
    refund = released()
    slow, quick = two_askers(simulator, attempt_of(refund))
    refunding.record(slow, at=clock.now())
    assert attempt_of(refund).status == AttemptStatus.ACCEPTED
    refunding.record(quick, at=clock.now())  # asked under a lease that the first answer has ended: asked again soon
    assert attempt_of(refund).status == AttemptStatus.ACCEPTED
    look_later()
    arrives_once(refund, simulator)


def test_the_same_answer_twice_is_posted_once(released, simulator):
    refund = released()
    refunding.sweep(at=clock.now())
    simulator.settle(attempt_of(refund).request_no, "SUCCESS")
    clock.advance(timedelta(seconds=60))
    answers = ask_all(refunding._claim(clock.now(), outgoing.now())[0], asking)
    refunding.record(answers, at=clock.now())
    refunding.record(answers, at=clock.now())
    disbursement.hear(at=clock.now())
    arrives_once(refund, simulator)


# --- rows that spoil a batch (F12) ------------------------------------------------------------------------------------


def test_one_refund_that_no_channel_may_see_stops_no_other(released, simulator):
    good, bad = released(), released()
    RefundAttempt.objects.filter(pk=attempt_of(bad).pk).update(channel_refund_id="")
    spoil_parameters(attempt_of(bad), reason="x" * 60, notify_url="not an address")
    look_later()
    simulator.settle(attempt_of(good).request_no, "SUCCESS")
    look_later()
    arrives_once(good, simulator)
    bad.refresh_from_db()
    assert (attempt_of(bad).status, bad.queue) == (AttemptStatus.HELD, Queue.FINANCE)


def test_one_answer_that_cannot_be_written_down_stops_no_other(released, simulator):
    """Its posting is there already: for whatever reason, a human must look, and the reserve stays."""
    from ledger import posting
    from ledger.posting import Transfer

    good, bad = released(), released()
    look_later()
    for refund in (good, bad):
        simulator.settle(attempt_of(refund).request_no, "SUCCESS")
    posting.post([Transfer(f"refund:{attempt_of(bad).request_no}:1", "channel:wechat", "shop:1", 1)], at=clock.now())
    look_later()
    good.refresh_from_db()
    bad.refresh_from_db()
    assert good.status == Status.ARRIVED
    assert (attempt_of(bad).status, bad.status, bad.queue) == (AttemptStatus.HELD, Status.PROCESSING, Queue.FINANCE)
    assert attempt_of(bad).payment.reserved_fen == bad.amount_fen


def test_one_case_that_cannot_act_on_its_news_stops_no_other(released, simulator):
    good, bad = released(), released()
    look_later()
    for refund in (good, bad):
        simulator.settle(attempt_of(refund).request_no, "SUCCESS")
    clock.advance(timedelta(seconds=60))
    refunding.sweep(at=clock.now())
    said = attempt_of(bad).received_account_kind
    RefundAttempt.objects.filter(pk=attempt_of(bad).pk).update(received_account_kind="nobody knows")
    disbursement.hear(at=clock.now())
    arrives_once(good, simulator)
    bad.refresh_from_db()
    assert (bad.status, bad.queue) == (Status.PROCESSING, Queue.FINANCE)
    assert attempt_of(bad).news_at is not None  # not forgotten, and no sweep stumbles over it for an hour
    RefundAttempt.objects.filter(pk=attempt_of(bad).pk).update(received_account_kind=said)
    assert disbursement.hear(at=clock.now()) == 0
    clock.advance(timedelta(hours=1))
    disbursement.hear(at=clock.now())
    arrives_once(bad, simulator)


def spoil_parameters(attempt, **values):
    """What no code of ours can do: parameters that a gateway must refuse to send."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        RefundAttempt.objects.filter(pk=attempt.pk).update(**values)
        cursor.execute("SET LOCAL session_replication_role = DEFAULT")


# --- what may not be --------------------------------------------------------------------------------------------------


def test_no_channel_call_inside_a_transaction(released):
    """PM3."""
    released()
    with transaction.atomic(), pytest.raises(RuntimeError, match="inside a transaction"):
        refunding.sweep(at=clock.now())


@pytest.mark.parametrize(("days", "parts", "reason"), [(365, 0, "365 天"), (0, 50, "50 次")])
def test_what_the_channel_would_refuse_is_not_sent(days, parts, reason, approved, finance, simulator):
    """G9: set aside with the reason, for finance, and nothing leaves."""
    refund = approved(window_days=400)
    clock.advance(refund.payment.paid_at + timedelta(days=days) - clock.now())
    type(refund.payment).objects.filter(pk=refund.payment_id).update(last_attempt_index=parts)
    released = disbursement.release([refund], by=finance, at=clock.now())
    refund.refresh_from_db()
    assert released.sent == []
    assert reason in released.set_aside[0][1]
    assert (refund.status, refund.queue) == (Status.RETURNED, Queue.FINANCE)
    assert reason in refund.events.latest("sequence").note
    assert not refund.disbursements.exists()


@pytest.mark.parametrize(("days", "sent"), [(364, True), (365, False), (366, False)])
def test_three_hundred_and_sixty_five_days(days, sent, approved):
    refund = approved(window_days=400)
    at = refund.payment.paid_at + timedelta(days=days)
    assert (refunding.why_not(refund.payment, 1, at=at) == "") is sent


@pytest.mark.parametrize(("used", "sent"), [(48, True), (49, True), (50, False)])
def test_fifty_parts(used, sent, approved):
    payment = approved().payment
    payment.last_attempt_index = used
    assert (refunding.why_not(payment, 1, at=clock.now()) == "") is sent
