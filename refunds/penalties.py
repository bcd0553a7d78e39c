"""违约金 (S4-16): what a shop did not deliver costs it a share of that, and its buyer gets it on the balance.

A posting of its own, and never part of a refund: no channel gives back more than was paid. A ``Cancellation`` owes its
penalty until it is paid, from what the shop has; what it has not got the platform advances, to ``MOST_OWED_FEN``: a
shop and a buyer who are one could else have the platform pay out 5 % of an order as often as they like. For a buyer
who is known to be of the shop it advances nothing. What is beyond waits until the shop has earned or laid down enough.
A guest has no balance: theirs waits until they claim the order.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

import workqueue
from ledger import posting
from money import yuan
from notices import telling
from notices.models import Notice
from orders.models import Cancellation
from payments import outgoing
from shops import money, rights
from shops.models import ShopMember
from shops.money import Move

BATCH = 100
MOST_OWED_FEN = 50_000  # what a shop may come to owe the platform by its penalties
LOOK_AGAIN_AFTER = timedelta(hours=1)  # at a guest's, and at what the shop cannot pay
TRY_AGAIN_AFTER = timedelta(hours=1)


def sweep(*, at: datetime) -> int:
    """Pay a batch of penalties; returns how many were looked at. A failing one stops no other (F12)."""
    if outgoing.stopped():  # nothing goes to a balance: it stays due
        return 0
    return workqueue.together_or_alone(
        lambda limit: _due(at, limit), lambda rows: _pay(rows, at), lambda row: _put_off(row, at), limit=BATCH
    )


def _due(at: datetime, limit: int) -> list[Cancellation]:
    """Locked with their orders, so that nobody claims one meanwhile."""
    rows = Cancellation.objects.filter(penalty_due_at__lte=at).select_related("order__buyer")
    held = rows.select_for_update(no_key=True, skip_locked=True, of=("self", "order"))
    return list(held.order_by("penalty_due_at", "pk")[:limit])


def _pay(rows: Sequence[Cancellation], at: datetime) -> None:
    moves = {row.pk: _move(row) for row in rows if not row.order.buyer.is_guest}
    own = _of_own_people(rows)
    drawn = money.bearable({move: 0 if key in own else MOST_OWED_FEN for key, move in moves.items()})
    paid = [row for row in rows if moves.get(row.pk) in drawn]
    waiting = [row.pk for row in rows if row not in paid]
    Cancellation.objects.filter(pk__in=waiting).update(penalty_due_at=at + LOOK_AGAIN_AFTER)
    posting.post(money.draw(drawn), at=at)
    Cancellation.objects.filter(pk__in=[row.pk for row in paid]).update(penalty_due_at=None, penalty_paid_at=at)
    telling.tell(_news(paid, at))


def _move(row: Cancellation) -> Move:
    buyer = posting.balance_account(row.order.buyer_id)
    return Move(f"penalty:{row.pk}", row.order.shop_id, row.penalty_fen, buyer)


def _of_own_people(rows: Sequence[Cancellation]) -> set[int]:
    """Those whose buyer is of the shop: the platform advances nothing for them."""
    seats = ShopMember.objects.filter(shop__in=[row.order.shop_id for row in rows])
    taken = set(seats.values_list("shop", "user"))
    return {row.pk for row in rows if (row.order.shop_id, row.order.buyer_id) in taken}


def _news(rows: Sequence[Cancellation], at: datetime) -> Iterator[Notice]:
    """The buyer has it; whoever answers for the shop's money reads what it cost."""
    members = rights.holders("figures", {row.order.shop_id for row in rows})
    for row in rows:
        said = {"order_no": row.order.order_no, "amount": yuan(row.penalty_fen)}
        path = f"/orders/{row.order.order_no}/"
        told = [(row.order.buyer_id, "order_penalty", path)]
        told += [(user, "shop_order_penalty", f"/shop{path}") for user in members[row.order.shop_id]]
        for person, kind, page in told:
            yield Notice(
                recipient_id=person, kind=kind, params=said, path=page, source=f"penalty:{row.pk}", created_at=at
            )


def _put_off(row: Cancellation, at: datetime) -> None:
    late = Cancellation.objects.filter(pk=row.pk, penalty_paid_at=None)
    late.update(penalty_due_at=at + TRY_AGAIN_AFTER)
