"""G16 to G19: an amount that is not ours, a clock that is wrong, keys that change, a signature that fails."""

from __future__ import annotations

import time

import pytest

import clock
import wire
from payments import by_hand, channels
from payments.models import AttemptStatus, ChannelNotification, PaymentStatus, RefusedNotification
from refunds.models import Queue, Status
from tests.cases import attempt_of
from tests.faults.stories import all_is_well, arrives_once, ends_well, later, ledger_row, look, now

pytestmark = pytest.mark.django_db


# --- G16 --------------------------------------------------------------------------------------------------------------


def test_g16_one_fen_less_freezes_the_refund(channel, sent, simulator, finance):
    """Rightly signed and wrong: held for finance, nothing booked, no number but this; asked again, the truth counts."""
    refund = sent(channel)
    attempt = attempt_of(refund)
    if channel == "alipay":  # its answer to a refund names the sum of all: only the query says what this one was
        simulator.faults("answer_lost", request_no=attempt.request_no)
    simulator.faults("amount_off", request_no=attempt.request_no)
    for _ in range(2):
        later(721)
    attempt.refresh_from_db()
    refund.refresh_from_db()
    assert (attempt.status, refund.status, refund.queue) == (AttemptStatus.HELD, Status.PROCESSING, Queue.FINANCE)
    assert "不符" in attempt.last_error
    assert (attempt.payment.reserved_fen, attempt.payment.refunded_fen, attempt.money_moves) == (3000, 0, 0)
    assert ledger_row(simulator, attempt)["effects"] == 1
    for _ in range(3):
        later(86400)
    assert attempt_of(refund).status == AttemptStatus.HELD  # no machine decides about this
    assert by_hand.ask_again([attempt], by=finance, at=clock.now()) == 1
    later(1)
    ends_well(refund, simulator=simulator)
    arrives_once(refund, simulator)


@pytest.mark.parametrize("amount_fen", [2999, 3001])
def test_g16_another_amount_is_no_payment_of_this_order(amount_fen, channel, shown, simulator):
    """Booked as what came, back by itself as what came; the order is not delivered for it."""
    payment = shown(channel, price_fen=3000)
    simulator.post("pay", out_trade_no=payment.payment_no, amount_fen=amount_fen)
    later(60)
    wrong = now(payment)
    assert (wrong.status, wrong.is_surplus, wrong.amount_fen) == (PaymentStatus.PAID, True, amount_fen)
    assert now(payment.order).status == "canceled"
    attempt = wrong.attempts.get()
    if ledger_row(simulator, attempt).get("status") == "PROCESSING":
        simulator.settle(attempt.request_no, "SUCCESS")
    for _ in range(3):
        later(60)
    assert (now(payment).reserved_fen, now(payment).refunded_fen) == (0, amount_fen)
    all_is_well(simulator)


# --- G17 --------------------------------------------------------------------------------------------------------------


def test_g17_our_clock_is_measured_by_theirs(channel, sent, simulator, caplog):
    """Ten minutes off is said aloud, at once; the refund goes on, and the next good answer ends the alarm."""
    refund = sent(channel)
    assert abs(wire.clock_skew_seconds("127.0.0.1")) < wire.CLOCK_SKEW_ALARM_SECONDS
    simulator.faults("date_skew", request_no=attempt_of(refund).request_no)
    later(1)
    skew = wire.clock_skew_seconds("127.0.0.1")
    assert abs(abs(skew) - 600) < 60
    assert "our clock is" in caplog.text
    look(refund)
    assert abs(wire.clock_skew_seconds("127.0.0.1")) < wire.CLOCK_SKEW_ALARM_SECONDS
    ends_well(refund, simulator=simulator)
    arrives_once(refund, simulator)


def test_g17_with_our_clock_wrong_nothing_is_lost(sent, simulator, monkeypatch):
    """This server's clock ten minutes ahead: deadlines do not move, WeChat refuses our signature, and says so once."""
    refund = sent("wechat")
    right, before = time.time, clock.now()
    with monkeypatch.context() as wrong:
        wrong.setattr(time, "time", lambda: right() + 600)
        assert (clock.now() - before).total_seconds() < 300
        for _ in range(3):
            later(61)
        attempt = attempt_of(refund)
        assert (attempt.status, attempt.tries) == (AttemptStatus.UNKNOWN, 0)
        assert "SIGN_ERROR" in channels.account("wechat").trouble
        assert ledger_row(simulator, attempt) == {}
    later(61)
    assert channels.account("wechat").trouble == ""
    ends_well(refund, simulator=simulator)
    arrives_once(refund, simulator)


# --- G18 --------------------------------------------------------------------------------------------------------------


def letters_signed_both_ways(refund, letters, simulator):
    """Genuine notifications in the middle of WeChat's migration, until both keys have signed some."""
    attempt, found, serials = attempt_of(refund), [], set()
    simulator.post("signing", certificate_share=0.5)
    for number in range(40):
        status = ("ABNORMAL", "SUCCESS")[number % 2]
        simulator.settle(attempt.request_no, status)
        found.append(letters.about(attempt, status))
        serials.add(found[-1].headers["Wechatpay-Serial"])
        if len(serials) == 2 and len(found) >= 6 and status == "SUCCESS":
            return found
    raise AssertionError("only one key ever signed")


def test_g18_both_keys_are_believed_and_no_stranger_makes_us_download(
    sent, letters, simulator, recorder, settings, tmp_path
):
    """Certificates and the public key side by side; a flood of unknown serials costs no call, then one at most."""
    settings.WECHAT = settings.WECHAT | {"cert_dir": str(tmp_path)}  # empty: downloaded once, at the start
    refund = sent("wechat")
    look(refund)
    assert len(recorder.calls("/v3/certificates")) == 1
    signed = letters_signed_both_ways(refund, letters, simulator)
    called = len(recorder.exchanges)
    assert {letter.deliver() for letter in signed} == {204}
    for number in range(60):
        stranger = signed[0].but(Wechatpay_Serial=f"{number:040X}")
        assert stranger.deliver() == 400
    assert RefusedNotification.objects.get().code == "unknown_serial"
    assert len(recorder.exchanges) == called  # whatever came, nobody was called
    for _ in range(3):
        look(refund)
    assert len(recorder.calls("/v3/certificates")) <= 2
    ends_well(refund, simulator=simulator)
    arrives_once(refund, simulator)


def test_g18_only_the_keys_that_we_have(sent, letters, simulator, recorder):
    """With the public key alone, what the certificate signed is refused, counted, and sent again until we have both."""
    refund = sent("wechat")
    look(refund)
    signed = letters_by_the_certificate(refund, letters, simulator)
    called = len(recorder.exchanges)
    assert [letter.deliver() for letter in signed] == [400] * len(signed)
    assert not ChannelNotification.objects.exists()
    assert len(recorder.exchanges) == called
    ends_well(refund, simulator=simulator)
    arrives_once(refund, simulator)


def letters_by_the_certificate(refund, letters, simulator):
    attempt = attempt_of(refund)
    simulator.post("signing", certificate_share=1)
    simulator.settle(attempt.request_no, "SUCCESS")
    return [letters.caught.get(timeout=20) for _ in range(2)][1:]  # the first one is the payment's, by the public key


# --- G19 --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("channel", "fault"),
    [
        ("wechat", "bad_signature"),
        ("wechat", "signtest_signature"),
        ("alipay", "bad_signature"),
        ("alipay", "unsigned"),
    ],
)
def test_g19_a_200_with_a_wrong_signature_is_no_answer(channel, fault, sent, simulator, recorder):
    """Of the refund, and of the question after it; then the truth is found, and nothing was asked for twice."""
    refund = sent(channel)
    attempt = attempt_of(refund)
    simulator.faults(fault, request_no=attempt.request_no, times=2)
    for _ in range(2):
        later(721)
        attempt.refresh_from_db()
        assert (attempt.status, attempt.channel_refund_id, attempt.money_moves) == (AttemptStatus.UNKNOWN, "", 0)
    later(721)
    ends_well(refund, simulator=simulator)
    arrives_once(refund, simulator)
    assert len(recorder.calls("refund")) == 1
