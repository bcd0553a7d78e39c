"""After this step, do these things: who is told, and when a machine looks again. Made with the events themselves."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from money import yuan
from notices.models import Notice
from refunds.models import Refund, RefundEvent

SHANGHAI = ZoneInfo("Asia/Shanghai")


def tell(events: Sequence[RefundEvent]) -> None:
    """站内通知 of every step, to the buyer. One notice per event, however often this runs."""
    Notice.objects.bulk_create(
        [
            Notice(
                recipient_id=event.refund.buyer_id,
                kind=f"refund_{event.step}",
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


def after_arrival_window(refund: Refund) -> datetime | None:
    """The end of the last day on which the money was expected: then the case rests, with honest words."""
    if refund.arrival_expected_until is None:
        return None
    return datetime.combine(refund.arrival_expected_until + timedelta(days=1), time.min, SHANGHAI)
