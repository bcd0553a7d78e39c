"""申请未通过以后: what the last application said, what to change, and how often one may still ask."""

from __future__ import annotations

from dataclasses import dataclass

from orders.models import Order
from refunds import drafts, guides
from refunds.models import Refund, Status


@dataclass(frozen=True)
class Refused:
    """The last application of this order that was refused, and what to change (S3-13)."""

    refund: Refund
    missing: list[str]  # titles of the pictures that it did not hold
    left: int  # how many more applications may be refused
    most: int


def refused_before(order: Order) -> Refused | None:
    latest = drafts.last_refused(order)
    if latest is None:
        return None
    count = sum(refund.status == Status.REJECTED for refund in order.refunds.all())
    pages = [line.product_page for line in order.lines.all()]
    kind = next((str(page["kind"]) for page in pages if page.get("kind")), "")
    is_abroad = any(page.get("is_cross_border") for page in pages)
    shown = set(latest.evidence.exclude(slot="").values_list("slot", flat=True))
    wanted = order.policy.slots_for(latest.reason, kind, is_cross_border=is_abroad)
    missing = [guide.title for guide in guides.slot_guides([slot for slot in wanted if slot not in shown])]
    most = order.policy.max_rejections
    return Refused(latest, missing, max(0, most - count), most)
