"""访客: buys without an account. An order number and the query password chosen at checkout let a guest in (PM17).

A guest is a shadow account that nobody ever sees the name of. It is claimed by a real account at most once; from then
on it opens nothing (``refunds/claiming.py`` moves what it had).
"""

from __future__ import annotations

import ipaddress
import secrets
import uuid
from typing import Any

from django.contrib.auth.backends import BaseBackend
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.http import HttpRequest
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext as _

from accounts.models import User
from accounts.passwords import DEMO_PASSWORD

BACKEND = "accounts.guests.QueryPassword"
SHORTEST, LONGEST = 8, 64
_ALPHABET = "23456789abcdefghjkmnpqrstuvwxyz"  # nothing that is read as something else


class AnotherPassword(Exception):
    """The same checkout was sent before with another query password. The message is for the buyer."""


class QueryPassword(BaseBackend):
    """查询密码: who knows the number of a guest's order, and its password, is that guest."""

    def authenticate(
        self, request: HttpRequest | None, guest: User | None = None, query_password: str | None = None, **others: Any
    ) -> User | None:
        """Hashes whether or not there is such a guest, so that the time taken tells nothing (X8)."""
        if query_password is None:
            return None
        if guest is None or not _opens(guest):
            User().set_password(query_password)
            return None
        return guest if guest.check_password(query_password) else None

    def get_user(self, user_id: int) -> User | None:
        """A guest who was claimed, or blocked, is out at once."""
        guest = User.objects.filter(pk=user_id).first()
        return guest if guest and _opens(guest) else None


def open_for(checkout_key: uuid.UUID, query_password: str) -> User:
    """The guest of this checkout: the same form sent twice is one guest, and so one order (P1). In a transaction.

    Raises AnotherPassword.
    """
    known = User.objects.filter(username=_name(checkout_key)).first()
    try:
        if known is None:
            with transaction.atomic():
                return _create(checkout_key, query_password)
    except IntegrityError:  # the other tap was faster
        known = User.objects.get(username=_name(checkout_key))
    if known is None or not _opens(known) or not known.check_password(query_password):
        raise AnotherPassword(_("这张下单页已提交过，且查询密码不同。请刷新商品页后重新下单。"))
    return known


def origin_of(address: str) -> bytes:
    """Where a guest comes from: 32 bytes, keyed, that tell two addresses apart and name neither.

    Of IPv6 the network of 64 bits, since each of its addresses is anybody's for the asking.
    """
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return salted_hmac("guest-origin", address, algorithm="sha256").digest()
    if isinstance(ip, ipaddress.IPv6Address):
        ip = ip.ipv4_mapped or ipaddress.ip_network((ip.packed[:8] + bytes(8), 64)).network_address
    return salted_hmac("guest-origin", ip.compressed, algorithm="sha256").digest()


def propose_password() -> str:
    """What a checkout form proposes: 12 characters that can be read out, about 59 bits."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(12))


def check_new_password(query_password: str) -> None:
    """Raises ValidationError: too short, too long, or the demo's."""
    if not SHORTEST <= len(query_password) <= LONGEST:
        limits = {"least": SHORTEST, "most": LONGEST}
        raise ValidationError(_("查询密码须为 %(least)d 到 %(most)d 个字符。") % limits, code="length")
    if query_password == DEMO_PASSWORD:
        raise ValidationError(_("这是演示密码，人人都知道，请换一个。"), code="demo_password")


def _create(checkout_key: uuid.UUID, query_password: str) -> User:
    guest = User(username=_name(checkout_key), is_guest=True)
    guest.set_password(query_password)
    guest.save()
    return guest


def _name(checkout_key: uuid.UUID) -> str:
    """As random as the key, which only this buyer's form knows; never shown to anybody but staff."""
    return f"guest-{checkout_key.hex}"


def _opens(guest: User) -> bool:
    return guest.is_guest and guest.is_active and guest.claimed_by_id is None
