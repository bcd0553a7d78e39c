"""Who is who to support: a buyer's accounts, who may work on what, and whom to tell when something is late."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from django.db.models import Q, QuerySet

from accounts import rights
from accounts.models import User
from accounts.rights import Act
from accounts.roles import Role
from notices import telling
from notices.models import Notice
from orders.models import Order
from shops.models import ShopMember
from support.models import Tier

ROLE_OF = {Tier.AGENT: Role.REVIEWER, Tier.SENIOR: Role.SENIOR, Tier.OPERATOR: Role.OPERATOR}
NEXT = {Tier.AGENT: Tier.SENIOR, Tier.SENIOR: Tier.OPERATOR, Tier.OPERATOR: Tier.OPERATOR}
MOST_TOLD = 50


def accounts_of(buyer: User) -> QuerySet[User]:
    """The account, and the guests that it has claimed: what a guest asked is its own from then on (PM17)."""
    return User.objects.filter(Q(pk=buyer.pk) | Q(claimed_by=buyer))


def are_one(buyer: User, person: User) -> bool:
    return buyer.pk == person.pk or buyer.claimed_by_id == person.pk


def may_work(person: User, act: Act, label: str, *, buyer: User, order: Order | None) -> bool:
    """Staff with this right who have no part in it: neither the buyer's account nor anybody of the shop (I10)."""
    if are_one(buyer, person) or not rights.may(person, act, label):
        return False
    return order is None or not ShopMember.objects.filter(shop=order.shop_id, user=person).exists()


def at_tier(tier: Tier) -> QuerySet[User]:
    """Those with whom it lies now."""
    return User.objects.filter(role=ROLE_OF[tier], is_staff=True, is_active=True).order_by("pk")


def tell(readers: Iterable[int], kind: str, *, path: str, source: str, at: datetime, **params: str) -> None:
    """A notice for each of these accounts; ``source`` makes it one, however often it is told."""
    telling.tell(
        Notice(recipient_id=reader, kind=kind, params=params, path=path, source=source, created_at=at)
        for reader in dict.fromkeys(readers)
    )


def tell_tier(tier: Tier, kind: str, *, path: str, source: str, at: datetime, **params: str) -> None:
    readers = list(at_tier(tier).values_list("pk", flat=True)[:MOST_TOLD])
    tell(readers, kind, path=path, source=source, at=at, **params)
