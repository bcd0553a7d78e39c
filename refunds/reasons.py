"""退款原因: one list, as data. Each says who is usually at fault, and what helps the reviewer."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Reason:
    """``helps`` is the evidence guide's first line; ``needs_description`` where the reason alone says too little."""

    code: str
    title: str
    title_en: str
    at_fault: str  # "shop", "platform", "buyer", "nobody"
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
            "shop",
            "系统会自动核对发货记录，无需截图。",
            "We check the delivery record ourselves; no screenshot needed.",
        ),
        Reason(
            "late",
            "超时未到账",
            "Late delivery",
            "shop",
            "充值记录或运营商、游戏方的未到账提示截图。",
            "A screenshot of the top-up record or of the operator's message.",
        ),
        Reason(
            "not_as_described",
            "商品与描述不符（面值 / 类型）",
            "Not as described (value or type)",
            "shop",
            "能看清面值或类型的兑换页面截图。",
            "A screenshot of the redeem page that shows value or type.",
        ),
        Reason(
            "invalid_code",
            "卡密无效 / 已被使用",
            "Code invalid or already used",
            "shop",
            "兑换时的报错截图，含时间。",
            "A screenshot of the error when redeeming, with its time.",
        ),
        Reason(
            "cannot_log_in",
            "账号密码错误 / 无法登录",
            "Wrong account or password",
            "shop",
            "登录失败的提示截图。",
            "A screenshot of the failed login.",
        ),
        Reason(
            "malfunction",
            "功能异常",
            "Does not work as it should",
            "shop",
            "异常画面的截图或说明出现的时间。",
            "A screenshot of the fault, or when it happened.",
            needs_description=True,
        ),
        Reason(
            "wrong_top_up",
            "充值错误（号码 / 区服）",
            "Topped up the wrong number or server",
            "buyer",
            "正确的号码或区服，以及订单截图。",
            "The right number or server, and a screenshot of the order.",
        ),
        Reason(
            "not_activated",
            "未激活 / 未开通",
            "Not activated",
            "shop",
            "显示未开通的页面截图。",
            "A screenshot that shows it is not active.",
        ),
        Reason(
            "duplicate",
            "重复下单",
            "Ordered twice",
            "buyer",
            "另一张订单的单号。",
            "The number of the other order.",
        ),
        Reason(
            "payment_trouble",
            "支付异常（失败 / 重复扣款）",
            "Payment trouble (failed or charged twice)",
            "platform",
            "微信或支付宝账单截图，含商户单号、时间和金额。",
            "A screenshot of the WeChat Pay bill with number, time and amount.",
        ),
        Reason(
            "platform_fault",
            "平台故障",
            "Fault of the platform",
            "platform",
            "出错页面的截图。",
            "A screenshot of the error.",
        ),
        Reason(
            "out_of_stock",
            "商家缺货",
            "Shop is out of stock",
            "shop",
            "系统会自动核对库存，无需截图。",
            "We check the stock ourselves; no screenshot needed.",
        ),
        Reason(
            "changed_mind",
            "不想要了（冷静期内）",
            "Changed my mind (within the cooling-off period)",
            "buyer",
            "无需截图；卡密须未查看。",
            "No screenshot needed; the code must not have been viewed.",
        ),
        Reason(
            "other",
            "其他（需说明，审核较慢）",
            "Other (please explain; slower review)",
            "nobody",
            "请写明时间、经过和结果。",
            "Please write when, what and with what result.",
            needs_description=True,
        ),
    ]
}
