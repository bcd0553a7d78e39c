"""商家逾期未答: what a shop's silence means: it is liable, unless a record says that the goods were used (S4-11)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.utils.translation import gettext as _

from refunds import facts, lifecycle
from refunds.models import Refund

LIABLE = "商家逾期未答复，视为商家责任"
USED = "商家逾期未答复；记录显示已使用，转平台审核"


def settle(refunds: Sequence[Refund], *, at: datetime) -> None:
    """In the caller's transaction, the cases due. Agrees for the shop, or contests where a record says used; above the
    limit the platform's two people follow."""
    if not refunds:
        return
    used, large = facts.proved_used(refunds), lifecycle.above_limit(refunds)
    free = [refund for refund in refunds if refund.pk not in used]
    if contested := [refund for refund in refunds if refund.pk in used]:
        lifecycle.contest(contested, by=None, at=at, note=USED)
    if small := [refund for refund in free if refund.pk not in large]:
        lifecycle.agree(small, by=None, at=at, note=LIABLE)
    if big := [refund for refund in free if refund.pk in large]:
        lifecycle.agree_above_limit(big, by=None, at=at, note=LIABLE)


def foretold(refund: Refund) -> str:
    """What will happen at the deadline if the shop says nothing, for the shop's own page."""
    if facts.proved_used([refund]):
        return _("到期未答复：有使用记录，转平台审核。")
    if lifecycle.above_limit([refund]):
        return _("到期未答复：视为商家责任，由平台两位同事复核后全额退款。")
    return _("到期未答复：视为商家责任，自动同意全额退款。")


def time_left(until: datetime, at: datetime) -> str:
    """The countdown in words, never longer than it is."""
    minutes = int((until - at).total_seconds()) // 60
    if minutes <= 0:
        return _("已到期")
    if minutes < 60:
        return _("还剩 %(minutes)d 分钟") % {"minutes": minutes}
    return _("还剩 %(hours)d 小时 %(minutes)d 分钟") % {"hours": minutes // 60, "minutes": minutes % 60}
