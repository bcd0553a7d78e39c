"""供应商: who knows what became of a code, and who carries out a top-up; every signed answer is kept."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from append_only import append_only

ABOUT_TOPUP = Q(about__startswith="topup:")


class Supplier(models.Model):
    """上游供应商. Its keys stand in the settings (``SUPPLIERS``), under its code; never in this row."""

    code = models.SlugField(_("代号"), max_length=40, unique=True)
    name = models.CharField(_("名称"), max_length=60)
    is_active = models.BooleanField(_("启用"), default=True)
    created_at = models.DateTimeField(_("登记时间"))

    class Meta:
        verbose_name = _("供应商")
        verbose_name_plural = _("供应商")

    def __str__(self) -> str:
        return self.name


class SupplierAnswer(models.Model):
    """供应商的签名答复, word for word: proves years later what was said about a code or a top-up."""

    supplier = models.ForeignKey(Supplier, models.PROTECT, related_name="answers", verbose_name=_("供应商"))
    about = models.CharField(_("关于"), max_length=80)  # "code:<id>" or "topup:<topup_no>"
    state = models.CharField(_("状态"), max_length=20)  # in our words: shops/suppliers/base.py
    effective_at = models.DateTimeField(_("发生时间"), null=True, blank=True)  # redeemed or arrived
    body = models.TextField(_("答复原文"))
    timestamp = models.CharField(max_length=40)
    nonce = models.CharField(max_length=64)
    signature = models.TextField(_("签名"))
    public_key_digest = models.CharField(_("公钥摘要"), max_length=64)
    at = models.DateTimeField(_("时间"))

    class Meta:
        verbose_name = _("供应商答复")
        verbose_name_plural = _("供应商答复")
        constraints = [models.CheckConstraint(name="supplier_answer_is_signed", condition=~Q(signature=""))]
        indexes = [
            models.Index(name="supplier_answer_about", fields=["about", "-id"]),
            models.Index(name="supplier_answer_of_topup", fields=["-id"], condition=ABOUT_TOPUP),
        ]
        triggers = append_only("supplier_answers_are_append_only")

    def __str__(self) -> str:
        return self.about
