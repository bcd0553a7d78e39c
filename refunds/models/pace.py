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
