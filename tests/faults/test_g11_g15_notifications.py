"""G11 to G15: notifications come often, in any order, forged, old, late or never. Only a query moves anything."""

from __future__ import annotations

import itertools
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connections, transaction

import clock
from payments import refunding
from payments.models import AttemptStatus, ChannelAccount, ChannelNotification, RefundAttempt, RefusedNotification
from tests.cases import attempt_of, everything
from tests.faults.conftest import CARD
from tests.faults.letters import Letter
from tests.faults.stories import all_is_well, arrives_once, ends_well, later, ledger_row, look
from tests.gateways.alipay_channel import ALIPAY_KEY, APP_ID, APP_KEY, SELLER_ID, form, private_pem, public_pem
from tests.gateways.test_alipay_notifications import FORGED, SIGNED_BUT_NOT_OURS
from tests.gateways.test_wechat_notifications import FORGERIES, Notice
from tests.gateways.wechat_channel import (
    APIV3_KEY,
    APPID,
    MCHID,
    MERCHANT_KEY,
    NOW,
    PUBLIC_KEY_ID,
    WECHAT_KEY,
)

RECEIVED = {"wechat": 204, "alipay": 200}


@pytest.fixture
def announced(sent, letters, simulator, channel):
    """A refund of a part that succeeded at the channel, and the notification that the shop has not had yet."""
    refund = sent(channel, price_fen=3000, amount_fen=1000)
    if channel == "alipay":
        simulator.post("settle", channel=channel, request_no=attempt_of(refund).request_no, status="PROCESSING",
                       in_advance=True)  # fmt: skip
    look(refund)
    simulator.settle(attempt_of(refund).request_no, "SUCCESS")
    return refund, letters.about(attempt_of(refund))


# --- G11 --------------------------------------------------------------------------------------------------------------


def test_g11_fifty_times_at_once(transactional_db, announced, channel, simulator):
    """All are answered well, one is stored, one step is taken."""
    refund, letter = announced
    barrier = threading.Barrier(10)

    def deliver(_):
        barrier.wait(timeout=30)
        try:
            return [letter.deliver() for _ in range(5)]
        finally:
            connections.close_all()

    with ThreadPoolExecutor(10) as pool:
        answers = [code for codes in pool.map(deliver, range(10)) for code in codes]
    assert answers == [RECEIVED[channel]] * 50
    assert ChannelNotification.objects.filter(request_no=attempt_of(refund).request_no).count() == 1
    later(1)
    assert refund.events.filter(step="mark_paid_out").count() == 1
    arrives_once(refund, simulator)


# --- G12 --------------------------------------------------------------------------------------------------------------


def four_letters(channel, refund, letters, simulator):
    """Four genuine notifications about one payment and its refund, each at odds with the one before."""
    attempt = attempt_of(refund)
    paid = letters.of_payment(attempt.payment)
    if channel == "wechat":  # success, returned by the bank after all, success again
        found = [paid]
        for status in ("SUCCESS", "ABNORMAL", "SUCCESS"):
            simulator.settle(attempt.request_no, status)
            found.append(letters.about(attempt, status))
        return found
    partly = letters.about(attempt)  # TRADE_SUCCESS of a part; the bank's word; TRADE_CLOSED of the rest
    simulator.settle(attempt.request_no, "SUCCESS")
    bank = letters.about(attempt, "S")
    return [paid, partly, bank, paid.but(path="/notify/alipay/refund")]


@pytest.mark.django_db
def test_g12_in_any_of_the_24_orders(channel, sent, letters, simulator):
    """Whatever the order, looked at after each of them: what the query says is what stands in the end."""
    simulator.post("app_gateway", url=f"{letters.address}/notify/alipay/refund")
    refund = sent(channel, price_fen=3000, amount_fen=1000, funding=CARD[channel])
    if channel == "wechat":
        look(refund)
    else:
        number = attempt_of(refund).request_no
        simulator.post("settle", channel=channel, request_no=number, status="PROCESSING", in_advance=True)
        look(refund)
    four = four_letters(channel, refund, letters, simulator)
    ends = set()
    for order in itertools.permutations(four):
        with as_if_it_had_not_been():
            for letter in order:
                assert letter.deliver() == RECEIVED[channel]
                refunding.sweep(at=clock.now())
            attempt = attempt_of(refund)
            ends.add((attempt.status, attempt.payment.refunded_fen, attempt.money_moves, attempt.payment.status))
    ends_well(refund, simulator=simulator)
    all_is_well(simulator)
    assert ends == {(AttemptStatus.SUCCEEDED, 1000, 1, "paid")}
    assert ledger_row(simulator, attempt_of(refund))["effects"] == 1


class as_if_it_had_not_been(transaction.Atomic):  # noqa: N801 - reads as a sentence
    """All that is written inside is taken back; the channel's truth stays."""

    def __init__(self) -> None:
        super().__init__("default", savepoint=True, durable=False)
        self._from_testcase = True  # like the test's own: not a transaction of the shop

    def __exit__(self, *error: object) -> None:
        if error[0] is None:
            transaction.set_rollback(True)
        super().__exit__(*error)


# --- G13 --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def known_keys(settings):
    """Channels whose keys this test has, at an address where nobody answers: whoever is called would be noticed."""
    nowhere = "http://127.0.0.1:9"
    settings.WECHAT = {
        "mchid": MCHID, "appid": APPID, "apiv3_key": APIV3_KEY, "private_key": private_pem(MERCHANT_KEY),
        "cert_serial_no": "444F4864EA9B34415A2B5C6D7E8F901234567890", "public_key": public_pem(WECHAT_KEY),
        "public_key_id": PUBLIC_KEY_ID, "gateway": nowhere,
    }  # fmt: skip
    settings.ALIPAY = {
        "app_id": APP_ID, "seller_id": SELLER_ID, "app_private_key": private_pem(APP_KEY),
        "alipay_public_key": public_pem(ALIPAY_KEY), "gateway": f"{nowhere}/gateway.do",
    }  # fmt: skip
    for code, merchant_id in {"wechat": MCHID, "alipay": APP_ID}.items():  # the very same merchants
        ChannelAccount.objects.filter(code=code).update(merchant_id=merchant_id)


def sealed(notice: Notice, kind: str = "payment") -> Letter:
    """As WeChat would send it now: the table's own time is moved to ours."""
    notice.signed_at += int(time.time()) - int(NOW.timestamp())
    headers, body = notice.sealed()
    return Letter(f"/notify/wechat/{kind}", dict(headers), body)


TIMED = {"time refreshed", "301 seconds old", "301 seconds early"}


def forged_letters(channel):
    if channel == "wechat":  # two are about the time of the table; G14 has its own
        kept = {name: make for name, (_, make) in FORGERIES.items() if name not in TIMED}
        return {name: sealed(make()) for name, make in kept.items()}
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    bodies = {name: body for name, (body, _) in FORGED.items()}
    bodies |= {f"signed {number}": form(fields) for number, (fields, _) in enumerate(SIGNED_BUT_NOT_OURS)}
    return {name: Letter("/notify/alipay/payment", kind, body) for name, body in bodies.items()}


@pytest.mark.django_db
def test_g13_no_forgery_moves_anything(channel, sent, known_keys_later, monkeypatch):
    """More than forty for each channel: 4xx, counted by the check that failed, nothing changed and nobody called."""
    look(sent(channel))
    known_keys_later()
    before, forgeries, calls = everything(), forged_letters(channel), []
    assert len(forgeries) >= 40
    with monkeypatch.context() as guard:
        guard.setattr("socket.socket.connect", lambda *where: calls.append(where))
        for number, (name, letter) in enumerate(forgeries.items(), start=1):
            assert 400 <= letter.deliver() < 500, name
            assert sum(RefusedNotification.objects.values_list("count", flat=True)) == number, name
    assert everything() == before
    assert not ChannelNotification.objects.exists()
    assert len(RefusedNotification.objects.all()) < len(forgeries)  # counters, not rows
    assert calls == []


@pytest.fixture
def known_keys_later(request):
    return lambda: request.getfixturevalue("known_keys")


@pytest.mark.django_db
def test_g13_genuine_but_not_ours_or_not_true(channel, sent, simulator, recorder):
    """An unknown order, another amount, another end than the channel's: a hint, and the query says otherwise."""
    refund = sent(channel)
    look(refund)
    attempt, before = attempt_of(refund), everything() | {"RefundAttempt": []}
    from payments import channels, webhooks
    from payments.gateways.base import Notification, NotificationKind

    account = channels.account(channel)
    for number, (payment_no, request_no) in enumerate(
        [("P0", "P0R01"), (attempt.payment.payment_no, "P0R01"), ("P0", attempt.request_no)]
    ):
        for kind in NotificationKind:
            facts = {"status": "SUCCESS", "amount_fen": 1}
            letter = Notification(kind, f"{kind}-{number}", payment_no, request_no, facts=facts)
            webhooks.receive(account, letter, at=clock.now())
    assert everything() | {"RefundAttempt": []} == before
    ends_well(refund, simulator=simulator)
    arrives_once(refund, simulator)


# --- G14 --------------------------------------------------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.parametrize(("seconds", "answer"), [(-301, 400), (-280, 204), (280, 204), (320, 400)])
def test_g14_five_minutes(seconds, answer, known_keys):
    """By real time, which goes on while we test; to the second in tests/gateways. The same nonce twice: stored once."""
    notice = Notice.payment()
    notice.signed_at += seconds
    letter = sealed(notice)
    assert [letter.deliver(), letter.deliver()] == [answer] * 2
    assert ChannelNotification.objects.count() == (answer == 204)
    assert [row.code for row in RefusedNotification.objects.all()] == ([] if answer == 204 else ["timestamp_window"])


@pytest.mark.django_db
def test_g14_alipay_has_no_window_a_replay_is_known_by_its_number(channel, announced, simulator):
    """Days later, after the end: stored once, and harmless."""
    refund, letter = announced
    for _ in range(3):
        assert letter.deliver() == RECEIVED[channel]
        later(1)
    arrives_once(refund, simulator)
    clock.advance(timedelta(days=3))
    assert letter.deliver() == RECEIVED[channel]  # signed by real time: the shop's own clock is not asked
    later(1)
    assert ChannelNotification.objects.count() == 1
    arrives_once(refund, simulator)


# --- G15 --------------------------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_g15_without_notifications_polling_finishes(channel, many_sent, simulator):
    """No letter ever reaches the shop: from the sale to the refund's end."""
    refunds = many_sent(channel, 5)
    for _ in range(30):
        for row in simulator.ledger()["refunds"]:
            if row["status"] == "PROCESSING" and row["out_trade_no"] in {each.payment.payment_no for each in refunds}:
                simulator.settle(row["out_refund_no"], "SUCCESS")
        if not later(120):
            break
    assert not ChannelNotification.objects.exists()
    for refund in refunds:
        arrives_once(refund, simulator)


def test_g15_without_polling_notifications_finish(transactional_db, live_server, settings, channel, sent, simulator):
    """PM10: nothing falls due by itself: each letter makes its payment or refund due, by the request number that
    it names, over a real socket."""
    settings.SITE_URL = live_server.url
    refund = sent(channel)
    if channel == "alipay":
        simulator.post("settle", channel=channel, request_no=attempt_of(refund).request_no, status="PROCESSING",
                       in_advance=True)  # fmt: skip
    later(1)
    clock.advance(-timedelta(days=1))
    RefundAttempt.objects.update(next_due_at=clock.now() + timedelta(days=2))
    assert later(0) == 0
    simulator.settle(attempt_of(refund).request_no, "SUCCESS")
    until(lambda: attempt_of(refund).next_due_at <= clock.now(), "no notification came")
    later(0)
    arrives_once(refund, simulator)


def until(holds, what):
    """The simulator's couriers and the server are threads of their own: wait for them, but not for ever."""
    for _ in range(400):
        if holds():
            return
        threading.Event().wait(0.05)
    raise AssertionError(what)
