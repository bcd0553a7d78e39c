"""店铺数据: what ``refunds/figures.py`` counted last of a shop (S1-21), and what was upheld of complaints (S0-34).

Complaints are looked into far above (``support``); what is upheld comes down as a line in the shop's own record.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from accounts.models import User
from shops import life
from shops.models import Shop, ShopEvent, ShopFigures

UPHELD = "complaint_upheld"
COMPLAINTS_COUNT_FOR = timedelta(days=90)


def of(shop: Shop) -> ShopFigures | None:
    """None as long as nothing was counted."""
    return ShopFigures.objects.filter(shop=shop).first()


def note_upheld_complaint(shop_id: int, *, complaint_no: str, by: User, at: datetime) -> None:
    """投诉成立, in the shop's record; in the caller's transaction."""
    shop = Shop.objects.select_for_update(no_key=True).get(pk=shop_id)
    life.record(shop, UPHELD, from_status=shop.status, by=by, at=at, reason=complaint_no)


def upheld_complaints(shop_id: int, *, at: datetime) -> int:
    """投诉成立 in the 90 days before ``at``."""
    since = at - COMPLAINTS_COUNT_FOR
    return ShopEvent.objects.filter(shop=shop_id, step=UPHELD, at__gt=since, at__lte=at).count()
