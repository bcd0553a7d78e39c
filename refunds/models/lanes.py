"""通道: what the automatic lanes may give, who asked for the fast one, and which of their decisions people look at."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from append_only import append_only
from refunds.models.case import Lane, Refund


class LaneLimits(models.Model):
    """自动通道的额度与开关. The newest row of a lane counts; before the first, what ``lanes.py`` says by default.

    Each cap is what the lane may give in any 24 hours to one buyer, one paying account, one device, the buyers of one
    shop, or all together; empty: no cap. ``audit_percent``: how many of its decisions a person looks at afterwards.
    """

    lane = models.CharField(_("通道"), max_length=16, choices=Lane.choices)
    is_on = models.BooleanField(_("开启"), default=True)
    buyer_fen = models.PositiveBigIntegerField(_("每位买家每 24 小时（分）"), null=True, blank=True)
    payer_fen = models.PositiveBigIntegerField(_("每个付款账户每 24 小时（分）"), null=True, blank=True)
    device_fen = models.PositiveBigIntegerField(_("每台设备每 24 小时（分）"), null=True, blank=True)
    shop_fen = models.PositiveBigIntegerField(_("每家店铺每 24 小时（分）"), null=True, blank=True)
    platform_fen = models.PositiveBigIntegerField(_("全平台每 24 小时（分）"), null=True, blank=True)
    audit_percent = models.PositiveSmallIntegerField(_("事后抽查（%）"), default=2)
    reason = models.CharField(_("原因"), max_length=200)
    set_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", verbose_name=_("设置人"))
    at = models.DateTimeField(_("时间"))

    class Meta:
        verbose_name = _("自动通道额度")
        verbose_name_plural = _("自动通道额度")
        constraints = [
            models.CheckConstraint(
                name="limits_are_of_an_automatic_lane", condition=Q(lane__in=["undelivered", "one_click", "express"])
            ),
            models.CheckConstraint(
                name="audit_percent_is_a_share",
                condition=Q(audit_percent__lte=100),
                violation_error_message=_("抽查比例须在 0 到 100 之间。"),
            ),
        ]
        triggers = append_only("lane_limits_are_append_only")

    def __str__(self) -> str:
        return f"{Lane(self.lane).label} #{self.pk}"


class ExpressOptIn(models.Model):
    """开通极速退款, by the buyer; ended by the buyer. Both stay on record."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="express_opt_ins")
    since = models.DateTimeField(_("开通"))
    ended_at = models.DateTimeField(_("关闭"), null=True, blank=True)

    class Meta:
        verbose_name = _("极速退款开通")
        verbose_name_plural = _("极速退款开通")
        constraints = [
            models.UniqueConstraint(
                name="one_express_opt_in_at_a_time", fields=["user"], condition=Q(ended_at__isnull=True)
            )
        ]


class AuditSample(models.Model):
    """事后抽查: a decision of an automatic lane, drawn by its number, that a person looks at. It moves no money."""

    class Verdict(models.TextChoices):
        RIGHT = "right", _("判断正确")
        WRONG = "wrong", _("判断有误")

    refund = models.OneToOneField(Refund, models.PROTECT, related_name="audit_sample", verbose_name=_("退款单"))
    lane = models.CharField(_("通道"), max_length=16, choices=Lane.choices)
    drawn_at = models.DateTimeField(_("抽取时间"))
    verdict = models.CharField(_("结论"), max_length=8, choices=Verdict.choices, blank=True)
    note = models.CharField(_("说明"), max_length=500, blank=True)
    checked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+", verbose_name=_("抽查人")
    )
    checked_at = models.DateTimeField(_("抽查时间"), null=True, blank=True)

    class Meta:
        verbose_name = _("自动退款抽查")
        verbose_name_plural = _("自动退款抽查")
        constraints = [
            models.CheckConstraint(
                name="checked_sample_says_by_whom",
                condition=Q(verdict="", checked_by__isnull=True, checked_at__isnull=True)
                | Q(verdict__in=["right", "wrong"], checked_by__isnull=False, checked_at__isnull=False),
            )
        ]
        indexes = [models.Index(name="audit_to_check", fields=["drawn_at", "id"], condition=Q(verdict=""))]

    def __str__(self) -> str:
        return f"{self.lane} {self.refund_id}"
