"""演示故事: orders and what became of them, told as data. ``living.py`` lives through them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from orders.models import Order
from payments.models import Payment
from refunds.models import Refund

GUEST = "guest"  # as ``Story.buyer``: somebody without an account


@dataclass
class Story:
    """One order and what became of it.

    ``turn`` names what happens on the order itself (``turns.py``), ``path`` where the refund ends that its buyer asks
    for (``endings.py``); empty: nothing of that kind.
    """

    days_ago: float
    goods: int
    path: str = ""
    buyer: str = "buyer"
    quantity: int = 1
    seen: bool = False
    channel: str = "wechat"
    funding: str = ""  # the channel's own default
    coupon: str = ""
    turn: str = ""
    reason: str = "invalid_code"
    words: str = "兑换时提示“卡密已被使用”，换了两次网络仍然一样。"
    hours: float = 3  # from delivery to application
    stars: int = 0  # none: no review
    review: str = ""
    reply: str = ""
    fault: str = ""  # what its line in the bills gets wrong (differences.py)
    at: datetime = field(init=False)
    order: Order = field(init=False)
    payment: Payment = field(init=False)
    refund: Refund | None = field(init=False, default=None)


def all_of_them(more: Sequence[Story] = ()) -> list[Story]:
    """Oldest first, so that numbers and lists read naturally."""
    stories = [*_refunds(), *_orders(), *more]
    return sorted(stories, key=lambda story: -story.days_ago)


def _refunds() -> list[Story]:
    return [
        Story(13.6, 3, "arrived", seen=True, stars=5, review="卡密无效，申请退款后当天就到账，全程都看得见进度。"),
        Story(13.1, 1, "auto", reason="changed_mind", words=""),
        Story(12.4, 6, "paid_out", buyer="buyer2", seen=True, funding="招商银行借记卡0403", reason="not_activated",
              stars=3, review="没能激活，退款走银行卡慢了两天，好在退了。", reply="抱歉，该批年卡已全部更换。"),
        Story(11.8, 0, "auto", buyer="buyer2", reason="duplicate", words="手滑拍了两次。", channel="alipay"),
        Story(11.2, 7, "rejected", seen=True, reason="malfunction", words="昨晚安装后不喜欢界面。", stars=2,
              review="不喜欢想退，退款没通过。", reply="激活成功的软件无法退货，说明写在商品页，感谢理解。"),
        Story(10.5, 9, "turned_down", buyer="buyer2", reason="changed_mind", words=""),
        Story(9.1, 3, "arrived", buyer="buyer2", seen=True, quantity=2, reason="not_as_described", channel="alipay"),
        Story(8.3, 4, "returned", seen=True, funding="招商银行借记卡0403"),
        Story(7.9, 8, "withdrawn", seen=True, reason="other", words="充错了号码，已联系朋友处理。"),
        Story(6.1, 10, "auto", buyer="buyer2", reason="undelivered", words="", hours=50),  # nobody began the work
        Story(5.2, 7, "arrived", buyer="buyer2", seen=True, reason="not_activated"),
        Story(6.7, 3, "agreed", buyer="buyer2", seen=True),
        Story(6.5, 3, "batch", buyer="buyer2", seen=True, reason="not_as_described"),
        Story(6.4, 4, "batch", seen=True, channel="alipay"),
        Story(6.3, 2, "batch_halted", seen=True, hours=4),
        Story(5.9, 2, "silent", seen=True, reason="not_as_described", words="标的是 50 元，兑换只到账 30 元。"),
        Story(5.6, 2, "replaced", buyer="buyer2", seen=True),
        Story(4.8, 13, "closed", seen=True, reason="cannot_log_in", words="密码不对，登录不上。"),
        Story(4.2, 7, "appeal", buyer="buyer2", seen=True, reason="not_activated", words="激活码一直提示无效。"),
        Story(3.8, 3, "review_late", seen=True, hours=8),
        Story(3.6, 2, "objected", buyer="buyer2", seen=True),
        Story(3.3, 7, "rejected", seen=True, reason="malfunction", words="装好以后发现和想的不一样，不好用。"),
        Story(3.1, 6, "paid_out", seen=True, funding="招商银行借记卡0403", reason="not_activated"),
        Story(2.1, 8, "evidence", seen=True, reason="late", words="11 月中旬充值，至今没到账。"),
        Story(1.7, 3, "review", buyer="buyer2", seen=True, reason="not_as_described"),
        Story(1.4, 1, "review", seen=True, turn="quarrel", hours=6,
              words="店家让我加微信私下处理，我没有加，请平台看订单留言。"),
        Story(1.15, 4, "redirect", seen=True),  # this and what is approved: finance has hours left, at any hour
        Story(1.1, 3, "shop_asked", buyer="buyer2", seen=True),
        Story(1.0, 4, "second_review", buyer="buyer2", seen=True, hours=2),
        Story(0.95, 6, "processing", seen=True, funding="招商银行借记卡0403", reason="not_activated"),
        Story(0.93, 4, "approved", buyer="buyer2", seen=True, channel="alipay"),
        Story(0.85, 7, "approved", seen=True, reason="not_activated"),
        Story(0.8, 3, "offered", seen=True, quantity=2, hours=1, words="两张里有一张提示卡密无效。"),
        Story(0.5, 2, "with_shop", buyer="buyer2", seen=True, hours=1),
        Story(0.7, 4, "short", buyer="buyer2", seen=True, channel="alipay", hours=1),
        Story(0.9, 4, "review", seen=True, words="今天上午兑换，页面报错 E-1003。", hours=1),
        Story(0.4, 3, "review", buyer="buyer2", hours=1, reason="changed_mind", words="买多了，卡密没有看过。"),
    ]  # fmt: skip


def _orders() -> list[Story]:
    """Without a refund that anybody asked for."""
    return [
        Story(37.0, 6, buyer="buyer2", seen=True, stars=5, review="年卡到账快，一直正常。"),
        Story(35.5, 14, seen=True, channel="alipay"),
        Story(34.0, 3, seen=True),
        Story(12.9, 10, turn="done", buyer="buyer2", stars=5, review="两天打完，截图齐全，态度好。",
              reply="谢谢支持，下个赛季见！"),
        Story(12.0, 10, turn="late"),
        Story(9.7, 2, seen=True, stars=5, review="秒发，兑换顺利。"),
        Story(8.8, 10, turn="out_of_stock", buyer="buyer2"),
        Story(6.6, 5, seen=True, buyer="buyer2", stars=4, review="能用，到期前会提醒就更好了。"),
        Story(5.7, 10, turn="changed_mind"),
        Story(5.0, 3, seen=True, buyer="buyer2", coupon="STAR5", stars=5, review="用券便宜五块，放心。"),
        Story(4.9, 5, seen=True, buyer=GUEST, stars=4, review="没注册也能买，凭订单号就能查。"),
        Story(4.4, 2, channel="alipay"),
        Story(2.4, 10, turn="overdue", buyer="buyer2"),
        Story(1.3, 10, turn="working"),
        Story(0.6, 1, buyer="buyer2"),
        Story(0.3, 0),
        Story(0.25, 5, buyer=GUEST),
        Story(0.2, 6),
    ]  # fmt: skip
