"""放款: money leaves, or cannot."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.utils.translation import gettext_lazy as _

from accounts.models import User
from payments import crediting, outgoing, refunding
from refunds import goods
from refunds.lifecycle import guards, redirect
from refunds.lifecycle.taking import StepRefused, take
from refunds.models import BalanceCredit, Destination, Disbursement, Lane, Refund
from writing import insert


def halt(refunds: Sequence[Refund], *, by: User, at: datetime, note: str) -> None:
    """拦截 on suspicion, before money leaves: back to review."""
    guards.demand_note(note, _("请写明拦截的理由。"))
    note = guards.without_codes(refunds, note)
    with take("halt", refunds, by=by, at=at, note=note) as taken:
        for refund in taken.refunds:
            refund.decided_at, refund.decision_note = None, ""
            refund.lane = Lane.STANDARD  # whatever lane it came by, people decide and release it now


def disburse(refunds: Sequence[Refund], *, by: User | None, at: datetime, held: bool = False) -> None:
    """放款: number, parameters and reserve are committed here; the payments sweeper sends them.

    Doors call ``disbursement.release``, which sets aside what the channel would refuse."""
    with take("disburse", refunds, by=by, at=at, held=held) as taken:
        guards.all_go_to(taken, Destination.ORIGINAL)
        guards.not_by_who_decided(taken)
        attempts = refunding.open_attempts(
            [refunding.Instruction(r.payment, r.amount_fen, f"订单 {r.order.order_no} 退款") for r in taken.refunds],
            at=at,
            held=held,
        )
        guards.attempts_are_closed(taken)  # asked now: their payments are locked, nothing comes alive meanwhile
        insert(
            [
                Disbursement(refund=refund, attempt=attempt, released_by=by, created_at=at)
                for refund, attempt in zip(taken.refunds, attempts, strict=True)
            ]
        )
        goods.retire(taken.refunds, at=at, by=taken.by)


def credit_balance(refunds: Sequence[Refund], *, by: User | None, at: datetime) -> None:
    """退至余额 by the buyer's own choice (S1-14, S2-10, I13): a posting, no channel, there at once. Where the original
    route failed first, not by who confirmed that choice."""
    with take("credit_balance", refunds, by=by, at=at) as taken:
        guards.all_go_to(taken, Destination.BALANCE)
        guards.not_by_who_decided(taken)
        redirect.not_by_who_confirmed(taken)
        credits = [crediting.Credit(r.payment, r.buyer_id, r.amount_fen, r.refund_no) for r in taken.refunds]
        try:
            crediting.credit(credits, at=at)
        except crediting.ExceedsPayment as error:
            raise StepRefused("exceeds_payment", error) from None
        except outgoing.IsStopped as error:
            raise StepRefused("outgoing_stopped", error) from None
        guards.attempts_are_closed(taken)  # asked now: their payments are locked, nothing comes alive meanwhile
        BalanceCredit.objects.bulk_create(
            BalanceCredit(refund=r, user_id=r.buyer_id, amount_fen=r.amount_fen, released_by=by, created_at=at)
            for r in taken.refunds
        )
        goods.retire(taken.refunds, at=at, by=taken.by)
        for refund in taken.refunds:
            refund.arrived_at = at


def cannot_send(refunds: Sequence[Refund], *, at: datetime, note: str) -> None:
    """无法原路退回, known before calling: over 365 days, 50 parts (G9). To the balance: nothing is left to give."""
    with take("cannot_send", refunds, by=None, at=at, note=note) as taken:
        for refund in taken.refunds:
            if refund.destination == Destination.OTHER_ACCOUNT:  # the buyer is asked again
                refund.destination = Destination.ORIGINAL
