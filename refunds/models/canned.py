"""常用回复: what support writes again and again, offered in the dialogs of a case (K4)."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from refunds.models.negotiation import written_once


class CannedReply(models.Model):
    """One text for one step. A version never changes: rewriting makes the next one and retires this (``replaces``), so
    that what was said to whom can always be read."""

    step = models.CharField(_("用于"), max_length=24)  # a key of STEPS that has a note
    ground = models.CharField(_("驳回依据"), max_length=20, blank=True)  # a key of grounds.py, for refusals
    title = models.CharField(_("标题"), max_length=40)  # colleagues read it in the list
    text = models.CharField(_("正文"), max_length=500)  # the other side reads it; see canned.BLANKS
    text_en = models.CharField(_("英文正文"), max_length=500, blank=True)  # for buyers who read English
    replaces = models.OneToOneField(
        "self", models.PROTECT, null=True, blank=True, related_name="replaced_by", verbose_name=_("上一版")
    )
    written_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+", verbose_name=_("撰写人")
    )  # empty: came with the house
    written_at = models.DateTimeField(_("撰写时间"))
    retired_at = models.DateTimeField(_("停用时间"), null=True, blank=True)
    retired_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+", verbose_name=_("停用人")
    )

    class Meta:
        verbose_name = _("常用回复")
        verbose_name_plural = _("常用回复")
        constraints = [
            models.CheckConstraint(name="canned_reply_says_something", condition=~Q(title="") & ~Q(text="")),
            models.CheckConstraint(
                name="retired_canned_reply_says_when",
                condition=Q(retired_by__isnull=True) | Q(retired_at__isnull=False),
            ),
        ]
        indexes = [models.Index(name="canned_reply_in_use", fields=["step", "id"], condition=Q(retired_at=None))]
        triggers = written_once("canned_replies_never_change", "retired_at", "retired_by_id")

    def __str__(self) -> str:
        return self.title

    @property
    def is_active(self) -> bool:
        return self.retired_at is None
