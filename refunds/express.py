"""极速退款: who may ask for it, on which terms, and whether they are met now (S0-19, S0-20). Opted in to and out of by
the buyer; each refund is judged anew by the terms that its order was placed under.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from accounts.models import User
from refunds import facts, lanes, policy
from refunds.models import ExpressOptIn, Lane
from refunds.policy import Facts, RuleResult
from shops.models import Product, RefundPolicy


class CannotOptIn(Exception):
    """The message is for the buyer."""


@dataclass(frozen=True)
class Offer:
    """What one kind of terms demands, and the rule's answer about this buyer's record."""

    names: Sequence[str]  # of the policies that say so
    names_en: Sequence[str]
    below_fen: int
    clean_days: int
    needs_no_record: bool
    record: RuleResult


@dataclass(frozen=True)
class Standing:
    """How somebody stands. ``is_paused``: an operator has switched the lane off: people decide meanwhile."""

    since: datetime | None
    verified_at: datetime | None
    is_paused: bool
    offers: Sequence[Offer]

    @property
    def is_open(self) -> bool:
        """Whether a refund of today would go by it under some terms, as far as the buyer is concerned."""
        is_known = self.since is not None and self.verified_at is not None
        return is_known and not self.is_paused and any(offer.record.passed for offer in self.offers)


def standing(user: User, *, at: datetime) -> Standing:
    return Standing(
        since=ExpressOptIn.objects.filter(user=user, ended_at=None).values_list("since", flat=True).first(),
        verified_at=user.verified_at,
        is_paused=Lane.EXPRESS in lanes.closed(lanes.limits()),
        offers=_offers(user, at),
    )


def turn_on(user: User, *, at: datetime) -> None:
    """开通. Twice is once. Raises CannotOptIn."""
    if user.is_guest:
        raise CannotOptIn(_("访客不能开通极速退款，请先登录或注册。"))
    if user.verified_at is None:
        raise CannotOptIn(_("开通前请先完成实名认证。"))
    try:
        with transaction.atomic():
            ExpressOptIn.objects.create(user=user, since=at)
    except IntegrityError:  # it is on
        return


def turn_off(user: User, *, at: datetime) -> None:
    """关闭. What was decided before stays decided."""
    ExpressOptIn.objects.filter(user=user, ended_at=None).update(ended_at=at)


def _offers(user: User, at: datetime) -> list[Offer]:
    """Of the newest version of every policy that something is sold under, those alike together, the widest first."""
    sold = Product.objects.filter(is_listed=True).values("policy__code")
    newest = RefundPolicy.objects.filter(code__in=sold, published_at__lte=at).order_by("code", "-version")
    refused_at, granted = facts.records([user.pk]).get(user.pk, (None, 0))
    alike: dict[tuple[int, int, bool], list[RefundPolicy]] = {}
    for row in newest.distinct("code"):
        if row.express_below_fen:
            key = (row.express_below_fen, row.express_clean_days, row.express_needs_no_record)
            alike.setdefault(key, []).append(row)
    return [
        Offer(
            [row.name for row in rows],
            [row.name_en for row in rows],
            *terms,
            record=policy.has_clean_record(_about(user, rows[0], refused_at, granted, at)),
        )
        for terms, rows in sorted(alike.items(), key=lambda found: -found[0][0])
    ]


def _about(user: User, row: RefundPolicy, refused_at: datetime | None, granted: int, at: datetime) -> Facts:
    """What the rules of the lane look at of a buyer; of no case yet."""
    terms = facts.terms_of(row, "", "", is_cross_border=False)
    return Facts(
        at=at, terms=terms, ordered_at=at, paid=True, delivered_at=None, delivered_count=0, begun_count=0,
        revealed_count=0, expired_count=0, amount_fen=0, left_fen=0, refundable_fen=0, rejections=0,
        auto_refunded_today_fen=0, is_verified=user.verified_at is not None,
        refused_lately=facts.refused_lately(refused_at, terms, at), refunded_ever=granted,
    )  # fmt: skip
