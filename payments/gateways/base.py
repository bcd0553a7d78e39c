"""What a payment channel can do for us, and every answer it can give.

A gateway speaks one channel's protocol and translates its words into the outcomes below. It writes nothing, knows
neither Django nor our tables, and never guesses: whatever *may* have happened without our knowing is
``OutcomeUnknown``, and the caller asks again under the same number.

Amounts are positive integer fen. Times are timezone-aware. Numbers are the merchant's own: ``payment_no`` for a
payment, ``request_no`` for one refund request.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import IO, Any, Protocol


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
    """The request must not be sent as it is (a number that no channel may see, a way that it does not offer).

    Raised only while nothing has left us; whatever goes wrong after that is OutcomeUnknown.
    """


class NotificationRefused(GatewayError):
    """A notification that must not be believed. ``code`` names the check that failed, e.g. ``bad_signature``."""


class PayMethod(enum.Enum):
    """支付方式: how the buyer gets to the channel's till. The browser decides which are offered."""

    SCAN = "scan"  # 扫码: a code on this screen, the channel's app on a phone
    IN_APP = "in_app"  # the page is open inside the channel's own app
    PHONE = "phone"  # 手机浏览器
    COMPUTER = "computer"  # 电脑网页


@dataclass(frozen=True)
class PaymentOrder:
    """收款: ask the channel to collect ``amount_fen`` under ``payment_no``.

    ``payer_id`` is the buyer's number at the channel (IN_APP), ``payer_ip`` the buyer's address (PHONE),
    ``return_url`` where the channel sends the buyer back to (PHONE, COMPUTER): a place to look, never a proof.
    """

    payment_no: str
    amount_fen: int
    description: str
    notify_url: str
    expires_at: datetime
    method: PayMethod = PayMethod.SCAN
    payer_id: str = ""
    payer_ip: str = ""
    return_url: str = ""


class PaymentState(enum.Enum):
    """Where a payment stands at the channel."""

    UNPAID = "unpaid"  # 未支付
    PAID = "paid"  # 已支付 (also after refunds)
    CLOSED = "closed"  # 已关闭
    NOT_FOUND = "not_found"  # the channel has never heard of this number


@dataclass(frozen=True)
class PaymentOutcome:
    """查单 result. ``amount_fen``, ``channel_transaction_id`` and ``paid_at`` are set when the state is PAID.

    ``payer`` is then the channel's number of who paid, the same for each payment under this merchant account; "" where
    the channel does not say. Personal data: never shown in ``repr``.
    """

    state: PaymentState
    payment_no: str
    amount_fen: int | None = None
    channel_transaction_id: str = ""
    paid_at: datetime | None = None
    payer: str = field(default="", repr=False)


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
    BACK_WITH_MERCHANT = "back_with_merchant"  # 退回商户: final, the buyer is *not* paid
    CLOSED = "closed"  # 退款关闭: the channel's final word, no money left; only a new number can try again
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
    """Answer to a refund request or to a refund query.

    ``amount_fen`` is what the channel says it refunds under this number, ``payment_refunded_fen`` all that it has given
    back of the payment so far (only some answers say it): more than we know of was refunded outside us (G21).
    ``arrival_expected_at`` and ``bank_acknowledged_at`` are the channel's own word about a bank card (银行卡冲退).
    """

    state: RefundState
    request_no: str
    amount_fen: int | None = None
    channel_refund_id: str = ""
    received_account: str = ""
    received_account_kind: ReceivedAccountKind = ReceivedAccountKind.UNKNOWN
    succeeded_at: datetime | None = None
    payment_refunded_fen: int | None = None
    arrival_expected_at: datetime | None = None
    bank_acknowledged_at: datetime | None = None
    code: str = ""
    detail: str = ""


@dataclass(frozen=True)
class BankCard:
    """收款银行卡 of the buyer, for a refund that the original account did not take. Never shown in ``repr`` (I15)."""

    bank_code: str
    card_no: str = field(repr=False)
    holder: str = field(repr=False)


@dataclass(frozen=True)
class Limits:
    """What a channel allows. Where the answer is known, we refuse before calling (G9)."""

    refundable_days: int
    most_refunds: int  # of one payment
    between_refunds_seconds: int  # of one payment
    calls_per_second: int
    failures_per_second: int  # a failing call uses up the time of calls_per_second / failures_per_second good ones


class BillKind(enum.Enum):
    """对账单: what was traded, or what moved on the merchant's account."""

    TRADES = "trades"  # 交易账单
    FUNDS = "funds"  # 资金账单


class BillState(enum.Enum):
    READY = "ready"
    NOT_YET = "not_yet"  # ask again later the same day
    EMPTY = "empty"  # no business that day: final


class BillLineKind(enum.Enum):
    PAYMENT = "payment"
    REFUND = "refund"
    FEE = "fee"  # 手续费, or its return
    OTHER = "other"  # top-up, withdrawal, transfer


@dataclass(frozen=True)
class BillLine:
    """One row of a bill. ``amount_fen`` is positive for money in and negative for money out.

    ``state`` is the channel's word as it stood when the bill was cut, ``refund_state`` what it means; neither is ever
    updated there. ``move_no`` is what the two kinds of bill know the same business by, ``entry_no`` the number of a
    movement of money alone. ``row`` is the whole row by column name, for people.
    """

    kind: BillLineKind
    at: datetime
    amount_fen: int
    payment_no: str = ""
    request_no: str = ""
    channel_transaction_id: str = ""
    channel_refund_id: str = ""
    fee_fen: int = 0
    state: str = ""
    refund_state: RefundState | None = None
    move_no: str = ""
    entry_no: str = ""
    row: Mapping[str, str] = field(default_factory=dict)


class BillIsGarbled(GatewayError):
    """A bill that cannot be told apart into rows, or (read strictly) that has any flaw: nothing of it is used (G22)."""


@dataclass(frozen=True)
class BillFlaw:
    """残缺: a row that cannot be read, or totals that are not those of the rows (``is_of_totals``).

    ``text`` is the row as it came; it may hold personal data: never kept, never shown in ``repr``.
    """

    line_number: int
    detail: str
    is_of_totals: bool = False
    text: str = field(default="", repr=False)


def strictly(found: Iterator[BillLine | BillFlaw]) -> Iterator[BillLine]:
    """The lines of a bill without any flaw. Raises BillIsGarbled at the first."""
    for each in found:
        if isinstance(each, BillFlaw):
            raise BillIsGarbled("garbled_bill", f"line {each.line_number}: {each.detail}")
        yield each


class NotificationKind(enum.Enum):
    PAYMENT = "payment"
    REFUND = "refund"
    COMPLAINT = "complaint"


@dataclass(frozen=True)
class Notification:
    """异步通知, verified and decrypted: a hint about one payment or refund, never a result.

    ``facts`` holds what is worth keeping for an audit, without personal data.
    """

    kind: NotificationKind
    notification_id: str
    payment_no: str = ""
    request_no: str = ""
    complaint_id: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Reply:
    """What a notification is answered with, exactly."""

    status: int
    body: bytes = b""
    content_type: str = "text/plain"


class Gateway(Protocol):
    """One channel under one merchant account. Safe to share between threads. Writes nothing anywhere."""

    methods: frozenset[PayMethod]
    limits: Limits
    tells_bank_arrival: bool  # whether asking about a successful refund says, later, that the bank has it

    # --- 收款 ---

    def open_payment(self, order: PaymentOrder) -> str:
        """Return the till: a QR code's text (SCAN), an address to go to (PHONE, COMPUTER), or for IN_APP the handle
        that ``in_app_parameters`` takes. The same order may be asked for again.

        Raises OutcomeUnknown, GatewayMisconfigured, or GatewayError (refused: code tells why).
        """
        ...

    def in_app_parameters(self, till: str) -> Mapping[str, str]:
        """What the page hands to the app that it is open in, signed now. NeverSent without IN_APP in ``methods``."""
        ...

    def login_address(self, return_url: str, state: str) -> str:
        """Where the buyer's browser goes to be known to the channel (IN_APP); it returns with ``code``, ``state``."""
        ...

    def payer_of(self, code: str) -> str:
        """The buyer's number at the channel for a ``code`` from ``login_address``; each code serves once.

        Raises OutcomeUnknown, GatewayMisconfigured, or GatewayError (used up, or too old: begin again).
        """
        ...

    def query_payment(self, payment_no: str) -> PaymentOutcome:
        """Raises OutcomeUnknown or GatewayMisconfigured."""
        ...

    def close_payment(self, payment_no: str) -> PaymentOutcome:
        """CLOSED when closed (again); PAID (without amounts) if the buyer was faster: query then; NOT_FOUND when the
        channel has not heard of it (yet: a till that is opened later may still be paid at).

        Raises OutcomeUnknown or GatewayMisconfigured."""
        ...

    # --- 退款 ---

    def refund(self, request: RefundRequest) -> RefundOutcome:
        """Ask for a refund. Repeating the same request is safe. Raises OutcomeUnknown or GatewayMisconfigured.

        REFUSED means: nothing was created and a human must look. CLOSED also stands for a refusal that is final.
        Before either is said a query has confirmed that no such refund exists.
        """
        ...

    def query_refund(self, request: RefundRequest) -> RefundOutcome:
        """Raises OutcomeUnknown or GatewayMisconfigured. NOT_FOUND never means failed: repeat the same request."""
        ...

    def redirect_refund(self, request: RefundRequest, channel_refund_id: str, card: BankCard | None) -> RefundOutcome:
        """异常退款: send a RETURNED refund on to the buyer's card, or with None back to the merchant's account.

        Raises OutcomeUnknown, GatewayMisconfigured; NeverSent where the channel offers no such thing."""
        ...

    # --- 对账 ---

    def fetch_bill(self, kind: BillKind, day: date, into: IO[bytes]) -> BillState:
        """Write the channel's bill of ``day`` (China time), plain text as the channel wrote it, to ``into``.

        Raises OutcomeUnknown or GatewayMisconfigured."""
        ...

    def read_bill(self, kind: BillKind, bill: IO[bytes]) -> Iterator[BillLine]:
        """Read a fetched bill line by line, in bounded memory. Raises BillIsGarbled at the first flaw."""
        ...

    def scan_bill(self, kind: BillKind, bill: IO[bytes]) -> Iterator[BillLine | BillFlaw]:
        """As ``read_bill``, but tell of each flaw and go on. Raises BillIsGarbled where nothing can be read at all."""
        ...

    # --- 通知 ---

    def read_notification(self, headers: Mapping[str, str], body: bytes, *, real_time: datetime) -> Notification:
        """Verify, decrypt and check a notification. ``real_time`` is wall-clock time, never the shop's shifted clock.

        Raises NotificationRefused; makes no outbound call whatever the sender wrote."""
        ...

    def received(self) -> Reply:
        """The answer that stops the channel from sending this notification again."""
        ...

    def refused(self, code: str) -> Reply:
        """The answer to a notification that was not believed."""
        ...
