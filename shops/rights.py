"""店员的权限: who in a shop may do what. The only place that says so; every door and every domain call asks here.

Staff of the platform have no rights here: what they do stands in ``accounts/rights.py``.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager

from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from accounts.models import User
from shops.models import Shop, ShopMember, ShopRole

OWNER, MANAGER, CLERK = ShopRole.OWNER, ShopRole.MANAGER, ShopRole.CLERK
EVERYBODY = frozenset({OWNER, MANAGER, CLERK})
IN_CHARGE = frozenset({OWNER, MANAGER})
ONLY_OWNER = frozenset({OWNER})

#: What is done, and by whom.
TABLE: dict[str, frozenset[ShopRole]] = {
    "orders": EVERYBODY,  # see orders and refunds, cancel what is out of stock, report on a service, see its recipient
    "refunds": IN_CHARGE,  # answer claims: agree, contest, offer, lay down evidence, object. It is the shop's money
    "talk": EVERYBODY,  # speak for the shop on an order
    "products": IN_CHARGE,  # put up, change, list and unlist
    "stock": IN_CHARGE,  # import codes, take them out, release them from quarantine
    "coupons": IN_CHARGE,
    "figures": IN_CHARGE,  # the shop's figures, its badge and its deposit
    "integrations": ONLY_OWNER,  # keys and webhooks of the shop's programs
    "members": ONLY_OWNER,
    "withdraw": ONLY_OWNER,  # the shop's money, to the account that its owner has laid down
    "leave": ONLY_OWNER,
}


class NotAllowed(Exception):
    """This person may not do this in this shop. The message is for them."""


class CannotChange(Exception):
    """They may, but it cannot be done so: it is there already, one too many, the last, or no such thing. The message is
    for them."""


def may(user: User, shop: Shop, act: str) -> bool:
    """May this person do ``act`` (a key of ``TABLE``) in this shop, as the database says it now?"""
    return user.is_active and ShopMember.objects.filter(shop=shop, user=user, role__in=TABLE[act]).exists()


def demand(user: User, shop: Shop, act: str) -> None:
    """Raises NotAllowed. Called inside the transaction that the right is needed for (I10)."""
    if not may(user, shop, act):
        raise NotAllowed(_("您在这家店没有这项权限，请联系店主。"))


@contextmanager
def locked(shop: Shop, *, by: User, act: str) -> Iterator[Shop]:
    """The shop, locked, for somebody who may do ``act`` there: two of them do not do it at once. Raises NotAllowed."""
    with transaction.atomic():
        held = Shop.objects.select_for_update(no_key=True).get(pk=shop.pk)
        demand(by, held, act)
        yield held


def shops_of(user: User, act: str) -> QuerySet[Shop]:
    """The shops in which this person may do ``act``."""
    return Shop.objects.filter(memberships__user=user, memberships__role__in=TABLE[act])


def holders(act: str, shops: Collection[int]) -> dict[int, list[int]]:
    """{shop: keys of those who may do ``act`` there}: who is told of it. In one query."""
    found: dict[int, list[int]] = {shop: [] for shop in shops}
    seats = ShopMember.objects.filter(shop__in=shops, role__in=TABLE[act]).order_by("pk")
    for shop, user in seats.values_list("shop", "user"):
        found[shop].append(user)
    return found


def acts_of(role: str) -> frozenset[str]:
    """Everything that a role may do: what its pages offer."""
    return frozenset(act for act, roles in TABLE.items() if role in roles)
