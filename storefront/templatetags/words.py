"""How pages write money, time and signs. Money is an int of fen everywhere but here."""

from __future__ import annotations

import re
from datetime import date, datetime

from django import template
from django.urls import reverse
from django.utils import timezone
from django.utils.html import escape, format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import get_language
from django.utils.translation import gettext as _

import clock
import money
from ledger import balances
from orders import talk
from orders.models import Order, OrderStatus
from orders.talk import Conversation
from payments import transfers
from refunds import silence, stages
from refunds.grounds import GROUNDS
from refunds.models import Status
from refunds.reading import localized
from shops.models import RefundPolicy
from storefront import terms, trust

register = template.Library()

MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]


@register.filter
def yuan(amount_fen: int | None) -> str:
    """¥1,234.50: fen are never lost."""
    return "" if amount_fen is None else money.yuan(amount_fen)


@register.simple_tag
def balance_of(user_id: int) -> int:
    """What this buyer has on the balance, in fen: one query."""
    return balances.of_buyer(user_id)


@register.filter
def moment(at: datetime | None) -> str:
    """2026-11-22 14:30, in Shanghai."""
    return f"{timezone.localtime(at):%Y-%m-%d %H:%M}" if at else ""


@register.filter
def deadline(at: datetime | None) -> str:
    """11月22日 14:30: for promises, which are never far away."""
    if at is None:
        return ""
    last_day, hour = clock.last_moment(at)
    return f"{day(last_day)} {hour}"


@register.filter
def day(when: date | None) -> str:
    if when is None:
        return ""
    if (get_language() or "").startswith("en"):
        return f"{when.day} {MONTHS[when.month - 1]}"
    return f"{when.month}月{when.day}日"


@register.filter
def ground(code: str) -> str:
    """驳回依据 in a few words, where there is more to say than that there is one."""
    return str(GROUNDS[code].title) if code in GROUNDS and code != "other" else ""


@register.filter
def account(channels_words: str) -> str:
    """Where the money went, as the buyer's own WeChat calls it; a bank card stays as the channel wrote it."""
    known = {"支付用户零钱": _("微信零钱"), "支付宝余额": _("支付宝余额")}
    return known.get(channels_words, channels_words)


@register.filter
def decided(note: str) -> str:
    """审核说明: a person's words stay as they were written, the system's own are said in the reader's language."""
    return _("商家逾期未答复，视为商家责任") if note == silence.LIABLE else note


@register.filter
def contact(sentence: str) -> SafeString:
    """联系客服 leads somewhere, in whatever sentence it stands."""
    place = reverse("storefront:help") + "#contact"
    return mark_safe(CONTACT.sub(rf'<a href="{place}">\1</a>', escape(sentence)))


CONTACT = re.compile("(联系客服|contact support|check with support)")


@register.filter
def policy_name(policy: RefundPolicy) -> str:
    """标准 v3."""
    return f"{localized(policy.name, policy.name_en)} v{policy.version}"


@register.filter
def windows(policy: RefundPolicy) -> str:
    """卡密：自交付起 15 天内可申请退款。账号：…: every kind of goods that it speaks of."""
    return terms.joined(*terms.windows(policy))


@register.simple_tag
def arrival() -> str:
    """款项原路退回…：when a wallet has it, when a card."""
    return terms.arrival()


@register.simple_tag
def release_times(policy: RefundPolicy) -> str:
    """放款：… within how many hours of its approval."""
    return terms.release(policy)


@register.filter
def duration(minutes: int) -> str:
    """5 分钟, 2 小时, 3 天."""
    return trust.minutes(minutes)


@register.filter
def stars(count: int) -> str:
    """★★★★☆."""
    return "★" * count + "☆" * (5 - count)


@register.simple_tag(name="localized")
def in_reader_language(chinese: str, english: str) -> str:
    return localized(chinese, english)


@register.filter
def refund_tone(status: str) -> str:
    return stages.TONE_OF.get(Status(status), "progress")


@register.filter
def order_tone(status: str) -> str:
    return {
        OrderStatus.PLACED: "attention",
        OrderStatus.CANCELED: "quiet",
        OrderStatus.PAID: "progress",
    }.get(OrderStatus(status), "good")


TONE_ICONS = {"progress": "clock", "attention": "alert", "good": "check", "bad": "cross", "quiet": "minus"}


@register.filter
def tone_icon(tone: str) -> str:
    """Status is told by word and sign, never by color alone."""
    return TONE_ICONS.get(tone, "info")


@register.simple_tag
def badge(tone: str, *words: str) -> SafeString:
    """How something stands: its sign and its words, in its tone."""
    return format_html('<span class="badge tone-{}">{}{}</span>', tone, icon(tone_icon(tone)), " · ".join(words))


@register.simple_tag
def balances_are_cashed_out() -> bool:
    """What is promised of a balance, before it is chosen, too."""
    return transfers.cash_out_is_offered()


@register.simple_tag(takes_context=True)
def talk_of(context: template.Context, order: Order) -> Conversation:
    """What was said on this order, as far back as the reader asked: for ``parts/talk.html``, on any page."""
    return talk.read(order, before=context["request"].GET.get("talk_before", ""))


@register.simple_tag
def icon(name: str) -> SafeString:
    """A small drawing beside a word, which says it all: screen readers skip the drawing."""
    return format_html(
        '<svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">{}</svg>', mark_safe(DRAWINGS[name])
    )


DRAWINGS = {
    "alert": '<path d="M12 4 2.8 20h18.4zM12 10v4.5M12 17.2v.3"/>',
    "back": '<path d="m14.5 5-7 7 7 7"/>',
    "ban": '<circle cx="12" cy="12" r="9"/><path d="m5.8 5.8 12.4 12.4"/>',
    "bell": '<path d="M6 16.5V11a6 6 0 0 1 12 0v5.5l1.5 1.5h-15zM10 20.5h4"/>',
    "bolt": '<path d="M13 3 5 13.5h6L10.5 21 19 10h-6.2z"/>',
    "check": '<circle cx="12" cy="12" r="9"/><path d="m8 12.3 2.8 2.7L16 9.5"/>',
    "clock": '<circle cx="12" cy="12" r="9"/><path d="M12 7v5.3l3.4 2"/>',
    "cross": '<circle cx="12" cy="12" r="9"/><path d="m9 9 6 6m0-6-6 6"/>',
    "eye": '<path d="M2.5 12S6 5.5 12 5.5 21.5 12 21.5 12 18 18.5 12 18.5 2.5 12 2.5 12z"/>'
    '<circle cx="12" cy="12" r="3"/>',
    "image": '<rect x="3.5" y="5" width="17" height="14" rx="2"/><path d="m4 17 5-5 4 4 3-3 4.5 4.5M15.5 9.2v.1"/>',
    "info": '<circle cx="12" cy="12" r="9"/><path d="M12 11v5.5M12 7.6v.3"/>',
    "key": '<circle cx="8" cy="15.5" r="4.5"/><path d="M11.3 12.3 20 3.5M16 7.5l3 3"/>',
    "lock": '<rect x="5" y="10.5" width="14" height="10" rx="2"/><path d="M8 10.5V8a4 4 0 0 1 8 0v2.5"/>',
    "menu": '<path d="M4 7h16M4 12h16M4 17h16"/>',
    "minus": '<circle cx="12" cy="12" r="9"/><path d="M8 12h8"/>',
    "money": '<path d="m7 4 5 7 5-7M12 11v9M7.5 12h9M7.5 16h9"/>',
    "pause": '<circle cx="12" cy="12" r="9"/><path d="M9.7 8.5v7M14.3 8.5v7"/>',
    "phone": '<path d="M6 3.5h3.5l1.5 4.5-2.2 1.7a12 12 0 0 0 5.5 5.5l1.7-2.2 4.5 1.5V18'
    'c0 1.4-1.1 2.5-2.5 2.5C10.5 20.5 3.5 13.5 3.5 6c0-1.4 1.1-2.5 2.5-2.5z"/>',
    "print": '<path d="M7 9V3.5h10V9M7 17H4V9h16v8h-3M7 14h10v6.5H7z"/>',
    "qr": '<path d="M4 4h6v6H4zM14 4h6v6h-6zM4 14h6v6H4zM14 14h2.5v2.5H14z"/>'
    '<path d="M20 14v3M17.5 20H20M14 20v.1M7 7v.1M17 7v.1M7 17v.1"/>',
    "receipt": '<path d="M5.5 3.5h13v17l-2.2-1.5-2.1 1.5-2.2-1.5-2.2 1.5-2.1-1.5-2.2 1.5zM9 8.5h6M9 12.5h6"/>',
    "return": '<path d="m8 5-4.5 4.5L8 14M4 9.5h10a5.5 5.5 0 0 1 0 11H8"/>',
    "right": '<path d="m9.5 5 7 7-7 7"/>',
    "shield": '<path d="M12 3 4.5 6v5.5c0 4.5 3 7.7 7.5 9.5 4.5-1.8 7.5-5 7.5-9.5V6zM8.7 12l2.4 2.3 4.3-4.6"/>',
    "shop": '<path d="M4 10v10h16V10M3 10l2-6h14l2 6zM10 20v-5h4v5"/>',
    "user": '<circle cx="12" cy="8" r="4"/><path d="M4.5 20.5c.8-4 3.8-6 7.5-6s6.7 2 7.5 6"/>',
    "wallet": '<path d="M4 7.5h14.5a1.5 1.5 0 0 1 1.5 1.5v9a1.5 1.5 0 0 1-1.5 1.5H5.5A1.5 1.5 0 0 1 4 18z"/>'
    '<path d="M4 7.5 16 4v3.5M16 13.7v.1"/>',
}
