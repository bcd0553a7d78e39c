"""一键退款: an application that needs no form, because our own records prove its reason (S3-25, S3-27)."""

from __future__ import annotations

from dataclasses import dataclass, replace

from refunds import facts, policy
from refunds.applying import Preview
from refunds.reasons import Sold, obstacle
from shops.models import RefundPolicy

#: What our own records prove of all the goods: the first that fits is the reason of a refund by one tap.
REASONS = ("undelivered", "changed_mind")


@dataclass(frozen=True)
class OneTap:
    """The reason that it names, and what comes of it."""

    reason: str
    seen: Preview


def offer(terms: RefundPolicy, seen: Preview | None) -> OneTap | None:
    """None where a person has to look, or where the reason would have to be asked for.

    ``seen``: the order looked at without a reason, if it was. What is known of it already is weighed once more, under
    each of these reasons: nothing is looked up.
    """
    if seen is None or seen.verdict.step != "auto_approve":
        return None
    known = seen.facts
    goods = Sold(known.kind, is_delivered=known.delivered_count > 0, is_seen=known.revealed_count > 0)
    for reason in REASONS:
        row = terms.reason(reason)
        if row is None or obstacle(row, [goods]):
            continue
        named = replace(
            known, reason=reason, terms=facts.terms_of(terms, reason, known.kind, is_cross_border=known.is_cross_border)
        )
        weighed = Preview(named, policy.decide(named), policy.amounts(named))
        if weighed.verdict.step == "auto_approve" and not named.terms.slots:
            return OneTap(reason, weighed)
    return None
