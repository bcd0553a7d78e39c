"""G21 to G23: what happened without us: a refund in the channel's console, a faulty bill, Alipay's way to tell."""

from __future__ import annotations

import io
import json
from datetime import datetime, timedelta, timezone

import pytest

import clock
from cardshop import invariants
from payments import by_hand, refunding
from payments.gateways.base import BillIsGarbled, BillKind, BillLineKind, BillState, OutcomeUnknown
from payments.models import AttemptStatus, ChannelNotification, PaymentStatus
from refunds.models import Queue
from shops.models import CardCode
from tests.cases import attempt_of
from tests.faults.stories import all_is_well, arrives_once, ends_well, later, look, now
from tests.gateways.partners import partners

CHINA = timezone(timedelta(hours=8))


# --- G21 --------------------------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_g21_alipays_sum_tells_of_a_refund_in_its_console(sent, simulator, buy, sent_for):
    """500 of 3000 went back without us: it stands on the payment, and there is less to promise."""
    order = buy(channel="alipay", price_fen=3000)
    simulator.post("console_refund", out_trade_no=order.payments.get().payment_no, amount_fen=500)
    simulator.clock(1)  # of Alipay's three seconds between two refunds, at sixty times the speed
    refund = sent_for(order, 1000)
    later(1)
    payment = now(refund.payment)
    assert (payment.refunded_fen, payment.external_fen, payment.refundable_fen) == (1000, 500, 1500)
    assert refunding.why_not(payment, 1500, at=clock.now()) == ""
    assert "剩余可退金额" in refunding.why_not(payment, 1501, at=clock.now())
    all_is_well(simulator)
    later(60)
    assert now(payment).external_fen == 500  # counted once, however often it is heard


@pytest.mark.django_db
def test_g21_wechat_takes_no_more_than_is_left(sent, buy, sent_for, letters, simulator, finance):
    """WeChat tells in v2 XML, which proves nothing; our refund of the whole is refused there and waits for a person."""
    order = buy(channel="wechat", price_fen=3000)
    payment = order.payments.get()
    console = simulator.post("console_refund", out_trade_no=payment.payment_no, amount_fen=500)
    simulator.settle(console["out_refund_no"], "SUCCESS")
    letter = next(each for each in iter(lambda: letters.caught.get(timeout=20), None) if each.body.startswith(b"<xml>"))
    assert letter.deliver() == 400
    simulator.clock(2)
    refund = sent_for(order)
    later(1)
    refund.refresh_from_db()
    attempt = attempt_of(refund)
    assert (attempt.status, refund.queue) == (AttemptStatus.HELD, Queue.FINANCE)
    assert now(payment).reserved_fen == 3000
    assert by_hand.close_refused([attempt], by=finance, at=clock.now()) == 1
    assert now(payment).reserved_fen == 0
    assert invariants.broken(simulator.ledger()) == [  # until the bill is read, the comparison of books says so
        f"{payment.payment_no}: 500 fen refunded outside us there, 0 known here"
    ]


# --- G22 --------------------------------------------------------------------------------------------------------------

BILLS = {("wechat", BillKind.TRADES): "trade", ("wechat", BillKind.FUNDS): "fundflow",
         ("alipay", BillKind.TRADES): "trade", ("alipay", BillKind.FUNDS): "account"}  # fmt: skip
WRONG = {"duplicate_line": BillIsGarbled, "garbled_line": BillIsGarbled, "wrong_amount": BillIsGarbled,
         "drop_line": BillIsGarbled, "late": BillState.NOT_YET}  # fmt: skip
FAULTS = {
    "wechat": WRONG | {"missing": BillState.EMPTY, "wrong_hash": OutcomeUnknown},
    "alipay": WRONG | {"missing": BillState.NOT_YET},
}


@pytest.fixture(scope="module")
def outside(tmp_path_factory):
    """A simulator of its own two days after some business, with a refund by hand among it: (partners, the day)."""
    with partners(tmp_path_factory.mktemp("bills")) as running:
        day = datetime.now(CHINA).date()
        for partner in running.values():
            request = partner.paid()
            partner.gateway.refund(request)
            partner.finish(request)
            partner.wait_between_refunds()
            partner.simulator.post("console_refund", out_trade_no=request.payment_no, amount_fen=500)
        next(iter(running.values())).simulator.clock(2 * 86400)
        yield running, day


def fetched(partner, kind, day):
    """The lines of a bill, or what became of it instead."""
    bill = io.BytesIO()
    try:
        state = partner.gateway.fetch_bill(kind, day, bill)
        bill.seek(0)
        return list(partner.gateway.read_bill(kind, bill)) if state is BillState.READY else state
    except (BillIsGarbled, OutcomeUnknown) as error:
        return type(error)


@pytest.mark.parametrize(("channel", "kind"), BILLS)
def test_g22_a_bill_that_cannot_be_trusted_gives_no_line(channel, kind, outside):
    """Late, missing, a line dropped, doubled, garbled or a fen off: asked for again, or refused as a whole."""
    running, day = outside
    partner = running[channel]
    good = fetched(partner, kind, day)
    assert isinstance(good, list)
    assert good
    for fault, outcome in FAULTS[channel].items():
        planted = {"channel": channel, "kind": BILLS[channel, kind], "day": str(day), "fault": fault}
        partner.simulator.post("bill", **planted, delay_seconds=30 * 86400)
        try:
            assert fetched(partner, kind, day) == outcome, fault
        finally:
            partner.simulator.post("bill", clear=True)
    assert fetched(partner, kind, day) == good
    assert fetched(partner, kind, day - timedelta(days=1)) in (BillState.EMPTY, [])


@pytest.mark.parametrize("channel", ["wechat", "alipay"])
def test_g22_the_bill_names_the_refund_that_was_not_ours(channel, outside):
    """G21, too: a line with a number that we never gave."""
    running, day = outside
    lines = fetched(running[channel], BillKind.TRADES, day)
    refunds = [line for line in lines if line.kind is BillLineKind.REFUND]
    assert sorted(-line.amount_fen for line in refunds) == [500, 1000]
    (strange,) = [line for line in refunds if not line.request_no.startswith("CONTRACT")]
    assert strange.amount_fen == -500


# --- G23 --------------------------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_g23_alipay_tells_of_a_part_as_of_a_payment(sent, letters, simulator):
    """TRADE_SUCCESS at the payment's address, with a refund in it: nothing is paid, delivered or booked again."""
    refund = sent("alipay", price_fen=3000, amount_fen=1000)
    payment, order = refund.payment, refund.order
    paid = letters.of_payment(payment)
    look(refund)
    letter = letters.about(attempt_of(refund))
    assert letter.path == "/notify/alipay/payment"
    assert b"trade_status=TRADE_SUCCESS" in letter.body
    later(1)
    before = (now(order).status, now(payment).paid_at, now(payment).refunded_fen, codes(order), postings())
    for each in (letter, paid, letter):
        assert each.deliver() == 200
        later(1)
    assert (now(order).status, now(payment).paid_at, now(payment).refunded_fen, codes(order), postings()) == before
    assert now(payment).status == PaymentStatus.PAID
    kinds = ChannelNotification.objects.order_by("pk").values_list("kind", "request_no")
    assert list(kinds) == [("refund", attempt_of(refund).request_no), ("payment", "")]
    assert json.dumps(ChannelNotification.objects.first().facts).count("2088") == 0  # I15: nobody's number
    arrives_once(refund, simulator)


@pytest.mark.django_db
def test_g23_and_of_the_whole_as_of_a_closed_trade(sent, letters, simulator):
    """TRADE_CLOSED of a trade that was paid and refunded: the payment stays paid."""
    refund = sent("alipay", price_fen=3000)
    look(refund)
    letter = letters.about(attempt_of(refund), "TRADE_CLOSED")
    later(1)
    assert letter.deliver() == 200
    later(1)
    assert now(refund.payment).status == PaymentStatus.PAID
    ends_well(refund, simulator=simulator)
    arrives_once(refund, simulator)


def codes(order):
    return sorted(CardCode.objects.filter(delivery__line__order=order).values_list("pk", "state"))


def postings():
    from ledger.models import Posting

    return Posting.objects.count()
