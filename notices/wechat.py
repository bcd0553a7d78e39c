"""微信 of a reader: where WeChat messages go, once WeChat itself has said who asked for them."""

from __future__ import annotations

from accounts.models import User
from notices.models import NoticeSettings


class CannotConnect(Exception):
    """Guests get no messages: nothing of theirs is verified."""


def connect(user: User, openid: str) -> None:
    """``openid``: as WeChat told it, server to server, for a confirmation that this account began. CannotConnect."""
    if user.is_guest:
        raise CannotConnect
    NoticeSettings.objects.update_or_create(user=user, defaults={"wechat_openid": openid})


def disconnect(user: User) -> None:
    NoticeSettings.objects.filter(user=user).update(wechat_openid="")
