"""What speaks for a shop and its goods before anything is bought: figures, what its badge demands, how goods come."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _

from money import yuan
from shops import figures, guarantee
from shops.badge import percent
from shops.models import Fulfilment, GuaranteeTerms, Product, RecipientKind, Shop, ShopFigures

FEWEST_ORDERS = 10  # below, a share says nothing


def of(shop: Shop) -> dict[str, Any]:
    """Its figures of the last 30 days, and the terms of its badge, empty without one (S0-30, S1-21)."""
    row = figures.of(shop)
    return {
        "figures": _figures(row) if row else [],
        "guarantee": _guarantee(guarantee.terms()) if shop.guarantee_since else "",
    }


def _figures(row: ShopFigures) -> list[tuple[str, str]]:
    """店铺数据 of the last 30 days: refund rate, handling, replies, stars (S1-21). Words for what is too few to say."""
    few = _("订单不足 %(count)d 单") % {"count": FEWEST_ORDERS}
    enough = row.paid_orders >= FEWEST_ORDERS
    delivered = row.delivered_in_time + row.delivered_late
    said = [
        (_("退款率"), percent(row.refunded_orders, row.paid_orders) if enough else few),
        (_("按时交付"), percent(row.delivered_in_time, delivered) if delivered >= FEWEST_ORDERS else few),
    ]
    if row.median_handling_minutes is not None:
        said.append((_("退款处理（中位）"), minutes(row.median_handling_minutes)))
    if row.reply_minutes is not None:
        said.append((_("客服回复（中位）"), minutes(row.reply_minutes)))
    if row.review_count:
        stars = {"stars": f"{row.stars_total / row.review_count:.1f}", "count": row.review_count}
        said.append((_("买家评分"), _("%(stars)s 星（%(count)d 条）") % stars))
    return said


def _guarantee(terms: GuaranteeTerms) -> str:
    """What the badge 退款保障 means: earned by rule, never bought (S0-30)."""
    demanded = {
        "deposit": yuan(terms.deposit_fen),
        "in_time": terms.in_time_percent,
        "canceled": terms.most_canceled_percent,
    }
    return (
        _(
            "保证金不少于 %(deposit)s、按时交付不低于 %(in_time)d%%、商家原因取消不高于 %(canceled)d%%。"
            "系统每小时核对，达不到就撤下，不能购买。"
        )
        % demanded
    )


# --- delivery ---------------------------------------------------------------------------------------------------------


def handed_over(product: Product) -> str:
    """How the buyer gets it, in a sentence (S0-1)."""
    if product.fulfilment == Fulfilment.SERVICE:
        return _("商家人工完成，进度和凭证在订单页")
    if product.fulfilment == Fulfilment.TOP_UP:
        phone = product.recipient_kind == RecipientKind.PHONE
        return _("系统直接充到您填写的手机号") if phone else _("系统直接充到您填写的游戏账号")
    return _("付款后自动发卡，在订单页查看")


def minutes(count: int) -> str:
    """5 分钟, 2 小时, 10 小时 9 分钟, 3 天, 5 天 3 小时: a promise, a median, what is left. Never rounded up."""
    days, hours, left = count // 1440, count // 60, count % 60
    if count == 0:
        return _("不到 1 分钟")
    if count >= 2880:
        hours %= 24
        return _("%(days)d 天 %(hours)d 小时") % {"days": days, "hours": hours} if hours else _in_days(days)
    if count >= 120:
        return _("%(hours)d 小时 %(minutes)d 分钟") % {"hours": hours, "minutes": left} if left else _in_hours(hours)
    return _("%(count)d 分钟") % {"count": count}


def _in_days(count: int) -> str:
    return _("%(count)d 天") % {"count": count}


def _in_hours(count: int) -> str:
    return _("%(count)s 小时") % {"count": count}
