"""What ``base.Gateway`` promises, told of WeChat Pay and of Alipay alike, over the simulator.

Nothing here knows which channel it talks to; what differs is in ``partners.py``, or in what the protocol itself leaves
open (ACCEPTED or SUCCEEDED, NOT_FOUND or CLOSED).
"""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest

from payments.gateways.base import (
    BillKind,
    BillLineKind,
    BillState,
    Gateway,
    GatewayError,
    NeverSent,
    NotificationKind,
    NotificationRefused,
    OutcomeUnknown,
    PaymentState,
    PayMethod,
    RefundOutcome,
    RefundRequest,
    RefundState,
)
from tests.gateways.partners import TOTAL_FEN, AlipayPartner, Partner, WechatPartner

CHINA = timezone(timedelta(hours=8))
ON_ITS_WAY = (RefundState.ACCEPTED, RefundState.SUCCEEDED)
FAULTS = [
    pytest.param(name, fault, made, id=f"{name}-{fault}")
    for name, kind in (("wechat", WechatPartner), ("alipay", AlipayPartner))
    for fault, made in kind.faults
]


def test_the_whole_protocol_is_there(partner: Partner) -> None:
    promised = {name for name in vars(Gateway) if not name.startswith("_")} | set(Gateway.__annotations__)
    assert {name for name in promised if not hasattr(partner.gateway, name)} == set()
    assert PayMethod.SCAN in partner.gateway.methods
    assert partner.gateway.limits.between_refunds_seconds > 0


def test_a_payment_is_opened_paid_and_seen(partner: Partner) -> None:
    """G20: a close that comes too late says so."""
    order = partner.order(partner.new_payment_no())
    assert partner.gateway.query_payment(order.payment_no).state is PaymentState.NOT_FOUND
    till = partner.gateway.open_payment(order)
    before = partner.gateway.query_payment(order.payment_no)
    assert before.state in (PaymentState.UNPAID, PaymentState.NOT_FOUND)
    partner.scan(till)
    assert partner.gateway.query_payment(order.payment_no).state is PaymentState.UNPAID
    partner.pay(order, partner.gateway.open_payment(order))  # the same order may be asked for again
    seen, _, _ = partner.notification(lambda one: one.payment_no == order.payment_no)
    assert (seen.kind, seen.request_no) == (NotificationKind.PAYMENT, "")
    assert seen.facts["amount_fen"] == TOTAL_FEN
    paid = partner.gateway.query_payment(order.payment_no)
    assert (paid.state, paid.amount_fen) == (PaymentState.PAID, TOTAL_FEN)
    assert paid.channel_transaction_id
    assert paid.paid_at is not None
    assert paid.paid_at.tzinfo is not None
    assert partner.gateway.close_payment(order.payment_no).state is PaymentState.PAID


def test_who_paid_is_the_same_number_for_each_payment_of_theirs(partner: Partner) -> None:
    """P12: the channel's word about the payer; nobody is named before the payment, and no repr names them."""

    def payer_of_a_payment(name: str | None) -> str:
        order = partner.order(partner.new_payment_no())
        partner.scan(partner.gateway.open_payment(order))
        assert partner.gateway.query_payment(order.payment_no).payer == ""
        partner.simulator.post("pay", out_trade_no=order.payment_no, payer=name)
        outcome = partner.gateway.query_payment(order.payment_no)
        assert outcome.payer
        assert outcome.payer not in repr(outcome)
        return outcome.payer

    first, again, another = (payer_of_a_payment(name) for name in ("Li", "Li", "Zhang"))
    assert first == again
    unnamed = {payer_of_a_payment(None), payer_of_a_payment(None)}  # each is somebody new
    assert len({first, another} | unnamed) == 4


def test_an_unpaid_payment_is_closed_again_and_again(partner: Partner) -> None:
    order = partner.order(partner.new_payment_no())
    partner.scan(partner.gateway.open_payment(order))
    for _ in range(2):
        assert partner.gateway.close_payment(order.payment_no).state is PaymentState.CLOSED
    assert partner.gateway.query_payment(order.payment_no).state is PaymentState.CLOSED


def test_what_the_channel_never_heard_of(partner: Partner) -> None:
    payment_no = partner.new_payment_no()
    assert partner.gateway.query_payment(payment_no).state is PaymentState.NOT_FOUND
    assert partner.gateway.close_payment(payment_no).state is PaymentState.NOT_FOUND
    request = partner.refund(payment_no, "", 1, 1000)
    assert partner.gateway.query_refund(request).state is RefundState.NOT_FOUND
    refused = partner.gateway.refund(request)
    assert refused.state in (RefundState.REFUSED, RefundState.CLOSED)
    assert refused.code


def test_partial_refunds_up_to_the_whole(partner: Partner) -> None:
    """G23: the notification of a refund is about a refund, whatever state the payment is said to be in."""
    first = partner.paid()
    assert partner.gateway.query_refund(first).state is RefundState.NOT_FOUND
    accepted = partner.gateway.refund(first)
    assert accepted.state in ON_ITS_WAY
    assert accepted.amount_fen == 1000
    partner.finish(first)
    done = partner.gateway.query_refund(first)
    assert_success(done, first)
    again = partner.gateway.refund(first)  # the very same request: no second effect, the same refund
    assert_success(again, first)
    assert again.channel_refund_id == done.channel_refund_id == accepted.channel_refund_id
    seen, _, _ = partner.notification(lambda one: one.request_no == first.request_no)
    assert (seen.kind, seen.payment_no) == (NotificationKind.REFUND, first.payment_no)
    assert partner.gateway.query_payment(first.payment_no).state is PaymentState.PAID

    partner.wait_between_refunds()
    rest = replace(first, request_no=f"{first.payment_no}R2", amount_fen=TOTAL_FEN - 1000)
    answered = partner.gateway.refund(rest)
    assert answered.payment_refunded_fen in (None, TOTAL_FEN)
    partner.finish(rest)
    assert_success(partner.gateway.query_refund(rest), rest)
    whole = partner.gateway.query_payment(first.payment_no)
    assert (whole.state, whole.amount_fen) == (PaymentState.PAID, TOTAL_FEN)  # also when all of it is back

    partner.wait_between_refunds()
    too_much = replace(first, request_no=f"{first.payment_no}R3", amount_fen=1)
    refused = partner.gateway.refund(too_much)
    assert refused.state in (RefundState.REFUSED, RefundState.CLOSED, RefundState.NO_FUNDS)
    assert refused.code
    assert partner.gateway.query_refund(too_much).state is RefundState.NOT_FOUND


def test_the_payments_own_number_serves_as_well(partner: Partner) -> None:
    request = replace(partner.paid(), channel_transaction_id="")
    assert partner.gateway.refund(request).state in ON_ITS_WAY
    partner.finish(request)
    assert_success(partner.gateway.query_refund(request), request)


def test_a_number_is_not_used_twice_for_different_amounts(partner: Partner) -> None:
    """G16: the caller sees what the number stands at, and that it is another amount."""
    request = partner.paid()
    assert partner.gateway.refund(request).state in ON_ITS_WAY
    partner.finish(request)
    partner.wait_between_refunds()
    assert partner.gateway.refund(replace(request, amount_fen=900)).amount_fen == 1000


@pytest.mark.parametrize(("name", "fault", "made"), FAULTS)
def test_a_fault_leaves_the_outcome_unknown_and_the_same_number_settles_it(
    both: dict[str, Partner], name: str, fault: str, made: bool
) -> None:
    """G1 to G4, G19."""
    partner = both[name]
    request = partner.paid()
    partner.simulator.faults(fault, request_no=request.request_no, times=1)
    with pytest.raises(OutcomeUnknown):
        partner.gateway.refund(request)
    state = partner.gateway.query_refund(request).state
    assert state in ON_ITS_WAY if made else state is RefundState.NOT_FOUND
    partner.wait_between_refunds()
    assert partner.gateway.refund(request).state in ON_ITS_WAY
    partner.finish(request)
    assert_success(partner.gateway.query_refund(request), request)


def test_without_funds_nothing_is_created_and_the_same_number_serves_later(partner: Partner) -> None:
    """G5."""
    request = partner.paid()
    partner.funds(999)
    try:
        short = partner.gateway.refund(request)
    finally:
        partner.funds(None)
    assert short.state is RefundState.NO_FUNDS
    assert short.code
    partner.wait_between_refunds()
    assert partner.gateway.refund(request).state in ON_ITS_WAY


def test_only_what_the_channel_signed_is_believed(both: dict[str, Partner]) -> None:
    """G13: a notification with one byte changed, and another channel's."""
    for name, partner in both.items():
        payment_no = partner.paid().payment_no
        _, headers, body = partner.notification(lambda one, no=payment_no: one.payment_no == no)  # type: ignore[misc]
        for at in range(0, len(body), max(1, len(body) // 40)):
            forged = body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :]
            with pytest.raises(NotificationRefused):
                partner.gateway.read_notification(headers, forged, real_time=datetime.now(UTC))
        other = both["alipay" if name == "wechat" else "wechat"]
        with pytest.raises(NotificationRefused):
            other.gateway.read_notification(headers, body, real_time=datetime.now(UTC))
        assert 200 <= partner.gateway.received().status < 300
        assert partner.gateway.refused("bad_signature").status >= 400


def test_what_is_not_offered_says_so(partner: Partner) -> None:
    gateway = partner.gateway
    asked: dict[PayMethod, list[Any]] = {
        method: [lambda method=method: gateway.open_payment(replace(partner.order("CONTRACT0"), method=method))]
        for method in PayMethod
    }
    asked[PayMethod.IN_APP] += [
        lambda: gateway.in_app_parameters("till"),
        lambda: gateway.login_address("https://shop.example/", "state"),
        lambda: gateway.payer_of("code"),
    ]
    for method in set(PayMethod) - gateway.methods:
        for ask in asked[method]:
            with pytest.raises(NeverSent):
                ask()


@pytest.mark.parametrize(
    "change",
    [{"payment_no": "P/1"}, {"payment_no": ""}, {"amount_fen": 0}, {"amount_fen": -1}, {"notify_url": "shop.example"}],
)
def test_what_no_channel_may_see_never_leaves_us(partner: Partner, change: dict[str, Any]) -> None:
    request = partner.refund(partner.new_payment_no(), "", 1, 1000)
    with pytest.raises(NeverSent):
        partner.gateway.open_payment(replace(partner.order(request.payment_no), **change))


def test_the_bill_of_a_day(partner: Partner) -> None:
    """The trades of the day, by the numbers that we know them by; and what moved on the account."""
    request = partner.paid()
    partner.gateway.refund(request)
    partner.finish(request)
    paid_at = partner.gateway.query_payment(request.payment_no).paid_at
    assert paid_at is not None
    day = paid_at.astimezone(CHINA).date()
    assert not_there(partner, BillKind.TRADES, day)
    partner.simulator.clock(1.6 * 86400)  # past ten in the morning of the next day, whatever time it was

    trades = [line for line in bill(partner, BillKind.TRADES, day) if line.payment_no == request.payment_no]
    assert [(line.kind, line.amount_fen) for line in trades] == [
        (BillLineKind.PAYMENT, TOTAL_FEN),
        (BillLineKind.REFUND, -1000),
    ]
    assert trades[1].request_no == request.request_no
    assert {line.channel_transaction_id for line in trades} == {request.channel_transaction_id}
    assert trades[1].channel_refund_id == partner.gateway.query_refund(request).channel_refund_id

    moved = bill(partner, BillKind.FUNDS, day)
    assert {line.amount_fen > 0 for line in moved} == {True, False}
    assert -1000 in {line.amount_fen for line in moved if line.kind is BillLineKind.REFUND}


def not_there(partner: Partner, kind: BillKind, day: date) -> bool:
    """A day that is not over has no bill yet; how a channel says so is its own affair, but it is never EMPTY."""
    try:
        return partner.gateway.fetch_bill(kind, day, io.BytesIO()) is BillState.NOT_YET
    except GatewayError:
        return True


def bill(partner: Partner, kind: BillKind, day: date) -> list[Any]:
    file = io.BytesIO()
    assert partner.gateway.fetch_bill(kind, day, file) is BillState.READY
    file.seek(0)
    return list(partner.gateway.read_bill(kind, file))


def assert_success(outcome: RefundOutcome, request: RefundRequest) -> None:
    assert outcome.state is RefundState.SUCCEEDED
    assert (outcome.request_no, outcome.amount_fen) == (request.request_no, request.amount_fen)
    assert outcome.channel_refund_id
    assert outcome.succeeded_at is not None
