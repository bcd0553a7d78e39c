"""沟通与评价: what buyer and shop say on an order, and what the buyer says afterwards."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from append_only import append_only
from orders.models.order import Order
from shops.models import Product, Shop
from shops.models.product import EARLIEST, LATEST, OUT_OF_TIME


class Side(models.TextChoices):
    BUYER = "buyer", _("买家")
    SHOP = "shop", _("商家")
    PLATFORM = "platform", _("平台")


class Call(models.TextChoices):
    """Who called whom; the other end is the platform."""

    FROM_BUYER = "from_buyer", _("买家来电")
    TO_BUYER = "to_buyer", _("致电买家")
    FROM_SHOP = "from_shop", _("商家来电")
    TO_SHOP = "to_shop", _("致电商家")


class OrderMessage(models.Model):
    """订单留言: immutable, codes masked before it is written (S4-27, PM16).

    With ``call`` it is the note of a telephone call, written by the platform: who called whom, and when.
    """

    order = models.ForeignKey(Order, models.PROTECT, related_name="messages")
    author = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    side = models.CharField(_("身份"), max_length=10, choices=Side.choices)
    text = models.CharField(_("内容"), max_length=1000)
    warnings = models.JSONField(_("提醒"), default=list)  # keys of orders/talk.py's WARNINGS
    at = models.DateTimeField(_("时间"))
    call = models.CharField(_("电话"), max_length=10, choices=Call.choices, blank=True)
    called_at = models.DateTimeField(_("通话时间"), null=True, blank=True)

    class Meta:
        verbose_name = _("订单留言")
        verbose_name_plural = _("订单留言")
        constraints = [
            models.CheckConstraint(name="order_message_says_something", condition=~Q(text="")),
            models.CheckConstraint(
                name="call_note_is_the_platforms",
                condition=Q(call="", called_at__isnull=True)
                | Q(
                    call__in=["from_buyer", "to_buyer", "from_shop", "to_shop"],
                    side="platform",
                    called_at__isnull=False,
                    called_at__lte=models.F("at"),
                ),
            ),
        ]
        indexes = [models.Index(name="message_of_order", fields=["order", "id"])]
        triggers = append_only("order_messages_are_append_only")


class Review(models.Model):
    """买家评价, after completion. The buyer's words never change; moderation hides or shows, with a reason (S1-21)."""

    order = models.OneToOneField(Order, models.PROTECT, related_name="review")
    product = models.ForeignKey(Product, models.PROTECT, related_name="reviews")
    shop = models.ForeignKey(Shop, models.PROTECT, related_name="reviews")
    author = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    stars = models.PositiveSmallIntegerField(_("评分"))
    text = models.CharField(_("评价"), max_length=500, blank=True)
    about_refund = models.BooleanField(
        _("退款相关"), default=False
    )  # the order had a refund, or the words speak of one
    reply = models.CharField(_("商家回复"), max_length=500, blank=True)
    replied_at = models.DateTimeField(_("回复时间"), null=True, blank=True)
    is_hidden = models.BooleanField(_("已隐藏"), default=False)
    hidden_reason = models.CharField(_("隐藏原因"), max_length=200, blank=True)
    hidden_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+")
    hidden_at = models.DateTimeField(_("隐藏时间"), null=True, blank=True)
    at = models.DateTimeField(_("时间"))

    class Meta:
        verbose_name = _("买家评价")
        verbose_name_plural = _("买家评价")
        constraints = [
            models.CheckConstraint(name="review_has_one_to_five_stars", condition=Q(stars__gte=1, stars__lte=5)),
            models.CheckConstraint(
                name="hidden_review_says_why",
                condition=Q(is_hidden=False) | (~Q(hidden_reason="") & Q(hidden_by__isnull=False)),
            ),
        ]
        indexes = [
            models.Index(name="review_of_product", fields=["product", "-at", "-id"], condition=Q(is_hidden=False)),
            models.Index(name="review_of_shop", fields=["shop", "-at", "-id"]),
            models.Index(
                name="refund_review_of_product",
                fields=["product", "-at", "-id"],
                condition=Q(is_hidden=False, about_refund=True),
            ),
            models.Index(
                name="refund_review_of_shop",
                fields=["shop", "-at", "-id"],
                condition=Q(is_hidden=False, about_refund=True),
            ),
        ]

    def __str__(self) -> str:
        return f"评价 {self.pk}"


class Announcement(models.Model):
    """公告: a banner on every page between two moments (S2-20)."""

    text = models.CharField(_("中文"), max_length=200)
    text_en = models.CharField(_("英文"), max_length=300)
    path = models.CharField(_("页面"), max_length=120, blank=True)
    starts_at = models.DateTimeField(_("开始"))
    ends_at = models.DateTimeField(_("结束"))
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")

    class Meta:
        verbose_name = _("公告")
        verbose_name_plural = _("公告")
        constraints = [
            models.CheckConstraint(
                name="announcement_ends_after_it_starts", condition=Q(ends_at__gt=models.F("starts_at"))
            ),
            models.CheckConstraint(
                name="announcement_stays_on_our_site", condition=Q(path="") | Q(path__startswith="/")
            ),
            models.CheckConstraint(
                name="announcement_has_dates_that_can_be_shown",
                condition=Q(starts_at__gte=EARLIEST, ends_at__lt=LATEST),
                violation_error_message=OUT_OF_TIME,
            ),
        ]
        indexes = [models.Index(name="announcement_by_end", fields=["ends_at"])]

    def __str__(self) -> str:
        return self.text
