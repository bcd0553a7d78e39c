"""时效: how long the stages of refunds take, counted every hour (``refunds/pace.py``) for a page that all may read."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _


class StageFigures(models.Model):
    """时效 of one stage over the last 30 days, of the whole platform, counted anew every hour by ``pace.py``."""

    stage = models.CharField(_("环节"), max_length=24, unique=True)  # a key of pace.STAGES
    case_count = models.PositiveIntegerField(_("件数"), default=0)  # that ended the stage in the window
    median_minutes = models.PositiveIntegerField(_("中位时长（分钟）"), null=True, blank=True)  # empty: no case
    p90_minutes = models.PositiveIntegerField(_("九成时长（分钟）"), null=True, blank=True)
    kept_count = models.PositiveIntegerField(_("按时件数"), null=True, blank=True)  # empty: nothing was promised
    overdue_count = models.PositiveIntegerField(_("逾期未结件数"), default=0)  # still in the stage, behind its promise
    since = models.DateTimeField(_("统计自"))
    computed_at = models.DateTimeField(_("统计时间"))

    class Meta:
        verbose_name = _("退款时效")
        verbose_name_plural = _("退款时效")


class ArrivalFigures(models.Model):
    """到账校准: of what one channel paid out to one kind of account over 30 days, how much was there when, counted anew
    every hour by ``arrival_times.py``. ``within_count``: of what is proven or confirmed, not later than we had said."""

    channel = models.CharField(_("渠道"), max_length=16)
    account_kind = models.CharField(_("入账账户"), max_length=16)  # a ReceivedAccountKind, no wallet
    paid_out_count = models.PositiveIntegerField(_("已退出"))
    proven_count = models.PositiveIntegerField(_("银行已确认"))
    confirmed_count = models.PositiveIntegerField(_("买家已确认"))
    within_count = models.PositiveIntegerField(_("在预计之内"))
    missing_count = models.PositiveIntegerField(_("买家反映未到"))
    median_workdays = models.PositiveSmallIntegerField(_("中位（工作日）"), null=True, blank=True)  # of what is proven
    p90_workdays = models.PositiveSmallIntegerField(_("九成之内（工作日）"), null=True, blank=True)
    since = models.DateTimeField(_("统计自"))
    computed_at = models.DateTimeField(_("统计时间"))

    class Meta:
        verbose_name = _("到账校准")
        verbose_name_plural = _("到账校准")
        constraints = [
            models.UniqueConstraint(name="arrivals_are_counted_once_a_way", fields=["channel", "account_kind"]),
        ]

    def __str__(self) -> str:
        return f"{self.channel} {self.account_kind}"
