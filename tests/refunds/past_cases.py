"""Past cases of one order, with facts drawn by chance as the bench draws them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db import transaction
from django.db.models import Max

import clock
from bench.past_cases import drawn
from refunds import policy
from refunds.models import PreCheck, Refund, RefundLine
from refunds.policy import Facts

__all__ = ["drawn", "write"]


@transaction.atomic
def write(order: Any, seen: Sequence[Facts]) -> list[Refund]:
    """A case of this order for each of the facts, withdrawn since, with its pre-check; newest last."""
    payment, line, at = order.payments.get(), order.lines.order_by("pk").first(), clock.now()
    written: list[Refund] = []
    for start in range(0, len(seen), 1000):
        some = seen[start : start + 1000]
        cases = Refund.objects.bulk_create(
            Refund(
                order=order, payment=payment, buyer=order.buyer, asked_by=order.buyer, reason=each.reason, amount_fen=1,
                status="withdrawn", queue="nobody", submitted_at=at,
            )
            for each in some
        )  # fmt: skip
        RefundLine.objects.bulk_create(RefundLine(refund=case, order_line=line, amount_fen=1) for case in cases)
        first = (PreCheck.objects.aggregate(last=Max("pk"))["last"] or 0) + 1
        PreCheck.objects.bulk_create(
            PreCheck(
                pk=first + number, refund=case, facts=each.as_json(), results=[], at=at,
                verdict=policy.decide(each).step,
            )
            for number, (case, each) in enumerate(zip(cases, some, strict=True))
        )  # fmt: skip
        written += cases
    return written
