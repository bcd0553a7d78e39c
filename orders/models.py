"""What was bought. An order keeps the policy and the page it was placed under; later edits never reach it (PM19)."""

from __future__ import annotations

import pgtrigger
from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from append_only import append_only
from identifiers import public_number
from shops.models import CardCode, Product, RefundPolicy, Shop


def new_order_no() -> str:
    return public_number("D")


class OrderStatus(models.TextChoices):
    PLACED = "placed", _("待付款")
    PAID = "paid", _("已付款，待交付")
    DELIVERED = "delivered", _("已交付")
    COMPLETED = "completed", _("已完成")  # every code has been revealed
    CANCELED = "canceled", _("已取消")


class Order(models.Model):
    """订单."""

    order_no = models.CharField(_("订单号"), max_length=20, unique=True, default=new_order_no, editable=False)
    buyer = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="orders", verbose_name=_("买家"))
    shop = models.ForeignKey(Shop, models.PROTECT, related_name="orders", verbose_name=_("店铺"))
    policy = models.ForeignKey(RefundPolicy, models.PROTECT, related_name="orders", verbose_name=_("退款政策版本"))
    status = models.CharField(_("状态"), max_length=16, choices=OrderStatus.choices, default=OrderStatus.PLACED)
    total_fen = models.PositiveIntegerField(_("总额（分）"))
    placed_at = models.DateTimeField(_("下单时间"))
    expires_at = models.DateTimeField(_("付款截止"))
    paid_at = models.DateTimeField(_("付款时间"), null=True, blank=True)
    delivered_at = models.DateTimeField(_("交付时间"), null=True, blank=True)
    completed_at = models.DateTimeField(_("完成时间"), null=True, blank=True)
    canceled_at = models.DateTimeField(_("取消时间"), null=True, blank=True)
    checkout_key = models.UUIDField(_("下单幂等键"), unique=True)  # a double tap makes one order (P1)

    class Meta:
        verbose_name = _("订单")
        verbose_name_plural = _("订单")
        constraints = [
            models.CheckConstraint(name="order_status_is_listed", condition=Q(status__in=OrderStatus.values)),
            models.CheckConstraint(name="order_total_is_positive", condition=Q(total_fen__gt=0)),
            models.CheckConstraint(
                name="paid_order_has_its_time",
                condition=Q(paid_at__isnull=False) | Q(status__in=[OrderStatus.PLACED, OrderStatus.CANCELED]),
            ),
        ]
        indexes = [
            models.Index(name="order_of_buyer", fields=["buyer", "-placed_at", "-id"]),
            models.Index(name="order_of_shop", fields=["shop", "-placed_at", "-id"]),
        ]
        triggers = [pgtrigger.Protect(name="order_is_never_deleted", operation=pgtrigger.Delete)]

    def __str__(self) -> str:
        return self.order_no


class OrderLine(models.Model):
    """订单行: one unit bought, so one code and one share of the price. Refunds are counted by line."""

    order = models.ForeignKey(Order, models.PROTECT, related_name="lines")
    position = models.PositiveSmallIntegerField(_("行号"))
    product = models.ForeignKey(Product, models.PROTECT, related_name="order_lines", verbose_name=_("商品"))
    product_name = models.CharField(_("商品名（下单时）"), max_length=80)
    product_page = models.JSONField(_("商品页快照"))  # S0-24: what the buyer was shown
    price_fen = models.PositiveIntegerField(_("实付（分）"))

    class Meta:
        verbose_name = _("订单行")
        verbose_name_plural = _("订单行")
        constraints = [
            models.UniqueConstraint(name="order_line_position_is_unique", fields=["order", "position"]),
            models.CheckConstraint(name="order_line_price_is_positive", condition=Q(price_fen__gt=0)),
        ]
        triggers = append_only("order_lines_are_append_only")  # S0-24, PM19


class Delivery(models.Model):
    """发卡: this code was handed over for this line. One line, one code, once (I9)."""

    line = models.OneToOneField(OrderLine, models.PROTECT, related_name="delivery")
    code = models.OneToOneField(CardCode, models.PROTECT, related_name="delivery")
    delivered_at = models.DateTimeField(_("交付时间"))

    class Meta:
        verbose_name = _("交付")
        verbose_name_plural = _("交付")
        triggers = append_only("delivery_is_append_only")
