"""余额 as a way to be paid and to give back: nobody is called, so every answer is known at once.

What it says happens as it is written down, in one transaction: ``refunding.record`` posts to the buyer's balance.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, datetime
from typing import IO

from payments.gateways.base import (
    BankCard,
    BillFlaw,
    BillKind,
    BillLine,
    BillState,
    Limits,
    NeverSent,
    Notification,
    NotificationRefused,
    PaymentOrder,
    PaymentOutcome,
    PaymentState,
    PayMethod,
    ReceivedAccountKind,
    RefundOutcome,
    RefundRequest,
    RefundState,
    Reply,
)

FOR_EVER_DAYS = 36_500


class BalanceGateway:
    """No till, no notification, no bill; a refund is there at once, however old the payment."""

    methods: frozenset[PayMethod] = frozenset()
    limits = Limits(
        refundable_days=FOR_EVER_DAYS,
        most_refunds=50,
        between_refunds_seconds=0,
        calls_per_second=1000,
        failures_per_second=1000,
    )
    tells_bank_arrival = False

    def refund(self, request: RefundRequest) -> RefundOutcome:
        return RefundOutcome(
            RefundState.SUCCEEDED,
            request.request_no,
            amount_fen=request.amount_fen,
            channel_refund_id=request.request_no,
            received_account="余额",
            received_account_kind=ReceivedAccountKind.WALLET,
        )

    def query_refund(self, request: RefundRequest) -> RefundOutcome:
        """What is not written down has not happened: it is done under the same number."""
        return RefundOutcome(RefundState.NOT_FOUND, request.request_no)

    def query_payment(self, payment_no: str) -> PaymentOutcome:
        return PaymentOutcome(PaymentState.NOT_FOUND, payment_no)

    def close_payment(self, payment_no: str) -> PaymentOutcome:
        return PaymentOutcome(PaymentState.NOT_FOUND, payment_no)

    def fetch_bill(self, kind: BillKind, day: date, into: IO[bytes]) -> BillState:
        return BillState.EMPTY

    def read_bill(self, kind: BillKind, bill: IO[bytes]) -> Iterator[BillLine]:
        return iter(())

    def scan_bill(self, kind: BillKind, bill: IO[bytes]) -> Iterator[BillLine | BillFlaw]:
        return iter(())

    # --- what only a network offers

    def open_payment(self, order: PaymentOrder) -> str:
        raise NeverSent("no_till", "the balance has no till")

    def in_app_parameters(self, till: str) -> Mapping[str, str]:
        raise NeverSent("no_till", "the balance has no till")

    def login_address(self, return_url: str, state: str) -> str:
        raise NeverSent("no_till", "the balance has no till")

    def payer_of(self, code: str) -> str:
        raise NeverSent("no_till", "the balance has no till")

    def redirect_refund(self, request: RefundRequest, channel_refund_id: str, card: BankCard | None) -> RefundOutcome:
        raise NeverSent("no_redirect", "what is on the balance is the buyer's")

    def read_notification(self, headers: Mapping[str, str], body: bytes, *, real_time: datetime) -> Notification:
        raise NotificationRefused("no_channel", "nobody notifies of the balance")

    def received(self) -> Reply:
        return Reply(204)

    def refused(self, code: str) -> Reply:
        return Reply(404)
