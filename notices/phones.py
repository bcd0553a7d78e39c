"""手机号 of a reader: kept once a code that went there came back. Limits keep the codes from being a nuisance."""

from __future__ import annotations

import re
import secrets
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F
from django.utils.crypto import constant_time_compare, salted_hmac
from django.utils.translation import gettext as _

import asking
from accounts.models import User
from notices import channels, letters, preferences
from notices.channels import SendFailed
from notices.models import Channel, NoticeSettings, PhoneCode

GOOD_FOR = timedelta(minutes=10)
MOST_TRIES = 5
BETWEEN = timedelta(minutes=1)
MOST_A_DAY = 5  # to one number, and of one account


class CannotVerify(Exception):
    """Nothing was sent, or the code is not right. The message is for the reader."""


def normalized(text: str) -> str:
    """E.164, of a mainland number with or without +86, or of any other with its country's. "" if it is none."""
    plain = re.sub(r"[\s()-]", "", text)
    if re.fullmatch(r"(?:\+?86|0086)?1[3-9][0-9]{9}", plain):
        return f"+86{plain[-11:]}"
    return plain if re.fullmatch(r"\+[1-9][0-9]{5,14}", plain) and not plain.startswith("+86") else ""


def send_code(user: User, typed: str, *, at: datetime) -> str:
    """Send a code to the number as typed in; returns the number. The row is there before anybody is called.

    Raises CannotVerify.
    """
    phone = normalized(typed)
    if not phone:
        raise CannotVerify(_("手机号有误，请核对。"))
    if user.is_guest or not channels.is_offered(Channel.SMS):
        raise CannotVerify(_("本站暂未开通短信通知。"))
    code = f"{secrets.randbelow(10**6):06}"
    row = _keep(user, phone, code, at)
    asking.demand_no_transaction()
    minutes, language = int(GOOD_FOR.total_seconds() // 60), preferences.of(user).language
    message = letters.code_message(phone, code, minutes=minutes, language=language, number=f"phone-code-{row.pk}")
    try:
        channels.sender_of(Channel.SMS).send(message)
    except SendFailed:
        raise CannotVerify(_("短信没有发出去，请一分钟后再试。")) from None
    return phone


def verify(user: User, code: str, *, at: datetime) -> str:
    """The newest code came back: from now on the number is this reader's. Returns it. Raises CannotVerify."""
    with transaction.atomic():
        row = PhoneCode.objects.select_for_update(no_key=True).filter(user=user).order_by("-made_at", "-pk").first()
        if row is None or row.made_at <= at - GOOD_FOR or row.tries >= MOST_TRIES:
            raise CannotVerify(_("这组数字已失效，请重新获取。"))
        is_right = constant_time_compare(bytes(row.digest), _digest(user, row.phone, code.strip()))
        if is_right:
            PhoneCode.objects.filter(pk=row.pk).update(tries=MOST_TRIES)  # good for once
            NoticeSettings.objects.update_or_create(user=user, defaults={"phone": row.phone, "phone_verified_at": at})
        else:
            PhoneCode.objects.filter(pk=row.pk).update(tries=F("tries") + 1)
    if not is_right:  # said outside, so that the try is counted
        raise CannotVerify(_("这组数字不对，请核对短信。"))
    return row.phone


def forget(user: User) -> None:
    NoticeSettings.objects.filter(user=user).update(phone="", phone_verified_at=None)


def waits_for_code(user: User, *, at: datetime) -> str:
    """The number that a code is under way to; "" if none is."""
    row = PhoneCode.objects.filter(user=user, made_at__gt=at - GOOD_FOR).order_by("-made_at", "-pk").first()
    return row.phone if row and row.tries < MOST_TRIES else ""


def _keep(user: User, phone: str, code: str, at: datetime) -> PhoneCode:
    """One at a time for each account, so that two windows count as two."""
    with transaction.atomic():
        User.objects.select_for_update(no_key=True).get(pk=user.pk)
        today = PhoneCode.objects.filter(made_at__gt=at - timedelta(days=1))
        mine = today.filter(user=user)
        if mine.filter(made_at__gt=at - BETWEEN).exists():
            raise CannotVerify(_("刚刚发过，请一分钟后再试。"))
        if max(mine.count(), today.filter(phone=phone).count()) >= MOST_A_DAY:
            raise CannotVerify(_("今天发得太多了，请 24 小时后再试。"))
        return PhoneCode.objects.create(user=user, phone=phone, digest=_digest(user, phone, code), made_at=at)


def _digest(user: User, phone: str, code: str) -> bytes:
    return salted_hmac("notice-phone", f"{user.pk}:{phone}:{code}", algorithm="sha256").digest()
