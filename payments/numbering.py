"""商户退款单号: the payment's own number and a running index, so that a lost one is found again by counting up (F6)."""

from __future__ import annotations


def request_no(payment_no: str, index: int) -> str:
    """The number that a channel knows this payment's so many-eth refund by."""
    return f"{payment_no}R{index:02d}"


def payment_no_of(request_no: str) -> str:
    return request_no.rpartition("R")[0]


def index_of(request_no: str) -> int:
    return int(request_no.rpartition("R")[2])
