"""A second reader's doubts about money in and out: accounts that are stopped, replaced, slow or poor; nobody's rows."""

# ruff: noqa: F811  fixtures of other files, by their names

from __future__ import annotations

import json
import threading
from datetime import timedelta

import pytest
from django.conf import settings as django_settings
from django.db import transaction

import clock
import workqueue
from cardshop import invariants
from payments import by_hand, channels, charging, funds, pacing, refunding, settling
from payments.charging import Way
from payments.gateways.base import (
    GatewayMisconfigured,
    OutcomeUnknown,
    RefundOutcome,
    RefundState,
)
from payments.gateways.wechat.answers import Call
from payments.models import AttemptEvent, AttemptStatus, Attention, ChannelAccount, Payment
from refunds.models import Queue
from shops import vault
from tests.cases import attempt_of, scripted_channel
from tests.gateways.test_wechat import Reply, channel, credentials  # noqa: F401  it answers as it is told
from tests.payments.test_found_by_reviews import (  # noqa: F401
    checkout,
    now,
    of_a_shop,
    own_account,
    poor,
    returned,
    waiting_of,
)
from tests.payments.test_unknown import arrives_once, look_later, no_such_refund, says, scripted  # noqa: F401

pytestmark = pytest.mark.django_db


# --- another merchant's keys ------------------------------------------------------------------------------------------


def test_what_one_merchant_collected_is_never_sent_to_another(
    released,
    simulator,
    channel,
    credentials,
    settings,
    finance,
):
    """PM1: the environment names another merchant number. There the refund is unknown and refused; closed on that word
    and issued anew, the buyer would be paid twice once the first merchant's answer comes."""
    refund = released()
    attempt = attempt_of(refund)
    simulator.faults("answer_lost", request_no=attempt.request_no)
    look_later()
    ours = settings.WECHAT
    settings.WECHAT = {name: getattr(credentials, name) for name in credentials.__dataclass_fields__}
    channel.answers[Call.QUERY_REFUND] = no_such_refund()
    channel.answers[Call.REFUND] = Reply(404, {"code": "RESOURCE_NOT_EXISTS", "message": "订单不存在"})
    for _ in range(3):
        look_later(700)
    assert channel.requests == []
    assert now(attempt).status == AttemptStatus.UNKNOWN
    assert by_hand.close_refused([now(attempt)], by=finance, at=clock.now()) == 0
    assert settings.WECHAT["mchid"] not in {offer.account_code for offer in channels.offered()}
    assert "wechat" not in {offer.account_code for offer in channels.offered()}  # nor collects anything new
    assert ours["mchid"] in now(attempt.payment.account).trouble  # a person reads whose account it is
    settings.WECHAT = ours
    look_later(700)
    simulator.settle(attempt.request_no, "SUCCESS")
    look_later()
    arrives_once(refund, simulator)


def test_an_account_that_has_collected_nothing_takes_another_merchant_number(db, credentials, settings):
    channels.platform_accounts()
    settings.WECHAT = {name: getattr(credentials, name) for name in credentials.__dataclass_fields__}
    assert "wechat" in {offer.account_code for offer in channels.offered()}
    assert channels.account("wechat").merchant_id == credentials.mchid


def test_a_shops_other_app_cannot_orphan_what_is_still_to_be_paid(own_account, shop, settings, checkout):
    """An answer about a payment names the app that opened it: under another one no answer would ever be believed."""
    payment = checkout(Way(own_account.code))
    with pytest.raises(GatewayMisconfigured, match="still to be paid"):
        channels.bring_own(shop, "wechat", of_a_shop(settings.WECHAT, appid="wx0000000000000001"))
    clock.advance(timedelta(minutes=31))
    charging.sweep(at=clock.now())
    clock.advance(timedelta(minutes=31))
    charging.sweep(at=clock.now())
    assert now(payment).next_due_at is None
    channels.bring_own(shop, "wechat", of_a_shop(settings.WECHAT, appid="wx0000000000000001"))


def test_one_account_whose_keys_lack_a_field_stops_no_other(
    own_account,
    waiting_of,
    released,
    simulator,
    shop,
    client,
):
    """F12: a field that a later version demands is our trouble with this account, and nobody else's."""
    (spoiled,) = waiting_of(300, channel=own_account.code)
    sound = released()
    sealed = vault.keyring(django_settings.CARD_KEYS_FILE).seal(
        json.dumps({"mchid": own_account.merchant_id}),
        bound_to=f"payments_channelaccount|credentials|{own_account.code}",
    )
    ChannelAccount.objects.filter(pk=own_account.pk).update(
        credentials=sealed.ciphertext, credentials_key_id=sealed.key_id
    )
    look_later()
    assert attempt_of(sound).status == AttemptStatus.ACCEPTED
    assert attempt_of(spoiled).status != AttemptStatus.CLOSED
    assert "credentials" in now(own_account).trouble
    assert own_account.code not in {offer.account_code for offer in channels.offered(shop)}
    answer = client.post(f"/notify/{own_account.code}/payment", b"{}", content_type="application/json")
    assert answer.status_code == 503


# --- a surplus that did not go back -----------------------------------------------------------------------------------


@pytest.fixture
def surplus(checkout, simulator):
    """Money that nobody's order waits for, on its way back."""
    from orders import placing

    payment = charging.present(checkout(), at=clock.now())
    placing.cancel([payment.order], at=clock.now())
    simulator.pay(payment.payment_no)
    clock.advance(timedelta(minutes=1))
    charging.sweep(at=clock.now())
    assert now(payment).is_surplus
    attempt = now(payment).attempts.get()
    simulator.post("settle", request_no=attempt.request_no, status="PROCESSING", in_advance=True)
    refunding.sweep(at=clock.now())
    return now(payment), attempt


def test_a_surplus_that_could_not_go_back_lies_with_a_person(surplus, simulator, finance):
    """I4, PM13: no case stands behind it, so that its closed refund would be nobody's, and the money ours."""
    from payments import attention

    payment, attempt = surplus
    assert attention.count("surplus", most=9) == 0
    simulator.settle(attempt.request_no, "CLOSED")
    for _ in range(3):
        look_later(3600)
    assert now(attempt).status == AttemptStatus.CLOSED
    assert attention.count("surplus", most=9) == 1
    assert by_hand.give_back_again([now(attempt)], by=finance, at=clock.now()) == 1
    assert by_hand.give_back_again([now(attempt)], by=finance, at=clock.now()) == 0  # two people at once
    assert attention.count("surplus", most=9) == 0
    simulator.clock(2)  # between two refunds of one payment
    look_later(3600)
    second = payment.attempts.latest("pk")
    simulator.settle(second.request_no, "SUCCESS")
    look_later(3600)
    second = now(second)
    assert (second.request_no, second.status) == (f"{payment.payment_no}R02", AttemptStatus.SUCCEEDED)
    assert (now(payment).reserved_fen, now(payment).refunded_fen) == (0, payment.amount_fen)
    assert invariants.broken(simulator.ledger()) == []


# --- one account's backlog, slowness or poverty stands in nobody's way ------------------------------------------------


def test_a_backlog_leaves_room_for_others(waiting_of, released, monkeypatch):
    """F13: an account with more due than its budget allows is passed over while the budget fills, not waited for."""
    monkeypatch.setattr(refunding, "BATCH", 3)
    waiting_of(*[300] * 14, channel="alipay")
    other = released()
    start = clock.now()
    while refunding.sweep(at=start):  # as tasks.py does, within one moment
        pass
    assert attempt_of(other).status == AttemptStatus.ACCEPTED


def test_an_account_whose_calls_hang_is_paused_from_when_they_end(released, simulator, monkeypatch):
    """G4, F9: counted from when they began, a pause of seconds is over before an answer that took fifteen."""
    refund = released()
    simulator.faults("http_500_before", request_no=attempt_of(refund).request_no)
    ticks = iter([0.0, 15.0])
    monkeypatch.setattr(refunding, "monotonic", lambda: next(ticks))
    at = clock.now()
    refunding.sweep(at=at)
    assert ChannelAccount.objects.get(code="wechat").calls_from > at + timedelta(seconds=15)


class Row:
    def __init__(self, name, account):
        self.name, self.account, self.payment_no = name, account, name


def test_a_slow_account_holds_no_more_threads_than_it_may_fail(db):
    """F9: its other rows wait beside the threads, not in them."""
    slow, quick = channels.account("wechat"), channels.account("alipay")
    rows = [Row(f"slow {n}", slow) for n in range(40)] + [Row(f"quick {n}", quick) for n in range(8)]
    left, all_quick = [8], threading.Event()
    waited = []

    def ask(row):
        if row.account is slow:
            waited.append(all_quick.wait(timeout=5))
            raise OutcomeUnknown("timeout")
        left[0] -= 1
        if not left[0]:
            all_quick.set()
        return RefundOutcome(RefundState.ACCEPTED, row.name)

    answers = pacing.ask_in_turn(rows, lambda row: row.account, ask, about="a test")
    assert len(answers) == 48
    assert len(waited) == pacing.most_failures_at_once(channels.limits(slow))
    assert all(waited)  # the quick ones were done while the slow ones hung


def test_what_has_not_begun_when_the_lease_ends_is_not_begun(waiting_of, monkeypatch):
    """PM1: by then another may have asked, been refused, and a person closed it: what leaves us now is paid beside the
    new number."""
    waiting_of(300, 300, 300)
    ticks = iter([0.0, 0.0, *[workqueue.LEASE.total_seconds()] * 100])
    monkeypatch.setattr(pacing, "monotonic", lambda: next(ticks))
    refunding.sweep(at=clock.now())
    rows = refunding.RefundAttempt.objects.order_by("pk")
    assert [(row.status, row.first_sent_at is None) for row in rows] == [
        (AttemptStatus.ACCEPTED, False), (AttemptStatus.PREPARED, True), (AttemptStatus.PREPARED, True),
    ]  # fmt: skip


def test_payments_of_a_failing_channel_are_left_alone_after_a_few(checkout, channel, credentials, settings):
    """F9: were each asked in vain, fifteen seconds each, refunds and payments of the other channel would wait."""
    for _ in range(10):
        charging.present(checkout(), at=clock.now())
    well = charging.present(checkout(Way("alipay")), at=clock.now())
    clock.advance(timedelta(minutes=1))
    with scripted_channel(credentials, settings):
        channel.answers[Call.QUERY] = Reply(500, {"code": "SYSTEM_ERROR", "message": ""})
        charging.sweep(at=clock.now())  # it went well until now: all were begun
        channel.requests.clear()
        clock.advance(timedelta(minutes=10))
        due = now(well).next_due_at
        at = clock.now()
        assert charging.sweep(at=at) == 11
        assert len(channel.requests) == pacing.most_failures_at_once(channels.limits(channels.account("wechat")))
        assert now(well).next_due_at != due
        soon = at + clock.scaled(settling.NOT_ASKED_SECONDS)
        left = Payment.objects.filter(account__code="wechat", next_due_at=soon)
        assert left.count() == 7
        assert {row.leased_until for row in left} == {None}


def test_the_one_probe_is_not_lost_to_a_budget_that_is_used_up(waiting_of, poor, simulator):
    """G5: set aside for want of a call, it would wait another ten minutes for want of money that is there."""
    poor(0)
    (refund,) = waiting_of(300)
    look_later(1)
    poor(None)
    clock.advance(timedelta(seconds=601))
    account = ChannelAccount.objects.get(code="wechat")
    at = clock.now()
    busy = at + timedelta(seconds=pacing.AHEAD_SECONDS)
    ChannelAccount.objects.filter(pk=account.pk).update(calls_from=busy)
    with transaction.atomic():  # two workers at once: this one has claimed before the other used the budget up
        attempts = refunding.RefundAttempt.objects.select_related("payment__account")
        refunding._admit(workqueue.hold(attempts, at=at, limit=9), at)
    refunding.sweep(at=at + timedelta(seconds=1))
    assert attempt_of(refund).status in {AttemptStatus.ACCEPTED, AttemptStatus.SUCCEEDED}


def test_a_small_refund_behind_a_batch_of_large_ones_is_not_starved(waiting_of, poor, monkeypatch, settings):
    """G5: whatever the batch, the smallest that waits is the one that probes."""
    settings.TIME_SCALE = 1
    monkeypatch.setattr(refunding, "BATCH", 3)
    poor(0)
    *_, small = waiting_of(*[9000] * 8, 400)

    def everything_due():
        for _ in range(6):
            clock.advance(timedelta(seconds=2))  # a failing call uses the budget up for as long
            refunding.sweep(at=clock.now())

    everything_due()
    for _ in range(2):
        clock.advance(timedelta(seconds=620))
        everything_due()
    assert attempt_of(small).status == AttemptStatus.WAITING_FUNDS
    poor(500)
    clock.advance(timedelta(seconds=620))
    everything_due()
    assert attempt_of(small).status in {AttemptStatus.ACCEPTED, AttemptStatus.SUCCEEDED}


def test_topped_up_sets_going_what_waits_although_the_account_is_short_no_more(waiting_of, poor, finance):
    """PM15: another refund went through while this row was in somebody else's hands."""
    poor(0)
    (refund,) = waiting_of(300)
    look_later(1)  # the channel says so
    look_later(2)  # and it waits
    ChannelAccount.objects.filter(code="wechat").update(short_since=None, probe_from=None)
    assert attempt_of(refund).next_due_at > clock.now()
    assert funds.topped_up(channels.account("wechat"), by=finance, at=clock.now()) == 1
    assert attempt_of(refund).next_due_at <= clock.now()


# --- nobody is told ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("answer", [Reply(500, {"code": "SYSTEM_ERROR", "message": ""}),
                                    Reply(401, {"code": "SIGN_ERROR", "message": ""})])  # fmt: skip
@pytest.mark.parametrize("accepted", [True, False])
def test_a_refund_without_an_answer_for_days_lies_with_a_person(accepted, answer, scripted):
    """I4, G6: taken on and never explained again, or stopped by wrong keys: neither uses tries up."""
    refund, attempt, channel = scripted
    if accepted:
        channel.answers[Call.REFUND] = says(attempt, status="PROCESSING")
        look_later()
    channel.answers |= {Call.REFUND: answer, Call.QUERY_REFUND: answer}
    look_later()
    look_later(timedelta(days=6).total_seconds())
    refund.refresh_from_db()
    seen = now(attempt)
    assert (seen.status == AttemptStatus.HELD or seen.attention == Attention.SLOW) or not accepted
    if answer.status == 401:
        assert seen.attention == Attention.SLOW
        assert refund.queue == Queue.FINANCE


def test_buyers_who_cannot_pay_because_of_our_keys_are_an_accounts_trouble(
    checkout,
    channel,
    credentials,
    settings,
):
    """Without a refund on its way nobody would hear of it; and it is mended as soon as the channel answers."""
    payment = checkout(Way("wechat"))
    with scripted_channel(credentials, settings):
        channel.answers[Call.OPEN] = Reply(401, {"code": "SIGN_ERROR", "message": "签名错误"})
        charging.present(payment, at=clock.now())
        assert "SIGN_ERROR" in channels.account("wechat").trouble
        assert channels.account("wechat").calls_from is None  # refunds are not stopped by what only collecting lacks
        channel.answers[Call.OPEN] = Reply(200, {"code_url": "weixin://wxpay/bizpayurl?pr=abc"})
        charging.present(now(payment), at=clock.now())
    assert now(payment).till
    assert channels.account("wechat").trouble == ""


def test_the_trail_tells_of_an_answer_that_could_not_be_written_down(released, simulator):
    from ledger import posting
    from ledger.posting import Transfer

    refund = released()
    look_later()
    attempt = attempt_of(refund)
    simulator.settle(attempt.request_no, "SUCCESS")
    posting.post([Transfer(f"refund:{attempt.request_no}:1", "channel:wechat", "shop:1", 1)], at=clock.now())
    look_later()
    assert now(attempt).status == AttemptStatus.HELD
    last = AttemptEvent.objects.filter(attempt=attempt).latest("pk")
    assert (last.from_status, last.to_status) == (AttemptStatus.ACCEPTED, AttemptStatus.HELD)


# --- decisions --------------------------------------------------------------------------------------------------------


def test_a_redirect_that_came_to_nothing_is_decided_anew(returned, finance):
    """G8: what a person decided about one return is not done to the next without being asked."""
    _, attempt, channel = returned
    channel.answers[Call.REDIRECT] = Reply(400, {"code": "INVALID_REQUEST", "message": ""})
    by_hand.send_on(now(attempt), card=None, by=finance, at=clock.now())
    look_later(1)
    channel.answers[Call.QUERY_REFUND] = says(attempt, status="PROCESSING")
    look_later(3600)
    assert now(attempt).status == AttemptStatus.ACCEPTED
    channel.answers[Call.QUERY_REFUND] = says(attempt, status="PROCESSING", amount={"refund": attempt.amount_fen - 1})
    look_later(3600)
    assert now(attempt).status == AttemptStatus.HELD
    channel.answers[Call.QUERY_REFUND] = says(attempt, status="ABNORMAL")
    channel.answers[Call.REDIRECT] = says(attempt, status="SUCCESS", user_received_account="商户基本账户")
    asked = len(channel.requests)
    by_hand.ask_again([now(attempt)], by=finance, at=clock.now())
    look_later(1)
    assert not [each for each in channel.requests[asked:] if "abnormal" in each.path]
    assert now(attempt).status == AttemptStatus.RETURNED


# --- placed → paid ----------------------------------------------------------------------------------------------------


def test_one_lost_answer_costs_seconds_however_often_it_was_asked_before(checkout, simulator):
    """Looking in vain is no failure: else the first lost answer would blind us for five minutes of fifteen."""
    payment = charging.present(checkout(), at=clock.now())
    for _ in range(8):
        clock.advance(timedelta(seconds=20))
        charging.sweep(at=clock.now())
    simulator.faults("answer_lost", request_no=payment.payment_no)
    clock.advance(timedelta(seconds=20))
    at = clock.now()
    charging.sweep(at=at)
    assert now(payment).last_error
    assert now(payment).next_due_at <= at + clock.scaled(15)


def test_a_channel_that_wants_a_pause_gets_it(checkout, channel, credentials, settings):
    """G4."""
    settings.TIME_SCALE = 1
    payment = charging.present(checkout(), at=clock.now())
    clock.advance(timedelta(minutes=1))
    with scripted_channel(credentials, settings):
        channel.answers[Call.QUERY] = Reply(429, {"code": "FREQUENCY_LIMITED", "message": ""})
        at = clock.now()
        charging.sweep(at=at)
    assert now(payment).next_due_at >= at + timedelta(seconds=60)
