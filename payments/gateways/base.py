"""What a payment channel can do for us, and every answer it can give.

A gateway speaks one channel's protocol and translates its words into the outcomes below. It writes nothing, knows
neither Django nor our tables, and never guesses: whatever *may* have happened without our knowing is
``OutcomeUnknown``, and the caller asks again under the same number.

Amounts are positive integer fen. Times are timezone-aware. Numbers are the merchant's own: ``payment_no`` for a
payment, ``request_no`` for one refund request.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol


class GatewayError(Exception):
    """A call that ended badly. ``code`` is the channel's own word, for staff; never for a decision."""

    def __init__(self, code: str, message: str = "") -> None:
        super().__init__(f"{code}: {message}" if message else code)
        self.code = code


class OutcomeUnknown(GatewayError):
    """The request may or may not have taken effect: time-out, reset, 429, 5xx, an answer that cannot be trusted.

    Ask again under the same number. ``retry_after_seconds`` is what the channel asked for, or its documented pause.
    """

    def __init__(self, code: str, message: str = "", retry_after_seconds: int | None = None) -> None:
        super().__init__(code, message)
        self.retry_after_seconds = retry_after_seconds


class GatewayMisconfigured(GatewayError):
    """Our key, serial, merchant number or permission is wrong: nothing can work until a human mends it."""


class NeverSent(GatewayError):
    """The request must not be sent as it is (a number or an address that no channel may see): nothing left us."""


class NotificationRefused(GatewayError):
    """A notification that must not be believed. ``code`` names the check that failed, e.g. ``bad_signature``."""


@dataclass(frozen=True)
class PaymentOrder:
    """收款: ask the channel to collect ``amount_fen`` under ``payment_no``."""

    payment_no: str
    amount_fen: int
    description: str
    notify_url: str
    expires_at: datetime


class PaymentState(enum.Enum):
    """Where a payment stands at the channel."""

    UNPAID = "unpaid"  # 未支付
    PAID = "paid"  # 已支付 (also after refunds)
    CLOSED = "closed"  # 已关闭
    NOT_FOUND = "not_found"  # the channel has never heard of this number


@dataclass(frozen=True)
class PaymentOutcome:
    """查单 result. ``amount_fen``, ``channel_transaction_id`` and ``paid_at`` are set when the state is PAID."""

    state: PaymentState
    payment_no: str
    amount_fen: int | None = None
    channel_transaction_id: str = ""
    paid_at: datetime | None = None


@dataclass(frozen=True)
class RefundRequest:
    """原路退款: give ``amount_fen`` of the ``payment_total_fen`` paid under ``payment_no`` back, as ``request_no``.

    Everything a repeat needs to be byte-for-byte the same request; it is stored before the first call.
    """

    request_no: str
    payment_no: str
    channel_transaction_id: str
    amount_fen: int
    payment_total_fen: int
    reason: str
    notify_url: str


class RefundState(enum.Enum):
    """Where a refund request stands at the channel."""

    ACCEPTED = "accepted"  # 受理: on its way
    SUCCEEDED = "succeeded"  # 退款成功
    RETURNED = "returned"  # 退款异常: the buyer's account did not take it; not final
    CLOSED = "closed"  # 退款关闭: final, the money never left; only a new number can try again
    NOT_FOUND = "not_found"  # 查无此单: the channel never accepted this number
    NO_FUNDS = "no_funds"  # 商户余额不足: not created; the same number after topping up
    REFUSED = "refused"  # the channel will not do it as asked; a human must look


class ReceivedAccountKind(enum.Enum):
    """入账账户: what the channel says it paid into. Only a wallet proves arrival; a bank still has to clear."""

    WALLET = "wallet"  # 零钱 / 余额
    BANK_CARD = "bank_card"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class RefundOutcome:
    """Answer to a refund request or to a refund query. ``amount_fen`` is what the channel says it refunds."""

    state: RefundState
    request_no: str
    amount_fen: int | None = None
    channel_refund_id: str = ""
    received_account: str = ""
    received_account_kind: ReceivedAccountKind = ReceivedAccountKind.UNKNOWN
    succeeded_at: datetime | None = None
    code: str = ""
    detail: str = ""


class NotificationKind(enum.Enum):
    PAYMENT = "payment"
    REFUND = "refund"


@dataclass(frozen=True)
class Notification:
    """异步通知, verified and decrypted: a hint about one payment or refund, never a result.

    ``facts`` holds what is worth keeping for an audit, without personal data.
    """

    kind: NotificationKind
    notification_id: str
    payment_no: str
    request_no: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)


class Gateway(Protocol):
    """One channel under one merchant account. Safe to share between threads."""

    def open_payment(self, order: PaymentOrder) -> str:
        """Return the text of the QR code to scan. The same order may be asked for again.

        Raises OutcomeUnknown, GatewayMisconfigured, or GatewayError (refused: code tells why).
        """
        ...

    def query_payment(self, payment_no: str) -> PaymentOutcome:
        """Raises OutcomeUnknown or GatewayMisconfigured."""
        ...

    def close_payment(self, payment_no: str) -> PaymentOutcome:
        """CLOSED when closed (again); PAID (without amounts) if the buyer was faster: query then.

        Raises OutcomeUnknown or GatewayMisconfigured."""
        ...

    def refund(self, request: RefundRequest) -> RefundOutcome:
        """Ask for a refund. Repeating the same request is safe. Raises OutcomeUnknown or GatewayMisconfigured."""
        ...

    def query_refund(self, request_no: str) -> RefundOutcome:
        """Raises OutcomeUnknown or GatewayMisconfigured."""
        ...

    def read_notification(self, headers: Mapping[str, str], body: bytes, *, real_time: datetime) -> Notification:
        """Verify, decrypt and check a notification. ``real_time`` is wall-clock time, never the shop's shifted clock.

        Raises NotificationRefused; makes no outbound call whatever the sender wrote."""
        ...
