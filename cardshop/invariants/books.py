"""The channels' books against ours (I2, I3), once all is drained."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from payments.models import BALANCE, AttemptStatus, Channel, Payment, PaymentStatus, RefundAttempt

Broken = list[str]

Row = Mapping[str, Any]

OURS: dict[str, dict[str, set[str]]] = {  # channel → its word for a refund → what we may call it
    Channel.WECHAT: {
        "SUCCESS": {AttemptStatus.SUCCEEDED, AttemptStatus.BACK_WITH_MERCHANT},
        "ABNORMAL": {AttemptStatus.RETURNED},
        "CLOSED": {AttemptStatus.CLOSED},
        "PROCESSING": {AttemptStatus.ACCEPTED, AttemptStatus.UNKNOWN},
    },
    Channel.ALIPAY: {  # knows no 受理: until it is done, its query finds nothing
        "SUCCESS": {AttemptStatus.SUCCEEDED},
        "PROCESSING": {AttemptStatus.UNKNOWN},
    },
}


def check_against_books(books: Mapping[str, Any]) -> Broken:
    """I2, I3: the channels' ledgers and ours, to the fen, once all is drained.

    ``books`` is the simulator's ``/_control/ledger``; a row without ``channel`` is WeChat's. Payments there that are
    not ours are left alone: a simulator serves many test databases.
    """
    called = Payment.objects.exclude(account__channel=BALANCE).select_related("account")
    ours = {payment.payment_no: payment for payment in called}
    attempts = {
        attempt.request_no: attempt
        for attempt in RefundAttempt.objects.exclude(status=AttemptStatus.EXTERNAL).select_related("payment__account")
        if attempt.payment.payment_no in ours
    }
    paid = [row for row in books["payments"] if row["out_trade_no"] in ours]
    refunds = [row for row in books["refunds"] if row["out_trade_no"] in ours]
    asked_for = {row["out_refund_no"]: row for row in refunds if row["out_refund_no"] in attempts}
    outside = [row for row in refunds if row["out_refund_no"] not in attempts]
    return [
        *_payments_differ(ours, {(_channel(row), row["out_trade_no"]): row for row in paid}),
        *_refunds_differ(attempts, asked_for),
        *_effects_differ(attempts, asked_for),
        *_outside_differs(ours.values(), outside),
    ]


def _channel(row: Row) -> str:
    return str(row.get("channel", Channel.WECHAT.value))


def _payments_differ(ours: Mapping[str, Payment], theirs: Mapping[tuple[str, str], Row]) -> Broken:
    lines = [
        f"{number}: at {channel}, but ours goes through {ours[number].account.channel}"
        for channel, number in theirs
        if channel != ours[number].account.channel
    ]
    for payment in ours.values():
        row = theirs.get((payment.account.channel, payment.payment_no))
        paid = payment.status == PaymentStatus.PAID
        if paid != (row is not None and row["state"] == "SUCCESS"):
            lines.append(f"{payment}: {payment.status} here, {row['state'] if row else 'unknown'} there")
        elif paid and row and (payment.amount_fen, payment.channel_transaction_id) != (
            row["amount_fen"], row["transaction_id"],
        ):  # fmt: skip
            lines.append(f"{payment}: {payment.amount_fen} fen here, {row['amount_fen']} there")
    return lines


def _refunds_differ(attempts: Mapping[str, RefundAttempt], theirs: Mapping[str, Row]) -> Broken:
    lines = []
    never_sent = {AttemptStatus.PREPARED, AttemptStatus.UNKNOWN, AttemptStatus.WAITING_FUNDS, AttemptStatus.HELD}
    for number, attempt in sorted(attempts.items()):
        row = theirs.get(number)
        if row is None:
            # CLOSED may be a final refusal: nothing was created.
            refused = attempt.status == AttemptStatus.CLOSED and attempt.channel_refund_id == ""
            if attempt.status not in never_sent and attempt.first_sent_at is not None and not refused:
                lines.append(f"{number}: {attempt.status} here, unknown there")
        elif (
            attempt.status not in OURS[_channel(row)][row["status"]]
            or attempt.amount_fen != row["amount_fen"]
            or attempt.payment.payment_no != row["out_trade_no"]
        ):
            there = f"{row['status']} {row['amount_fen']} fen there"
            lines.append(f"{number}: {attempt.status} {attempt.amount_fen} fen here, {there}")
    return lines


def _effects_differ(attempts: Mapping[str, RefundAttempt], theirs: Mapping[str, Row]) -> Broken:
    """Money leaves once under a number, and comes back to the merchant if the number says so."""
    lines = []
    for number, row in theirs.items():
        held = (_channel(row), row["status"]) == (Channel.ALIPAY, "PROCESSING")
        if row["effects"] != (not held):
            lines.append(f"{number}: money left {row['effects']} times")
        if row["returns"] != (attempts[number].status in {AttemptStatus.CLOSED, AttemptStatus.BACK_WITH_MERCHANT}):
            lines.append(f"{number}: money came back {row['returns']} times")
    return lines


def _outside_differs(ours: Iterable[Payment], outside: Iterable[Row]) -> Broken:
    """G21: what was refunded without our asking is on the payment."""
    there: dict[str, int] = defaultdict(int)
    for row in outside:
        there[row["out_trade_no"]] += row["amount_fen"] * (row["status"] != "CLOSED")
    return [
        f"{payment}: {there[payment.payment_no]} fen refunded outside us there, {payment.external_fen} known here"
        for payment in ours
        if there[payment.payment_no] != payment.external_fen
    ]
