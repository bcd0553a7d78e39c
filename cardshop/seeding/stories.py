"""演示故事: orders and what became of them, lived through at times that lie in the past."""

from __future__ import annotations

import io
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db import transaction
from PIL import Image, ImageDraw

from accounts.models import User
from cardshop.seeding import books
from images import Repainted, repaint
from orders import delivery
from orders.models import Order
from orders.placing import Wish
from orders.recipients import Recipient
from payments import channels, charging, refunding
from payments.models import Payment, RefundAttempt
from refunds import applying, disbursement, lifecycle, precheck
from refunds.models import Refund
from shops import stock
from shops.models import Product, RecipientKind


@dataclass
class Story:
    """One order and what became of it. ``path`` names where its refund ends; empty: no refund was asked for."""

    days_ago: float
    goods: int
    path: str = ""
    buyer: str = "buyer"
    quantity: int = 1
    seen: bool = False
    channel: str = "wechat"
    funding: str = ""  # the channel's own default
    reason: str = "invalid_code"
    words: str = "兑换时提示“卡密已被使用”，换了两次网络仍然一样。"
    hours: float = 3  # from delivery to application
    at: datetime = field(init=False)
    order: Order = field(init=False)
    payment: Payment = field(init=False)
    refund: Refund = field(init=False)  # only where there is a path


def all_of_them() -> list[Story]:
    """Oldest first, so that numbers and lists read naturally."""
    stories = [
        Story(13.6, 3, "arrived", seen=True),
        Story(13.1, 1, "auto", reason="changed_mind", words=""),
        Story(12.4, 6, "paid_out", buyer="buyer2", seen=True, funding="招商银行借记卡0403", reason="not_activated"),
        Story(11.8, 0, "auto", buyer="buyer2", reason="duplicate", words="手滑拍了两次。", channel="alipay"),
        Story(11.2, 7, "rejected", seen=True, reason="malfunction", words="昨晚安装后不喜欢界面。"),
        Story(10.5, 9, "turned_down", buyer="buyer2", reason="changed_mind", words=""),
        Story(9.7, 2, seen=True),
        Story(9.1, 3, "arrived", buyer="buyer2", seen=True, quantity=2, reason="not_as_described", channel="alipay"),
        Story(8.3, 4, "returned", seen=True, funding="招商银行借记卡0403"),
        Story(7.9, 8, "withdrawn", seen=True, reason="wrong_top_up", words="号码填错，已联系朋友处理。"),
        Story(6.6, 5, seen=True, buyer="buyer2"),
        Story(6.1, 10, "auto", buyer="buyer2", reason="undelivered", words="", hours=50),  # nobody began the work
        Story(5.2, 7, "arrived", buyer="buyer2", seen=True, reason="cannot_log_in"),
        Story(4.4, 2, channel="alipay"),
        Story(3.8, 3, "review_late", seen=True, hours=8),
        Story(3.1, 6, "paid_out", seen=True, funding="招商银行借记卡0403", reason="not_activated"),
        Story(2.6, 4, "approved", buyer="buyer2", seen=True, channel="alipay"),
        Story(2.1, 8, "evidence", seen=True, reason="late", words="11 月中旬充值，至今没到账。"),
        Story(1.7, 3, "review", buyer="buyer2", seen=True, reason="not_as_described"),
        Story(1.5, 6, "processing", seen=True, funding="招商银行借记卡0403", reason="not_activated"),
        Story(1.2, 7, "approved", seen=True, reason="cannot_log_in"),
        Story(0.9, 4, "review", seen=True, words="今天上午兑换，页面报错 E-1003。", hours=1),
        Story(0.6, 1, buyer="buyer2"),
        Story(0.4, 3, "review", buyer="buyer2", hours=1, reason="changed_mind", words="买多了，卡密没有看过。"),
        Story(0.3, 0),
        Story(0.2, 6),
    ]
    return sorted(stories, key=lambda story: -story.days_ago)


def live_through(
    stories: Sequence[Story], people: dict[str, User], products: Sequence[Product], control: str, at: datetime
) -> None:
    for story in stories:
        _order(story, people, products, at)
    if not stories:
        return
    for channel in books.CHANNELS:
        paid = [story for story in stories if story.channel == channel]
        books.tell(control, channel, payments=[_past_payment(story) for story in paid])
    for story in stories:
        _pay_and_ask(story, people)
    sent = [story for story in stories if story.path and story.refund.disbursements.exists()]
    for channel in books.CHANNELS:
        theirs = [story for story in sent if story.channel == channel]
        books.tell(control, channel, refunds=[_past_refund(story) for story in theirs])
    for story in sorted(sent, key=lambda story: _attempt(story).created_at):
        _hear(story)


def _order(story: Story, people: dict[str, User], products: Sequence[Product], at: datetime) -> None:
    story.at = at - timedelta(days=story.days_ago)
    story.payment = charging.checkout(
        products[story.goods],
        Wish(story.quantity, recipient=_recipient(products[story.goods]), again=True),
        buyer=people[story.buyer],
        checkout_key=uuid.uuid4(),
        at=story.at,
        way=charging.Way(story.channel),
    )
    story.order = story.payment.order


def _recipient(product: Product) -> Recipient | None:
    if product.recipient_kind == RecipientKind.PHONE:
        return Recipient(RecipientKind.PHONE, "13800001234")
    if product.recipient_kind == RecipientKind.GAME:
        return Recipient(RecipientKind.GAME, "starplayer", "星海一区")
    return None


def _pay_and_ask(story: Story, people: dict[str, User]) -> None:
    """Paid two minutes later, looked at after ten, asked back after ``hours``, decided along the path."""
    paid_at = story.at + timedelta(minutes=2)
    answer = channels.gateway(story.payment.account).query_payment(story.payment.payment_no)
    charging.record([(story.payment, answer)], at=paid_at)
    story.order.refresh_from_db()
    if story.seen:
        viewer = stock.Viewer(story.order.buyer, "203.0.113.8", "Mozilla/5.0 (iPhone) MicroMessenger/8.0")
        for line in story.order.lines.all():
            delivery.reveal(line, viewer=viewer, at=paid_at + timedelta(minutes=10), verified_by="password")
    if story.path:
        _ask(story, paid_at + timedelta(hours=story.hours))
        PATHS[story.path](story, people)


def _ask(story: Story, at: datetime) -> None:
    images = [_screenshot(story.order.order_no)] if story.seen and story.reason != "malfunction" else []
    application = applying.Application(
        reason=story.reason, description=story.words, contact="微信同号 138****0000", images=images
    )
    story.refund = applying.submit(story.order, application, by=story.order.buyer, at=at)
    with transaction.atomic():
        precheck.run([story.refund], at=at + timedelta(seconds=3))
    story.refund.refresh_from_db()


def _later(story: Story, hours: float) -> datetime:
    return story.refund.submitted_at + timedelta(hours=hours)


def _approve(story: Story, people: dict[str, User]) -> None:
    high = story.refund.amount_fen > story.order.policy.senior_above_fen
    reviewer = people["senior" if high else "support"]
    lifecycle.approve([story.refund], by=reviewer, at=_later(story, 4), note="兑换平台记录与截图一致，卡密确实无效。")


def _release(story: Story, people: dict[str, User]) -> None:
    _approve(story, people)
    disbursement.release([story.refund], by=people["finance"], at=_later(story, 6))


def _release_automatic(story: Story, people: dict[str, User]) -> None:
    disbursement.release([story.refund], by=None, at=_later(story, 0.01))


def _reject(story: Story, people: dict[str, User]) -> None:
    note = "激活记录显示该激活码已于兑换当日成功激活，且软件运行正常。"
    lifecycle.reject([story.refund], by=people["support2"], at=_later(story, 5), note=note)


def _request_evidence(story: Story, people: dict[str, User]) -> None:
    note = "请上传运营商的充值记录截图，需看清号码、时间和金额。"
    lifecycle.request_evidence([story.refund], by=people["support"], at=_later(story, 2), note=note)


def _withdraw(story: Story, people: dict[str, User]) -> None:
    lifecycle.withdraw(story.refund, by=story.refund.buyer, at=_later(story, 1))


def _leave(story: Story, people: dict[str, User]) -> None:
    """The pre-check's word stands: in review, or turned down."""


PATHS: dict[str, Callable[[Story, dict[str, User]], None]] = {
    "arrived": _release,
    "paid_out": _release,
    "returned": _release,
    "processing": _release,
    "auto": _release_automatic,
    "approved": _approve,
    "rejected": _reject,
    "evidence": _request_evidence,
    "withdrawn": _withdraw,
    "review": _leave,
    "review_late": _leave,
    "turned_down": _leave,
}


def _hear(story: Story) -> None:
    """Send it, as the worker does: the channel knows the number already, and says how it ended a few minutes later."""
    heard_at = _attempt(story).created_at + timedelta(minutes=6)
    refunding.sweep(at=heard_at)
    disbursement.hear(at=heard_at)


def _attempt(story: Story) -> RefundAttempt:
    return story.refund.disbursements.select_related("attempt__payment").get().attempt


# --- what the simulator is told, and a picture ------------------------------------------------------------------------

ENDS = {"returned": "ABNORMAL", "processing": "PROCESSING"}  # at the channel; the latter until it is settled by hand


def _past_payment(story: Story) -> dict[str, object]:
    return books.past_payment(story.payment, paid_at=story.at + timedelta(minutes=2), funding=story.funding)


def _past_refund(story: Story) -> dict[str, object]:
    return books.past_refund(_attempt(story), status=ENDS.get(story.path, "SUCCESS"))


def _screenshot(order_no: str) -> Repainted:
    """A picture such as a buyer would send: an error page, drawn for the demo."""
    picture = Image.new("RGB", (720, 480), "#f4f5f7")
    draw = ImageDraw.Draw(picture)
    draw.rectangle((40, 40, 680, 440), fill="white", outline="#d0d4da", width=2)
    draw.text((80, 90), "ERROR: this code was already redeemed", fill="#c0392b", font_size=28)
    draw.text((80, 160), f"order {order_no}", fill="#333333", font_size=24)
    draw.text((80, 210), "error code E-1003", fill="#333333", font_size=24)
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return repaint(buffer.getvalue())
