"""Past cases by the thousand, for trying a policy out on: facts drawn by chance, decided by the rules as they are."""

from __future__ import annotations

import random
from datetime import timedelta

import clock
from bench import scale_rows
from refunds import facts, policy
from refunds.models import PreCheck
from refunds.policy import Cap, Facts
from shops.models import RefundPolicy
from shops.policy_terms import KINDS, USUAL

AMOUNTS = (1, 100, 1999, 2000, 3000, 4999, 5000, 8800, 20000, 50000)
ORDERS = 2_000


def drawn(chance: random.Random, terms: RefundPolicy) -> Facts:
    """The facts of one case under these terms."""
    at, reason, kind = clock.now(), chance.choice(USUAL).reason, chance.choice(KINDS)
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


def write(count: int) -> tuple[RefundPolicy, list[Facts]]:
    """A small marketplace with so many decided cases, in an empty database; their policy, and the facts of each."""
    scale_rows.write(orders=ORDERS)
    scale_rows.write_cases(count)
    chance, at = random.Random(7), clock.now()  # noqa: S311 - made up
    terms = RefundPolicy.objects.get(code="scale")
    seen = [drawn(chance, terms) for _ in range(count)]
    with scale_rows.without_triggers():
        for start in range(0, count, 1000):
            PreCheck.objects.bulk_create(
                PreCheck(
                    refund_id=scale_rows.FIRST + start + number,
                    facts=each.as_json(),
                    results=[],
                    verdict=policy.decide(each).step,
                    at=at,
                )
                for number, each in enumerate(seen[start : start + 1000])
            )
    return terms, seen
