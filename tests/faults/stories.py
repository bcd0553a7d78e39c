"""What all stories of faults have in common: time passes, a refund ends well, and it was paid once."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import clock
from cardshop import invariants
from payments import charging, refunding
from refunds import disbursement
from tests.cases import attempt_of, hint


def later(seconds: float = 60) -> int:
    """Time passes, and the machine looks at what is due; returns how much it was."""
    clock.advance(timedelta(seconds=seconds))
    at = clock.now()
    return charging.sweep(at=at) + refunding.sweep(at=at) + disbursement.hear(at=at)


def look(refund: Any) -> None:
    """The shop sends this refund, or asks about it, once."""
    hint(attempt_of(refund))
    later(1)


def refunds_there(simulator: Any, payment: Any) -> list[dict[str, Any]]:
    """The channel's own refunds of a payment, asked for by us or not."""
    return [row for row in simulator.ledger()["refunds"] if row["out_trade_no"] == payment.payment_no]


def ledger_row(simulator: Any, attempt: Any) -> dict[str, Any]:
    """What the channel has of this refund; empty if it never heard of it."""
    rows = [row for row in refunds_there(simulator, attempt.payment) if row["out_refund_no"] == attempt.request_no]
    return rows[0] if rows else {}


def ends_well(*refunds: Any, simulator: Any) -> None:
    """The channels pay what they still hold, and the shop hears of it."""
    held = {row["out_refund_no"] for row in simulator.ledger()["refunds"] if row["status"] == "PROCESSING"}
    for refund in refunds:
        attempt = attempt_of(refund)
        if attempt.request_no in held:
            simulator.settle(attempt.request_no, "SUCCESS")
        hint(attempt)
    for _ in range(50):
        if not later(1):
            return
    raise AssertionError("ends_well: still busy")


def arrives_once(refund: Any, simulator: Any) -> None:
    """One refund at the channel, one effect, the case at its end, and every invariant holds."""
    refund.refresh_from_db()
    assert refund.status == "arrived"
    attempt = refund.disbursements.get().attempt
    (row,) = refunds_there(simulator, attempt.payment)
    assert (row["out_refund_no"], row["status"], row["amount_fen"], row["effects"], row["returns"]) == (
        attempt.request_no, "SUCCESS", refund.amount_fen, 1, 0,
    )  # fmt: skip
    all_is_well(simulator)


def all_is_well(simulator: Any) -> None:
    """Nothing is broken, here or between the channels' books and ours."""
    broken = invariants.broken(simulator.ledger())
    assert broken == [], broken


def now(row: Any) -> Any:
    """The row as it stands in the database."""
    return type(row).objects.get(pk=row.pk)
