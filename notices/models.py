"""Telling people. A notice is a row first; SMS, e-mail and webhooks will be deliveries of the same row."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _


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
