"""退款原因 in words. Whose fault each is, what goods it can be said of and what it has to show is the policy's to say:
``shops/policy_terms.py``."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from shops.policy_terms import ReasonTerms


@dataclass(frozen=True)
class Sold:
    """What a reason is held against: one order line. ``kind`` is empty where its page did not keep it."""

    kind: str
    is_delivered: bool
    is_seen: bool  # a code that was looked at, or goods without a code that were received


@dataclass(frozen=True)
class Reason:
    """``needs_description`` where the reason alone says too little. What it has to show stands in ``guides.py``."""

    code: str
    title: str
    title_en: str
    needs_description: bool = False


REASONS: dict[str, Reason] = {
    reason.code: reason
    for reason in [
        Reason("undelivered", "未发货", "Not delivered"),
        Reason("late", "超时未到账", "Late delivery"),
        Reason("not_as_described", "商品与描述不符（面值 / 类型）", "Not as described (value or type)"),
        Reason("invalid_code", "卡密无效 / 已被使用", "Code invalid or already used"),
        Reason("cannot_log_in", "账号密码错误 / 无法登录", "Wrong account or password"),
        Reason("malfunction", "功能异常", "Does not work as it should", needs_description=True),
        Reason("wrong_top_up", "充值错误（号码 / 区服）", "Topped up the wrong number or server"),
        Reason("not_activated", "未激活 / 未开通", "Not activated"),
        Reason("duplicate", "重复下单", "Ordered twice"),
        Reason("payment_trouble", "支付异常（失败 / 重复扣款）", "Payment trouble (failed or charged twice)"),
        Reason("platform_fault", "平台故障", "Fault of the platform"),
        Reason("out_of_stock", "商家缺货", "Shop is out of stock"),
        Reason("changed_mind", "不想要了（冷静期内）", "Changed my mind (within the cooling-off period)"),
        Reason("other", "其他（需说明，审核较慢）", "Other (please explain; slower review)", needs_description=True),
    ]
}


def obstacle(reason: ReasonTerms, sold: Collection[Sold]) -> str:
    """Why the reason cannot be given for any of these goods: "kind", "undelivered", "delivered" or "unseen", which is
    what it is only for. Empty: it fits at least one. Pure: the form, the API and submitting all ask here."""
    obstacles = [_obstacle(reason, each) for each in sold]
    return "" if "" in obstacles else next(iter(obstacles), "")


def _obstacle(reason: ReasonTerms, sold: Sold) -> str:
    if reason.kinds and sold.kind and sold.kind not in reason.kinds:
        return "kind"
    is_so = {"undelivered": not sold.is_delivered, "delivered": sold.is_delivered, "unseen": not sold.is_seen}
    return "" if is_so.get(reason.only, True) else reason.only
