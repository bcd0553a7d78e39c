"""What only Alipay does, over the simulator: three tills, refunds to a card, and answers that mean no success."""

from __future__ import annotations

import urllib.request
from collections.abc import Iterator
from dataclasses import replace

import pytest

from payments.gateways.alipay import AlipayGateway
from payments.gateways.base import (
    GatewayMisconfigured,
    NotificationKind,
    OutcomeUnknown,
    PaymentState,
    PayMethod,
    ReceivedAccountKind,
    RefundRequest,
    RefundState,
)
from tests.gateways.alipay_channel import APP_KEY, private_pem
from tests.gateways.partners import TOTAL_FEN, Partner

CARD = "招商银行储蓄卡0403"


@pytest.fixture
def alipay_partner(both: dict[str, Partner]) -> Partner:
    return both["alipay"]


@pytest.fixture
def app_gateway(alipay_partner: Partner) -> Iterator[None]:
    """The address in Alipay's console where the bank's word arrives; not notify_url."""
    address = f"{alipay_partner.mailbox.address}/app-gateway"
    alipay_partner.simulator.post("app_gateway", url=address)
    yield
    alipay_partner.simulator.post("app_gateway", url=None)


def paid_by_card(partner: Partner) -> RefundRequest:
    order = partner.order(partner.new_payment_no())
    partner.scan(partner.gateway.open_payment(order))
    partner.simulator.post("pay", out_trade_no=order.payment_no, funding=CARD)
    paid = partner.gateway.query_payment(order.payment_no)
    return partner.refund(order.payment_no, paid.channel_transaction_id, 1, 1000)


@pytest.mark.parametrize("method", [PayMethod.PHONE, PayMethod.COMPUTER])
def test_a_page_takes_the_buyer_to_the_till(alipay_partner: Partner, method: PayMethod) -> None:
    order = replace(alipay_partner.order(alipay_partner.new_payment_no()), method=method)
    with urllib.request.urlopen(alipay_partner.gateway.open_payment(order), timeout=10) as till:
        assert "游戏点卡" in till.read().decode()
        address = till.geturl()
    assert alipay_partner.gateway.query_payment(order.payment_no).state is PaymentState.UNPAID
    urllib.request.urlopen(address, data=b"", timeout=10).close()
    paid = alipay_partner.gateway.query_payment(order.payment_no)
    assert (paid.state, paid.amount_fen) == (PaymentState.PAID, TOTAL_FEN)


@pytest.mark.usefixtures("app_gateway")
@pytest.mark.parametrize(
    ("word", "status", "kind"),
    [("SUCCESS", "S", ReceivedAccountKind.BANK_CARD), ("ABNORMAL", "F", ReceivedAccountKind.WALLET)],
)
def test_a_refund_to_a_bank_card(alipay_partner: Partner, word: str, status: str, kind: ReceivedAccountKind) -> None:
    """银行卡冲退: a success from the start; the bank's word comes later, and its no leads to the buyer's balance."""
    request = paid_by_card(alipay_partner)
    alipay_partner.simulator.post("settle", request_no=request.request_no, status="PROCESSING", in_advance=True)
    under_way = alipay_partner.gateway.refund(request)
    assert (under_way.state, under_way.received_account_kind) == (
        RefundState.SUCCEEDED,
        ReceivedAccountKind.BANK_CARD,
    )
    waiting = alipay_partner.gateway.query_refund(request)
    assert waiting.bank_acknowledged_at is None
    assert waiting.arrival_expected_at is not None

    alipay_partner.simulator.settle(request.request_no, word)
    told, _, _ = alipay_partner.notification(
        lambda one: one.request_no == request.request_no and "depositback" in one.facts["event_type"]
    )
    assert (told.kind, told.facts["status"]) == (NotificationKind.REFUND, status)
    arrived = alipay_partner.gateway.query_refund(request)
    assert (arrived.state, arrived.received_account_kind) == (RefundState.SUCCEEDED, kind)
    assert (arrived.bank_acknowledged_at is not None) == (status == "S")


def test_refunded_and_yet_no_change_of_funds(alipay_partner: Partner) -> None:
    """G10: fund_change=N of a refund that was made: a query settles it at once."""
    request = alipay_partner.paid()
    alipay_partner.simulator.faults("fund_change_n", request_no=request.request_no)
    outcome = alipay_partner.gateway.refund(request)
    assert (outcome.state, outcome.amount_fen, outcome.payment_refunded_fen) == (RefundState.SUCCEEDED, 1000, 1000)


def test_taken_on_and_refunded_later(alipay_partner: Partner) -> None:
    """G10: an early empty query can still turn into a success; the number stays."""
    request = alipay_partner.paid()
    alipay_partner.simulator.post(
        "faults", fault="done_later", request_no=request.request_no, times=1, delay_seconds=86400
    )
    with pytest.raises(OutcomeUnknown) as raised:
        alipay_partner.gateway.refund(request)
    assert raised.value.retry_after_seconds == 10
    assert alipay_partner.gateway.query_refund(request).state is RefundState.NOT_FOUND
    alipay_partner.simulator.clock(86401)
    assert alipay_partner.gateway.query_refund(request).state is RefundState.SUCCEEDED
    assert alipay_partner.gateway.refund(request).payment_refunded_fen == 1000


def test_an_amount_that_is_a_fen_short(alipay_partner: Partner) -> None:
    """G16: not believed as it stands; what the query says is for the caller to compare."""
    request = alipay_partner.paid()
    alipay_partner.simulator.faults("amount_off", request_no=request.request_no, times=2)
    outcome = alipay_partner.gateway.refund(request)
    assert (outcome.state, outcome.amount_fen) == (RefundState.SUCCEEDED, 999)
    assert alipay_partner.gateway.query_refund(request).amount_fen == 1000


def test_a_frozen_trade_is_for_a_human(alipay_partner: Partner) -> None:
    request = alipay_partner.paid()
    alipay_partner.simulator.faults("frozen", request_no=request.request_no)
    outcome = alipay_partner.gateway.refund(request)
    assert (outcome.state, outcome.code) == (RefundState.REFUSED, "ACQ.REASON_TRADE_BEEN_FREEZEN")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"app_id": "2021000000000001"}, "isv.invalid-app-id"),
        ({"app_private_key": private_pem(APP_KEY)}, "isv.invalid-signature"),
    ],
)
def test_wrong_keys_are_told_from_trouble(alipay_partner: Partner, change: dict[str, str], code: str) -> None:
    assert isinstance(alipay_partner.gateway, AlipayGateway)
    mistaken = AlipayGateway(replace(alipay_partner.gateway._credentials, **change))
    with pytest.raises(GatewayMisconfigured) as raised:
        mistaken.query_payment("CONTRACTA999999")
    assert raised.value.code == code
