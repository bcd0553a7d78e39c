"""单独放款: what one person releases without a batch; what waits in one is paid by it, in its turn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from django.db import transaction

from accounts.models import User
from money import yuan
from refunds import disbursement, lifecycle
from refunds.lifecycle import StepRefused
from refunds.models import LineStatus, PayoutLine, Refund

ALONE_MOST_FEN = 2_000_000  # of several cases that one person releases in one go, ¥20,000; more is a batch


def release_chosen(refunds: Sequence[Refund], *, by: User, at: datetime) -> disbursement.Released:
    """放款 of some cases that one person has ticked. One case has two people already, who decided and who releases; of
    several together above ``ALONE_MOST_FEN`` a colleague checks the list: they go as a batch. Raises StepRefused."""
    if len(refunds) > 1 and sum(refund.amount_fen for refund in refunds) > ALONE_MOST_FEN:
        most = yuan(ALONE_MOST_FEN)
        raise StepRefused("needs_batch", f"一次放款合计超过 {most}，请制成发款批次，由另一位同事复核。")
    waits = waiting_in(refunds)
    alone = [refund for refund in refunds if refund.pk not in waits]
    released = disbursement.release_each(alone, by=by, at=at) if alone else disbursement.Released([], [], [])
    refused = [(refund, _refusal(refund, line=waits[refund.pk], by=by)) for refund in refunds if refund.pk in waits]
    return replace(released, refused=[*released.refused, *refused])


def release_alone(refund: Refund, *, by: User, at: datetime) -> disbursement.Released:
    """放款 of one case, unless a batch pays it in its turn. Raises StepRefused."""
    demand_alone(refund, by=by)
    return disbursement.release([refund], by=by, at=at)


def demand_alone(refund: Refund, *, by: User) -> None:
    """Raises StepRefused where a batch pays it in its turn."""
    if line := waiting_in([refund]).get(refund.pk):
        raise _refusal(refund, line=line, by=by)


def waiting_in(refunds: Sequence[Refund]) -> dict[int, PayoutLine]:
    """{case: its line in the batch that it waits in}."""
    rows = PayoutLine.objects.filter(refund__in=refunds, status=LineStatus.WAITING)
    return {line.refund_id: line for line in rows.select_related("batch")}


def _refusal(refund: Refund, *, line: PayoutLine, by: User) -> StepRefused:
    """Whoever may not release it at all hears of no batch."""
    try:
        with transaction.atomic():
            lifecycle.demand_right("disburse", [refund], by=by)
    except StepRefused as refusal:
        return refusal
    batch, state = line.batch.batch_no, line.batch.get_status_display()
    return StepRefused("in_batch", f"已列入发款批次 {batch}（{state}），由批次放款。要单独放款，请先把这一批撤下。")
