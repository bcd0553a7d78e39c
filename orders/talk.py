"""沟通: buyer, shop and platform talk on the order, before any refund and during one: there is one thread (S4-27).

What a shop promises there is evidence. A message never changes. Codes are masked before it is written (``masking.py``,
PM16); what smells of a scam is written with a warning that everybody reads beside it (S4-20, P14). From the platform
itself such a message is refused: our own never carry a foreign link, a telephone number or an account to add. The note
of a telephone call stands in the thread as a message of the platform, for all sides to read.
``read`` is what every page shows of it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from django.conf import settings
from django.db import transaction
from django.db.models import OuterRef, QuerySet, Subquery
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

import accounts.rights
from accounts import agents
from accounts.models import User
from accounts.rights import Act
from notices import telling
from notices.models import Notice
from orders import masking
from orders.models import Call, Order, OrderMessage, Side
from shops import rights

LONGEST = 1000
MOST_AN_HOUR = 20
TOGETHER_WITHIN = timedelta(hours=1)  # what an author says meanwhile is read together:
MOST_TOGETHER = 5  # so many messages before; a code may be written in parts
PAGE = 50  # messages that a page shows at once
NOTICE = "order_message"

#: What a message is marked with, and what its readers are told.
WARNINGS = {
    "link": gettext_lazy("含站外链接。请勿点开：退款和售后只在本站办理。"),
    "phone": gettext_lazy("含电话号码。站外沟通的承诺无法作为凭证。"),
    "contact": gettext_lazy("含 QQ 或微信号。加好友后私下交易不受保障。"),
    "secret": gettext_lazy("索要密码、验证码或卡密。平台和商家都不会向您要这些，请勿提供。"),
    "pay_outside": gettext_lazy("提到站外付款。站外付的钱无法退回。"),
}


#: What the platform's own messages never hold (P14).
NEVER_OURS = {"link", "phone", "contact"}


class CannotSpeak(Exception):
    """Not theirs to speak on, nothing said, too long, too much in an hour, or what the platform never says.

    The message is for the author.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def say(order: Order, text: str, *, by: User, at: datetime) -> OrderMessage:
    """留言. Which side speaks is found from who it is. Raises CannotSpeak."""
    side = side_of(order, by)
    if side is None:
        raise CannotSpeak("not_yours", _("您不能在这张订单上留言。"))
    return _write(order, text, side, by=by, at=at)


def answer(order: Order, text: str, *, by: User, at: datetime) -> OrderMessage:
    """客服留言: as the platform or not at all; buyers and people of the shop speak as such. Raises CannotSpeak."""
    _demand_platform(order, by)
    return _write(order, text, Side.PLATFORM, by=by, at=at)


def log_call(
    order: Order, text: str, *, call: Call, called_at: datetime, by: User, at: datetime
) -> OrderMessage:  # fmt: skip
    """电话记录: what was said on the telephone, as the platform's note for everybody to read. Raises CannotSpeak."""
    _demand_platform(order, by)
    if called_at > at:
        raise CannotSpeak("not_yet", _("通话时间不能晚于现在。"))
    return _write(order, text, Side.PLATFORM, by=by, at=at, call=call, called_at=called_at)


def _demand_platform(order: Order, by: User) -> None:
    if side_of(order, by) != Side.PLATFORM:
        raise CannotSpeak("not_yours", _("您不能以客服身份在这张订单上留言：它是您自己的订单，或属于您的店铺。"))


def _write(
    order: Order, text: str, side: Side, *, by: User, at: datetime, call: str = "", called_at: datetime | None = None
) -> OrderMessage:
    text = masking.tidy(text)
    if not text:
        raise CannotSpeak("empty", _("请写下要说的话。"))
    if len(text) > LONGEST:
        raise CannotSpeak("too_long", _("一次最多 %(most)d 个字，请分几次说。") % {"most": LONGEST})
    warnings = warnings_in(text)
    if side == Side.PLATFORM:
        demand_ours(warnings)
    with transaction.atomic():
        User.objects.select_for_update(no_key=True).get(pk=by.pk)  # whoever speaks twice at once is counted twice
        _demand_patience(by, side, at)
        message = OrderMessage.objects.create(
            order=order,
            author=by,
            side=side,
            text=masking.mask(order, text, before=_said_before(order, by, at))[:LONGEST],
            warnings=warnings,
            at=at,
            call=call,
            called_at=called_at,
        )
        _tell_the_others(order, message, at)
    return message


def demand_ours(warnings: Sequence[str]) -> None:
    """Raises CannotSpeak where the platform would say what it promises never to say."""
    if NEVER_OURS & set(warnings):
        raise CannotSpeak("not_ours", _("平台的消息里不能有站外链接、电话号码、QQ 或微信号，请删去后再发。"))


def _demand_patience(by: User, side: Side, at: datetime) -> None:
    """Buyers and shops. An agent answers many people in an hour, and is named in each answer."""
    spoken = OrderMessage.objects.filter(author=by, at__gt=at - timedelta(hours=1))
    if side != Side.PLATFORM and spoken.count() >= MOST_AN_HOUR:
        raise CannotSpeak("too_often", _("一小时最多留言 %(most)d 条，请稍后再说。") % {"most": MOST_AN_HOUR})


def _said_before(order: Order, by: User, at: datetime) -> list[str]:
    """What this author has just said on this order, the oldest first."""
    rows = OrderMessage.objects.filter(order=order, author=by, at__gt=at - TOGETHER_WITHIN).order_by("-id")
    return list(rows.values_list("text", flat=True)[:MOST_TOGETHER])[::-1]


def side_of(order: Order, user: User) -> Side | None:
    """As whom this person speaks on this order; nobody who has nothing to do with it speaks."""
    if order.buyer_id == user.pk:
        return Side.BUYER
    if rights.may(user, order.shop, "talk"):
        return Side.SHOP
    return Side.PLATFORM if accounts.rights.may(user, Act.SPEAK, "orders.order") else None


# --- reading ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Said:
    """One message as everybody reads it. ``name``: who says so; ``number``: by which one may ask whether it is ours."""

    message: OrderMessage
    name: str
    number: str
    warnings: Sequence[str]


@dataclass(frozen=True)
class Conversation:
    """Some of what was said, the oldest first. ``earlier`` asks for what was said before; empty where nothing was."""

    said: Sequence[Said]
    earlier: str
    is_latest: bool

    @property
    def waits_for_shop(self) -> bool:
        """The buyer had the last word."""
        return self.is_latest and bool(self.said) and self.said[-1].message.side == Side.BUYER


def read(order: Order, *, before: str = "", most: int = PAGE) -> Conversation:
    """The last ``most`` messages of an order, or the last before the mark: one query, however long they talked."""
    rows = OrderMessage.objects.filter(order=order)
    mark = int(before) if before.isascii() and before.isdigit() and len(before) < 19 else None
    if mark is not None:
        rows = rows.filter(pk__lt=mark)
    found = list(rows.order_by("-id")[: most + 1])
    shown = found[:most][::-1]
    earlier = str(shown[0].pk) if len(found) > most else ""
    return Conversation([as_read(message) for message in shown], earlier, is_latest=mark is None)


def as_read(message: OrderMessage) -> Said:
    """A message with its author's name: 买家, 商家, 客服 工号 1001. Nobody's account is named."""
    side = Side(message.side)
    name = agents.title(message.author_id) if side == Side.PLATFORM else str(side.label)
    return Said(message, name, number_of(message), [str(WARNINGS[key]) for key in message.warnings if key in WARNINGS])


def number_of(message: OrderMessage) -> str:
    """消息编号: M and its key."""
    return f"M{message.pk}"


def may_read(order: Order, user: User) -> bool:
    """The order's buyer, the people of its shop, staff."""
    if order.buyer_id == user.pk or rights.may(user, order.shop, "orders"):
        return True
    return accounts.rights.may(user, Act.SEE, "orders.order")


def of(order: Order) -> QuerySet[OrderMessage]:
    """Everything said on an order, the oldest first."""
    return OrderMessage.objects.filter(order=order).order_by("id")


def last_said_by() -> Subquery:
    """For a list of orders: the ``Side`` that had the last word on each, None where nobody did. One index step."""
    return Subquery(OrderMessage.objects.filter(order=OuterRef("pk")).order_by("-id").values("side")[:1])


def warnings_in(text: str) -> list[str]:
    """The keys of ``WARNINGS`` that a text calls for."""
    plain = masking.plain(text)
    found = {key for key, pattern in SMELLS.items() if pattern.search(plain)}
    if any(not _is_ours(link) for link in LINK.findall(plain)):
        found.add("link")
    return [key for key in WARNINGS if key in found]


LINK = re.compile(
    r"(?:https?://|www\.)[^\s，。、）)]+"
    r"|(?<![\w.@-])(?:[a-z0-9-]+\.)+(?:com|cn|net|org|top|xyz|cc|vip|shop|io|me|site|club|info|link|ltd|ink|app)\b[^\s，。]*",
    re.IGNORECASE,
)
_WANTED = r"(?:验证码|短信码|动态码|校验码|密码|口令|卡密|兑换码|password|passcode|verification code|sms code|the code)"
_DEMAND = r"(?:发|给|告诉|告知|提供|报|说|输入|填|截图|send|give|tell|share|provide)"
SMELLS = {
    "phone": re.compile(r"(?<!\d)(?:\+?86[ -]?)?1[3-9]\d(?:[ -]?\d{4}){2}(?!\d)"),
    "contact": re.compile(
        r"(?:qq|扣扣|企鹅|微信|薇信|威信|vx|wx|v信|weixin|wechat)\s*(?:号|群)?\s*[:：是为]?\s*[a-z0-9][a-z0-9_-]{4,19}"
        r"|加\s*(?:我|一下|个|下)?\s*(?:qq|扣扣|微信|薇信|vx|wx|v\b)",
        re.IGNORECASE,
    ),
    "secret": re.compile(
        rf"{_DEMAND}.{{0,10}}{_WANTED}|{_WANTED}.{{0,6}}(?:发我|给我|告诉我|发过来|发来)", re.IGNORECASE
    ),
    "pay_outside": re.compile(
        r"(?:私下|线下|站外|直接|另外|重新).{0,6}(?:付|转|打款|支付|汇)|转账|红包|扫.{0,4}(?:收款)?码.{0,6}(?:付|转)"
        r"|(?:pay|transfer).{0,12}(?:directly|outside|privately)",
        re.IGNORECASE,
    ),
}


def _is_ours(link: str) -> bool:
    host = urlsplit(link if "://" in link else f"https://{link}").hostname
    return host is not None and host == urlsplit(settings.SITE_URL).hostname


# --- telling the others -----------------------------------------------------------------------------------------------


def _tell_the_others(order: Order, message: OrderMessage, at: datetime) -> None:
    """One unread notice per order and reader, however much is said."""
    readers = _readers(order, message)
    pages = {user_id: _page(order, user_id) for user_id in readers}
    unread = Notice.objects.filter(
        recipient_id__in=pages, kind=NOTICE, path__in=set(pages.values()), read_at=None
    ).values_list("recipient_id", flat=True)
    told = set(unread)
    telling.tell(
        Notice(
            recipient_id=user_id, kind=NOTICE, params={"order_no": order.order_no}, path=path,
            source=f"order-message:{message.pk}", created_at=at,
        )
        for user_id, path in pages.items()
        if user_id not in told
    )  # fmt: skip


def _readers(order: Order, message: OrderMessage) -> Sequence[int]:
    """The other side; the platform speaks to both."""
    readers = set()
    if message.side != Side.BUYER:
        readers.add(order.buyer_id)
    if message.side != Side.SHOP:
        readers |= set(rights.holders("talk", [order.shop_id])[order.shop_id])
    return sorted(readers - {message.author_id})


def _page(order: Order, user_id: int) -> str:
    return f"/orders/{order.order_no}/" if user_id == order.buyer_id else f"/shop/orders/{order.order_no}/"
