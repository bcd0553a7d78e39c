"""Hard rules: one that fails turns the case down."""

from __future__ import annotations

from datetime import timedelta

from refunds.policy.answers import RuleResult, answer
from refunds.policy.known import Facts


def is_paid(facts: Facts) -> RuleResult:
    return answer(
        "paid",
        facts.paid,
        f"paid={facts.paid}",
        ("订单已付款", "The order is paid"),
        ("订单没有成功的付款，无款可退", "The order has no successful payment to give back"),
    )


def fits_payment(facts: Facts) -> RuleResult:
    """I1, explained before the database has to refuse."""
    return answer(
        "amount_fits",
        0 < facts.amount_fen <= facts.refundable_fen,
        f"amount_fen={facts.amount_fen}, refundable_fen={facts.refundable_fen}",
        ("申请金额在可退范围内", "The amount is within what can be refunded"),
        ("申请金额超过剩余可退金额", "The amount exceeds what can still be refunded"),
    )


def within_window(facts: Facts) -> RuleResult:
    """S3-5, S3-23, PM18: undelivered orders know no window; a window of 0 means not refundable once delivered."""
    days = facts.terms.window_days
    since = facts.delivered_at
    if since is None:
        return answer(
            "window", True, "not delivered", ("尚未发货，不受售后期限制", "Not delivered: no time limit"), ("", "")
        )
    if days == 0:
        refusal = ("该商品购买前已注明：交付后不支持退款", "Marked before purchase as not refundable once delivered")
        return answer("window", False, "window_days=0", ("", ""), refusal)
    passed = facts.at <= since + timedelta(days=days)
    return answer(
        "window",
        passed,
        f"delivered_at={since.isoformat()}, window_days={days}",
        (f"在 {days} 天售后期内", f"Within the refund window of {days} days"),
        (f"已超过 {days} 天售后期", f"The refund window of {days} days is over"),
    )


def not_rejected_too_often(facts: Facts) -> RuleResult:
    most = facts.terms.max_rejections
    return answer(
        "rejections",
        facts.rejections < most,
        f"rejections={facts.rejections}, max={most}",
        (f"被拒次数未满 {most} 次", f"Fewer than {most} refused applications"),
        (
            f"同一订单已被拒 {most} 次，请联系客服",
            f"Refused {most} times already; please contact support",
        ),
    )


def takes_reason(facts: Facts) -> RuleResult:
    """S3-6: the policy's own list. What the machine asks for needs no reason of a buyer's."""
    return answer(
        "reason",
        facts.terms.takes_reason or facts.is_canceled or not facts.reason,
        f"reason={facts.reason}",
        ("退款原因在政策列表内", "The reason is on the policy's list"),
        ("这份政策不接受该退款原因，请另选", "This policy does not take that reason; please choose another"),
    )


def not_used_by_choice(facts: Facts) -> RuleResult:
    """S2-2, S3-4, S0-21: who only regrets gets nothing back for what is proved used, and the proof is ours: the
    issuer's signed record. Where somebody else may be at fault, a person weighs the same record."""
    regrets = facts.terms.at_fault == "buyer"
    return answer(
        "not_used",
        not (regrets and facts.used_count),
        f"used_count={facts.used_count}, at_fault={facts.terms.at_fault}",
        ("没有使用记录", "No record of use"),
        TOPPED_UP if facts.received_count else REDEEMED,
    )


REDEEMED = (
    "发卡方记录显示：卡密在您查看之后已兑换，按政策不支持因个人原因退款",
    "The issuer's record shows that the code was redeemed after you viewed it: not refundable for personal reasons",
)
TOPPED_UP = (
    "记录显示充值已到账，或服务经您确认完成，按政策不支持因个人原因退款",
    "By our record the top-up arrived, or you confirmed the work: not refundable for personal reasons",
)
TURNS_DOWN = {"reason", "paid", "amount_fits", "window", "rejections", "not_used"}
HARD_RULES = [takes_reason, is_paid, fits_payment, within_window, not_rejected_too_often, not_used_by_choice]
