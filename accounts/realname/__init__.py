"""实名认证: a provider says whether a name and an ID number are one adult's. Who, when and how it ended is kept.

The number itself is stored nowhere and never logged: 32 keyed bytes of it count how many accounts it has opened (P12).
No provider for real people is built here: ``base.Provider`` is what one would keep to, ``console.py`` is for
development and refused when real money moves.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import cache

from django.conf import settings
from django.db import connection, transaction
from django.utils.crypto import salted_hmac
from django.utils.module_loading import import_string
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_variables

from accounts.models import RealNameCheck, User
from accounts.realname import id_number
from accounts.realname.base import Outcome, Provider, ProviderDown

__all__ = ["MOST_ACCOUNTS", "CannotVerify", "Outcome", "Provider", "ProviderDown", "is_holder", "is_offered", "key_of",
    "passed", "verify",
]  # fmt: skip

MOST_ACCOUNTS = 3  # that one ID number verifies; also in the database's own rule
MOST_TRIES, TRIES_WITHIN = 5, timedelta(hours=24)  # of one account
LOCK = 4902  # names these locks among the database's advisory ones; also in the database's own rule


class CannotVerify(Exception):
    """Nothing was asked or nothing came of it. The message is for the buyer."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def is_offered() -> bool:
    return bool(settings.REALNAME_PROVIDER)


@sensitive_variables("name", "number")
def verify(user: User, name: str, number: str, *, at: datetime) -> RealNameCheck:
    """Ask the provider, keep how it ended, and mark the account if it passed. ``number`` as typed in.

    Raises CannotVerify; and whatever was asked about is kept then too, unless nobody could be asked.
    """
    _check_may_try(user, at)
    number = id_number.normalized(number)
    if not id_number.is_valid(number):
        raise CannotVerify("number", _("身份证号有误，请核对 18 位号码。"))
    try:
        outcome = _provider(settings.REALNAME_PROVIDER).verify(name.strip(), number)
    except ProviderDown:
        raise CannotVerify("down", _("实名认证服务暂时没有回应，请稍后再试。")) from None
    check = _keep(user, name.strip(), number, outcome, at)
    if check.outcome == RealNameCheck.Outcome.PASSED:
        return check
    raise CannotVerify(check.outcome, _words(check))


def passed(user: User) -> RealNameCheck | None:
    """The check by which this account has a real name; None: it has none."""
    rows = RealNameCheck.objects.filter(user=user, outcome=RealNameCheck.Outcome.PASSED)
    return rows.order_by("-pk").first() if user.verified_at else None


@sensitive_variables("name", "number")
def is_holder(user: User, name: str, number: str) -> bool:
    """本人账户: whether ``name`` is the real name of this account. We keep no name, so its ID number is asked for once
    more: it must be the one that was verified, and the provider says whose it is. Raises CannotVerify."""
    check = passed(user)
    if check is None:
        raise CannotVerify("no_real_name", _("请先完成实名认证，收款账户须是您本人的。"))
    number = id_number.normalized(number)
    if not id_number.is_valid(number) or bytes(check.id_key) != key_of(number):
        return False
    try:
        return _provider(settings.REALNAME_PROVIDER).verify(name.strip(), number).is_passed
    except ProviderDown:
        raise CannotVerify("down", _("实名认证服务暂时没有回应，请稍后再试。")) from None


def key_of(number: str) -> bytes:
    """32 keyed bytes that tell two ID numbers apart and name neither; without our secret nobody can try them."""
    return salted_hmac("real-name", number, algorithm="sha256").digest()


@sensitive_variables("name", "number")
def _keep(user: User, name: str, number: str, outcome: Outcome, at: datetime) -> RealNameCheck:
    """One at a time for each number: two accounts that are verified at once are counted both (P12)."""
    key = key_of(number)
    with transaction.atomic():
        user = User.objects.select_for_update(no_key=True).get(pk=user.pk)
        if user.verified_at:
            raise CannotVerify("already", _("您已完成实名认证。"))
        ended = RealNameCheck.Outcome.PASSED if outcome.is_passed else RealNameCheck.Outcome.REFUSED
        if outcome.is_passed and _is_used_up(key):
            ended = RealNameCheck.Outcome.TOO_MANY
        check = RealNameCheck.objects.create(
            user=user,
            provider=settings.REALNAME_PROVIDER,
            outcome=ended,
            reason=outcome.reason,
            name_shown=masked(name),
            id_key=key,
            at=at,
        )
        if ended == RealNameCheck.Outcome.PASSED:
            user.verified_at = at
            user.save(update_fields=["verified_at"])
    return check


def _is_used_up(key: bytes) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, hashtext(encode(%s, 'hex')))", [LOCK, key])
    passed = RealNameCheck.objects.filter(id_key=key, outcome=RealNameCheck.Outcome.PASSED)
    return passed.count() >= MOST_ACCOUNTS


def masked(name: str) -> str:
    """The first character, and that there were more."""
    return f"{name[:1]}＊＊"


def _check_may_try(user: User, at: datetime) -> None:
    if not is_offered():
        raise CannotVerify("not_offered", _("本站暂未开通实名认证。"))
    if user.is_guest:
        raise CannotVerify("guest", _("访客不能实名认证，请先登录或注册。"))
    if user.verified_at:
        raise CannotVerify("already", _("您已完成实名认证。"))
    if RealNameCheck.objects.filter(user=user, at__gt=at - TRIES_WITHIN).count() >= MOST_TRIES:
        raise CannotVerify("too_often", _("今天试得太多了，请 24 小时后再试。"))


def _words(check: RealNameCheck) -> str:
    if check.outcome == RealNameCheck.Outcome.TOO_MANY:
        return _("这个身份证号认证过的账号已满 %(most)d 个。") % {"most": MOST_ACCOUNTS}
    if check.reason == "under_age":
        return _("未满 18 周岁，不能开通。")
    return _("姓名与身份证号对不上，请核对后再试。")


@cache
def _provider(named: str) -> Provider:
    """By its short name, or by the dotted path of its class."""
    provider: Provider = import_string(KNOWN.get(named, named))()
    return provider


KNOWN = {"console": "accounts.realname.console.ConsoleProvider"}
