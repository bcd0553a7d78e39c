"""Who reads, where they can be reached, and what they chose: asked for many readers at once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from allauth.account.models import EmailAddress
from django.db.models import OuterRef, Subquery

from accounts.models import User
from clock import SHANGHAI
from notices import channels, wording
from notices.models import Channel, Group, Notice, NoticeSettings, choice


@dataclass(frozen=True)
class Reader:
    """An account that messages may go to, never a guest. ``email``: the verified one, or ""."""

    user: User
    settings: NoticeSettings
    email: str

    def address(self, channel: str) -> str:
        """Where this channel reaches them; "" if it does not."""
        known = {
            Channel.EMAIL: self.email,
            Channel.SMS: self.settings.phone,
            Channel.WECHAT: self.settings.wechat_openid,
        }
        return known[Channel(channel)]

    def why_not(self, notice: Notice, channel: str) -> str:
        """A key of ``words.TROUBLE``: why this notice does not go there; "" if it does."""
        group = group_of(notice)
        if not channels.is_offered(channel):
            return "not_offered"
        if not self.address(channel):
            return "no_address"
        if group is None or choice(group, channel) not in self.settings.chosen:
            return "turned_off"
        return ""


def of(user: User) -> NoticeSettings:
    """What this reader chose; the defaults, unsaved, if they never did."""
    return NoticeSettings.objects.filter(user=user).first() or NoticeSettings(user=user)


def readers(keys: Iterable[int]) -> dict[int, Reader]:
    """By the account's key, in one query. Guests and blocked accounts are not among them: they get no messages."""
    verified = EmailAddress.objects.filter(user=OuterRef("pk"), verified=True).order_by("-primary", "pk")
    people = (
        User.objects.filter(pk__in=set(keys), is_guest=False, is_active=True)
        .select_related("notice_settings")
        .annotate(verified_email=Subquery(verified.values("email")[:1]))
    )
    return {user.pk: Reader(user, _settings(user), user.verified_email or "") for user in people}


def group_of(notice: Notice) -> Group | None:
    """By where it leads: whose affair it is. None: work on the desk, which stays in the house."""
    if notice.path.startswith("/admin/"):
        return None
    if notice.path.startswith("/shop/") or notice.kind.startswith("shop_"):
        return Group.SHOP
    return Group.REFUNDS if notice.kind.startswith("refund_") else Group.ORDERS


def goes_by(notice: Notice) -> list[str]:
    """The channels that fit it: a letter says anything, the phone only what has few words."""
    short = [Channel.SMS, Channel.WECHAT] if notice.kind in wording.BRIEF else []
    return [Channel.EMAIL, *short]


def due_at(notice: Notice, settings: NoticeSettings, *, at: datetime) -> datetime:
    """When it may go out: at once, or when the quiet hours end."""
    if notice.kind in wording.URGENT and settings.urgent_anyway:
        return at
    return quiet_ends_at(settings, at=at) or at


def quiet_ends_at(settings: NoticeSettings, *, at: datetime) -> datetime | None:
    """The end of the quiet hours that ``at`` is in; None outside. Their first moment is quiet, their end is not."""
    begins, ends = settings.quiet_from, settings.quiet_until
    if begins is None or ends is None:
        return None
    local = at.astimezone(SHANGHAI)
    now = local.time()
    over_midnight = begins > ends
    is_quiet = (now >= begins or now < ends) if over_midnight else begins <= now < ends
    if not is_quiet:
        return None
    day = local.date() + timedelta(days=1 if over_midnight and now >= begins else 0)
    return datetime.combine(day, ends, SHANGHAI)


def _settings(user: User) -> NoticeSettings:
    try:
        return user.notice_settings
    except NoticeSettings.DoesNotExist:
        return NoticeSettings(user=user)
