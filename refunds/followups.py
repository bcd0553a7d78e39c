"""After this step, do these things: who is told, and when a machine looks again. Made with the events themselves."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from money import yuan
from notices import wording
from notices.models import Notice
from refunds.models import Destination, Refund, RefundEvent

SHANGHAI = ZoneInfo("Asia/Shanghai")


def tell(events: Sequence[RefundEvent]) -> None:
    """站内通知 of every step, to the buyer. One notice per event, however often this runs."""
    Notice.objects.bulk_create(
        [
            Notice(
                recipient_id=event.refund.buyer_id,
                kind=kind_of(event.refund, event.step),
                params={
                    "refund_no": event.refund.refund_no,
                    "amount": yuan(event.refund.amount_fen),
                    "note": event.note,
                },
                path=f"/refunds/{event.refund.refund_no}/",
                source=f"refund-event:{event.pk}",
                created_at=event.at,
            )
            for event in events
        ],
        ignore_conflicts=True,
    )


def kind_of(refund: Refund, step: str) -> str:
    """The notice of this step: where the usual words speak of the original route, the balance has its own."""
    own = f"refund_{step}_to_balance"
    return own if refund.destination == Destination.BALANCE and own in wording.WORDING else f"refund_{step}"


def after_arrival_window(refund: Refund) -> datetime | None:
    """The end of the last day on which the money was expected: then the case rests, with honest words."""
    if refund.arrival_expected_until is None:
        return None
    return datetime.combine(refund.arrival_expected_until + timedelta(days=1), time.min, SHANGHAI)
