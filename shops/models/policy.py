"""退款政策: published versions of the terms that orders are placed under."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from append_only import append_only


class RefundPolicy(models.Model):
    """退款政策的一个版本. A published version never changes; an order keeps the one it was placed under (PM19)."""

    code = models.CharField(_("政策"), max_length=40)
    version = models.PositiveIntegerField(_("版本"))
    name = models.CharField(_("名称"), max_length=60)
    name_en = models.CharField(_("英文名称"), max_length=60)
    window_days = models.PositiveIntegerField(_("售后期（天）"), help_text=_("自交付起；0 表示不可退款"))
    cooling_off_hours = models.PositiveIntegerField(_("冷静期（小时）"), default=24)
    one_click_below_fen = models.PositiveIntegerField(_("一键退款上限（分，不含）"), default=5000)
    one_click_daily_cap_fen = models.PositiveIntegerField(_("每位买家每日自动退款上限（分）"), default=20000)
    senior_above_fen = models.PositiveIntegerField(_("高级审核员审批线（分，超过即需）"), default=50000)
    review_hours = models.PositiveIntegerField(_("审核时限（小时）"), default=48)
    evidence_hours = models.PositiveIntegerField(_("补充材料时限（小时）"), default=72)
    max_rejections = models.PositiveIntegerField(_("同一订单最多被拒次数"), default=3)
    shop_cancel_penalty_percent = models.PositiveSmallIntegerField(_("商家原因取消的违约金（%）"), default=5)
    late_refund_is_automatic = models.BooleanField(_("超过承诺一倍时自动退款"), default=True)
    complete_after_days = models.PositiveSmallIntegerField(_("交付后自动完成（天）"), default=3)
    step_up_from_fen = models.PositiveIntegerField(_("查看卡密前须再次验证的金额（分，含）"), default=50000)
    published_at = models.DateTimeField(_("发布时间"))

    class Meta:
        verbose_name = _("退款政策")
        verbose_name_plural = _("退款政策")
        constraints = [models.UniqueConstraint(name="policy_version_is_unique", fields=["code", "version"])]
        triggers = append_only("published_policy_never_changes")

    def __str__(self) -> str:
        return f"{self.name} v{self.version}"
