"""凭证, and the draft of an application that they are first laid into."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.db.models.expressions import CombinedExpression
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from append_only import append_only
from identifiers import uuid7
from images import HINTS
from orders.models import Order
from refunds.models.case import Refund

BANDS = 4  # of 16 bits each


def band_of(likeness: str, number: int) -> CombinedExpression:
    """16 of the 64 bits of a column: its n-th band."""
    return F(likeness).bitrightshift(16 * number).bitand(0xFFFF)


class Evidence(models.Model):
    """凭证: a repainted image or a sentence, laid before the reviewer. Served to those of the case alone."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    refund = models.ForeignKey(Refund, models.PROTECT, related_name="evidence")
    provided_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    image = models.FileField(_("图片"), upload_to="evidence", max_length=200, blank=True)
    content_type = models.CharField(_("格式"), max_length=20, blank=True)
    width = models.PositiveIntegerField(_("宽"), default=0)
    height = models.PositiveIntegerField(_("高"), default=0)
    digest = models.CharField(_("摘要"), max_length=64, blank=True)
    slot = models.CharField(
        _("凭证项"), max_length=24, blank=True
    )  # shops.policy_terms.SLOTS; empty: any other picture
    likeness = models.BigIntegerField(_("感知哈希"), null=True, blank=True)  # pictures that look alike are bits apart
    note = models.TextField(_("说明"), blank=True, max_length=500)
    created_at = models.DateTimeField(_("提交时间"))

    class Meta:
        verbose_name = _("凭证")
        verbose_name_plural = _("凭证")
        constraints = [
            models.CheckConstraint(name="evidence_says_something", condition=~Q(image="") | ~Q(note="")),
        ]
        indexes = [  # pictures that look alike have one of these four in common: evidence.seen_before
            models.Index(
                band_of("likeness", number),
                F("created_at"),
                name=f"evidence_alike_{number}",
                condition=Q(likeness__isnull=False),
            )
            for number in range(BANDS)
        ]
        triggers = append_only("evidence_is_append_only")


class RefundDraft(models.Model):
    """申请草稿: what a buyer has answered so far, page by page. It becomes a refund, and proves nothing.

    ``answers``: {"reason", "lines": [position], "amount_fen", "description", "contact", "destination"}, once given.
    """

    order = models.OneToOneField(Order, models.PROTECT, related_name="refund_draft")
    answers = models.JSONField(_("已填内容"), default=dict)
    updated_at = models.DateTimeField(_("最近修改"))

    class Meta:
        verbose_name = _("申请草稿")
        verbose_name_plural = _("申请草稿")


class DraftImage(models.Model):
    """草稿里的图片: repainted already, and as private as evidence, which it becomes when the application is sent."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    draft = models.ForeignKey(RefundDraft, models.CASCADE, related_name="images")
    slot = models.CharField(_("凭证项"), max_length=24, blank=True)
    image = models.FileField(_("图片"), upload_to="evidence", max_length=200)
    content_type = models.CharField(_("格式"), max_length=20)
    width = models.PositiveIntegerField(_("宽"))
    height = models.PositiveIntegerField(_("高"))
    digest = models.CharField(_("摘要"), max_length=64)
    likeness = models.BigIntegerField(_("感知哈希"), null=True)
    hint = models.CharField(_("提示"), max_length=12, blank=True)  # images.HINTS: hard to read, and taken all the same
    created_at = models.DateTimeField(_("上传时间"))

    class Meta:
        verbose_name = _("草稿图片")
        verbose_name_plural = _("草稿图片")

    @property
    def advice(self) -> str:
        """The hint in the reader's language; empty: none."""
        return gettext(HINTS[self.hint]) if self.hint in HINTS else ""
