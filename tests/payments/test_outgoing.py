"""停止出款: while the switch is off nothing leaves, nothing is lost, and asking goes on; after it each goes once."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

import clock
from ledger import balances
from orders import cancellation
from orders.models import Cause
from payments import by_hand, outgoing, refunding
from payments.models import AttemptStatus as A
from payments.models import OutgoingSwitch, RefundAttempt
from payments.refunding import Instruction
from refunds import disbursement, penalties, sweeping
from refunds.lifecycle import StepRefused
from tests.cases import attempt_of, hint

pytestmark = pytest.mark.django_db


def stop(by, **of):
    return outgoing.stop(by=by, reason="对账不平，先停", at=clock.now(), **of)


def resume(by, **of):
    return outgoing.resume(by=by, reason="已核对", at=clock.now(), **of)


def sent(simulator, attempts):
    """How often money left at the channel, by number."""
    books = {row["out_refund_no"]: row["effects"] for row in simulator.ledger()["refunds"]}
    return [books.get(attempt.request_no, 0) for attempt in attempts]


@pytest.mark.parametrize("count", [12, pytest.param(100, marks=pytest.mark.nightly)])
def test_due_sends_wait_for_the_switch_and_then_go_once_each(count, buy, simulator, finance, operator):
    """Everything stays queued with its due time; a batch asks for the switch once, whatever it holds."""
    at = clock.now()
    payments = [buy(price_fen=3000, stock=1).payments.get() for _ in range(count)]
    attempts = refunding.open_attempts([Instruction(payment, 10, "试") for payment in payments], at=at)
    stop(finance)
    due = dict(RefundAttempt.objects.values_list("pk", "next_due_at"))
    later = at + timedelta(hours=1)
    with CaptureQueriesContext(connection) as asked:
        assert refunding.sweep(at=later) == 0
    assert sum("payments_outgoingswitch" in query["sql"] for query in asked) == 1
    assert sent(simulator, attempts) == [0] * count
    assert dict(RefundAttempt.objects.values_list("pk", "next_due_at")) == due
    assert set(RefundAttempt.objects.values_list("status", "first_sent_at")) == {(A.PREPARED, None)}

    resume(operator)
    while RefundAttempt.objects.filter(first_sent_at=None).exists():
        refunding.sweep(at=later)
        later += timedelta(seconds=1)
    assert sent(simulator, attempts) == [1] * count


def test_what_was_sent_is_asked_about_and_neither_sent_again_nor_on(released, simulator, finance, operator):
    attempt = attempt_of(released())
    simulator.faults("request_lost", request_no=attempt.request_no)
    refunding.sweep(at=clock.now())
    stop(finance)
    hint(attempt)
    later = clock.now() + timedelta(minutes=3)  # its account's calls have failed just now
    assert refunding.sweep(at=later) == 1
    attempt.refresh_from_db()
    assert (attempt.status, attempt.tries) == (A.UNKNOWN, 1)  # the one that was lost
    assert attempt.next_due_at > later
    assert sent(simulator, [attempt]) == [0]

    resume(operator)
    refunding.sweep(at=attempt.next_due_at)
    attempt.refresh_from_db()
    assert attempt.status == A.ACCEPTED


def test_a_returned_refund_is_not_sent_on_meanwhile(released, ends_as, simulator, finance, operator):
    attempt = attempt_of(ends_as(released(), "ABNORMAL"))
    by_hand.send_on(attempt, card=None, by=finance, at=clock.now())
    stop(finance)
    refunding.sweep(at=clock.now())
    attempt.refresh_from_db()
    assert (attempt.status, attempt.redirect_to) == (A.UNKNOWN, "merchant")  # still to be sent on

    resume(operator)
    hint(attempt)
    refunding.sweep(at=clock.now())
    attempt.refresh_from_db()
    assert attempt.status in {A.BACK_WITH_MERCHANT, A.ACCEPTED}


def test_nothing_goes_to_a_balance_meanwhile(approved, buy, apply, finance, operator, drain):
    """A person is told; what goes by itself waits its turn."""
    by_a_person = approved(destination="balance")
    stop(finance)
    with pytest.raises(StepRefused, match="已暂停"):
        disbursement.release([by_a_person], by=finance, at=clock.now())
    by_itself = apply(buy(price_fen=3000), destination="balance")
    assert by_itself.lane == "one_click"
    sweeping.sweep(at=clock.now())
    by_itself.refresh_from_db()
    assert (by_itself.status, by_itself.next_due_at > clock.now()) == ("approved", True)

    resume(operator)
    sweeping.sweep(at=by_itself.next_due_at)
    by_itself.refresh_from_db()
    assert by_itself.status == "arrived"


def test_a_shops_penalty_waits_too(buy, merchant, finance, operator):
    order = buy(stock=0)
    cancellation.cancel(order, cause=Cause.OUT_OF_STOCK, by=merchant, at=clock.now())
    stop(finance)
    assert penalties.sweep(at=clock.now()) == 0
    assert balances.of_buyer(order.buyer_id) == 0
    resume(operator)
    assert penalties.sweep(at=clock.now()) == 1
    assert balances.of_buyer(order.buyer_id) == 150


def test_one_account_alone_can_be_stopped(released, simulator, finance, operator):
    by_wechat, by_alipay = attempt_of(released()), attempt_of(released(channel="alipay"))
    stop(operator, account=by_wechat.payment.account)
    refunding.sweep(at=clock.now())
    for attempt in (by_wechat, by_alipay):
        attempt.refresh_from_db()
    assert by_wechat.first_sent_at is None
    assert by_alipay.first_sent_at is not None
    assert outgoing.stopped() is None

    resume(finance, account=by_wechat.payment.account)
    refunding.sweep(at=clock.now())
    by_wechat.refresh_from_db()
    assert by_wechat.status == A.ACCEPTED


def test_another_person_lets_it_go_and_each_turn_is_kept(finance, operator, reviewer):
    with pytest.raises(outgoing.CannotTurn, match="岗位"):
        stop(reviewer)
    with pytest.raises(outgoing.CannotTurn, match="原因"):
        outgoing.stop(by=finance, reason="  ", at=clock.now())
    row = stop(finance)
    assert outgoing.stopped() == row
    for again, by, why in ((stop, operator, "已经停止"), (resume, finance, "另一位")):
        with pytest.raises(outgoing.CannotTurn, match=why):
            again(by)
    resume(operator)
    assert outgoing.stopped() is None
    with pytest.raises(outgoing.CannotTurn, match="没有停止"):
        resume(finance)
    assert OutgoingSwitch.objects.count() == 2


def test_the_buyer_reads_that_it_waits_and_nobodys_name(released, finance, operator, client):
    """In general words; the same page without them once it goes on."""
    refund = released()
    client.force_login(refund.buyer)
    page = f"/refunds/{refund.refund_no}/"
    stop(finance)
    said = client.get(page).content.decode()
    assert "出款暂停，稍后继续" in said
    assert "对账不平" not in said
    assert finance.username not in said
    version = client.get(page).context["progress"].version
    resume(operator)
    answer = client.get(page)
    assert "出款暂停，稍后继续" not in answer.content.decode()
    assert answer.context["progress"].version != version
