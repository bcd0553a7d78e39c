"""After this step, do these things: who is told. Made with the events themselves."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

import clock
from accounts.roles import Role
from money import yuan
from notices import telling, wording
from notices.models import Notice
from refunds.models import Destination, Queue, Refund, RefundEvent
from shops import rights

#: Steps that stand in the record and are no news.
SILENT = {"claim", "hand_over", "record_answer", "propose_offer", "send_back"}

#: What the shop of the case hears of: what it must answer, and what became of its goods.
SHOP_HEARS = {
    "ask_merchant", "request_evidence", "request_more", "agree", "agree_above_limit", "contest", "accept_offer",
    "accept_replacement", "decline_offer", "lapse_offer", "approve", "approve_second", "reject", "reject_second",
    "appeal", "grant_appeal", "dismiss_appeal", "reopen", "withdraw", "close",
}  # fmt: skip
#: Of these the shop hears only where the machine took the step, or where the shop was asked.
ONLY_BY_MACHINE = {"agree", "agree_above_limit", "contest"}
ONLY_IF_ASKED = {"request_evidence", "request_more"}


def tell(events: Sequence[RefundEvent]) -> None:
    """通知 of every step, to the buyer, and to the shop where it is its business. One notice per event and reader,
    however often this runs."""
    news = [_to_buyer(event) for event in events if event.step not in SILENT]
    shops = [event for event in events if _is_shops_business(event)]
    staff = members({event.refund.order.shop_id for event in shops}) if shops else {}
    news += [_to_shop(event, reader) for event in shops for reader in staff.get(event.refund.order.shop_id, [])]
    telling.tell(news)


def kind_of(refund: Refund, step: str) -> str:
    """The notice of this step: where the usual words speak of the original route, the balance has its own, and so has
    what the shop was asked, not the buyer."""
    own = f"refund_{step}_to_balance"
    if step in ONLY_IF_ASKED and refund.queue == Queue.MERCHANT:
        return "refund_shop_was_asked"
    return own if refund.destination == Destination.BALANCE and own in wording.WORDING else f"refund_{step}"


def _is_shops_business(event: RefundEvent) -> bool:
    if event.step in ONLY_BY_MACHINE:
        return event.role == Role.SYSTEM
    if event.step in ONLY_IF_ASKED:
        return event.refund.queue == Queue.MERCHANT
    return event.step in SHOP_HEARS


def answering_for(shop_id: int) -> list[int]:
    """Keys of those who may answer for this shop."""
    return members({shop_id}).get(shop_id, [])


def members(shops: Collection[int]) -> dict[int, list[int]]:
    """{shop: those who may answer for it}."""
    return rights.holders("refunds", shops)


def _to_buyer(event: RefundEvent) -> Notice:
    refund = event.refund
    is_put_off = event.step == "extend" and refund.review_due_at is not None  # its clock may stand
    kind = "refund_extend_until" if is_put_off else kind_of(refund, event.step)
    return Notice(
        recipient_id=refund.buyer_id,
        kind=kind,
        params=params(refund) | {"note": event.note} | ({"by": moment(refund.review_due_at)} if is_put_off else {}),
        path=case_page(refund),
        source=f"refund-event:{event.pk}",
        created_at=event.at,
    )


def _to_shop(event: RefundEvent, reader: int) -> Notice:
    return Notice(
        recipient_id=reader,
        kind=f"shop_refund_{event.step}",
        params=params(event.refund) | {"note": event.note},
        path=shop_page(event.refund),
        source=f"refund-event:{event.pk}",
        created_at=event.at,
    )


def moment(at: datetime | None) -> str:
    """A deadline, in few words: 11-22 14:30."""
    if at is None:
        return ""
    day, hour = clock.last_moment(at)
    return f"{day:%m-%d} {hour}"


def params(refund: Refund) -> dict[str, object]:
    return {"refund_no": refund.refund_no, "amount": yuan(refund.amount_fen)}


def case_page(refund: Refund) -> str:
    return f"/refunds/{refund.refund_no}/"


def shop_page(refund: Refund) -> str:
    return f"/shop/refunds/{refund.refund_no}/"


def desk_page(refund: Refund) -> str:
    return f"/admin/refunds/refund/{refund.pk}/change/"


def after_arrival_window(refund: Refund) -> datetime | None:
    """The end of the last day on which the money was expected: then the case rests, with honest words."""
    if refund.arrival_expected_until is None:
        return None
    return clock.midnight(refund.arrival_expected_until + timedelta(days=1))
