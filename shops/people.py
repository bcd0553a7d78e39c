"""店员: who works in a shop, and as what. A shop never loses its last owner."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from accounts.models import User
from accounts.roles import Role
from notices import telling
from notices.models import Notice
from shops import life, rights
from shops.models import Shop, ShopMember, ShopRole
from shops.rights import CannotChange

MOST_MEMBERS = 50


def add(shop: Shop, username: str, role: ShopRole, *, by: User, at: datetime) -> ShopMember:
    """添加店员 by account name. Raises CannotChange, rights.NotAllowed.

    One sentence for whoever cannot be added, so that an owner learns nothing about other people's accounts. Who decides
    about refunds belongs to no shop (I10).
    """
    with _people(shop, by) as locked:
        if locked.memberships.count() >= MOST_MEMBERS:
            raise CannotChange(_("一家店最多 %(most)d 名店员。") % {"most": MOST_MEMBERS})
        user = User.objects.filter(username=username.strip(), is_active=True, is_guest=False, is_staff=False).first()
        if user is None or user.role not in {Role.BUYER, Role.MERCHANT}:
            raise CannotChange(
                _("没有可以添加的账号“%(name)s”。请核对对方的账号名。") % {"name": username.strip()[:150]}
            )
        try:
            with transaction.atomic():
                member = ShopMember.objects.create(shop=locked, user=user, role=role)
        except IntegrityError:
            raise CannotChange(_("对方已经是这家店的店员。")) from None
        life.become_merchant(user)
        _record(locked, "add_member", member, by, at)
        _tell(member, "shop_joined", at)
    return member


def set_role(member: ShopMember, role: ShopRole, *, by: User, at: datetime) -> None:
    """更改身份. Raises CannotChange, rights.NotAllowed."""
    with _people(member.shop, by) as locked:
        member = _found(locked, member)
        if member.role == role:
            return
        if member.role == ShopRole.OWNER:
            _keep_an_owner(locked, member)
        member.role = role
        member.save(update_fields=["role"])
        _record(locked, "set_role", member, by, at)


def remove(member: ShopMember, *, by: User, at: datetime) -> None:
    """移除店员. Raises CannotChange, rights.NotAllowed. What they did stays on record."""
    with _people(member.shop, by) as locked:
        member = _found(locked, member)
        _keep_an_owner(locked, member)
        _record(locked, "remove_member", member, by, at)
        _tell(member, "shop_removed", at)
        member.delete()
        if not member.user.memberships.exists():
            User.objects.filter(pk=member.user_id, role=Role.MERCHANT).update(role=Role.BUYER)


@contextmanager
def _people(shop: Shop, by: User) -> Iterator[Shop]:
    """The shop, locked, so that two owners cannot remove each other at once."""
    with transaction.atomic():
        locked = Shop.objects.select_for_update(no_key=True).get(pk=shop.pk)
        rights.demand(by, locked, "members")
        yield locked


def _found(shop: Shop, member: ShopMember) -> ShopMember:
    found = shop.memberships.select_related("user").filter(pk=member.pk).first()
    if found is None:
        raise CannotChange(_("对方已经不是这家店的店员。"))
    return found


def _keep_an_owner(shop: Shop, member: ShopMember) -> None:
    if not shop.memberships.filter(role=ShopRole.OWNER).exclude(pk=member.pk).exists():
        raise CannotChange(_("这是最后一位店主，请先设另一位店主。"))


def _record(shop: Shop, step: str, member: ShopMember, by: User, at: datetime) -> None:
    """Whom, and as what: the role's key, said in words where it is read."""
    whom = f"{member.user.username} {ShopRole(member.role).value}"
    life.record(shop, step, from_status=shop.status, by=by, at=at, reason=whom)


def _tell(member: ShopMember, kind: str, at: datetime) -> None:
    event = member.shop.events.latest("pk")
    notice = Notice(
        recipient_id=member.user_id, kind=kind, params={"shop": member.shop.name},
        path="/shop/" if kind == "shop_joined" else "", source=f"shop-event:{event.pk}", created_at=at,
    )  # fmt: skip
    telling.tell([notice])
