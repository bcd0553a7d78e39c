"""An owner who is one no more still knows the keys and secrets that were shown to them: who stays is reminded.

Nothing is revoked by itself: a shop's program may run on that key, and who owns the shop decides when to change it.
"""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from accounts.models import User
from integrations import keys
from notices import telling
from notices.models import Notice
from shops import people, rights
from shops.models import Shop, ShopMember, ShopRole

SHOWN_AT = ("add_webhook", "webhook_secret")  # steps on record by which somebody saw a webhook's secret


def remove(member: ShopMember, *, by: User, at: datetime) -> None:
    """移除店员. Raises rights.CannotChange, rights.NotAllowed."""
    shop, gone = member.shop, member.user
    with transaction.atomic():
        people.remove(member, by=by, at=at)
        _remind(shop, gone, at)


def set_role(member: ShopMember, role: ShopRole, *, by: User, at: datetime) -> None:
    """更改身份. Raises rights.CannotChange, rights.NotAllowed."""
    with transaction.atomic():
        people.set_role(member, role, by=by, at=at)
        if role not in rights.TABLE["integrations"]:
            _remind(member.shop, member.user, at)


def _remind(shop: Shop, gone: User, at: datetime) -> None:
    """Whoever may change what they knew; nobody, where they knew nothing that still opens anything."""
    known_keys = keys.live(shop).filter(created_by=gone).count()
    hosts = set(shop.events.filter(step__in=SHOWN_AT, actor=gone).values_list("reason", flat=True))
    known_secrets = sum(endpoint.host in hosts for endpoint in shop.webhooks.all())  # five at most
    if not known_keys + known_secrets:
        return
    stay = shop.memberships.filter(role__in=rights.TABLE["integrations"]).exclude(user=gone)
    telling.tell(
        Notice(
            recipient_id=owner, kind="owner_knew_keys", path="/shop/keys/", created_at=at,
            params={"shop": shop.name, "name": gone.username, "keys": known_keys, "secrets": known_secrets},
            source=f"shop-event:{shop.events.latest('pk').pk}",
        )
        for owner in stay.values_list("user_id", flat=True)
    )  # fmt: skip
