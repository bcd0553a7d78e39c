"""Telling people. A notice is a row first; e-mail, SMS and WeChat messages are deliveries of the same row."""

from __future__ import annotations

from datetime import time

import pgtrigger
from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from workqueue import WorkItem


class Notice(models.Model):
    """站内通知. Kept as a kind and its parameters, so that each reader gets it in their own language."""

    recipient = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="notices")
    kind = models.CharField(_("类别"), max_length=40)  # a key of notices/wording.py
    params = models.JSONField(_("参数"), default=dict)
    path = models.CharField(_("页面"), max_length=120, blank=True)  # on our own site, always
    source = models.CharField(_("来源"), max_length=60)  # e.g. refund-event:17; one notice per source and reader
    created_at = models.DateTimeField(_("时间"))
    read_at = models.DateTimeField(_("已读"), null=True, blank=True)

    class Meta:
        verbose_name = _("通知")
        verbose_name_plural = _("通知")
        constraints = [
            models.UniqueConstraint(name="one_notice_per_source_and_reader", fields=["recipient", "source"]),
            models.CheckConstraint(name="notice_stays_on_our_site", condition=Q(path="") | Q(path__startswith="/")),
        ]
        indexes = [
            models.Index(name="notice_of_reader", fields=["recipient", "-id"]),
            models.Index(name="notice_unread", fields=["recipient"], condition=Q(read_at__isnull=True)),
        ]

    def __str__(self) -> str:
        return f"{self._meta.verbose_name} {self.pk}"


class Channel(models.TextChoices):
    """How a notice leaves the house. In the site every notice stands anyway."""

    EMAIL = "email", _("邮件")
    SMS = "sms", _("短信")
    WECHAT = "wechat", _("微信")


class Group(models.TextChoices):
    """What a notice is about, as far as its reader chooses by it."""

    REFUNDS = "refunds", _("退款")
    ORDERS = "orders", _("订单")
    SHOP = "shop", _("店铺")


def choice(group: str, channel: str) -> str:
    """One tick on the preferences page."""
    return f"{group}:{channel}"


ALL_CHOICES = [choice(group, channel) for group in Group.values for channel in Channel.values]


def usual_choices() -> list[str]:
    """Of who never chose: everything by e-mail, the short words about refunds and claims also to the phone."""
    by_mail = [choice(group, Channel.EMAIL) for group in Group.values]
    short = [
        choice(group, channel) for group in (Group.REFUNDS, Group.SHOP) for channel in (Channel.SMS, Channel.WECHAT)
    ]
    return [*by_mail, *short]


class NoticeSettings(models.Model):
    """通知设置 of one reader. Who never chose has no row: ``preferences.of`` then gives these defaults.

    The quiet hours are Beijing time, from the first to just before the second; both empty: none.
    """

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, models.CASCADE, primary_key=True, related_name="notice_settings"
    )
    chosen = ArrayField(models.CharField(max_length=20), verbose_name=_("渠道"), default=usual_choices, blank=True)
    quiet_from = models.TimeField(_("免打扰开始"), null=True, blank=True, default=time(22))
    quiet_until = models.TimeField(_("免打扰结束"), null=True, blank=True, default=time(8))
    urgent_anyway = models.BooleanField(_("需要我答复的照常发"), default=True)
    language = models.CharField(_("语言"), max_length=8, choices=settings.LANGUAGES, default=settings.LANGUAGE_CODE)
    anti_phishing_word = models.CharField(_("防钓鱼暗语"), max_length=20, blank=True)
    phone = models.CharField(_("手机号"), max_length=20, blank=True)  # E.164, and verified: else it is not here
    phone_verified_at = models.DateTimeField(_("手机号核对时间"), null=True, blank=True)
    wechat_openid = models.CharField(_("微信 openid"), max_length=128, blank=True)

    class Meta:
        verbose_name = _("通知设置")
        verbose_name_plural = _("通知设置")
        constraints = [
            models.CheckConstraint(name="notice_choices_are_listed", condition=Q(chosen__contained_by=ALL_CHOICES)),
            models.CheckConstraint(
                name="quiet_hours_have_two_ends",
                condition=Q(quiet_from__isnull=True, quiet_until__isnull=True)
                | Q(quiet_from__isnull=False, quiet_until__isnull=False) & ~Q(quiet_from=F("quiet_until")),
            ),
            models.CheckConstraint(
                name="notice_phone_was_verified",
                condition=Q(phone="", phone_verified_at__isnull=True)
                | Q(phone__regex=r"^\+[1-9][0-9]{5,14}$", phone_verified_at__isnull=False),
            ),
            models.CheckConstraint(
                name="notice_language_is_listed", condition=Q(language__in=[code for code, _name in settings.LANGUAGES])
            ),
        ]


class PhoneCode(models.Model):
    """手机验证码: that a code went to a number that a reader typed in. Of the code there are keyed bytes alone."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, db_index=False, related_name="+")
    phone = models.CharField(max_length=20)
    digest = models.BinaryField(max_length=32, editable=False)
    made_at = models.DateTimeField()
    tries = models.PositiveSmallIntegerField(default=0)  # how often somebody typed in another code

    class Meta:
        verbose_name = _("手机验证码")
        verbose_name_plural = _("手机验证码")
        indexes = [
            models.Index(name="phone_code_of_user", fields=["user", "-made_at"]),
            models.Index(name="phone_code_of_phone", fields=["phone", "-made_at"]),
        ]


class DeliveryStatus(models.TextChoices):
    WAITING = "waiting", _("等待发送")
    SENT = "sent", _("已发出")
    GIVEN_UP = "given_up", _("未能送达")
    DROPPED = "dropped", _("不再发送")  # the reader does not want it any more, or took the address away


class NoticeDelivery(WorkItem):
    """一次通知发送: one notice on one channel. Sent at least once; whoever gets it twice sees the same number."""

    notice = models.ForeignKey(
        Notice, models.CASCADE, db_index=False, related_name="deliveries", verbose_name=_("通知")
    )
    channel = models.CharField(_("渠道"), max_length=8, choices=Channel.choices)
    status = models.CharField(_("状态"), max_length=8, choices=DeliveryStatus.choices, default=DeliveryStatus.WAITING)
    created_at = models.DateTimeField(_("创建时间"))
    last_tried_at = models.DateTimeField(_("最近发送"), null=True, blank=True)
    last_error = models.CharField(_("最近错误"), max_length=60, blank=True)  # a key of words.TROUBLE, or theirs
    sent_at = models.DateTimeField(_("发出时间"), null=True, blank=True)
    sent_to = models.CharField(_("发往"), max_length=80, blank=True)  # masked: enough to know one's own again
    provider_number = models.CharField(_("对方编号"), max_length=120, blank=True)

    class Meta:
        verbose_name = _("通知发送")
        verbose_name_plural = _("通知发送")
        constraints = [
            models.UniqueConstraint(name="one_delivery_per_notice_and_channel", fields=["notice", "channel"]),
            models.CheckConstraint(name="notice_channel_is_listed", condition=Q(channel__in=Channel.values)),
            models.CheckConstraint(
                name="notice_delivery_status_is_listed", condition=Q(status__in=DeliveryStatus.values)
            ),
            models.CheckConstraint(
                name="waiting_notice_is_due",
                condition=Q(status="waiting", next_due_at__isnull=False)
                | (~Q(status="waiting") & Q(next_due_at__isnull=True)),
            ),
            models.CheckConstraint(
                name="sent_notice_says_when_and_where",
                condition=(Q(status="sent", sent_at__isnull=False) & ~Q(sent_to=""))
                | (~Q(status="sent") & Q(sent_at__isnull=True, sent_to="")),
            ),
            models.CheckConstraint(
                name="unsent_notice_says_why",
                condition=~Q(status__in=["given_up", "dropped"]) | ~Q(last_error=""),
            ),
        ]
        indexes = [
            models.Index(
                name="notice_delivery_due", fields=["next_due_at", "id"], condition=Q(next_due_at__isnull=False)
            ),
            models.Index(name="notice_given_up", fields=["-id"], condition=Q(status="given_up")),
        ]
        triggers = [
            pgtrigger.Protect(
                name="notice_delivery_keeps_to_its_notice",
                operation=pgtrigger.UpdateOf("notice_id", "channel", "created_at"),
                condition=pgtrigger.AnyChange("notice", "channel", "created_at"),
            ),
            # "Did we send this?" is answered from these rows: what went out stays so.
            pgtrigger.Protect(
                name="sent_notice_stays_sent",
                operation=pgtrigger.UpdateOf("status", "sent_at", "sent_to"),
                condition=pgtrigger.Condition(
                    "OLD.status = 'sent' AND (OLD.status IS DISTINCT FROM NEW.status"
                    " OR OLD.sent_at IS DISTINCT FROM NEW.sent_at OR OLD.sent_to IS DISTINCT FROM NEW.sent_to)"
                ),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_channel_display()} {self.pk}"
