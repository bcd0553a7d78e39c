"""冻结货款: while a case is open, what it asks for is held of its shop's money; its end frees or takes it.

``Refund.held_fen`` says what is held; the database demands that it is all of the case wherever money may still leave
for it, and nothing elsewhere. What the channel, the balance, or a transfer has given back the payments app takes
from what is held, as it posts it; the fee (手续费) is a posting of its own, and the platform's if the platform has it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from ledger import posting
from ledger.posting import Transfer
from orders.models import Order
from payments.models import Payment
from refunds.models import NOTHING_HELD, Refund, Status
from shops import money
from shops.money import Move

TAKEN = frozenset({Status.PAID_OUT, Status.ARRIVED})  # the buyer has it


def open(refunds: Sequence[Refund], *, at: datetime) -> None:
    """Hold what new cases ask for; they are saved by now, and their orders locked."""
    settled = {refund.order_id for refund in refunds if refund.order.settled_at}
    _move([(refund, refund.held_fen, f"hold:{refund.refund_no}:1") for refund in refunds], settled, at)


def due_fen(refund: Refund) -> int:
    """What is to be held of this case where it stands."""
    return 0 if refund.status in NOTHING_HELD else refund.amount_fen + refund.fee_fen


def follow(
    refunds: Sequence[Refund], *, where_from: Mapping[int, str], sequences: Mapping[int, int], at: datetime
) -> None:
    """After a step, before it is saved: hold more, free what is not needed, take the fee with the refund.

    ``sequences``: the number of the case's event that this belongs to; it names the posting.
    """
    held, fees = [], []
    for refund in refunds:
        was_taken, is_taken = where_from[refund.pk] in TAKEN, refund.status in TAKEN
        before, refund.held_fen = refund.held_fen, due_fen(refund)
        number = f"{refund.refund_no}:{sequences[refund.pk]}"
        if was_taken != is_taken:
            fees.append((refund, number, was_taken))
        elif refund.held_fen != before:
            held.append((refund, refund.held_fen - before, f"hold:{number}"))
    posting.post(_fees([each for each in fees if each[0].fee_fen]), at=at)
    _move(held, _settled({refund.order_id for refund, _, _ in held}) if held else set(), at)


def _fees(taken: Sequence[tuple[Refund, str, bool]]) -> list[Transfer]:
    """手续费 is earned as the buyer gets the rest, and given back if that comes back (``bool``).

    What a shop's own merchant account took (自带商户号) the platform never had: the fee of that stays the shop's.
    """
    payments = {refund.payment_id for refund, _number, _back in taken}
    theirs = Payment.objects.filter(pk__in=payments, account__shop__isnull=False)  # of none: no query
    kept = set(theirs.values_list("pk", flat=True))
    return [_fee(refund, number, kept=refund.payment_id in kept, back=back) for refund, number, back in taken]


def _fee(refund: Refund, number: str, *, kept: bool, back: bool) -> Transfer:
    held = posting.held_account(refund.shop_id)
    word, owner = ("fee_kept", posting.shop_account(refund.shop_id)) if kept else ("fee", posting.FEES)
    debit, credit = (owner, held) if back else (held, owner)
    return Transfer(f"{word}:{number}", debit=debit, credit=credit, amount_fen=refund.fee_fen)


def _move(changes: Sequence[tuple[Refund, int, str]], settled: Collection[int], at: datetime) -> None:
    """Post each change of what is held. A settled order's money is the shop's own by now: ``shops.money``.

    What a shop gets back is posted before anything is drawn: either looks at what it has. Its purse is the last lock.
    """
    if not changes:
        return
    transfers: list[Transfer] = []
    draws: list[Move] = []
    returns: list[Move] = []
    for refund, fen, ref in changes:
        held, shop = posting.held_account(refund.shop_id), posting.shop_account(refund.shop_id)
        if refund.order_id in settled:
            (draws if fen > 0 else returns).append(Move(ref, refund.shop_id, abs(fen), held))
        else:
            debit, credit = (shop, held) if fen > 0 else (held, shop)
            transfers.append(Transfer(ref, debit=debit, credit=credit, amount_fen=abs(fen)))
    if draws and returns:
        money.hold({move.shop_id for move in [*draws, *returns]})  # all of them now, in one order
    posting.post([*transfers, *(money.pay_in(returns) if returns else [])], at=at)
    posting.post(money.draw(draws) if draws else [], at=at)


def _settled(orders: Collection[int]) -> set[int]:
    """Those of these orders whose money is their shop's own. Locked from here on: nobody settles one meanwhile."""
    rows = Order.objects.select_for_update(no_key=True).filter(pk__in=orders).order_by("pk")
    return {key for key, settled_at in rows.values_list("pk", "settled_at") if settled_at}
