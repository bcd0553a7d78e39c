"""退款政策: versions of the terms that orders are placed under. A draft may change; what is published never does."""

from __future__ import annotations

from typing import Any

import pgtrigger
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from append_only import append_only
from shops import policy_terms

DAYS = [MinValueValidator(0), MaxValueValidator(365)]
HOURS = [MinValueValidator(1), MaxValueValidator(24 * 30)]
PERCENT = [MinValueValidator(0), MaxValueValidator(50)]


class RefundPolicy(models.Model):
    """退款政策的一个版本. A published version never changes; an order keeps the one it was placed under (PM19).

    ``kinds`` and ``reasons`` are shaped as in ``policy_terms.py``. Without ``published_at`` it is a draft, which no
    product and no order may point at.
    """

    code = models.CharField(_("政策"), max_length=40)
    version = models.PositiveIntegerField(_("版本"))
    name = models.CharField(_("名称"), max_length=60)
    name_en = models.CharField(_("英文名称"), max_length=60)
    # When a refund may be asked for
    window_days = models.PositiveIntegerField(
        _("售后期（天）"), help_text=_("自交付起；0 表示不可退款"), validators=DAYS
    )
    cooling_off_hours = models.PositiveIntegerField(_("冷静期（小时）"), default=24)
    max_rejections = models.PositiveIntegerField(_("同一订单最多被拒次数"), default=3)
    # 通道, what the machine may approve
    one_click_below_fen = models.PositiveIntegerField(_("一键退款上限（分，不含）"), default=5000)
    one_click_daily_cap_fen = models.PositiveIntegerField(_("每位买家每日自动退款上限（分）"), default=20000)
    express_below_fen = models.PositiveIntegerField(
        _("极速退款上限（分，不含）"), default=50000, help_text=_("0 表示不开通极速退款")
    )
    express_clean_days = models.PositiveSmallIntegerField(
        _("极速退款要求多少天内无被拒记录"), default=180, validators=DAYS
    )
    express_needs_no_record = models.BooleanField(_("极速退款要求从未退过款"), default=False)
    # 费用
    fee_percent = models.PositiveSmallIntegerField(
        _("买家原因退款手续费（%）"), default=0, validators=PERCENT, help_text=_("仅限已交付、未使用、买家原因")
    )
    balance_fee_percent = models.PositiveSmallIntegerField(
        _("退至余额手续费（%）"), default=0, validators=PERCENT, help_text=_("仅限买家原因")
    )
    shop_cancel_penalty_percent = models.PositiveSmallIntegerField(_("商家原因取消的违约金（%）"), default=5)
    late_refund_is_automatic = models.BooleanField(_("超过承诺一倍时自动退款"), default=True)
    # 期限, each counted in working or in calendar time: ``working_time``
    merchant_hours = models.PositiveIntegerField(
        _("商家处理时限（小时）"),
        default=24,
        validators=[MaxValueValidator(24 * 30)],
        help_text=_("在审核时限之内；0 表示不经商家"),
    )
    review_hours = models.PositiveIntegerField(_("审核时限（小时）"), default=48)
    complete_review_hours = models.PositiveIntegerField(_("材料齐全时的审核时限（小时）"), default=24, validators=HOURS)
    high_value_review_hours = models.PositiveIntegerField(
        _("超过审批线或须第三方核实时的审核时限（小时）"), default=72, validators=HOURS
    )
    cross_border_extra_hours = models.PositiveIntegerField(
        _("跨境商品另加（小时）"), default=24, validators=[MaxValueValidator(24 * 30)]
    )
    second_review_hours = models.PositiveIntegerField(_("复核时限（小时）"), default=24, validators=HOURS)
    appeal_review_hours = models.PositiveIntegerField(_("申诉审核时限（小时）"), default=72, validators=HOURS)
    evidence_hours = models.PositiveIntegerField(_("补充材料时限（小时）"), default=72)
    offer_hours = models.PositiveIntegerField(_("买家答复协商的时限（小时）"), default=48, validators=HOURS)
    consult_hours = models.PositiveIntegerField(_("第三方核实的时限（小时）"), default=48, validators=HOURS)
    release_hours = models.PositiveIntegerField(_("放款时限（小时）"), default=24, validators=HOURS)
    decide_within_days = models.PositiveSmallIntegerField(
        _("最迟多少天内必须有结论"), default=15, validators=[MinValueValidator(3), MaxValueValidator(90)]
    )
    appeal_days = models.PositiveSmallIntegerField(
        _("申诉期（天）"), default=7, validators=[MinValueValidator(3), MaxValueValidator(30)]
    )
    urge_after_hours = models.PositiveSmallIntegerField(_("多久后可催办（小时）"), default=48, validators=HOURS)
    urge_every_hours = models.PositiveSmallIntegerField(_("两次催办至少间隔（小时）"), default=12, validators=HOURS)
    silent_shop_after = models.PositiveSmallIntegerField(
        _("商家 30 天内几次逾期不答后不再等待"), default=3, validators=[MinValueValidator(1), MaxValueValidator(100)]
    )
    # Statuses whose hours count on working days alone. Versions published before there were clocks count all hours.
    working_time = models.JSONField(_("按工作日计时的阶段"), default=policy_terms.usual_working_time, blank=True)
    evidence_after_hours = models.PositiveIntegerField(
        _("交付多久后须附凭证（小时）"), default=24, validators=[MaxValueValidator(24 * 365)]
    )
    # Who decides, and who looks
    senior_above_fen = models.PositiveIntegerField(_("两人审批线（分，超过即需）"), default=50000)
    complete_after_days = models.PositiveSmallIntegerField(_("交付后自动完成（天）"), default=3)
    step_up_from_fen = models.PositiveIntegerField(_("查看卡密前须再次验证的金额（分，含）"), default=50000)
    # By kind of goods, and by reason
    kinds = models.JSONField(_("按商品类型"), default=policy_terms.usual_kinds, blank=True)
    reasons = models.JSONField(_("按退款原因"), default=policy_terms.usual_reasons)
    published_at = models.DateTimeField(_("发布时间"), null=True, blank=True)
    # Empty too in versions that a command published, and in those from before it was kept
    published_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+", verbose_name=_("发布人")
    )
    publish_reason = models.CharField(_("发布原因"), max_length=200, blank=True)

    class Meta:
        verbose_name = _("退款政策")
        verbose_name_plural = _("退款政策")
        constraints = [
            models.UniqueConstraint(name="policy_version_is_unique", fields=["code", "version"]),
            models.UniqueConstraint(
                name="one_draft_per_policy", fields=["code"], condition=Q(published_at__isnull=True)
            ),
            models.CheckConstraint(
                name="policy_fees_are_shares",
                condition=Q(fee_percent__lte=50 - models.F("balance_fee_percent")),
                violation_error_message=_("两种手续费合计不能超过 50%。"),
            ),
            models.CheckConstraint(
                name="draft_is_published_by_nobody",
                condition=Q(published_at__isnull=False) | Q(published_by__isnull=True, publish_reason=""),
            ),
        ]
        triggers = [
            pgtrigger.Protect(
                name="published_policy_never_changes",
                operation=pgtrigger.Update | pgtrigger.Delete,
                condition=pgtrigger.Q(old__published_at__isnull=False),
            ),
            append_only("published_policy_never_changes")[1],
        ]

    def __str__(self) -> str:
        return f"{self.name} v{self.version}" + ("" if self.published_at else " 草稿")

    def clean(self) -> None:
        """Raises ValidationError naming the field, with what is wrong and where."""
        wrong = {
            "kinds": policy_terms.wrong_kinds(self.kinds),
            "reasons": policy_terms.wrong_reasons(self.reasons),
            "working_time": policy_terms.wrong_working_time(self.working_time),
            "merchant_hours": self._wrong_merchant_hours(),
        }
        if found := {field: message for field, message in wrong.items() if message}:
            raise ValidationError(found)

    def _wrong_merchant_hours(self) -> str:
        """The shop's time lies within the review's, at most half of it: what is beyond would do nothing (S4-9)."""
        most = max(self.review_hours, self.complete_review_hours, self.high_value_review_hours) // 2
        if self.merchant_hours <= most:
            return ""
        return _("商家处理最多占审核时限的一半：这里最长 %(most)s 小时。请缩短它，或延长审核时限。") % {"most": most}

    def window_of(self, kind: str) -> int:
        """售后期 in days for goods of this kind."""
        return int(self._of_kind(kind, "window_days", self.window_days))

    def cooling_off_of(self, kind: str) -> int:
        """冷静期 in hours for goods of this kind."""
        return int(self._of_kind(kind, "cooling_off_hours", self.cooling_off_hours))

    @property
    def first_of_two_hours(self) -> int:
        """S2-8: of the time for two people, what the second needs is kept from the first."""
        return max(0, self.high_value_review_hours - self.second_review_hours)

    def reason(self, code: str) -> policy_terms.ReasonTerms | None:
        """What this version says about one reason; None if it does not take it."""
        return next((policy_terms.ReasonTerms.of(row) for row in self.reasons if row["reason"] == code), None)

    def slots_for(self, reason: str, kind: str, *, is_cross_border: bool) -> list[str]:
        """举证: the pictures that a complete application with this reason and these goods holds, in order."""
        own = self.slots_of(reason)
        if not own:
            return []
        wanted = [*own, *self._of_kind(kind, "slots", [])]
        if is_cross_border:
            wanted.append(policy_terms.IDENTITY)  # S3-14
        return list(dict.fromkeys(wanted))

    def slots_of(self, reason: str) -> list[str]:
        """Of whatever goods; none: there is nothing to show, our own records prove it."""
        terms = self.reason(reason)
        return list(terms.slots) if terms else []

    def _of_kind(self, kind: str, name: str, usual: Any) -> Any:
        return self.kinds.get(kind, {}).get(name, usual)


def under_published_terms(name: str) -> pgtrigger.Trigger:
    """For models with a ``policy``: no row of theirs points at a draft."""
    return pgtrigger.Trigger(
        name=name,
        when=pgtrigger.Before,
        operation=pgtrigger.Insert | pgtrigger.UpdateOf("policy_id"),
        func="""
        IF NOT EXISTS (SELECT FROM shops_refundpolicy WHERE id = NEW.policy_id AND published_at IS NOT NULL) THEN
            RAISE EXCEPTION 'refund policy % is not published', NEW.policy_id USING ERRCODE = 'check_violation';
        END IF;
        RETURN NEW;
        """,
    )
