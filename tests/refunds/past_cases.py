"""Past cases by the thousand, for trying a policy out on: facts drawn by chance, decided by the rules as they are."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import Max

import clock
from refunds import facts, policy
from refunds.models import PreCheck, Refund, RefundLine
from refunds.policy import Cap, Facts
from shops.policy_terms import KINDS, USUAL

AMOUNTS = (1, 100, 1999, 2000, 3000, 4999, 5000, 8800, 20000, 50000)


def drawn(chance: random.Random, terms: Any) -> Facts:
    """The facts of one case under these terms."""
    at, reason, kind = clock.now(), chance.choice(USUAL)[0], chance.choice(KINDS)
    delivered, amount, abroad = chance.choice([0, 1, 1, 1, 2]), chance.choice(AMOUNTS), chance.random() < 0.2
    delivered_at = at - timedelta(hours=chance.choice([1, 30, 24 * 8, 24 * 20])) if delivered else None
    share = amount // delivered if delivered else 0
    return Facts(
        at=at,
        terms=facts.terms_of(terms, reason, kind, is_cross_border=abroad),
        ordered_at=at - timedelta(hours=chance.choice([1, 48])),
        paid=True,
        delivered_at=delivered_at,
        delivered_count=delivered,
        begun_count=0,
        revealed_count=delivered and chance.choice([0, 0, delivered]),
        expired_count=0,
        amount_fen=amount,
        left_fen=amount + chance.choice([0, 0, 0, 1]),
        refundable_fen=amount,
        rejections=chance.choice([0, 0, 0, 1, 2, 3]),
        auto_refunded_today_fen=chance.choice([0, 0, 15000]),
        used_count=0,
        delivered_fens=tuple([share] * (delivered - 1) + [amount - share * (delivered - 1)]) if delivered else (),
        reason=reason,
        kind=kind,
        is_cross_border=abroad,
        is_canceled=chance.random() < 0.1,
        to_balance=chance.random() < 0.2,
        slots_given=(),
        has_opted_in=chance.random() < 0.5,
        is_verified=chance.random() < 0.8,
        refused_lately=chance.choice([0, 0, 1]),
        refunded_ever=chance.choice([0, 1]),
        caps=(Cap("one_click", "buyer", chance.choice([0, 19000]), 20000),),
        closed_lanes=("express",) if chance.random() < 0.1 else (),
    )


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
