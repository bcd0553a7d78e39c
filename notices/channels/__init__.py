"""Ways out of the house: which there are here, and who carries each. Providers by short name or dotted path."""

from __future__ import annotations

from functools import cache

from django.conf import settings
from django.utils.module_loading import import_string

from notices.channels.base import Message, Sender, SendFailed
from notices.models import Channel

__all__ = ["Message", "SendFailed", "Sender", "is_offered", "sender_of", "wants_payers_openid"]

KNOWN = {
    ("sms", "console"): "notices.channels.console.ConsoleSender",
    ("sms", "tencent"): "notices.channels.tencent_sms.TencentSms",
    ("wechat", "console"): "notices.channels.console.ConsoleSender",
    ("wechat", "mini_program"): "notices.channels.wechat.SubscriptionMessages",
    ("wechat", "official_account"): "notices.channels.wechat.AccountNotices",
}


def is_offered(channel: str) -> bool:
    return bool(_named(channel))


def wants_payers_openid() -> bool:
    """Whether WeChat messages leave by the app that buyers pay in: only then may its openid be kept for them."""
    return _named(Channel.WECHAT) in {"official_account", "console"}


def sender_of(channel: str) -> Sender:
    """Whoever carries this channel here. Raises SendFailed if nobody does."""
    named = _named(channel)
    if not named:
        raise SendFailed("not_offered", is_final=True)
    return _sender(KNOWN.get((channel, named), named))


def _named(channel: str) -> str:
    if channel == Channel.EMAIL:
        return "notices.channels.mail.Mail"
    named: str = settings.SMS_PROVIDER if channel == Channel.SMS else settings.WECHAT_MESSAGES_PROVIDER
    return named


@cache
def _sender(path: str) -> Sender:
    sender: Sender = import_string(path)()
    return sender
