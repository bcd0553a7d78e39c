"""入库批次: an uploaded list of codes, sealed line by line before anything else is done with it; all or nothing."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from identifiers import uuid7
from shops.models.product import Product
from workqueue import WorkItem


class ImportStatus(models.TextChoices):
    """What leads from one to the next is the table in ``shops/importing.py``."""

    CHECKING = "checking", _("检查中")
    CHECKED = "checked", _("待确认")
    IMPORTING = "importing", _("入库中")
    IMPORTED = "imported", _("已入库")
    DISCARDED = "discarded", _("已放弃")


class StockImport(WorkItem):
    """入库批次."""

    product = models.ForeignKey(Product, models.PROTECT, related_name="imports", verbose_name=_("商品"))
    uploaded_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    file_name = models.CharField(_("文件名"), max_length=120)
    status = models.CharField(_("状态"), max_length=16, choices=ImportStatus.choices, default=ImportStatus.CHECKING)
    line_count = models.PositiveIntegerField(_("行数"), default=0)
    done_count = models.PositiveIntegerField(_("已处理行数"), default=0)
    problem_count = models.PositiveIntegerField(_("有问题的行数"), default=0)
    uploaded_at = models.DateTimeField(_("上传时间"))
    confirmed_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+")
    imported_at = models.DateTimeField(_("入库时间"), null=True, blank=True)

    class Meta:
        verbose_name = _("入库批次")
        verbose_name_plural = _("入库批次")
        constraints = [
            models.CheckConstraint(name="import_status_is_listed", condition=Q(status__in=ImportStatus.values)),
            models.CheckConstraint(
                name="working_import_is_due",
                condition=~Q(status__in=["checking", "importing"]) | Q(next_due_at__isnull=False),
            ),
        ]
        indexes = [
            models.Index(name="import_due", fields=["next_due_at", "id"], condition=Q(next_due_at__isnull=False)),
            models.Index(name="import_of_product", fields=["product", "-uploaded_at", "-id"]),
        ]

    def __str__(self) -> str:
        return self.file_name or f"{self._meta.verbose_name} {self.pk}"


class StagedFile(models.Model):
    """上传的文件, sealed whole, from the upload until its lines are staged. It rests nowhere in clear (I15)."""

    stock_import = models.OneToOneField(StockImport, models.CASCADE, primary_key=True, related_name="file")
    sealed = models.BinaryField(_("密文"))
    key_id = models.CharField(_("密钥号"), max_length=40)

    class Meta:
        verbose_name = _("待检查的文件")
        verbose_name_plural = _("待检查的文件")


class StagedCode(models.Model):
    """待入库的一行. It bears the key of the code that it will become, so its sealed text moves over as it is.

    A line with a problem keeps no text. Rows go when the import is over.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    stock_import = models.ForeignKey(StockImport, models.CASCADE, related_name="lines")
    line_number = models.PositiveIntegerField(_("行号"))
    sealed = models.BinaryField(_("密文"), null=True)
    key_id = models.CharField(_("密钥号"), max_length=40, blank=True)
    fingerprint = models.BinaryField(_("指纹"), max_length=32, null=True)
    valid_until = models.DateField(_("有效期至"), null=True)
    problem = models.CharField(_("问题"), max_length=40, blank=True)  # a key of shops/stock_lines.py's PROBLEMS

    class Meta:
        verbose_name = _("待入库的一行")
        verbose_name_plural = _("待入库的行")
        constraints = [
            models.UniqueConstraint(name="staged_line_is_unique", fields=["stock_import", "line_number"]),
            models.CheckConstraint(
                name="staged_line_is_sealed_or_has_a_problem",
                condition=Q(problem="", sealed__isnull=False, fingerprint__isnull=False)
                | (~Q(problem="") & Q(sealed__isnull=True)),
            ),
        ]
        indexes = [models.Index(name="staged_by_fingerprint", fields=["stock_import", "fingerprint"])]
