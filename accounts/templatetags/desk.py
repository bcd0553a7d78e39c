"""What the staff desk's templates need: money, deadlines, badges."""

from __future__ import annotations

import re
from datetime import datetime

from django import template
from django.db.models import Model
from django.utils import timezone
from django.utils.safestring import SafeString

import money
from accounts import rights
from accounts.rights import Act

register = template.Library()

A_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)")
AN_AMOUNT = re.compile(r"_fen=(-?\d+)")


@register.filter
def yuan(amount_fen: int) -> str:
    return money.yuan(amount_fen)


@register.filter
def readable(facts: str) -> str:
    """What a rule looked at, kept for machines and for good: its moments in local time, its amounts in yuan."""
    local = A_MOMENT.sub(
        lambda found: f"{timezone.localtime(datetime.fromisoformat(found[0])):%Y-%m-%d %H:%M:%S}", facts
    )
    return AN_AMOUNT.sub(lambda found: f"={money.yuan(int(found[1]))}", local)


@register.filter
def badge(text: object, tone: str = "quiet") -> SafeString:
    from accounts import desk  # late: loading Unfold loads this library

    return desk.badge(text, tone)


@register.filter
def until(moment: datetime | None, at: datetime) -> str:
    """How long is left, or by how much it is late: 剩 5 小时, 超时 2 天."""
    from accounts import desk  # late: loading Unfold loads this library

    return desk.until(moment, at)


@register.filter
def may_see(user: object, row: Model | None) -> bool:
    return row is not None and rights.may(user, Act.SEE, row._meta.label_lower)


@register.filter
def page_url(row: Model) -> str:
    from accounts import desk  # late: loading Unfold loads this library

    return desk.page_url(row)
