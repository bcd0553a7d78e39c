"""Alipay's gateway against a channel that signs whatever we script. ``test_contract.py`` runs it on the simulator."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from payments.gateways.alipay import AlipayGateway
from payments.gateways.alipay.answers import SUB_CODES, Call, Verdict
from payments.gateways.base import (
    NeverSent,
    OutcomeUnknown,
    PaymentState,
    PayMethod,
    ReceivedAccountKind,
    RefundOutcome,
    RefundState,
)
from tests.gateways.alipay_channel import (
    ORDER,
    PAID,
    QUERIED,
    REFUND,
    REFUNDED,
    TRADE,
    AlipayChannel,
    error,
    ok,
    read_request,
)

CHINA = timezone(timedelta(hours=8))
# --- Opening ----------------------------------------------------------------------------------------------------------


def test_a_code_to_scan(alipay: AlipayChannel, alipay_gateway: AlipayGateway) -> None:
    alipay.answers["alipay.trade.precreate"] = ok(out_trade_no=ORDER.payment_no, qr_code="https://qr.alipay.com/bax01")
    before = datetime.now(CHINA).replace(microsecond=0)
    assert alipay_gateway.open_payment(ORDER) == "https://qr.alipay.com/bax01"
    (asked,) = alipay.requests
    assert asked.biz == {
        "out_trade_no": ORDER.payment_no, "total_amount": "19.99", "subject": "游戏点卡 100 点",
        "time_expire": "2026-11-20 20:00:00",
    }  # fmt: skip
    assert (asked.verb, asked.public["notify_url"]) == ("POST", ORDER.notify_url)
    assert "biz_content" not in asked.path  # what stands in an address stands in every log
    stamp = datetime.strptime(asked.public["timestamp"], "%Y-%m-%d %H:%M:%S").replace(tzinfo=CHINA)
    assert before <= stamp <= datetime.now(CHINA)


@pytest.mark.parametrize(
    ("method", "name", "product"),
    [
        (PayMethod.PHONE, "alipay.trade.wap.pay", "QUICK_WAP_WAY"),
        (PayMethod.COMPUTER, "alipay.trade.page.pay", "FAST_INSTANT_TRADE_PAY"),
    ],
)
def test_a_page_to_go_to_is_signed_without_a_call(
    alipay: AlipayChannel, alipay_gateway: AlipayGateway, method: PayMethod, name: str, product: str
) -> None:
    address = alipay_gateway.open_payment(replace(ORDER, method=method))
    assert alipay.requests == []
    assert address.startswith(f"{alipay.gateway}?")
    asked = read_request("GET", address)
    assert (asked.public["method"], asked.biz["product_code"]) == (name, product)
    assert (asked.public["notify_url"], asked.public["return_url"]) == (ORDER.notify_url, ORDER.return_url)
    assert asked.biz["total_amount"] == "19.99"
    assert asked.biz.get("quit_url") == (ORDER.return_url if method is PayMethod.PHONE else None)


def test_what_alipay_does_not_offer(alipay_gateway: AlipayGateway) -> None:
    for ask_for in (
        lambda: alipay_gateway.open_payment(replace(ORDER, method=PayMethod.IN_APP)),
        lambda: alipay_gateway.in_app_parameters("x"),
        lambda: alipay_gateway.login_address("https://shop.example/", "x"),
        lambda: alipay_gateway.payer_of("x"),
        lambda: alipay_gateway.redirect_refund(REFUND, "x", None),
    ):
        with pytest.raises(NeverSent):
            ask_for()
    assert PayMethod.IN_APP not in alipay_gateway.methods


def test_a_subject_holds_nothing_that_a_parser_trips_over(alipay: AlipayChannel, alipay_gateway: AlipayGateway) -> None:
    alipay.answers["alipay.trade.precreate"] = ok(out_trade_no=ORDER.payment_no, qr_code="https://qr.alipay.com/bax01")
    alipay_gateway.open_payment(replace(ORDER, description='@a/b=c&d{e}"f,\n\tg' + "长" * 300))
    subject = alipay.requests[0].biz["subject"]
    assert subject.startswith("＠a／b＝c＆d｛e｝”f， g长")
    assert len(subject.encode()) <= 256
    assert not set(subject) & set('/=&{}@",\n\t')


@pytest.mark.parametrize(
    "change",
    [
        {"payment_no": ""}, {"payment_no": "P 1"}, {"payment_no": "P/1"}, {"payment_no": "P" * 65},
        {"amount_fen": 0}, {"amount_fen": -1}, {"amount_fen": 19.99}, {"amount_fen": True},
        {"amount_fen": 10_000_000_001}, {"notify_url": "shop.example"}, {"notify_url": "https://shop.example/?a=1"},
        {"description": ""}, {"description": " \n"}, {"return_url": "javascript:alert(1)"},
    ],
)  # fmt: skip
def test_an_order_that_no_channel_may_see_never_leaves(
    alipay: AlipayChannel, alipay_gateway: AlipayGateway, change: dict[str, Any]
) -> None:
    with pytest.raises(NeverSent):
        alipay_gateway.open_payment(replace(ORDER, **change))
    assert alipay.requests == []


# --- Payments ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("word", ["TRADE_SUCCESS", "TRADE_FINISHED", "TRADE_CLOSED"])
def test_a_paid_trade_is_paid_whatever_became_of_it(
    alipay: AlipayChannel, alipay_gateway: AlipayGateway, word: str
) -> None:
    """TRADE_CLOSED with a time of payment was refunded in full: it has been paid."""
    alipay.answers["alipay.trade.query"] = ok(**PAID | {"trade_status": word})
    outcome = alipay_gateway.query_payment(ORDER.payment_no)
    assert outcome.state is PaymentState.PAID
    assert (outcome.amount_fen, outcome.channel_transaction_id) == (1999, REFUND.channel_transaction_id)
    assert outcome.paid_at == datetime(2026, 11, 20, 12, 0, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("told", "payer"),
    [
        ({"buyer_user_id": "2088101117955611", "buyer_open_id": "074a1CcTG1LelxKe4xQC0zgNdId0nxi95b5lsNpazWYoCo5"},
         "2088101117955611"),
        ({"buyer_open_id": "074a1CcTG1LelxKe4xQC0zgNdId0nxi95b5lsNpazWYoCo5"},
         "074a1CcTG1LelxKe4xQC0zgNdId0nxi95b5lsNpazWYoCo5"),
        ({"buyer_user_id": ""}, ""), ({"buyer_user_id": 2088}, ""), ({"buyer_open_id": "0 7"}, ""), ({}, ""),
    ],
)  # fmt: skip
def test_who_paid_is_told_by_either_number_or_not_at_all(
    alipay: AlipayChannel, alipay_gateway: AlipayGateway, told: dict[str, Any], payer: str
) -> None:
    trade = {name: value for name, value in PAID.items() if not name.startswith("buyer_")}
    alipay.answers["alipay.trade.query"] = ok(**trade | told)
    outcome = alipay_gateway.query_payment(ORDER.payment_no)
    assert (outcome.state, outcome.payer) == (PaymentState.PAID, payer)


@pytest.mark.parametrize(
    ("word", "state"), [("WAIT_BUYER_PAY", PaymentState.UNPAID), ("TRADE_CLOSED", PaymentState.CLOSED)]
)
def test_an_unpaid_trade(alipay: AlipayChannel, alipay_gateway: AlipayGateway, word: str, state: PaymentState) -> None:
    alipay.answers["alipay.trade.query"] = ok(**TRADE, trade_status=word, total_amount="19.99", receipt_amount="0.00")
    outcome = alipay_gateway.query_payment(ORDER.payment_no)
    assert (outcome.state, outcome.amount_fen) == (state, None)


@pytest.mark.parametrize(
    "change",
    [
        {"out_trade_no": "P2026112000000009"}, {"trade_status": "PAID"}, {"trade_status": None},
        {"total_amount": None}, {"total_amount": 19.99}, {"total_amount": "19.999"}, {"total_amount": "-19.99"},
        {"total_amount": "1e3"}, {"total_amount": "１９.99"}, {"trade_no": ""}, {"send_pay_date": "yesterday"},
        {"send_pay_date": "2026-02-30 20:00:00"}, {"send_pay_date": 1},
    ],
)  # fmt: skip
def test_an_odd_payment_answer_is_not_believed(
    alipay: AlipayChannel, alipay_gateway: AlipayGateway, change: dict[str, Any]
) -> None:
    alipay.answers["alipay.trade.query"] = ok(**PAID | change)
    with pytest.raises(OutcomeUnknown, match="odd_answer"):
        alipay_gateway.query_payment(ORDER.payment_no)


def test_closing(alipay: AlipayChannel, alipay_gateway: AlipayGateway) -> None:
    """G20: a buyer who was faster has paid, whatever the close says."""
    alipay.answers["alipay.trade.close"] = ok(**TRADE)
    assert alipay_gateway.close_payment(ORDER.payment_no).state is PaymentState.CLOSED
    for word in [word for word, verdict in SUB_CODES[Call.CLOSE].items() if verdict is Verdict.SETTLED]:
        alipay.answers["alipay.trade.close"] = error("40004", f"ACQ.{word}")
        alipay.answers["alipay.trade.query"] = ok(**PAID)
        assert alipay_gateway.close_payment(ORDER.payment_no).state is PaymentState.PAID
        alipay.answers["alipay.trade.query"] = ok(**TRADE, trade_status="TRADE_CLOSED")
        assert alipay_gateway.close_payment(ORDER.payment_no).state is PaymentState.CLOSED
        alipay.answers["alipay.trade.query"] = ok(**TRADE, trade_status="WAIT_BUYER_PAY")
        with pytest.raises(OutcomeUnknown):
            alipay_gateway.close_payment(ORDER.payment_no)


# --- Refunds ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("replayed", [False, True])
@pytest.mark.parametrize("fund_change", ["Y", "N", None, ""])
def test_only_money_that_moved_is_a_success(
    alipay: AlipayChannel, alipay_gateway: AlipayGateway, fund_change: str | None, replayed: bool
) -> None:
    """G10: code 10000 alone says nothing; N is also the answer to a repeat of a finished refund."""
    body = {**REFUNDED, "fund_change": fund_change}
    alipay.answers["alipay.trade.refund"] = ok(**{name: value for name, value in body.items() if value is not None})
    alipay.answers["alipay.trade.fastpay.refund.query"] = ok(**QUERIED) if replayed else ok()
    if fund_change == "Y" or replayed:
        outcome = alipay_gateway.refund(REFUND)
        assert outcome.state is RefundState.SUCCEEDED
        assert (outcome.amount_fen, outcome.payment_refunded_fen) == (1000, 1000)
        assert outcome.succeeded_at == datetime(2026, 11, 20, 12, 5, tzinfo=UTC)
    else:
        with pytest.raises(OutcomeUnknown) as raised:
            alipay_gateway.refund(REFUND)
        assert raised.value.retry_after_seconds == 10
    assert len(alipay.calls("alipay.trade.fastpay.refund.query")) == (fund_change != "Y")


def test_a_refund_is_asked_for_with_documented_fields_only(
    alipay: AlipayChannel, alipay_gateway: AlipayGateway
) -> None:
    alipay.answers["alipay.trade.refund"] = ok(**REFUNDED)
    outcome = alipay_gateway.refund(replace(REFUND, reason="@{卡}密" + "长" * 300))
    assert outcome == RefundOutcome(
        RefundState.SUCCEEDED,
        REFUND.request_no,
        amount_fen=1000,
        channel_refund_id=f"{REFUND.channel_transaction_id}-{REFUND.request_no}",
        succeeded_at=datetime(2026, 11, 20, 12, 5, tzinfo=UTC),
        payment_refunded_fen=1000,
    )
    (asked,) = alipay.requests
    assert (
        asked.biz
        == {
            "trade_no": REFUND.channel_transaction_id,  # never both numbers: this one would win
            "out_request_no": REFUND.request_no,
            "refund_amount": "10.00",
            "refund_reason": ("＠｛卡｝密" + "长" * 300)[:256],
            "query_options": ["refund_detail_item_list", "deposit_back_info"],
        }
    )
    alipay_gateway.refund(replace(REFUND, channel_transaction_id=""))
    assert alipay.requests[1].biz["out_trade_no"] == ORDER.payment_no
    assert "trade_no" not in alipay.requests[1].biz


def test_the_cumulative_sum_is_for_the_caller_to_compare(alipay: AlipayChannel, alipay_gateway: AlipayGateway) -> None:
    """G21: 15.00 were given back and this is our first refund: somebody else gave 5.00."""
    alipay.answers["alipay.trade.refund"] = ok(**REFUNDED | {"refund_fee": "15.00"})
    outcome = alipay_gateway.refund(REFUND)
    assert (outcome.amount_fen, outcome.payment_refunded_fen) == (1000, 1500)


@pytest.mark.parametrize("refund_fee", ["9.99", None])
def test_a_sum_that_does_not_hold_our_refund_is_settled_by_a_query(
    alipay: AlipayChannel, alipay_gateway: AlipayGateway, refund_fee: str | None
) -> None:
    """G16: the amount of the query is the one that counts, and the caller sees that it is another."""
    alipay.answers["alipay.trade.refund"] = ok(**REFUNDED | {"refund_fee": refund_fee})
    alipay.answers["alipay.trade.fastpay.refund.query"] = ok(**QUERIED | {"refund_amount": "9.99"})
    outcome = alipay_gateway.refund(REFUND)
    assert (outcome.state, outcome.amount_fen) == (RefundState.SUCCEEDED, 999)
    assert outcome.payment_refunded_fen is None  # a sum that is behind the query says nothing


@pytest.mark.parametrize(
    "change",
    [
        {"out_trade_no": "P2026112000000009"}, {"trade_no": "2026112022001400000000000009"}, {"trade_no": None},
        {"refund_fee": "20.00"}, {"refund_fee": 10.0}, {"refund_fee": "ten"}, {"gmt_refund_pay": "soon"},
    ],
)  # fmt: skip
def test_an_odd_refund_answer_is_not_believed(
    alipay: AlipayChannel, alipay_gateway: AlipayGateway, change: dict[str, Any]
) -> None:
    alipay.answers["alipay.trade.refund"] = ok(**REFUNDED | change)
    with pytest.raises(OutcomeUnknown, match="odd_answer"):
        alipay_gateway.refund(REFUND)


@pytest.mark.parametrize(
    "change",
    [
        {"out_request_no": "P2026112000000001R2"}, {"out_trade_no": "P2026112000000009"}, {"trade_no": "2"},
        {"total_amount": "29.99"}, {"total_amount": None}, {"refund_amount": "ten"}, {"refund_amount": None},
        {"refund_status": "REFUND_FAIL"}, {"refund_status": True},
    ],
)  # fmt: skip
def test_an_odd_query_answer_is_not_believed(
    alipay: AlipayChannel, alipay_gateway: AlipayGateway, change: dict[str, Any]
) -> None:
    alipay.answers["alipay.trade.fastpay.refund.query"] = ok(**QUERIED | change)
    with pytest.raises(OutcomeUnknown, match="odd_answer"):
        alipay_gateway.query_refund(REFUND)


def test_an_empty_query_is_not_a_failure(alipay: AlipayChannel, alipay_gateway: AlipayGateway) -> None:
    """G10: "not received or failed", and perhaps only not yet."""
    alipay.answers["alipay.trade.fastpay.refund.query"] = ok()
    assert alipay_gateway.query_refund(REFUND).state is RefundState.NOT_FOUND
    assert alipay.requests[0].biz == {
        "trade_no": REFUND.channel_transaction_id,
        "out_request_no": REFUND.request_no,
        "query_options": ["gmt_refund_pay", "refund_detail_item_list", "deposit_back_info"],
    }


WALLET, BANK, NOWHERE = ReceivedAccountKind.WALLET, ReceivedAccountKind.BANK_CARD, ReceivedAccountKind.UNKNOWN
BACK = {"has_deposit_back": "true", "dback_amount": "10.00", "est_bank_receipt_time": "2026-11-23 10:00:00"}
ACK, EXPECTED = datetime(2026, 11, 22, 2, 0, tzinfo=UTC), datetime(2026, 11, 23, 2, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("fields", "kind", "acknowledged_at", "expected_at"),
    [
        ({}, NOWHERE, None, None),
        ({"refund_detail_item_list": [{"fund_channel": "ALIPAYACCOUNT", "amount": "10.00"}]}, WALLET, None, None),
        ({"refund_detail_item_list": [{"fund_channel": "BANKCARD", "amount": "10.00"}]}, BANK, None, None),
        ({"refund_detail_item_list": [{"fund_channel": "ALIPAYACCOUNT"}, {"fund_channel": "PCREDIT"}]}, NOWHERE, None,
         None),
        ({"refund_detail_item_list": "[]"}, NOWHERE, None, None),
        ({"deposit_back_info": BACK | {"dback_status": "P"}}, BANK, None, EXPECTED),
        ({"deposit_back_info": BACK | {"dback_status": "S", "bank_ack_time": "2026-11-22 10:00:00"}}, BANK, ACK,
         EXPECTED),
        ({"deposit_back_info": BACK | {"dback_status": "P", "bank_ack_time": "2026-11-22 10:00:00"}}, BANK, None,
         EXPECTED),
        ({"deposit_back_info": BACK | {"dback_status": "F"}}, WALLET, None, None),
        ({"deposit_back_info": {"has_deposit_back": "false"}}, NOWHERE, None, None),
        ({"deposit_back_info": BACK | {"est_bank_receipt_time": "soon"}}, BANK, None, None),
        ({"has_deposit_back": "true"}, BANK, None, None),
    ],
)  # fmt: skip
@pytest.mark.parametrize("call", [Call.REFUND, Call.QUERY_REFUND])
def test_where_the_money_went(
    alipay: AlipayChannel, alipay_gateway: AlipayGateway, call: Call, fields: dict[str, Any], kind: ReceivedAccountKind,
    acknowledged_at: datetime | None, expected_at: datetime | None,
) -> None:  # fmt: skip
    """A bank that does not take it is still a success: the buyer's balance has it (银行卡冲退)."""
    alipay.answers = {Call.REFUND.value: ok(**REFUNDED | fields), Call.QUERY_REFUND.value: ok(**QUERIED | fields)}
    outcome = alipay_gateway.refund(REFUND) if call is Call.REFUND else alipay_gateway.query_refund(REFUND)
    assert outcome.state is RefundState.SUCCEEDED
    assert (outcome.received_account_kind, outcome.received_account != "") == (kind, kind is not NOWHERE)
    assert (outcome.bank_acknowledged_at, outcome.arrival_expected_at) == (acknowledged_at, expected_at)
