"""可申请: what may be asked for: which reason, with which words, how much, and where the money goes.

The wizard asks here as the buyer writes, and submitting asks again; each refusal is a sentence that says what to do.
"""

from __future__ import annotations

from collections.abc import Sequence

from django.utils.translation import gettext_lazy as _

from orders.models import Order
from payments.models import BALANCE, Payment
from refunds import reading, refundable
from refunds.lifecycle import StepRefused
from refunds.models import Destination
from refunds.reasons import REASONS, obstacle
from refunds.refundable import Refundable
from shops.models import RefundPolicy

#: By ``reasons.obstacle``.
MISFITS = {
    "kind": _("“%(reason)s”不适用于这类商品，请另选原因。"),
    "undelivered": _("商品已交付，不适用“%(reason)s”，请另选原因。"),
    "delivered": _("商品尚未交付，不适用“%(reason)s”，请另选原因。"),
    "unseen": _("卡密已查看或商品已收到，不适用“%(reason)s”，请另选原因。"),
}


def check_listed(code: str) -> None:
    """A reason of the list. Raises StepRefused."""
    if code not in REASONS:
        raise StepRefused("unknown_reason", _("请从列表中选择退款原因。"))


def check_words(code: str, description: str) -> None:
    """The words that the reason needs. Raises StepRefused."""
    if REASONS[code].needs_description and not _says_something(description):
        raise StepRefused(
            "description_missing", _("请按“时间 + 经过 + 结果”写明情况，例如：11月20日晚8点兑换，提示卡密已使用。")
        )


def _says_something(text: str) -> bool:
    """Blanks that nobody sees are no words."""
    return any(letter.isprintable() and not letter.isspace() for letter in text)


def check_reason(terms: RefundPolicy, code: str, chosen: Sequence[Refundable]) -> None:
    """The order's policy takes the reason for these goods; none is chosen yet where only a look ahead is taken.
    Raises StepRefused."""
    if code not in REASONS:
        return
    words = {"reason": reading.reason_title(code)}
    reason = terms.reason(code)
    if reason is None:
        raise StepRefused("reason_does_not_fit", _("这张订单的退款政策不接受“%(reason)s”，请另选原因。") % words)
    if why := obstacle(reason, refundable.sold(chosen)):
        raise StepRefused("reason_does_not_fit", MISFITS[why] % words)


def check_destination(destination: str, order: Order, paid: Payment | None) -> None:
    """余额 is an account's: a guest has none (I13: by the buyer's own choice, and to nobody else's). Raises
    StepRefused."""
    if destination not in dict(Destination.to_ask_for()):
        raise StepRefused("unknown_destination", _("请选择原路退回或退至余额。"))
    if destination == Destination.BALANCE and (refusal := why_not_to_balance(order, paid)):
        raise refusal


def why_not_to_balance(order: Order, paid: Payment | None) -> StepRefused | None:
    """Why there is nothing to choose: the money goes back the way it came, and no other."""
    if order.buyer.is_guest:
        return StepRefused("guest_has_no_balance", _("访客没有余额账户，请选择原路退回，或先认领订单。"))
    if paid and paid.account.channel == BALANCE:
        return StepRefused("paid_from_balance", _("这张订单是用余额付的，请选择原路退回：就是退回余额。"))
    if paid and paid.account.shop_id:
        return StepRefused("paid_to_the_shop", _("这张订单由店铺自己的商户号收款，只能原路退回，请选择原路退回。"))
    return None


def check_amount(amount_fen: int, most_fen: int) -> None:
    """At least a fen, at most what is left. Raises StepRefused."""
    if not 1 <= amount_fen <= most_fen:
        most = {"most": f"{most_fen / 100:.2f}"}
        raise StepRefused("amount_out_of_range", _("退款金额须在 ¥0.01 与 ¥%(most)s 之间。") % most)
