"""What a supplier can be asked, and how its answers look to us. Its own words never leave its file.

Every answer that is believed is signed, and comes with all that is needed to check the signature again years later: it
is the proof of "used" or "not used", "arrived" or "failed" (design: rules of proof).
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol


class CodeFact(enum.StrEnum):
    """What the issuer knows of a code."""

    UNUSED = "unused"
    REDEEMED = "redeemed"


class TopUpState(enum.StrEnum):
    """What became of a top-up."""

    PENDING = "pending"
    DONE = "done"
    FAILED = "failed"
    REFUSED = "refused"  # the signed word that nothing was ordered, kept for a top-up that it ended
    NOT_FOUND = "not_found"  # it never got there


@dataclass(frozen=True)
class Signed:
    """签名答复, word for word. ``body`` repeats our question and the nonce that we asked with."""

    body: str = field(repr=False)
    timestamp: str
    nonce: str
    signature: str = field(repr=False)
    public_key_digest: str  # SHA-256 of the key (SPKI DER), in hex: which key to check it with


@dataclass(frozen=True)
class Answer:
    """``effective_at``: redeemed or arrived, by the supplier's clock. ``reason``: its words on a failure."""

    state: CodeFact | TopUpState
    signed: Signed
    effective_at: datetime | None = None
    reason: str = ""


@dataclass(frozen=True)
class TopUpOrder:
    """充值下单. The same ``topup_no`` must always come with the same content."""

    topup_no: str
    sku: str
    account: str = field(repr=False)
    server: str = ""
    quantity: int = 1


class SupplierError(Exception):
    """A call that ended without an answer to the question. ``code`` is for staff, never for a decision."""

    def __init__(self, code: str, message: str = "", *, signed: Signed | None = None) -> None:
        super().__init__(f"{code}: {message}" if message else code)
        self.code, self.message, self.signed = code, message, signed


class OutcomeUnknown(SupplierError):
    """No answer, a server's error, or an answer that cannot be believed: ask again under the same number."""


class NeverSent(SupplierError):
    """Nothing has left us: no connection, no keys, no such recipient."""


class SupplierBusy(SupplierError):
    """Signed: too many calls, or our account there is empty. Nothing was done; later."""


class SupplierRefused(SupplierError):
    """Signed, and final: nothing was ordered, and the same request will not be taken. ``signed`` is always there."""


class Supplier(Protocol):
    """One supplier under one account. Safe to share between threads. Every call may raise SupplierError."""

    def look_up(self, code_text: str) -> Answer:
        """核验: was this code redeemed, and when? The answer's state is a CodeFact."""

    def order(self, order: TopUpOrder) -> Answer:
        """充值: carried out once under its number, however often it is sent. The answer's state is a TopUpState."""

    def query(self, topup_no: str) -> Answer:
        """What became of the top-up of this number; NOT_FOUND if the supplier never had it.

        Raises OutcomeUnknown and NeverSent alone: a question that is refused says nothing about the order.
        """

    def is_genuine(self, signed: Signed) -> bool:
        """Whether this supplier's present key signed it."""
