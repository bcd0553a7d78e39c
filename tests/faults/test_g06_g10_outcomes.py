"""G6 to G10: what a channel may make of a refund. Nothing is final but its final word; a new number needs a person."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

import clock
from payments import by_hand, channels, hearing, refunding
from payments.gateways.base import BankCard
from payments.models import (
    AttemptEvent,
    AttemptStatus,
    Attention,
    ChannelAccount,
    Payment,
    PaymentStatus,
    RefundAttempt,
)
from refunds import disbursement, lifecycle
from refunds.models import Queue, Status
from tests.cases import attempt_of, hint
from tests.faults.conftest import CARD
from tests.faults.stories import all_is_well, arrives_once, ends_well, later, ledger_row, refunds_there
from tests.gateways.alipay_channel import (
    ALIPAY_KEY,
    APP_ID,
    APP_KEY,
    SELLER_ID,
    AlipayChannel,
    error,
    ok,
    private_pem,
    public_pem,
)

pytestmark = pytest.mark.django_db

THEIR_CARD = BankCard("CMB_DEBIT", "6214830100001234", "张三")


def becomes(refund, status, simulator):
    """The channel makes this of the refund, and the shop hears of it."""
    simulator.settle(attempt_of(refund).request_no, status)
    hint(attempt_of(refund))
    later(1)
    refund.refresh_from_db()
    return attempt_of(refund)


def reserve(payment):
    payment.refresh_from_db()
    return payment.reserved_fen, payment.refunded_fen


# --- G6 ---------------------------------------------------------------------------------------------------------------


def test_g06_wechat_works_on_it_for_days(sent, simulator, recorder, settings):
    """Every minute, five times, then 5, 10, 20, 30 minutes; at day five a person hears of it; closed at day seven."""
    settings.TIME_SCALE = 1
    refund = sent("wechat")
    attempt = attempt_of(refund)
    later(0)
    start, pauses = clock.now(), []
    for _ in range(10):
        attempt.refresh_from_db()
        pauses.append(round((attempt.next_due_at - clock.now()).total_seconds() / 60))
        clock.advance(attempt.next_due_at - clock.now())
        later(0)
    assert pauses == [1, 1, 1, 1, 1, 5, 10, 20, 30, 30]
    for day in range(1, 7):
        clock.advance(start + timedelta(days=day) - clock.now())
        later(0)
        refund.refresh_from_db()
        attempt.refresh_from_db()
        assert (attempt.status, attempt.payment.reserved_fen) == (AttemptStatus.ACCEPTED, refund.amount_fen)
        late = day >= 6 or (day == 5 and attempt.attention)  # accepted a moment after the start
        assert (attempt.attention, refund.queue) == ((Attention.SLOW, Queue.FINANCE) if late else ("", Queue.MACHINE))
    clock.advance(timedelta(days=1))
    becomes(refund, "CLOSED", simulator)  # the merchant's funds never came
    assert (attempt_of(refund).status, refund.status, refund.queue) == (
        AttemptStatus.CLOSED, Status.RETURNED, Queue.FINANCE,
    )  # fmt: skip
    assert reserve(refund.payment) == (0, 0)
    assert len(recorder.calls("refund")) == 1
    all_is_well(simulator)


def test_g06_alipay_has_taken_it_and_is_not_done(released, simulator, recorder, finance, monkeypatch):
    """Taken on and not done: the same number again and again, the same request; in the end a person is called."""
    monkeypatch.setattr(hearing, "MOST_TRIES", 8)
    refund = released(channel="alipay")
    for _ in range(hearing.MOST_TRIES - 1):
        later(721)
        assert attempt_of(refund).status == AttemptStatus.UNKNOWN
    later(721)
    refund.refresh_from_db()
    attempt = attempt_of(refund)
    assert (attempt.status, refund.queue) == (AttemptStatus.HELD, Queue.FINANCE)
    assert reserve(refund.payment) == (refund.amount_fen, 0)
    simulator.settle(attempt.request_no, "SUCCESS")
    assert by_hand.ask_again([attempt], by=finance, at=clock.now()) == 1
    later(721)
    arrives_once(refund, simulator)
    assert len({each.body for each in recorder.calls("refund")}) == 1


# --- G7 ---------------------------------------------------------------------------------------------------------------


def again(refund, finance):
    """A person opens a new number: back to release, by somebody other than who approved."""
    refund.refresh_from_db()
    assert refund.status == Status.RETURNED
    lifecycle.reissue([refund], by=finance, at=clock.now())
    assert disbursement.release([refund], by=finance, at=clock.now()).sent
    refund.refresh_from_db()


def closed_there(refund, simulator, finance):
    """Closed: by WeChat's own word, or because Alipay refused it for good, and a person took note."""
    attempt = attempt_of(refund)
    if attempt.payment.account.channel == "wechat":
        later(1)
        becomes(refund, "CLOSED", simulator)
        return
    simulator.faults("frozen", request_no=attempt.request_no)
    later(1)
    refund.refresh_from_db()
    assert (attempt_of(refund).status, refund.queue) == (AttemptStatus.HELD, Queue.FINANCE)
    assert reserve(refund.payment) == (refund.amount_fen, 0)
    assert by_hand.close_refused([attempt_of(refund)], by=finance, at=clock.now()) == 1
    later(1)


def test_g07_closed_a_person_opens_a_new_number(channel, released, simulator, finance):
    """The reserve is freed with the old number and taken with the new one; at every commit it is the attempts' sum."""
    refund = released(channel=channel)
    old = attempt_of(refund)
    closed_there(refund, simulator, finance)
    assert reserve(refund.payment) == (0, 0)
    for _ in range(3):
        later(86400)
    assert refund.payment.attempts.count() == 1  # nothing opens a number by itself
    all_is_well(simulator)
    simulator.clock(2)  # of WeChat's minute between two refunds, at sixty times the speed
    again(refund, finance)
    new = attempt_of(refund)
    assert new.request_no != old.request_no
    assert reserve(refund.payment) == (refund.amount_fen, 0)
    all_is_well(simulator)
    later(60)
    ends_well(refund, simulator=simulator)
    refund.refresh_from_db()
    assert refund.status == Status.ARRIVED
    assert reserve(refund.payment) == (0, refund.amount_fen)
    rows = {row["out_refund_no"]: (row["effects"], row["returns"]) for row in refunds_there(simulator, refund.payment)}
    assert rows.pop(new.request_no) == (1, 0)
    assert rows in ({}, {old.request_no: (1, 1)})
    all_is_well(simulator)


# --- G8 ---------------------------------------------------------------------------------------------------------------


def test_g08_the_card_is_dead_and_the_channel_mends_it(sent, simulator):
    """PROCESSING → ABNORMAL → SUCCESS: not final, with finance meanwhile."""
    refund = sent("wechat", funding=CARD["wechat"])
    later(1)
    attempt = becomes(refund, "ABNORMAL", simulator)
    assert (attempt.status, refund.status, refund.queue) == (AttemptStatus.RETURNED, Status.RETURNED, Queue.FINANCE)
    assert reserve(refund.payment) == (refund.amount_fen, 0)
    becomes(refund, "SUCCESS", simulator)
    assert refund.status == Status.PAID_OUT  # a bank card: paid out, arrival is the bank's
    assert ledger_row(simulator, attempt)["effects"] == 1
    all_is_well(simulator)


@pytest.mark.parametrize("end", ["SUCCESS", "ABNORMAL"])  # the bank has it, or refused: then the wallet has it
def test_g08_alipays_bank_card_arrives_by_the_banks_own_word(end, sent, simulator):
    """银行卡冲退: paid out at once, arrived when Alipay says so; nobody has to tell us, we ask."""
    refund = sent("alipay", funding=CARD["alipay"])
    later(1)
    later(1)
    refund.refresh_from_db()
    attempt = attempt_of(refund)
    assert (attempt.status, refund.status) == (AttemptStatus.SUCCEEDED, Status.PAID_OUT)
    assert not attempt.has_arrived
    later(15)  # where it goes, and when it should be there
    simulator.settle(attempt.request_no, end)
    later(600)
    refund.refresh_from_db()
    attempt.refresh_from_db()
    assert (refund.status, attempt.has_arrived, attempt.next_due_at) == (Status.ARRIVED, True, None)
    assert attempt.received_account_kind == ("bank_card" if end == "SUCCESS" else "wallet")
    all_is_well(simulator)


def test_g08_sent_on_to_the_merchant_the_buyer_is_paid_under_a_new_number(sent, finance, simulator):
    """A success for the channel, nothing for the buyer: the case stays open, and a person pays again."""
    refund = sent("wechat", price_fen=3000, amount_fen=1000, funding=CARD["wechat"])
    later(1)
    old = becomes(refund, "ABNORMAL", simulator)
    assert by_hand.send_on(old, card=None, by=finance, at=clock.now()) == 1
    later(1)
    assert attempt_of(refund).status == AttemptStatus.ACCEPTED
    attempt = becomes(refund, "SUCCESS", simulator)
    assert (attempt.status, refund.status) == (AttemptStatus.BACK_WITH_MERCHANT, Status.RETURNED)
    assert reserve(refund.payment) == (0, 0)
    assert (ledger_row(simulator, old)["effects"], ledger_row(simulator, old)["returns"]) == (1, 1)
    all_is_well(simulator)
    again(refund, finance)
    new = attempt_of(refund)
    simulator.clock(2)
    later(60)
    becomes(refund, "SUCCESS", simulator)
    assert attempt_of(refund).status == AttemptStatus.SUCCEEDED
    assert new.request_no != old.request_no
    assert reserve(refund.payment) == (0, 1000)
    assert (ledger_row(simulator, new)["effects"], ledger_row(simulator, new)["returns"]) == (1, 0)
    all_is_well(simulator)


@pytest.mark.parametrize("fault", ["", "answer_lost", "request_lost"])
def test_g08_sent_on_to_the_buyers_card(fault, sent, finance, simulator):
    """The card is sealed, sent once whatever becomes of the call, and the money arrives there."""
    refund = sent("wechat", funding=CARD["wechat"])
    later(1)
    attempt = becomes(refund, "ABNORMAL", simulator)
    if fault:
        simulator.faults(fault, request_no=attempt.request_no, times=2)  # the question, and the redirect
    assert by_hand.send_on(attempt, card=THEIR_CARD, by=finance, at=clock.now()) == 1
    for _ in range(4):
        later(721)
    assert attempt_of(refund).status == AttemptStatus.ACCEPTED
    attempt = becomes(refund, "SUCCESS", simulator)
    assert attempt.status == AttemptStatus.SUCCEEDED
    assert attempt.received_account == "招商银行借记卡1234"
    assert ledger_row(simulator, attempt)["effects"] == 1
    assert THEIR_CARD.card_no not in str(list(RefundAttempt.objects.values_list()))
    decided = AttemptEvent.objects.filter(attempt=attempt, by=finance)
    assert [event.note for event in decided] == ["改退至：退至买家银行卡"]
    all_is_well(simulator)


def test_g08_alipays_bank_refuses_and_the_balance_has_it(sent, simulator):
    """Alipay sends nothing back: what the bank does not take goes to the buyer's balance by itself."""
    refund = sent("alipay", funding=CARD["alipay"])
    attempt = attempt_of(refund)
    simulator.post("settle", channel="alipay", request_no=attempt.request_no, status="PROCESSING", in_advance=True)
    later(1)
    attempt.refresh_from_db()
    assert (attempt.status, attempt.received_account_kind) == (AttemptStatus.SUCCEEDED, "bank_card")
    attempt = becomes(refund, "ABNORMAL", simulator)
    assert (attempt.status, attempt.received_account_kind) == (AttemptStatus.SUCCEEDED, "wallet")
    assert attempt.received_account == "支付宝余额"
    assert ledger_row(simulator, attempt)["effects"] == 1
    all_is_well(simulator)


# --- G9 ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("paid_on", [datetime(2023, 3, 1, 12, tzinfo=UTC), datetime(2024, 2, 29, 23, 59, tzinfo=UTC)])
def test_g09_a_year_is_365_days(paid_on, channel):
    """From the payment, to the second, through a leap day and from one; our accounts may have another contract."""
    account = channels.account(channel)
    payment = Payment(
        account=account, amount_fen=3000, status=PaymentStatus.PAID, paid_at=paid_on, channel_transaction_id="1"
    )
    for days, second, allowed in [(364, 0, True), (365, -1, True), (365, 0, False), (365, 1, False), (366, 0, False)]:
        at = paid_on + timedelta(days=days, seconds=second)
        assert (refunding.why_not(payment, 3000, at=at) == "") == allowed, (days, second)
    account.refundable_days = 90
    assert refunding.why_not(payment, 3000, at=paid_on + timedelta(days=89)) == ""
    assert "90 天" in refunding.why_not(payment, 3000, at=paid_on + timedelta(days=90))


@pytest.mark.parametrize(("parts", "allowed"), [(48, True), (49, True), (50, False), (51, False)])
def test_g09_fifty_parts_are_the_most(parts, allowed):
    """WeChat's number; Alipay names none."""
    at = clock.now()
    common = {"amount_fen": 3000, "status": PaymentStatus.PAID, "paid_at": at, "last_attempt_index": parts}
    assert (refunding.why_not(Payment(account=channels.account("wechat"), **common), 1, at=at) == "") == allowed
    assert refunding.why_not(Payment(account=channels.account("alipay"), **common), 1, at=at) == ""


def test_g09_too_late_it_is_set_aside_and_nobody_is_called(channel, approved, finance, recorder):
    refund = approved(channel=channel, window_days=400)
    clock.advance(refund.payment.paid_at + timedelta(days=365) - clock.now())
    recorder.exchanges.clear()
    released = disbursement.release([refund], by=finance, at=clock.now())
    later(60)
    refund.refresh_from_db()
    assert "365 天" in released.set_aside[0][1]
    assert (refund.status, refund.queue) == (Status.RETURNED, Queue.FINANCE)
    assert [each for each in recorder.exchanges if "refund" in each.call] == []


SPACING_SECONDS = {"wechat": 60, "alipay": 3}


def test_g09_parts_of_one_payment_keep_their_distance(channel, sent_for, buy, simulator, recorder, settings):
    """A minute at WeChat, three seconds at Alipay: the second is not sent before, by whomever."""
    settings.TIME_SCALE = 1
    order = buy(channel=channel, price_fen=3000)
    first = sent_for(order, 1000)
    later(0)
    ends_well(first, simulator=simulator)
    first_sent_at = attempt_of(first).created_at
    assert len(recorder.calls("refund")) == 1
    clock.advance(first_sent_at - clock.now())  # as if all that had taken no time
    second = sent_for(order, 500)
    attempt = attempt_of(second)
    distance = timedelta(seconds=SPACING_SECONDS[channel])
    assert attempt.next_due_at >= first_sent_at + distance
    clock.advance(attempt.next_due_at - timedelta(seconds=1) - clock.now())
    later(0)
    assert len(recorder.calls("refund")) == 1
    simulator.clock(2)
    later(2)
    assert len(recorder.calls("refund")) == 2
    ends_well(second, simulator=simulator)
    assert reserve(second.payment) == (0, 1500)
    all_is_well(simulator)


# --- G10 --------------------------------------------------------------------------------------------------------------

QUERIES = {"refunded": {}, "empty": None, "another amount": {"refund_amount": "0.01"}, "unknown": "20000"}
OUTCOMES = {  # what the refund says of money that moved → what its query says → where the attempt stands
    "Y": dict.fromkeys(QUERIES, AttemptStatus.SUCCEEDED),
    "N": {
        "refunded": AttemptStatus.SUCCEEDED, "empty": AttemptStatus.UNKNOWN,
        "another amount": AttemptStatus.HELD, "unknown": AttemptStatus.UNKNOWN,
    },
}  # fmt: skip


@pytest.fixture
def scripted_alipay(settings):
    """The shop's Alipay is one that answers as the test says."""
    channel = AlipayChannel()
    settings.ALIPAY = {
        "app_id": APP_ID, "seller_id": SELLER_ID, "app_private_key": private_pem(APP_KEY),
        "alipay_public_key": public_pem(ALIPAY_KEY), "gateway": channel.gateway,
    }  # fmt: skip
    ChannelAccount.objects.filter(code="alipay").update(merchant_id=APP_ID)  # the very same merchant
    yield channel
    channel.close()


@pytest.mark.parametrize("query", QUERIES)
@pytest.mark.parametrize("fund_change", OUTCOMES)
def test_g10_ten_thousand_is_no_success(fund_change, query, sent, scripted_alipay_later):
    """Y is a success; N is what a query says: found, it is; empty is "not yet", asked for again by the same request."""
    refund = sent("alipay")
    attempt = attempt_of(refund)
    alipay = scripted_alipay_later()
    trade = {"trade_no": attempt.payment.channel_transaction_id, "out_trade_no": attempt.payment.payment_no}
    amount = {"total_amount": "30.00", "refund_amount": "30.00", "gmt_refund_pay": "2026-11-20 20:05:00"}
    found = trade | amount | {"out_request_no": attempt.request_no, "refund_status": "REFUND_SUCCESS"}
    # The sum is of all refunds of this payment: with N it proves nothing about this one.
    alipay.answers["alipay.trade.refund"] = ok(**trade, fund_change=fund_change, refund_fee="30.00")
    said = QUERIES[query]
    alipay.answers["alipay.trade.fastpay.refund.query"] = (
        ok() if said is None else error(said, "isp.unknow-error") if isinstance(said, str) else ok(**found | said)
    )
    later(1)
    attempt.refresh_from_db()
    assert attempt.status == OUTCOMES[fund_change][query]
    assert (attempt.money_moves, attempt.payment.refunded_fen) == (
        (1, 3000) if attempt.status == AttemptStatus.SUCCEEDED else (0, 0)
    )
    later(721)
    asked = [request.biz for request in alipay.calls("alipay.trade.refund")]
    assert {tuple(sorted(map(str, biz.items()))) for biz in asked} == {tuple(sorted(map(str, asked[0].items())))}
    assert len(asked) == (2 if query == "empty" and fund_change == "N" else 1)


@pytest.fixture
def scripted_alipay_later(request):
    """The same from the moment that the test asks for it: what was paid before was paid at the simulator."""
    return lambda: request.getfixturevalue("scripted_alipay")


@pytest.mark.parametrize("fault", ["fund_change_n", "done_later"])
def test_g10_over_the_simulator(fault, sent, simulator, recorder):
    """Refunded though it says N; or taken on, and refunded later."""
    refund = sent("alipay")
    simulator.faults(fault, request_no=attempt_of(refund).request_no)
    for _ in range(3):
        later(721)
    ends_well(refund, simulator=simulator)
    arrives_once(refund, simulator)
    assert len({each.body for each in recorder.calls("refund")}) == 1
