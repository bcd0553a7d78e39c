"""驳回依据: on what a refusal rests. "Used" needs proof from our side, whoever says it (S0-21, S2-2)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.translation import gettext_lazy as _

from refunds import facts
from refunds.models import Refund


@dataclass(frozen=True)
class GroundOfRefusal:
    """``hint``: what the text to the buyer has to say."""

    title: object
    hint: object


GROUNDS: dict[str, GroundOfRefusal] = {
    "used": GroundOfRefusal(_("已使用（有记录证明）"), _("写明记录来源与时间，例如：发卡方记录 11-20 20:05 已兑换。")),
    "out_of_time": GroundOfRefusal(_("超过售后期"), _("写明交付时间与售后期天数。")),
    "not_shown": GroundOfRefusal(_("凭证不足"), _("写明还缺什么，补上后可再申请或申诉。")),
    "not_so": GroundOfRefusal(_("与事实不符"), _("写明记录显示的事实。")),
    "not_ours": GroundOfRefusal(_("非平台或商家责任"), _("写明原因在哪一方，以及可以怎么做。")),
    "not_refundable": GroundOfRefusal(_("购买前已注明不可退"), _("写明订单所用政策的条款。")),
    "other": GroundOfRefusal(_("其他"), _("写明依据的事实与规则。")),
}

_SAYS_USED = re.compile(r"(?<!未)(?<!没有)(?<!没)(?:已|被您|由您)?(?:使用过|已使用|已兑换|已激活|已用掉|用过了)")
_DENIES = re.compile(r"(?:未|没有|并未|不能证明|无法证明|提示)[^，。；]{0,12}$")


def says_used(ground: str, note: str) -> bool:
    """Whether a refusal rests on use, by its ground or by its words."""
    if ground == "used":
        return True
    return any(not _DENIES.search(note[: found.start()]) for found in _SAYS_USED.finditer(note))


def without_proof(refunds: Sequence[Refund]) -> set[int]:
    """Keys of the cases of which nothing is proved used: by issuer, supplier, or the buyer's own confirmation."""
    return {refund.pk for refund in refunds} - facts.proved_used(refunds)
