"""政策的版本: drafted, edited, published. Whoever writes a policy does it here, one at a time for each ``code``.

    newest published version → draft (a copy) → edited → published: its products move to it, orders keep theirs (PM19)

That a draft was tried out before it is published is demanded where the cases are: ``refunds/simulation.py``.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction

from accounts.models import User
from accounts.roles import Role
from shops.models import Product, RefundPolicy

OF_THE_VERSION = {"id", "code", "version", "published_at", "published_by", "publish_reason"}
COLUMNS = tuple(field.name for field in RefundPolicy._meta.fields if field.name not in OF_THE_VERSION)
TERMS = tuple(name for name in COLUMNS if name not in {"name", "name_en"})


class CannotChange(Exception):
    """Not by this person, or not this version. The message says what to do."""


def as_json(policy: RefundPolicy) -> dict[str, Any]:
    """What this version says, without its name: two with the same terms decide alike."""
    return {name: getattr(policy, name) for name in TERMS}


def of_json(code: str, terms: Mapping[str, Any]) -> RefundPolicy:
    """A version to ask, never to save. Terms that were not yet kept then are as in a new policy."""
    return RefundPolicy(code=code, **{name: terms[name] for name in TERMS if name in terms})


def newest(code: str) -> RefundPolicy | None:
    """What is published last under this code."""
    return RefundPolicy.objects.filter(code=code, published_at__isnull=False).order_by("-version").first()


def before(policy: RefundPolicy) -> RefundPolicy | None:
    """The published version that this one came after; of a draft, the newest."""
    published = RefundPolicy.objects.filter(code=policy.code, published_at__isnull=False)
    return published.filter(version__lt=policy.version).order_by("-version").first()


def versions(code: str) -> list[RefundPolicy]:
    """All of them, newest first; there are never many."""
    return list(RefundPolicy.objects.filter(code=code).order_by("-version"))


def digest(policy: RefundPolicy) -> str:
    """Of everything that can be edited: whether what is published is what was looked at."""
    said = {name: getattr(policy, name) for name in COLUMNS}
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def draft_of(code: str) -> RefundPolicy | None:
    return RefundPolicy.objects.filter(code=code, published_at__isnull=True).first()


def new_draft(code: str, *, by: User) -> RefundPolicy:
    """新草稿: a copy of the newest version. Raises CannotChange; one policy has one draft at a time."""
    with transaction.atomic():
        demand_operator(by)
        hold(code)
        last = newest(code)
        if last is None:
            raise CannotChange("没有这份政策。")
        if draft_of(code) is not None:
            raise CannotChange("这份政策已有草稿，请先发布或删除它。")
        copied = {name: getattr(last, name) for name in COLUMNS}
        return RefundPolicy.objects.create(code=code, version=last.version + 1, **copied)


def edit(draft: RefundPolicy, changes: Mapping[str, Any], *, by: User) -> RefundPolicy:
    """Raises CannotChange, and ValidationError with what is wrong by column. ``changes`` are of ``COLUMNS``."""
    with transaction.atomic():
        demand_operator(by)
        locked = held_draft(draft)
        for name in COLUMNS:
            setattr(locked, name, changes.get(name, getattr(locked, name)))
        locked.full_clean()
        locked.save()
    return locked


def publish(draft: RefundPolicy, *, by: User, at: datetime, reason: str) -> int:
    """发布: from now on it is what it is, and new orders are placed under it. Returns how many products moved to it.

    Raises CannotChange.
    """
    words = reason.strip()[:200]
    if not words:
        raise CannotChange("请写明为什么发布。")
    with transaction.atomic():
        demand_operator(by)
        locked = held_draft(draft)
        try:
            locked.full_clean()
        except ValidationError as wrong:
            raise CannotChange(f"草稿还有错误：{'；'.join(wrong.messages)}") from wrong
        locked.published_at, locked.published_by, locked.publish_reason = at, by, words
        locked.save()
        return _move_products(locked)


def publish_next(following: RefundPolicy, *, at: datetime) -> int:
    """What a command publishes at once, without a draft. It takes the next number; a draft there is moves on by one.

    Returns how many products moved to it.
    """
    with transaction.atomic():
        hold(following.code)
        last = newest(following.code)
        following.version, following.published_at = (last.version if last else 0) + 1, at
        RefundPolicy.objects.filter(code=following.code, published_at=None).update(version=following.version + 1)
        following.save(force_insert=True)
        return _move_products(following)


def hold(code: str) -> None:
    """In a transaction: whoever writes versions of this policy waits for the others, and only then looks."""
    list(RefundPolicy.objects.select_for_update(no_key=True).filter(code=code).order_by("pk").values_list("pk"))


def held_draft(draft: RefundPolicy) -> RefundPolicy:
    """The draft as it is now, and nobody else changes it. Raises CannotChange if it is none any more."""
    hold(draft.code)
    locked = RefundPolicy.objects.filter(pk=draft.pk, published_at__isnull=True).first()
    if locked is None:
        raise CannotChange("这份草稿已经发布或删除；已发布的版本不能修改。")
    return locked


def demand_operator(by: User) -> None:
    """As the database says it now."""
    if not User.objects.filter(pk=by.pk, is_active=True, is_staff=True, role=Role.OPERATOR).exists():
        raise CannotChange("只有运营可以修改和发布退款政策。")


def _move_products(policy: RefundPolicy) -> int:
    return Product.objects.filter(policy__code=policy.code).update(policy=policy)
