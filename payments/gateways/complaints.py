"""消费者投诉: a buyer who complains to the channel instead of to us. Not every channel has such a desk.

As in ``base.py``: amounts are fen, times timezone-aware, whatever may have happened is OutcomeUnknown. A reply that
ended so may have been seen by the buyer: read the history before it is sent again.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Protocol


class ComplaintState(enum.Enum):
    PENDING = "pending"  # 待处理: nobody has answered
    PROCESSING = "processing"  # 处理中
    PROCESSED = "processed"  # 已处理完成


@dataclass(frozen=True)
class ComplainedPayment:
    """被投诉的订单."""

    payment_no: str
    channel_transaction_id: str
    amount_fen: int


@dataclass(frozen=True)
class Complaint:
    """投诉单. What the buyer wrote, and who it is, never shows in ``repr`` (I15).

    ``apply_refund_fen`` is what the buyer wants back, where they said it. ``pictures`` are the channel's addresses,
    for ``picture``. ``sealed_phone`` is opened by ``phone_of``, on demand.
    """

    complaint_id: str
    state: ComplaintState
    complained_at: datetime
    detail: str = field(repr=False)
    payments: tuple[ComplainedPayment, ...] = ()
    times: int = 1  # how often this buyer has complained
    wants_refund: bool = False
    apply_refund_fen: int | None = None
    is_fully_refunded: bool = False
    awaits_reply: bool = False  # the buyer has written, and waits
    tags: tuple[str, ...] = ()
    pictures: tuple[str, ...] = field(default=(), repr=False)
    payer_id: str = field(default="", repr=False)
    sealed_phone: str = field(default="", repr=False)


@dataclass(frozen=True)
class ComplaintEntry:
    """协商历史: one thing that was said or done. ``action`` is the channel's word, for staff."""

    at: datetime
    by: str
    action: str
    words: str = field(repr=False)
    pictures: tuple[str, ...] = field(default=(), repr=False)


class ComplaintDesk(Protocol):
    """One merchant's complaints. Every method raises OutcomeUnknown, GatewayMisconfigured, or GatewayError (refused);
    those that name a complaint LookupError where there is none. ValueError: not sent, it breaks the channel's rules.
    """

    def complaints(self, begin: date, end: date) -> Iterator[Complaint]:
        """Those complained from ``begin`` to ``end`` (China time), both included, at most 30 days."""
        ...

    def complaint(self, complaint_id: str) -> Complaint: ...

    def history(self, complaint_id: str) -> Iterator[ComplaintEntry]: ...

    def phone_of(self, complaint: Complaint) -> str:
        """The buyer's telephone number; empty if none was given."""
        ...

    def reply(self, complaint_id: str, words: str, pictures: Sequence[str] = ()) -> None:
        """Answer the buyer: at most 200 characters and 4 pictures (from ``upload``)."""
        ...

    def complete(self, complaint_id: str) -> None:
        """Say that it is settled: only when it truly is."""
        ...

    def approve_refund(self, complaint_id: str, within_workdays: int, remark: str = "") -> None:
        """Promise a refund (0: today). It refunds nothing: that is a refund like any other, and settles this."""
        ...

    def reject_refund(self, complaint_id: str, reason: str, pictures: Sequence[str] = (), remark: str = "") -> None:
        """Refuse a refund, in at most 200 characters. This settles the complaint at once."""
        ...

    def upload(self, name: str, content: bytes) -> str:
        """Return the channel's number of a picture (JPEG, PNG or BMP, at most 2 MiB) for ``reply``."""
        ...

    def picture(self, address: str) -> bytes:
        """A picture of the buyer's, as it was sent: to be handled as any stranger's upload."""
        ...

    def notify_url(self) -> str:
        """Where the channel tells of complaints; empty if nowhere."""
        ...

    def set_notify_url(self, notify_url: str) -> None: ...

    def forget_notify_url(self) -> None: ...
