"""存证: every event of a code, an order or a case is a link of a hash chain; each day all chains get one signed root.

The chain shows that *we* changed nothing afterwards. It cannot show what happened at a game operator (S3-26, S4-23).
"""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from append_only import append_only


class Link(models.Model):
    """One event of one chain. ``records/chain.py`` numbers and links it; the database never lets it change (I7).

    A subclass names its ``STREAM``, the ``SUBJECT`` whose life it records, what stands in the hash as it is
    (``PUBLIC``), and what stands there as a salted digest only (``PERSONAL``), so that erasing it breaks no chain.
    """

    STREAM: ClassVar[str]
    SUBJECT: ClassVar[str]
    PUBLIC: ClassVar[tuple[str, ...]]
    PERSONAL: ClassVar[tuple[str, ...]] = ()
    NUMBER: ClassVar[str] = "pk"  # the column of the subject by which people know it
    STEP: ClassVar[str] = "step"  # what was done, …
    TO: ClassVar[str] = "to_status"  # … what the subject was then, …
    STATE: ClassVar[str] = "status"  # … and the subject's own column, which must say the same as its last event (I8)

    sequence = models.PositiveIntegerField(_("序号"))
    at = models.DateTimeField(_("时间"))  # when it happened, by the shop's clock
    recorded_at = models.DateTimeField(
        _("入账时间"), db_default=Now()
    )  # when it was written; which day's root holds it
    salt = models.BinaryField(max_length=16)
    personal_digest = models.BinaryField(max_length=32)
    previous_hash = models.BinaryField(max_length=32)  # 32 zero bytes for the first
    hash = models.BinaryField(max_length=32)

    class Meta:
        abstract = True


class DailyRoot(models.Model):
    """每日根: the Merkle root over the heads of all chains that grew that day, signed and published."""

    day = models.DateField(_("日期"), unique=True)  # of ``recorded_at``, in Asia/Shanghai
    leaf_count = models.PositiveIntegerField(_("链数"))
    leaves = models.BinaryField(
        _("叶")
    )  # leaf_count × 32 bytes, in the order of the tree: a proof needs no other table
    root = models.BinaryField(_("根"), max_length=32)
    previous_root = models.BinaryField(_("前一日根"), max_length=32)
    key_id = models.CharField(_("公钥号"), max_length=40)
    signature = models.BinaryField(_("签名"), max_length=64)  # Ed25519 over records/roots.py's statement
    published_at = models.DateTimeField(_("公布时间"))

    class Meta:
        verbose_name = _("每日根")
        verbose_name_plural = _("每日根")
        triggers = append_only("daily_roots_are_append_only")

    def __str__(self) -> str:
        return f"{self.day}"


class PackDownload(models.Model):
    """证据包下载: which pack of which case went out, to whom and when. Its digest tells it from any other."""

    about = models.CharField(_("单号"), max_length=20)  # the refund's number
    reader = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", verbose_name=_("下载人"))
    made_for = models.CharField(_("身份"), max_length=8)  # refunds.evidence_pack.Side
    manifest_digest = models.CharField(_("清单摘要"), max_length=64)  # SHA-256 of the signed statement
    size_bytes = models.PositiveBigIntegerField(_("大小（字节）"))
    at = models.DateTimeField(_("时间"))

    class Meta:
        verbose_name = _("证据包下载")
        verbose_name_plural = _("证据包下载")
        constraints = [
            models.CheckConstraint(
                name="pack_is_made_for_a_side", condition=Q(made_for__in=["buyer", "shop", "staff"])
            ),
        ]
        indexes = [models.Index(name="pack_download_about", fields=["about", "id"])]
        triggers = append_only("pack_downloads_are_append_only")

    def __str__(self) -> str:
        return f"{self.about} {self.made_for}"
