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
    """``helps`` is the evidence guide's first line; ``needs_description`` where the reason alone says too little."""

    code: str
    title: str
    title_en: str
    helps: str
    helps_en: str
    needs_description: bool = False


REASONS: dict[str, Reason] = {
    reason.code: reason
    for reason in [
        Reason(
            "undelivered",
            "未发货",
            "Not delivered",
            "系统会自动核对发货记录，无需截图。",
            "We check the delivery record ourselves; no screenshot needed.",
        ),
        Reason(
            "late",
            "超时未到账",
            "Late delivery",
            "充值记录或运营商、游戏方的未到账提示截图。",
            "A screenshot of the top-up record or of the operator's message.",
        ),
        Reason(
            "not_as_described",
            "商品与描述不符（面值 / 类型）",
            "Not as described (value or type)",
            "能看清面值或类型的兑换页面截图。",
            "A screenshot of the redeem page that shows value or type.",
        ),
        Reason(
            "invalid_code",
            "卡密无效 / 已被使用",
            "Code invalid or already used",
            "兑换时的报错截图，含时间。",
            "A screenshot of the error when redeeming, with its time.",
        ),
        Reason(
            "cannot_log_in",
            "账号密码错误 / 无法登录",
            "Wrong account or password",
            "登录失败的提示截图。",
            "A screenshot of the failed login.",
        ),
        Reason(
            "malfunction",
            "功能异常",
            "Does not work as it should",
            "异常画面的截图或说明出现的时间。",
            "A screenshot of the fault, or when it happened.",
            needs_description=True,
        ),
        Reason(
            "wrong_top_up",
            "充值错误（号码 / 区服）",
            "Topped up the wrong number or server",
            "正确的号码或区服，以及订单截图。",
            "The right number or server, and a screenshot of the order.",
        ),
        Reason(
            "not_activated",
            "未激活 / 未开通",
            "Not activated",
            "显示未开通的页面截图。",
            "A screenshot that shows it is not active.",
        ),
        Reason(
            "duplicate",
            "重复下单",
            "Ordered twice",
            "另一张订单的单号。",
            "The number of the other order.",
        ),
        Reason(
            "payment_trouble",
            "支付异常（失败 / 重复扣款）",
            "Payment trouble (failed or charged twice)",
            "微信或支付宝账单截图，含商户单号、时间和金额。",
            "A screenshot of the WeChat Pay bill with number, time and amount.",
        ),
        Reason(
            "platform_fault",
            "平台故障",
            "Fault of the platform",
            "出错页面的截图。",
            "A screenshot of the error.",
        ),
        Reason(
            "out_of_stock",
            "商家缺货",
            "Shop is out of stock",
            "系统会自动核对库存，无需截图。",
            "We check the stock ourselves; no screenshot needed.",
        ),
        Reason(
            "changed_mind",
            "不想要了（冷静期内）",
            "Changed my mind (within the cooling-off period)",
            "无需截图；卡密须未查看。",
            "No screenshot needed; the code must not have been viewed.",
        ),
        Reason(
            "other",
            "其他（需说明，审核较慢）",
            "Other (please explain; slower review)",
            "请写明时间、经过和结果。",
            "Please write when, what and with what result.",
            needs_description=True,
        ),
    ]
}

#: S0-5: what shows that goods of a kind were not used, where no record of ours can. Asked for beside the reason's own.
UNUSED: dict[str, tuple[str, str]] = {
    "account": (
        "账号类商品请附登录页或登录记录截图，证明未使用。",
        "For an account, add a screenshot of its login page or login record that shows it was not used.",
    ),
    "membership": (
        "会员类商品请附“未开通”或有效期页面的截图。",
        "For a membership, add a screenshot of the page that shows it is not active, or until when.",
    ),
}
#: Reasons that say nothing was handed over, or that our own records prove: nobody has to show anything.
PROVED_BY_US = frozenset({"undelivered", "out_of_stock", "duplicate", "payment_trouble"})


def helps(reason: Reason, kinds: Collection[str]) -> tuple[str, str]:
    """举证指南: what helps the reviewer with this reason and these kinds of goods, in Chinese and English."""
    extra = [] if reason.code in PROVED_BY_US else [UNUSED[kind] for kind in sorted(set(kinds)) if kind in UNUSED]
    return (
        "".join([reason.helps, *(chinese for chinese, _ in extra)]),
        " ".join([reason.helps_en, *(english for _, english in extra)]),
    )


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
