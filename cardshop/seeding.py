"""演示数据: shops, goods, and fourteen days of orders and refunds, with the same history in the simulator's books.

Nothing here writes a status. Every order and every refund lives through the same functions as a real one, at times that
lie in the past; what the channel says about them is asked over the wire.
"""

from __future__ import annotations

import io
import json
import os
import secrets
import urllib.request
import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from PIL import Image, ImageDraw

from accounts.models import User
from accounts.passwords import DEMO_PASSWORD
from accounts.roles import Role
from images import Repainted, repaint
from notices.models import Notice
from orders import delivery
from orders.models import Order
from orders.placing import Wish
from payments import channels, charging, refunding
from payments.models import Payment, RefundAttempt
from refunds import applying, disbursement, lifecycle, precheck
from refunds.models import Refund
from shops import stock
from shops.models import Product, ProductKind, RefundPolicy, Shop

LOGINS: list[tuple[str, Role]] = [
    ("buyer", Role.BUYER),
    ("buyer2", Role.BUYER),
    ("merchant", Role.MERCHANT),
    ("merchant2", Role.MERCHANT),
    ("support", Role.REVIEWER),
    ("support2", Role.REVIEWER),
    ("senior", Role.SENIOR),
    ("senior2", Role.SENIOR),
    ("finance", Role.FINANCE),
    ("finance2", Role.FINANCE),
    ("admin", Role.OPERATOR),
]


class SeedRefused(Exception):
    """Why the demo data cannot be made; the message says what to do."""


def seed(*, at: datetime) -> str:
    """Make the demo data, once. Returns what was done, in one line."""
    if not settings.DEMO:
        raise SeedRefused("演示数据只能在演示环境中生成 / demo data needs DEMO=1")
    if User.objects.filter(username=LOGINS[-1][0]).exists():
        return "演示数据已存在 / demo data is there already"
    if User.objects.exists():
        raise SeedRefused("上次生成中断 / the last seeding was interrupted: make demo RESET=1")
    people = _people(LOGINS[:-1])
    products = _goods(people, at)
    control = _simulator_control()
    stories = _stories() if control else []
    _live_through(stories, people, products, control, at)
    Notice.objects.filter(created_at__lt=at - timedelta(days=2)).update(read_at=at)
    _people(LOGINS[-1:])  # last: says that all the rest is there
    return f"{len(products)} 件商品 / products, {len(stories)} 张订单 / orders"


# --- people and goods ------------------------------------------------------------------------------------------------


def _people(logins: Iterable[tuple[str, Role]]) -> dict[str, User]:
    people = {}
    for username, role in logins:
        user = User(username=username, role=role, email=f"{username}@example.com", is_staff=role in Role.staff())
        user.set_password(DEMO_PASSWORD)
        user.save()
        people[username] = user
    return people


# name, kind, face value, yuan × 100, minutes, policy, shop, codes in stock
GOODS: list[tuple[str, ProductKind, str, int, int, str, int, int]] = [
    ("星海点卡 10 元", ProductKind.CARD_CODE, "10 元", 990, 5, "standard", 0, 60),
    ("星海点卡 30 元", ProductKind.CARD_CODE, "30 元", 2980, 5, "standard", 0, 60),
    ("星海点卡 50 元", ProductKind.CARD_CODE, "50 元", 4990, 5, "standard", 0, 60),
    ("星海点卡 100 元", ProductKind.CARD_CODE, "100 元", 9880, 5, "standard", 0, 60),
    ("星海点卡 648 元", ProductKind.CARD_CODE, "648 元", 63800, 10, "standard", 0, 20),
    ("云影视频会员月卡", ProductKind.MEMBERSHIP, "1 个月", 2500, 5, "standard", 1, 60),
    ("云影视频会员年卡", ProductKind.MEMBERSHIP, "12 个月", 19800, 5, "standard", 1, 40),
    ("墨痕写作软件激活码", ProductKind.ACTIVATION_CODE, "终身版", 12900, 5, "standard", 1, 40),
    ("话费充值卡 50 元", ProductKind.CARD_CODE, "50 元", 4950, 30, "standard", 1, 60),
    ("限时特价礼包码", ProductKind.CARD_CODE, "礼包", 1900, 5, "final_sale", 1, 60),
    ("周年典藏卡（限量）", ProductKind.CARD_CODE, "典藏", 8800, 30, "standard", 0, 1),
]

NOT_REFUNDABLE = {"standard": "卡密已兑换使用；超过售后期。", "final_sale": "特价商品，交付后不退不换。"}


def _goods(people: dict[str, User], at: datetime) -> list[Product]:
    opened = at - timedelta(days=90)
    shops = [
        Shop.objects.create(name="星海点卡专营店", about="游戏点卡，自动发卡", created_at=opened),
        Shop.objects.create(name="云影数字商品店", about="会员、软件、话费", created_at=opened),
    ]
    shops[0].members.add(people["merchant"])
    shops[1].members.add(people["merchant2"])
    policies = {
        "standard": RefundPolicy.objects.create(
            code="standard",
            version=1,
            name="标准退款政策",
            name_en="Standard refund policy",
            window_days=15,
            published_at=opened,
        ),
        "final_sale": RefundPolicy.objects.create(
            code="final_sale",
            version=1,
            name="特价不退政策",
            name_en="Final sale policy",
            window_days=0,
            published_at=opened,
        ),
    }
    products = []
    for position, (name, kind, face_value, price_fen, minutes, policy, shop, count) in enumerate(GOODS):
        product = Product.objects.create(
            shop=shops[shop],
            policy=policies[policy],
            kind=kind,
            name=name,
            face_value=face_value,
            description=f"付款后 {minutes} 分钟内自动发卡，在订单页查看。",
            not_refundable_note="特价商品，交付后不退不换。"
            if policy == "final_sale"
            else "卡密已兑换使用；超过售后期。",
            price_fen=price_fen,
            delivery_promise_minutes=minutes,
            created_at=opened + timedelta(minutes=position),
        )
        stock.add(product, [_code() for _ in range(count)], at=opened)
        products.append(product)
    return products


def _code() -> str:
    text = secrets.token_hex(8).upper()
    return "-".join(text[i : i + 4] for i in range(0, 16, 4))


CHANNELS = ("wechat", "alipay")

# --- stories ---------------------------------------------------------------------------------------------------------


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


def _stories() -> list[Story]:
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
        Story(6.2, 10),
        Story(6.1, 10, "auto", buyer="buyer2", reason="undelivered", words=""),  # the last one was sold a moment before
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


def _live_through(
    stories: Sequence[Story], people: dict[str, User], products: Sequence[Product], control: str, at: datetime
) -> None:
    for story in stories:
        _order(story, people, products, at)
    if not stories:
        return
    for channel in CHANNELS:
        _tell(control, channel, payments=[_past_payment(story) for story in stories if story.channel == channel])
    for story in stories:
        _pay_and_ask(story, people)
    sent = [story for story in stories if story.path and story.refund.disbursements.exists()]
    for channel in CHANNELS:
        _tell(control, channel, refunds=[_past_refund(story) for story in sent if story.channel == channel])
    for story in sorted(sent, key=lambda story: _attempt(story).created_at):
        _hear(story)


def _order(story: Story, people: dict[str, User], products: Sequence[Product], at: datetime) -> None:
    story.at = at - timedelta(days=story.days_ago)
    story.payment = charging.checkout(
        products[story.goods],
        Wish(story.quantity, again=True),
        buyer=people[story.buyer],
        checkout_key=uuid.uuid4(),
        at=story.at,
        way=charging.Way(story.channel),
    )
    story.order = story.payment.order


def _pay_and_ask(story: Story, people: dict[str, User]) -> None:
    """Paid two minutes later, looked at after ten, asked back after ``hours``, decided along the path."""
    paid_at = story.at + timedelta(minutes=2)
    answer = channels.gateway(story.payment.account).query_payment(story.payment.payment_no)
    charging.record([(story.payment, answer)], at=paid_at)
    story.order.refresh_from_db()
    if story.seen:
        viewer = stock.Viewer(story.order.buyer, "203.0.113.8", "Mozilla/5.0 (iPhone) MicroMessenger/8.0")
        for line in story.order.lines.all():
            delivery.reveal(line, viewer=viewer, at=paid_at + timedelta(minutes=10))
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


# --- the simulator's books -------------------------------------------------------------------------------------------


def _simulator_control() -> str:
    """Where history can be told; empty when the shop speaks to some other server."""
    return os.environ.get("SIMULATOR_CONTROL", "")


def _past_payment(story: Story) -> dict[str, Any]:
    return {
        "out_trade_no": story.payment.payment_no,
        "amount_fen": story.payment.amount_fen,
        "description": "卡盟订单",
        "paid_at": (story.at + timedelta(minutes=2)).isoformat(timespec="seconds"),
        **({"funding": story.funding} if story.funding else {}),
    }


ENDS = {"returned": "ABNORMAL", "processing": "PROCESSING"}  # at the channel; the latter until it is settled by hand


def _past_refund(story: Story) -> dict[str, Any]:
    attempt = _attempt(story)
    row = {
        "out_refund_no": attempt.request_no,
        "out_trade_no": attempt.payment.payment_no,
        "amount_fen": attempt.amount_fen,
        "status": ENDS.get(story.path, "SUCCESS"),
        "created_at": attempt.created_at.isoformat(timespec="seconds"),
        "reason": attempt.reason,
    }
    if row["status"] == "SUCCESS":
        row["succeeded_at"] = (attempt.created_at + timedelta(minutes=5)).isoformat(timespec="seconds")
    return row


def _tell(control: str, channel: str, **history: list[dict[str, Any]]) -> None:
    body = json.dumps({"channel": channel, **history}).encode()
    kind = {"Content-Type": "application/json"}
    request = urllib.request.Request(f"{control}/_control/history", body, kind)  # noqa: S310  our own simulator
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
        answer.read()


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
