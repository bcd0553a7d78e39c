"""发款批次 as tests lead them: made, checked by another person, paid to the end."""

from __future__ import annotations

import clock
from refunds.models import PayoutBatch
from refunds.payouts import batches, paying

MUCH = 10**8
BATCH, LINE = "refunds_payoutbatch", "refunds_payoutline"


def made(by, most_lines=50, most_fen=MUCH, account=None) -> PayoutBatch:
    return batches.compose(by=by, at=clock.now(), most_lines=most_lines, most_fen=most_fen, account=account)


def checked(batch, finance, cashier) -> PayoutBatch:
    batches.propose(batch, by=finance, at=clock.now())
    batches.approve(batch, by=cashier, at=clock.now())
    return now(batch)


def run(batch) -> PayoutBatch:
    for _ in range(50):
        if not paying.sweep(at=clock.now()):
            break
    return now(batch)


def now(row):
    row.refresh_from_db()
    return row


def states(batch) -> list[str]:
    return list(batch.lines.order_by("position").values_list("status", flat=True))
