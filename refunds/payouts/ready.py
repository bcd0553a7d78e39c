"""待放款: the approved cases that people's hands pay, and which of them a person may not release."""

from __future__ import annotations

from django.db.models import Exists, OuterRef, Q, QuerySet

from accounts.models import User
from payments.models import ChannelAccount
from refunds.lifecycle import guards
from refunds.models import Destination, Lane, LineStatus, PayoutLine, Refund, RefundEvent, Status
from refunds.payouts.whose_turn import Waits

MOST_WAITING = 20_000  # looked at for one batch


def cases() -> QuerySet[Refund]:
    """Decided by people, or by a shop; what lanes of rules decided goes out by itself. In no other batch."""
    waits = PayoutLine.objects.filter(refund=OuterRef("pk"), status=LineStatus.WAITING)
    rows = Refund.objects.filter(status=Status.APPROVED, lane=Lane.STANDARD).exclude(Exists(waits))
    return rows.exclude(destination=Destination.OTHER_ACCOUNT)  # released each by itself, and paid by transfer


def oldest(by: User, account: ChannelAccount | None) -> list[Waits]:
    """Those that ``by`` may release, the oldest first."""
    rows = cases().exclude(pk__in=not_for(by).values("pk"))
    if account is not None:
        rows = rows.filter(payment__account=account, destination=Destination.ORIGINAL)
    found = rows.order_by("submitted_at", "pk").values_list("pk", "shop_id", "submitted_at", "amount_fen")
    return [Waits(*row) for row in found[:MOST_WAITING]]


def not_for(by: User) -> QuerySet[Refund]:
    """Approved cases that this person may not release: their own, their shop's, or what they were for (I10)."""
    was_for_it = RefundEvent.objects.filter(refund=OuterRef("pk"), step__in=guards.FAVORABLE, actor=by)
    own = Q(buyer=by) | Q(asked_by=by, asked_by__isnull=False) | Q(shop__in=list(by.shops.values_list("pk", flat=True)))
    return Refund.objects.filter(status=Status.APPROVED).filter(own | Exists(was_for_it))
