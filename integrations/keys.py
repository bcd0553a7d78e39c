"""接口密钥: made and revoked by the shop's owner, known again by their digest.

A key is 32 random bytes: nobody guesses one, so its plain SHA-256 is enough to know it by, and shows nothing of it. The
look-up goes by the index of the digest: how long it takes says something about digests, which nobody can choose.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from hmac import compare_digest

from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from accounts.models import User
from integrations.models import Scope, ShopKey
from shops import life, rights
from shops.models import Shop
from shops.rights import CannotChange

MOST_LIVE = 10
MOST_SHOWN = 50
PREFIX_LENGTH = 12  # of the text: "csk_" and eight characters more, of 43
USED_AT_MOST_EVERY = timedelta(minutes=1)
_SHAPE = re.compile(r"csk_[0-9A-Za-z_-]{43}")


def make(shop: Shop, name: str, scopes: Sequence[str], *, by: User, at: datetime) -> tuple[ShopKey, str]:
    """新建密钥: the row, and the key itself, which exists nowhere else. Raises CannotChange, rights.NotAllowed."""
    chosen = [scope for scope in Scope.values if scope in scopes]
    if not name.strip() or not chosen:
        raise CannotChange(_("请填写用途，并至少选一项权限。"))
    text = f"csk_{secrets.token_urlsafe(32)}"
    with rights.locked(shop, by=by, act="integrations") as locked:
        if live(locked).count() >= MOST_LIVE:
            raise CannotChange(_("一家店最多 %(most)d 个有效密钥，请先吊销不用的。") % {"most": MOST_LIVE})
        key = ShopKey.objects.create(
            shop=locked, name=name.strip()[:40], prefix=text[:PREFIX_LENGTH], digest=_digest(text), scopes=chosen,
            created_by=by, created_at=at,
        )  # fmt: skip
        life.record(locked, "make_key", from_status=locked.status, by=by, at=at, reason=str(key))
    return key, text


def revoke(key: ShopKey, *, by: User, at: datetime) -> None:
    """吊销: from the next call on it opens nothing. Raises rights.NotAllowed. Once more is as well."""
    with rights.locked(key.shop, by=by, act="integrations") as locked:
        if live(locked).filter(pk=key.pk).update(revoked_by=by, revoked_at=at):
            life.record(locked, "revoke_key", from_status=locked.status, by=by, at=at, reason=str(key))


def known(text: str) -> ShopKey | None:
    """The key of this text, its shop at hand, be it revoked; None for any other text."""
    if not _SHAPE.fullmatch(text):
        return None
    digest = _digest(text)
    key = ShopKey.objects.select_related("shop").filter(digest=digest).first()
    return key if key and compare_digest(bytes(key.digest), digest) else None


def used(key: ShopKey, *, at: datetime) -> None:
    """最近使用, to the minute: many calls write it once."""
    if key.last_used_at and key.last_used_at > at - USED_AT_MOST_EVERY:
        return
    long_ago = Q(last_used_at__isnull=True) | Q(last_used_at__lte=at - USED_AT_MOST_EVERY)
    ShopKey.objects.filter(long_ago, pk=key.pk).update(last_used_at=at)


def live(shop: Shop) -> QuerySet[ShopKey]:
    return ShopKey.objects.filter(shop=shop, revoked_at__isnull=True)


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()
