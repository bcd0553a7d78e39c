"""What a reader who doubts every line found between "approved" and "arrived", and between "placed" and "paid"."""

from __future__ import annotations

import urllib.request
import uuid
from datetime import timedelta
from functools import partial

import pytest

import clock
import workqueue
from cardshop import invariants
from orders import delivery
from orders.models import OrderStatus
from orders.placing import Wish
from payments import by_hand, channels, charging, funds, hearing, outgoing, pacing, refunding, tasks
from payments.asking import ask_all
from payments.charging import Way
from payments.gateways.base import (
    GatewayMisconfigured,
    PaymentOutcome,
    PaymentState,
    PayMethod,
)
from payments.gateways.wechat.answers import Call
from payments.models import AttemptEvent, AttemptStatus, ChannelAccount, Payment, PaymentStatus, RefundAttempt
from refunds import disbursement, lifecycle
from refunds.models import Status
from tests.cases import attempt_of
from tests.gateways.test_wechat import Reply, channel, credentials  # noqa: F401  it answers as it is told
from tests.payments.test_unknown import look_later, no_such_refund, says, scripted  # noqa: F401

pytestmark = pytest.mark.django_db
asking = partial(refunding._ask, may_send=True)
LATER = timedelta(minutes=30)


@pytest.fixture
def checkout(buyer, make_product):
    """An order with its payment, nothing sent yet: ``checkout(way, price_fen=3000)``."""

    def start(way=None, **product):
        goods = make_product(**product)
        return charging.checkout(
            goods, Wish(again=True), buyer=buyer, checkout_key=uuid.uuid4(), at=clock.now(), way=way
        )

    return start


def now(row):
    return type(row).objects.get(pk=row.pk)


# --- a refusal closes only what cannot be at the channel --------------------------------------------------------------


@pytest.fixture
def returned(scripted):  # noqa: F811
    """A refund that the buyer's account did not take: it stands at the channel as ABNORMAL."""
    refund, attempt, channel = scripted  # noqa: F811
    channel.answers[Call.REFUND] = says(attempt, status="PROCESSING")
    channel.answers[Call.QUERY_REFUND] = says(attempt, status="ABNORMAL")
    look_later()
    look_later()
    assert (now(attempt).status, now(refund).status) == (AttemptStatus.RETURNED, Status.RETURNED)
    return refund, attempt, channel


def test_a_redirect_that_is_refused_leaves_the_refund_where_it_stands(returned, finance):
    """G8: closed and issued anew, the buyer would be paid twice once the channel's own desk mends the first."""
    refund, attempt, channel = returned  # noqa: F811
    channel.answers[Call.REDIRECT] = Reply(400, {"code": "INVALID_REQUEST", "message": "不支持的银行"})
    by_hand.send_on(now(attempt), card=None, by=finance, at=clock.now())
    look_later(1)
    assert by_hand.close_refused([now(attempt)], by=finance, at=clock.now()) == 0
    assert now(attempt).status == AttemptStatus.RETURNED  # finance chooses again
    assert now(attempt.payment).reserved_fen == attempt.amount_fen
    with pytest.raises(lifecycle.StepRefused):
        lifecycle.reissue([refund], by=finance, at=clock.now())
    asked = len(channel.requests)
    look_later(3600)
    assert not [each for each in channel.requests[asked:] if "abnormal" in each.path]  # only a person sends it on
    assert invariants.broken() == []


def test_a_redirect_that_we_may_not_use_stops_no_other_refund(returned, finance):
    """G8: without that permission the refund still stands there, and the account's keys are good."""
    _, attempt, channel = returned  # noqa: F811
    channel.answers[Call.REDIRECT] = Reply(403, {"code": "NO_AUTH", "message": "无权限"})
    by_hand.send_on(now(attempt), card=None, by=finance, at=clock.now())
    look_later(1)
    assert (now(attempt).status, "NO_AUTH" in now(attempt).last_error) == (AttemptStatus.RETURNED, True)
    assert now(attempt.payment.account).trouble == ""


def test_what_was_refused_once_and_then_asked_in_vain_is_not_closed(scripted, finance):  # noqa: F811
    """G1, G7: the second request may be at the channel, whatever became of the first."""
    _, attempt, channel = scripted  # noqa: F811
    channel.answers[Call.REFUND] = Reply(400, {"code": "INVALID_REQUEST", "message": ""})
    channel.answers[Call.QUERY_REFUND] = no_such_refund()
    look_later()
    assert by_hand.can_be_closed(now(attempt))
    by_hand.ask_again([now(attempt)], by=finance, at=clock.now())
    channel.answers[Call.REFUND] = Reply(500, {"code": "SYSTEM_ERROR", "message": ""})
    for _ in range(hearing.MOST_TRIES):
        look_later(700)
    assert now(attempt).status == AttemptStatus.HELD
    assert by_hand.close_refused([now(attempt)], by=finance, at=clock.now()) == 0


def test_what_was_taken_on_and_then_refused_is_not_closed(scripted, finance):  # noqa: F811
    """G7: accepted, then unknown and refused: a contradiction for a person, and no reason to pay again."""
    _, attempt, channel = scripted  # noqa: F811
    channel.answers[Call.REFUND] = says(attempt, status="PROCESSING")
    look_later()
    assert now(attempt).status == AttemptStatus.ACCEPTED
    channel.answers[Call.QUERY_REFUND] = no_such_refund()
    for code, status in [("INVALID_REQUEST", 400), ("USER_ACCOUNT_ABNORMAL", 403)]:
        channel.answers[Call.REFUND] = Reply(status, {"code": code, "message": ""})
        look_later()
        assert now(attempt).status == AttemptStatus.HELD
        assert by_hand.close_refused([now(attempt)], by=finance, at=clock.now()) == 0
        by_hand.ask_again([now(attempt)], by=finance, at=clock.now())
    assert now(attempt.payment).reserved_fen == attempt.amount_fen


def test_who_did_not_send_says_nothing_of_what_another_is_sending(released):
    """Its lease had run out while it waited its turn: "never sent" is then no longer its word to say."""
    released()
    slow = refunding._claim(clock.now(), outgoing.now())[0]
    clock.advance(workqueue.LEASE + timedelta(seconds=1))
    second = refunding._claim(clock.now(), outgoing.now())[0]
    refunding.record([(row, pacing.NotSentYet("not_sent_yet")) for row in slow], at=clock.now())
    attempt = RefundAttempt.objects.get()
    assert (attempt.status, attempt.first_sent_at is None) == (AttemptStatus.UNKNOWN, False)
    refunding.record(ask_all(second, asking), at=clock.now())
    assert now(attempt).status == AttemptStatus.ACCEPTED


def test_the_trail_of_an_attempt_has_no_gap_and_no_noise(scripted, finance):  # noqa: F811
    _, attempt, channel = scripted  # noqa: F811
    channel.answers[Call.REFUND] = Reply(403, {"code": "NOT_ENOUGH", "message": ""})
    channel.answers[Call.QUERY_REFUND] = no_such_refund()
    for _ in range(4):
        look_later(700)
    channel.answers[Call.REFUND] = Reply(400, {"code": "INVALID_REQUEST", "message": ""})
    look_later(700)
    refunding.hint(attempt.payment.account, attempt.request_no, at=clock.now())
    look_later(1)
    channel.answers[Call.REFUND] = says(attempt, status="SUCCESS")
    by_hand.ask_again([now(attempt)], by=finance, at=clock.now())
    look_later(1)
    trail = list(AttemptEvent.objects.order_by("pk").values_list("from_status", "to_status"))
    assert trail == [
        ("prepared", "waiting_funds"), ("waiting_funds", "held"), ("held", "unknown"), ("unknown", "succeeded"),
    ]  # fmt: skip


# --- funds and pacing: neither starved nor stopped nor bypassed -------------------------------------------------------


@pytest.fixture
def waiting_of(buy, apply, reviewer, finance, reveal):
    """Released refunds of orders of these prices."""

    def build(*prices, **purchase):
        refunds = []
        for price_fen in prices:
            order = buy(price_fen=price_fen, **purchase)
            reveal(order)
            refund = apply(order)
            lifecycle.approve([refund], by=reviewer, at=clock.now())
            disbursement.release([refund], by=finance, at=clock.now())
            refunds.append(refund)
        return refunds

    return build


@pytest.fixture
def poor(simulator):
    """WeChat's account has so much money, until the test is over."""
    yield lambda fen: simulator.post("funds", channel="wechat", amount_fen=fen)
    simulator.post("funds", channel="wechat", amount_fen=None)


def test_a_large_refund_that_cannot_be_paid_starves_no_small_one(waiting_of, poor):
    """G5: there is money for the second; it must not wait for the first for ever."""
    poor(0)
    large, small = waiting_of(9000, 400)
    look_later(1)
    poor(500)
    for _ in range(3):
        look_later(601)
    assert attempt_of(small).status in {AttemptStatus.ACCEPTED, AttemptStatus.SUCCEEDED}
    assert attempt_of(large).status == AttemptStatus.WAITING_FUNDS


def test_a_whole_batch_without_money_ends_no_sweep(waiting_of, poor, monkeypatch):
    """G5: what stands behind the waiting ones is done in the same run, not two seconds later for each batch."""
    poor(0)
    waiting_of(300)
    look_later(1)
    assert ChannelAccount.objects.get(code="wechat").short_since is not None
    monkeypatch.setattr(refunding, "BATCH", 3)
    waiting_of(*[300] * 4)
    (rich,) = waiting_of(300, channel="alipay")
    tasks.sweep()
    assert attempt_of(rich).status == AttemptStatus.SUCCEEDED
    assert refunding.sweep(at=clock.now()) == 0  # and nothing goes round and round


def test_topping_up_sends_refunds_of_one_payment_one_after_the_other(
    buy, apply, reviewer, finance, poor, settings, reveal
):
    """G9, PM15: both waited for money; the channel still wants a minute between them."""
    settings.TIME_SCALE = 1
    poor(0)
    order = buy(price_fen=3000)
    reveal(order)
    for _ in range(2):
        refund = apply(order, amount_fen=1000)
        lifecycle.approve([refund], by=reviewer, at=clock.now())
        disbursement.release([refund], by=finance, at=clock.now())
    for _ in range(2):
        look_later(61)
    assert set(RefundAttempt.objects.values_list("status", flat=True)) == {AttemptStatus.WAITING_FUNDS}
    assert funds.topped_up(channels.account("wechat"), by=finance, at=clock.now()) == 2
    first, second = RefundAttempt.objects.order_by("pk")
    assert second.next_due_at - first.next_due_at == timedelta(seconds=60)


@pytest.mark.parametrize("calls_per_second", [1, 2, 4, 5])
def test_a_small_budget_is_slow_and_never_stops(calls_per_second, waiting_of):
    waiting_of(300, 300, 300)
    ChannelAccount.objects.filter(code="wechat").update(calls_per_second=calls_per_second)
    start = clock.now()
    sent_at = []
    for step in range(100):
        before = RefundAttempt.objects.filter(first_sent_at=None).count()
        refunding.sweep(at=start + timedelta(seconds=step * 0.05))
        after = RefundAttempt.objects.filter(first_sent_at=None).count()
        sent_at += [step * 0.05] * (before - after)
    assert len(sent_at) == 3
    for at in sent_at:
        assert sum(at <= other < at + 1 for other in sent_at) <= calls_per_second


def test_a_notification_of_a_payment_does_not_send_what_waits_its_turn(buy, apply, reviewer, finance, settings):
    """G9, G14: Alipay wants three seconds between refunds of a payment, whoever tells us to look."""
    settings.TIME_SCALE = 1
    order = buy(price_fen=3000, channel="alipay")
    for _ in range(2):
        refund = apply(order, reason="changed_mind", amount_fen=1000)
        lifecycle.approve([refund], by=reviewer, at=clock.now())
        disbursement.release([refund], by=finance, at=clock.now())
    refunding.sweep(at=clock.now())
    second = attempt_of(refund)
    due = second.next_due_at
    refunding.hint(second.payment.account, "", payment_no=second.payment.payment_no, at=clock.now())
    assert (second.first_sent_at, now(second).next_due_at) == (None, due)


def test_trouble_stands_until_a_call_after_it_goes_well(released, buy):
    released()
    (attempt,) = refunding._claim(clock.now(), outgoing.now())[0]
    other = Payment.objects.filter(pk=attempt.payment_id).get()
    good = refunding.RefundOutcome(refunding.RefundState.ACCEPTED, attempt.request_no, attempt.amount_fen, "5030")
    refunding._tell_accounts([(attempt, GatewayMisconfigured("NO_AUTH")), (attempt, good)], clock.now())
    assert "NO_AUTH" in now(other.account).trouble


# --- placed → paid ----------------------------------------------------------------------------------------------------


@pytest.fixture
def left_for_another_way(checkout):
    """A payment that the channel had not heard of when another way was taken: closed here, its till may still live."""
    payment = charging.present(
        checkout(Way("alipay", PayMethod.COMPUTER, return_url="https://a.example/")), at=clock.now()
    )
    charging.start(payment.order, Way("wechat"), at=clock.now())
    left = now(payment)
    assert (left.status, left.next_due_at is None) == (PaymentStatus.CLOSED, False)
    return left


def open_and_pay(payment, simulator):
    """The buyer still has the page open, and pays there."""
    with urllib.request.urlopen(payment.till, timeout=10):  # noqa: S310
        simulator.pay(payment.payment_no)


def test_a_notification_too_early_does_not_end_the_watch_over_an_old_till(left_for_another_way, simulator):
    """G20: looked at once, unpaid; paid a minute later, and no notification ever comes."""
    left = left_for_another_way
    charging.hint(left.account, left.payment_no, at=clock.now())
    charging.sweep(at=clock.now())
    open_and_pay(left, simulator)
    clock.advance(LATER)
    charging.sweep(at=clock.now())
    assert now(left).status == PaymentStatus.PAID


def test_an_old_answer_does_not_end_the_watch_over_an_old_till(left_for_another_way, simulator):
    """Another tab asked before the close, and hears "unpaid" after it."""
    left = left_for_another_way
    asked = Payment(pk=left.pk, leased_until=None, next_due_at=None)
    charging.record([(asked, PaymentOutcome(PaymentState.UNPAID, left.payment_no))], at=clock.now())
    open_and_pay(left, simulator)
    clock.advance(LATER)
    charging.sweep(at=clock.now())
    assert now(left).status == PaymentStatus.PAID


def test_a_notification_that_comes_while_we_ask_is_not_lost(left_for_another_way, simulator):
    left = left_for_another_way
    clock.advance(LATER)
    asked = now(left)
    answer = charging._ask(asked, clock.now(), False)  # not paid yet
    open_and_pay(left, simulator)
    charging.hint(left.account, left.payment_no, at=clock.now())
    charging.record([(asked, answer)], at=clock.now())
    charging.sweep(at=clock.now())
    assert now(left).status == PaymentStatus.PAID


def test_death_between_the_close_and_the_next_way_leaves_no_order_open_for_ever(checkout):
    """F1: the old way is closed, the new one was never begun, the buyer has gone home."""
    payment = charging.present(checkout(), at=clock.now())
    begun = Payment.objects.select_related("account").get(pk=payment.pk)
    charging._close_now(begun, at=clock.now())
    assert now(payment).status == PaymentStatus.CLOSED
    assert now(payment.order).status == OrderStatus.PLACED
    clock.advance(LATER)
    charging.sweep(at=clock.now())
    assert now(payment.order).status == OrderStatus.CANCELED
    clock.advance(LATER)
    assert charging.sweep(at=clock.now()) == 0


def test_the_watch_over_an_old_till_cancels_no_order_whose_other_way_is_open(left_for_another_way, simulator):
    left = left_for_another_way
    other = left.order.payments.get(status__in=charging.OPEN)
    simulator.pay(other.payment_no)
    clock.advance(LATER)
    charging.look([left], at=clock.now())
    assert now(left.order).status == OrderStatus.PLACED
    charging.look([other], at=clock.now())
    assert now(left.order).status == OrderStatus.DELIVERED


def test_a_payment_that_cannot_be_written_down_stops_no_other(checkout, simulator, monkeypatch):
    """F12: one order whose delivery fails, and one that is like any other."""
    poisoned, sound = (charging.present(checkout(), at=clock.now()) for _ in range(2))
    for payment in (poisoned, sound):
        simulator.pay(payment.payment_no)
    deliver = delivery.mark_paid

    def fails(order, *, at):
        if order.pk == poisoned.order_id:
            raise RuntimeError("no such key")
        deliver(order, at=at)

    monkeypatch.setattr(delivery, "mark_paid", fails)
    clock.advance(timedelta(minutes=1))
    charging.sweep(at=clock.now())
    assert now(sound).status == PaymentStatus.PAID
    assert now(poisoned).status == PaymentStatus.OPEN
    assert now(poisoned).last_error
    monkeypatch.setattr(delivery, "mark_paid", deliver)
    clock.advance(LATER)
    charging.sweep(at=clock.now())
    assert now(poisoned).status == PaymentStatus.PAID
    assert invariants.broken(simulator.ledger()) == []


# --- shops' own accounts ----------------------------------------------------------------------------------------------


@pytest.fixture
def own_account(shop, settings):
    """The shop's own WeChat account."""
    return channels.bring_own(shop, "wechat", of_a_shop(settings.WECHAT))


def of_a_shop(credentials, **changes):  # noqa: F811
    return {name: value for name, value in credentials.items() if name not in channels.OURS_TO_SAY} | changes


def test_an_account_with_payments_stays_with_its_merchant(own_account, shop, settings, checkout):
    """Its payments can be asked for and refunded at the merchant that collected them, and nowhere else."""
    payment = checkout(Way(own_account.code))
    with pytest.raises(GatewayMisconfigured):
        channels.bring_own(shop, "wechat", of_a_shop(settings.WECHAT, mchid="1900000999"))
    assert now(payment.account).merchant_id == settings.WECHAT["mchid"]
    channels.bring_own(shop, "wechat", of_a_shop(settings.WECHAT))  # new keys of the same merchant


def test_a_shop_whose_keys_cannot_be_read_is_not_offered_and_answers_no_500(own_account, shop, client):
    ChannelAccount.objects.filter(pk=own_account.pk).update(credentials=b"spoiled")
    assert own_account.code not in {offer.account_code for offer in channels.offered(shop)}
    answer = client.post(f"/notify/{own_account.code}/payment", b"{}", content_type="application/json")
    assert answer.status_code == 503  # the channel sends it again
