"""What a message says: the words of the site's notice, in its reader's language, fit for its channel (P14).

A letter shows the reader's own word (防钓鱼暗语) and leads to our own site alone. A short message leads nowhere. All of
them say that we ask for neither password nor code; none of them asks.
"""

from __future__ import annotations

from collections.abc import Mapping

from django.conf import settings
from django.template.loader import render_to_string
from django.utils.translation import gettext as _
from django.utils.translation import override

from notices import wording
from notices.channels import Message
from notices.models import Channel, NoticeDelivery
from notices.preferences import Reader
from notices.safety import safe

LONGEST_SUBJECT = 60
TAIL = 6  # of a number: enough to know it again, and short enough for a provider's template


def compose(delivery: NoticeDelivery, reader: Reader) -> Message:
    """Asks no database: ``delivery`` comes with its notice."""
    with override(reader.settings.language):
        return _letter(delivery, reader) if delivery.channel == Channel.EMAIL else _short(delivery, reader)


def code_message(phone: str, code: str, *, minutes: int, language: str, number: str) -> Message:
    """To a number that its owner is typing in: the one message with a code, which says where alone it belongs."""
    values = {"code": code, "minutes": str(minutes)}
    with override(language):
        said = _("【卡盟】%(code)s：在卡盟“通知设置”核对手机号用，%(minutes)s 分钟内有效。向您要这组数字的都是骗子。")
    return Message(number, phone, str(said) % values, language, template="code", values=values)


def masked(address: str, channel: str) -> str:
    """Enough for its owner to know it again."""
    if channel == Channel.EMAIL:
        name, _at, host = address.partition("@")
        return f"{name[:1]}***@{host}"[:80]
    return f"{address[:-8]}****{address[-4:]}" if channel == Channel.SMS else f"****{address[-4:]}"


def number_of(delivery: NoticeDelivery) -> str:
    """The same however often it is sent."""
    return f"notice-{delivery.notice_id}-{delivery.channel}"


def _letter(delivery: NoticeDelivery, reader: Reader) -> Message:
    notice = delivery.notice
    said = wording.text(notice.kind, _safe(notice.params))
    facts = {
        "said": said,
        "word": reader.settings.anti_phishing_word,
        "link": f"{settings.SITE_URL}{notice.path}" if notice.path else "",
        "settings_link": f"{settings.SITE_URL}/notices/settings/",
        "sent_link": f"{settings.SITE_URL}/notices/sent/",
        "language": "en" if reader.settings.language == "en" else "zh-Hans",
    }
    subject = _("【卡盟】%(said)s") % {"said": said}
    return Message(
        number_of(delivery),
        reader.email,
        render_to_string("notices/letter.txt", facts),
        reader.settings.language,
        subject=subject if len(subject) <= LONGEST_SUBJECT else f"{subject[: LONGEST_SUBJECT - 1]}…",
        html=render_to_string("notices/letter.html", facts),
    )


def _short(delivery: NoticeDelivery, reader: Reader) -> Message:
    params, kind = delivery.notice.params, delivery.notice.kind
    about = "refund" if "refund_no" in params else "order"
    values = {"tail": str(params[f"{about}_no"])[-TAIL:], "brief": str(wording.BRIEF[kind])}
    said = {
        "refund": _("【卡盟】退款（尾号 %(tail)s）%(brief)s。请登录卡盟查看。退款不需要验证码，也不需要密码。"),
        "order": _("【卡盟】订单（尾号 %(tail)s）%(brief)s。请登录卡盟查看。退款不需要验证码，也不需要密码。"),
    }
    return Message(
        number_of(delivery),
        reader.address(delivery.channel),
        said[about] % values,
        reader.settings.language,
        template=about,
        values=values,
    )


def _safe(params: Mapping[str, object]) -> dict[str, object]:
    """What people typed, made fit to leave the house; our own numbers and amounts pass as they are."""
    return {name: safe(value) if isinstance(value, str) else value for name, value in params.items()}
