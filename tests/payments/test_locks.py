"""Locks are taken in one order: refund, payment, attempt, account. Two at once wait for each other, never both (F4).

One transaction is held open at each step until the database itself says that the other one waits for it.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection, connections, transaction
from django.test.utils import CaptureQueriesContext

import clock
from orders.models import Order, OrderStatus
from payments import channels, charging, funds, outgoing, pacing, refunding
from payments.charging import Way
from payments.models import AttemptStatus, ChannelAccount, RefundAttempt
from refunds.models import Refund
from tests.cases import attempt_of
from tests.payments.test_found_by_reviews import checkout  # noqa: F401
from tests.production import ROOT
from tests.refunds.test_races import wait_until_somebody_waits, while_open

pytestmark = pytest.mark.django_db(transaction=True)


def alone(work):
    """On a connection of its own; what was raised is the result."""
    try:
        return work()
    except Exception as error:
        return error
    finally:
        connections.close_all()


def make_short(*codes, at):
    for code in codes:
        funds.ran_short([channels.account(code).pk], at=at)


def test_a_sweeper_and_money_that_has_come_back_do_not_wait_for_each_other(released):
    """One worker claims what waits for money while another hears that there is some."""
    attempt = attempt_of(released())
    at = clock.now()
    make_short("wechat", at=at)
    refunding.sweep(at=at)
    RefundAttempt.objects.filter(pk=attempt.pk).update(next_due_at=at)
    account = channels.account("wechat")
    assert RefundAttempt.objects.get(pk=attempt.pk).status == AttemptStatus.WAITING_FUNDS
    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            funds.lock_accounts([account.pk])  # as a record of answers has it
            claiming = pool.submit(alone, lambda: refunding._claim(at, outgoing.now())[0])
            wait_until_somebody_waits(claiming)
            assert funds.resume([account.pk], at=at) == 0  # it is in the other's hands
        assert [row.pk for row in claiming.result(timeout=60)] == [attempt.pk]  # and goes on: there is money
    assert ChannelAccount.objects.get(pk=account.pk).short_since is None


def test_two_sweepers_lock_accounts_in_one_order(released):
    """The first one's batch begins with the account without money, which has the larger key."""
    at = clock.now()
    first, second = attempt_of(released()), attempt_of(released(channel="alipay"))
    assert first.payment.account_id < second.payment.account_id
    make_short("alipay", at=at)
    rich, poor = ([row] for row in RefundAttempt.objects.select_related("payment__account").order_by("pk"))
    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            pacing.admit(rich, at=at)

            def other():
                with transaction.atomic():
                    go_on, _ = funds.hold_back([*poor, *rich], at=at)
                    return pacing.admit(go_on, at=at)

            waiting = pool.submit(alone, other)
            wait_until_somebody_waits(waiting)
            funds.lock_accounts([poor[0].payment.account_id])
        assert not isinstance(waiting.result(timeout=60), Exception)


def test_a_case_that_hears_and_a_record_of_answers_do_not_wait_for_each_other(released):
    """A row that is written twice in one transaction has its foreign keys checked at commit, which share-locks their
    keys. Were the payment locked with its key, the case could not commit before the payment's holder has the attempt,
    which the case holds."""
    refund = released()

    def hear():
        with transaction.atomic():
            for queue in ("finance", "machine"):  # as paid out and arrived in one go
                Refund.objects.filter(pk=refund.pk).update(queue=queue)
        return "done"

    with ThreadPoolExecutor(1) as pool, transaction.atomic():
        refunding.locked_payments([refund.payment_id])
        assert pool.submit(alone, hear).result(timeout=60) == "done"  # while the payment is still locked


def test_payments_found_paid_lock_their_orders_by_key(checkout, simulator):  # noqa: F811
    """The older order was begun another way, so that its payment is the younger one; somebody cancels both orders."""
    first, second = (charging.present(checkout(Way(code)), at=clock.now()) for code in ("alipay", "wechat"))
    charging.start(first.order, Way("wechat"), at=clock.now())
    younger = first.order.payments.get(status__in=charging.OPEN)
    assert (younger.pk > second.pk, younger.order_id < second.order_id) == (True, True)
    answers = []
    for payment in (second, younger):
        simulator.pay(payment.payment_no)
        payment.refresh_from_db()
        answers.append((payment, channels.gateway(payment.account).query_payment(payment.payment_no)))
    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            Order.objects.select_for_update(no_key=True).get(pk=younger.order_id)
            recording = pool.submit(alone, lambda: charging.record(answers, at=clock.now()))
            wait_until_somebody_waits(recording)
            Order.objects.select_for_update(no_key=True).get(pk=second.order_id)  # by key, as it should be
        assert recording.result(timeout=60) is None
    assert set(Order.objects.values_list("status", flat=True)) == {OrderStatus.DELIVERED}


def test_a_notification_about_a_payment_locks_its_refunds_by_key(released):
    """A plain update would take them in whatever order the table has them."""
    attempt = attempt_of(released())
    refunding.sweep(at=clock.now())
    with CaptureQueriesContext(connection) as queries:
        refunding.hint(attempt.payment.account, "", payment_no=attempt.payment.payment_no, at=clock.now())
    (lock,) = [each["sql"] for each in queries if "FOR NO KEY UPDATE" in each["sql"]]
    assert "ORDER BY" in lock


def test_a_notification_wakes_nothing_that_is_closed_by_then(released, simulator):
    """I14: its channel's last word is written down while the notification is stored."""
    attempt = attempt_of(released())
    refunding.sweep(at=clock.now())
    simulator.settle(attempt.request_no, "CLOSED")
    RefundAttempt.objects.update(next_due_at=clock.now())
    (asked,), _ = refunding._claim(at := clock.now(), outgoing.now())
    answer = refunding._ask(asked, may_send=True)
    while_open(
        lambda: refunding.record([(asked, answer)], at=at),
        lambda: refunding.hint(attempt.payment.account, attempt.request_no, at=at),
    )
    attempt.refresh_from_db()
    assert (attempt.status, attempt.next_due_at) == (AttemptStatus.CLOSED, None)


def test_every_lock_leaves_keys_alone():
    """FOR UPDATE without no_key stands nowhere in the house: nobody changes a key, so nobody needs to lock one."""
    code = [path for path in sorted(ROOT.glob("*/**/*.py")) if path.parts[len(ROOT.parts)] not in {"tests", ".venv"}]
    lines = [
        f"{path.relative_to(ROOT)}: {line.strip()}"
        for path in [*code, ROOT / "workqueue.py"]
        for line in path.read_text().splitlines()
        if "select_for_update(" in line and "no_key=True" not in line
    ]
    assert len(code) > 100
    assert lines == []
