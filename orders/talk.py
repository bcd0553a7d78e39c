"""订单留言: buyer and shop talk on the order before any refund, and what the shop promises there is evidence (S4-27).

A message never changes. Codes are masked before it is written (``masking.py``, PM16); what smells of a scam is written
with a warning that both sides read beside it (S4-20, P14).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from django.conf import settings
from django.db import transaction
from django.db.models import OuterRef, QuerySet, Subquery
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

import accounts.rights
from accounts.models import User
from notices.models import Notice
from orders import masking
from orders.models import Order, OrderMessage, Side
from shops import rights
from shops.models import ShopMember

LONGEST = 1000
MOST_AN_HOUR = 20
TOGETHER_WITHIN = timedelta(hours=1)  # what an author says meanwhile is read together:
MOST_TOGETHER = 5  # so many messages before; a code may be written in parts
NOTICE = "order_message"

#: What a message is marked with, and what its readers are told.
WARNINGS = {
    "link": gettext_lazy("含站外链接。请勿点开：退款和售后只在本站办理。"),
    "phone": gettext_lazy("含电话号码。站外沟通的承诺无法作为凭证。"),
    "contact": gettext_lazy("含 QQ 或微信号。加好友后私下交易不受保障。"),
    "secret": gettext_lazy("索要密码、验证码或卡密。平台和商家都不会向您要这些，请勿提供。"),
    "pay_outside": gettext_lazy("提到站外付款。站外付的钱无法退回。"),
}


class CannotSpeak(Exception):
    """Not theirs to speak on, nothing said, too long, or too much in an hour. The message is for the author."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def say(order: Order, text: str, *, by: User, at: datetime) -> OrderMessage:
    """留言. Which side speaks is found from who it is. Raises CannotSpeak."""
    side = side_of(order, by)
    if side is None:
        raise CannotSpeak("not_yours", _("您不能在这张订单上留言。"))
    text = masking.tidy(text)
    if not text:
        raise CannotSpeak("empty", _("请写下要说的话。"))
    if len(text) > LONGEST:
        raise CannotSpeak("too_long", _("一次最多 %(most)d 个字，请分几次说。") % {"most": LONGEST})
    with transaction.atomic():
        User.objects.select_for_update(no_key=True).get(pk=by.pk)  # whoever speaks twice at once is counted twice
        if OrderMessage.objects.filter(author=by, at__gt=at - timedelta(hours=1)).count() >= MOST_AN_HOUR:
            raise CannotSpeak("too_often", _("一小时最多留言 %(most)d 条，请稍后再说。") % {"most": MOST_AN_HOUR})
        message = OrderMessage.objects.create(
            order=order,
            author=by,
            side=side,
            text=masking.mask(order, text, before=_said_before(order, by, at))[:LONGEST],
            warnings=warnings_in(text),
            at=at,
        )
        _tell_the_others(order, message, at)
    return message


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
    return Side.PLATFORM if accounts.rights.may(user, "see", "orders.order") else None


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
    Notice.objects.bulk_create(
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
        roles = rights.TABLE["talk"]
        readers |= set(ShopMember.objects.filter(shop=order.shop_id, role__in=roles).values_list("user_id", flat=True))
    return sorted(readers - {message.author_id})


def _page(order: Order, user_id: int) -> str:
    return f"/orders/{order.order_no}/" if user_id == order.buyer_id else f"/shop/orders/{order.order_no}/"
