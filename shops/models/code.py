"""卡密: one row per code, sealed, and the record of its whole life."""

from __future__ import annotations

import pgtrigger
from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from append_only import append_only
from identifiers import uuid7
from records.models import Link
from shops.models.product import Product


class CodeState(models.TextChoices):
    """A code is in exactly one of these (I9). Only ``shops/stock.py`` moves it."""

    IN_STOCK = "in_stock", _("在库")
    RESERVED = "reserved", _("已预留")
    DELIVERED = "delivered", _("已交付，未查看")
    REVEALED = "revealed", _("已查看")
    FROZEN = "frozen", _("已冻结")  # a refund is asked for: it cannot be revealed
    QUARANTINED = "quarantined", _("隔离")  # refunded unrevealed: never straight back to sale
    VOID = "void", _("作废")  # refunded after it was revealed


class CardCode(models.Model):
    """卡密. The text is sealed (``shops/vault.py``), bound to this very row, and opened by ``stock.reveal`` alone."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    product = models.ForeignKey(Product, models.PROTECT, related_name="codes", verbose_name=_("商品"))
    sealed = models.BinaryField(_("密文"))
    key_id = models.CharField(_("密钥号"), max_length=40)
    fingerprint = models.BinaryField(_("指纹"), max_length=32)  # keyed: finds duplicates, tells nothing
    state = models.CharField(_("状态"), max_length=16, choices=CodeState.choices, default=CodeState.IN_STOCK)
    delivered_at = models.DateTimeField(_("交付时间"), null=True, blank=True)
    revealed_at = models.DateTimeField(_("首次查看时间"), null=True, blank=True)
    valid_until = models.DateField(_("有效期至"), null=True, blank=True)
    # A quarantined code that its shop released: the same text under a key of its own, in a row of its own.
    restocked_as = models.OneToOneField("self", models.PROTECT, null=True, blank=True, related_name="restocked_from")
    stock_import = models.ForeignKey(
        "StockImport", models.PROTECT, null=True, blank=True, related_name="codes", verbose_name=_("入库批次")
    )
    created_at = models.DateTimeField(_("入库时间"))

    class Meta:
        verbose_name = _("卡密")
        verbose_name_plural = _("卡密")
        constraints = [
            models.UniqueConstraint(  # P13: one living row per text, in the whole marketplace
                name="code_text_is_unique", fields=["fingerprint"], condition=Q(restocked_as__isnull=True)
            ),
            models.CheckConstraint(
                name="only_quarantine_is_restocked",
                condition=Q(restocked_as__isnull=True) | Q(state=CodeState.QUARANTINED),
            ),
            models.CheckConstraint(name="code_state_is_listed", condition=Q(state__in=CodeState.values)),
            models.CheckConstraint(  # never back to stock, nor refunded as unused, once seen
                name="revealed_code_is_revealed_or_void",
                condition=Q(state__in=[CodeState.REVEALED, CodeState.VOID], revealed_at__isnull=False)
                | (~Q(state__in=[CodeState.REVEALED, CodeState.VOID]) & Q(revealed_at__isnull=True)),
            ),
            models.CheckConstraint(
                name="undelivered_code_has_no_delivery",
                condition=Q(state__in=[CodeState.IN_STOCK, CodeState.RESERVED], delivered_at__isnull=True)
                | Q(state=CodeState.QUARANTINED)  # also what its shop took out of sale before anybody had it
                | (~Q(state__in=[CodeState.IN_STOCK, CodeState.RESERVED]) & Q(delivered_at__isnull=False)),
            ),
            models.CheckConstraint(
                name="code_is_revealed_after_delivery",
                condition=Q(revealed_at__isnull=True) | Q(revealed_at__gte=F("delivered_at")),
            ),
        ]
        indexes = [
            models.Index(name="code_for_sale", fields=["product", "id"], condition=Q(state=CodeState.IN_STOCK)),
            models.Index(name="code_quarantined", fields=["product", "id"], condition=Q(state=CodeState.QUARANTINED)),
            models.Index(name="code_of_product", fields=["product", "state", "created_at", "id"]),
            models.Index(name="code_by_key", fields=["key_id", "id"]),  # what a rotation of keys has still to do
        ]
        triggers = [
            pgtrigger.Protect(name="code_is_never_deleted", operation=pgtrigger.Delete),
            pgtrigger.Trigger(
                name="revealed_code_stays_revealed",
                when=pgtrigger.Before,
                operation=pgtrigger.Update,
                condition=pgtrigger.Q(old__revealed_at__isnull=False)
                & pgtrigger.Q(old__revealed_at__df=pgtrigger.F("new__revealed_at")),
                func="RAISE EXCEPTION 'a revealed code stays revealed';",
            ),
        ]

    def __str__(self) -> str:
        return f"{self._meta.verbose_name} {self.pk}"


class CodeEventKind(models.TextChoices):
    """Every move of a code, and every time its text is opened. The table of moves is ``shops/stock.py``."""

    STOCK = "stock", _("入库")
    ADOPT = "adopt", _("建档")  # what the state was when records began
    RESTOCK = "restock", _("解除隔离，重新入库")  # first event of the new row; last of the old one is ``release``
    RELEASE = "release", _("解除隔离")
    RESERVE = "reserve", _("预留")
    UNRESERVE = "unreserve", _("取消预留")
    DELIVER = "deliver", _("交付")
    REVEAL = "reveal", _("首次查看")
    LOOK = "look", _("再次查看")
    FREEZE = "freeze", _("冻结")
    UNFREEZE = "unfreeze", _("解冻")
    QUARANTINE = "quarantine", _("隔离")
    VOID = "void", _("作废")
    REVIVE = "revive", _("恢复")  # the refund came to nothing after all
    CHECK = "check", _("向发卡方核验")  # opened by a machine, to ask the issuer


class CodeEvent(Link):
    """卡密记录: one link of a code's chain. The facts that end the quarrel about 'used or not'; the state is their fold
    (I8)."""

    STREAM = "code"
    SUBJECT = "code"
    PUBLIC = ("kind", "to_state", "actor_id")
    PERSONAL = ("ip", "device")
    STEP, TO, STATE = "kind", "to_state", "state"

    code = models.ForeignKey(CardCode, models.PROTECT, related_name="events")
    kind = models.CharField(_("事件"), max_length=16, choices=CodeEventKind.choices)
    to_state = models.CharField(_("其后状态"), max_length=16, choices=CodeState.choices)
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")
    ip = models.GenericIPAddressField(_("地址"), null=True)
    device = models.CharField(_("设备"), max_length=200, blank=True)

    class Meta:
        verbose_name = _("卡密记录")
        verbose_name_plural = _("卡密记录")
        constraints = [models.UniqueConstraint(name="code_events_are_numbered", fields=["code", "sequence"])]
        indexes = [
            models.Index(name="code_event_of_code", fields=["code", "id"]),
            models.Index(name="code_event_of_day", fields=["recorded_at"]),
        ]
        triggers = append_only("code_events_are_append_only")

    def __str__(self) -> str:
        return f"{self.sequence} {CodeEventKind(self.kind).label}"
