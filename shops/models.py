"""What is for sale: a shop's products, the refund policy they are sold under, and the codes in stock."""

from __future__ import annotations

import pgtrigger
from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from append_only import append_only
from identifiers import uuid7


class Shop(models.Model):
    """店铺."""

    name = models.CharField(_("店铺名"), max_length=60, unique=True)
    about = models.CharField(_("简介"), max_length=200, blank=True)
    members = models.ManyToManyField(settings.AUTH_USER_MODEL, related_name="shops", verbose_name=_("成员"), blank=True)
    created_at = models.DateTimeField(_("入驻时间"))

    class Meta:
        verbose_name = _("店铺")
        verbose_name_plural = _("店铺")

    def __str__(self) -> str:
        return self.name


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
    published_at = models.DateTimeField(_("发布时间"))

    class Meta:
        verbose_name = _("退款政策")
        verbose_name_plural = _("退款政策")
        constraints = [models.UniqueConstraint(name="policy_version_is_unique", fields=["code", "version"])]
        triggers = append_only("published_policy_never_changes")

    def __str__(self) -> str:
        return f"{self.name} v{self.version}"


HIGHEST_PRICE_FEN = 100_000_00  # ten of them still fit into an order's total


class ProductKind(models.TextChoices):
    """Kinds this issue sells; each later kind brings its own rule of 'used' (docs/rules.md)."""

    CARD_CODE = "card_code", _("卡密")
    TOP_UP = "top_up", _("直充")
    MEMBERSHIP = "membership", _("会员")
    ACTIVATION_CODE = "activation_code", _("激活码")


class Product(models.Model):
    """商品."""

    shop = models.ForeignKey(Shop, models.PROTECT, related_name="products", verbose_name=_("店铺"))
    policy = models.ForeignKey(RefundPolicy, models.PROTECT, related_name="products", verbose_name=_("退款政策"))
    kind = models.CharField(_("类型"), max_length=20, choices=ProductKind.choices, default=ProductKind.CARD_CODE)
    name = models.CharField(_("商品名"), max_length=80)
    face_value = models.CharField(_("面值"), max_length=40, blank=True)
    description = models.TextField(_("说明"), blank=True)
    not_refundable_note = models.TextField(_("不可退款情形"), blank=True)
    price_fen = models.PositiveIntegerField(_("价格（分）"))
    delivery_promise_minutes = models.PositiveIntegerField(_("承诺交付（分钟）"), default=5)
    is_listed = models.BooleanField(_("在售"), default=True)
    created_at = models.DateTimeField(_("上架时间"))

    class Meta:
        verbose_name = _("商品")
        verbose_name_plural = _("商品")
        constraints = [
            models.CheckConstraint(
                name="product_price_is_in_range",
                condition=Q(price_fen__gt=0, price_fen__lte=HIGHEST_PRICE_FEN),
                violation_error_message=_("价格须在 ¥0.01 与 ¥100,000.00 之间。"),
            )
        ]
        indexes = [models.Index(name="product_listed", fields=["-created_at", "-id"], condition=Q(is_listed=True))]

    def __str__(self) -> str:
        return self.name


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
    fingerprint = models.BinaryField(_("指纹"), max_length=32, unique=True)  # keyed: finds duplicates, tells nothing
    state = models.CharField(_("状态"), max_length=16, choices=CodeState.choices, default=CodeState.IN_STOCK)
    delivered_at = models.DateTimeField(_("交付时间"), null=True, blank=True)
    revealed_at = models.DateTimeField(_("首次查看时间"), null=True, blank=True)
    created_at = models.DateTimeField(_("入库时间"))

    class Meta:
        verbose_name = _("卡密")
        verbose_name_plural = _("卡密")
        constraints = [
            models.CheckConstraint(name="code_state_is_listed", condition=Q(state__in=CodeState.values)),
            models.CheckConstraint(  # never back to stock, nor refunded as unused, once seen
                name="revealed_code_is_revealed_or_void",
                condition=Q(state__in=[CodeState.REVEALED, CodeState.VOID], revealed_at__isnull=False)
                | (~Q(state__in=[CodeState.REVEALED, CodeState.VOID]) & Q(revealed_at__isnull=True)),
            ),
            models.CheckConstraint(
                name="undelivered_code_has_no_delivery",
                condition=Q(state__in=[CodeState.IN_STOCK, CodeState.RESERVED], delivered_at__isnull=True)
                | (~Q(state__in=[CodeState.IN_STOCK, CodeState.RESERVED]) & Q(delivered_at__isnull=False)),
            ),
            models.CheckConstraint(
                name="code_is_revealed_after_delivery",
                condition=Q(revealed_at__isnull=True) | Q(revealed_at__gte=F("delivered_at")),
            ),
        ]
        indexes = [
            models.Index(name="code_for_sale", fields=["product", "id"], condition=Q(state=CodeState.IN_STOCK)),
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


class CodeEvent(models.Model):
    """卡密记录: who looked, when, from where. Append-only; the fact that ends the quarrel about 'used or not'."""

    code = models.ForeignKey(CardCode, models.PROTECT, related_name="events")
    kind = models.CharField(_("事件"), max_length=16)
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")
    at = models.DateTimeField(_("时间"))
    ip = models.GenericIPAddressField(_("地址"), null=True)
    device = models.CharField(_("设备"), max_length=200, blank=True)

    class Meta:
        verbose_name = _("卡密记录")
        verbose_name_plural = _("卡密记录")
        indexes = [models.Index(name="code_event_of_code", fields=["code", "id"])]
        triggers = append_only("code_events_are_append_only")
