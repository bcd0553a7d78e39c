"""商品: what is for sale, how it is handed over, and the shop's discounts."""

from __future__ import annotations

from datetime import UTC, datetime

import pgtrigger
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from shops.models.policy import RefundPolicy, under_published_terms
from shops.models.shop import Shop
from shops.models.supplier import Supplier

HIGHEST_PRICE_FEN = 100_000_00  # ten of them still fit into an order's total
# Between them a moment has a year in every time zone; outside, no page can show it.
EARLIEST, LATEST = datetime(2000, 1, 1, tzinfo=UTC), datetime(9001, 1, 1, tzinfo=UTC)
OUT_OF_TIME = _("请填写 2000 年到 9000 年之间的时间。")


class ProductKind(models.TextChoices):
    """Each has its own rule of 'used' (docs/rules.md)."""

    CARD_CODE = "card_code", _("卡密")
    TOP_UP = "top_up", _("直充")
    MEMBERSHIP = "membership", _("会员")
    ACTIVATION_CODE = "activation_code", _("激活码")
    ACCOUNT = "account", _("账号")
    SERVICE = "service", _("代练与定制")


class Fulfilment(models.TextChoices):
    """How a line is handed over: ``orders/delivery.py``, ``orders/topups.py``, ``orders/service_jobs.py``."""

    CODES = "codes", _("发卡")  # from stock, at once
    TOP_UP = "top_up", _("直充")  # by a supplier, to the buyer's phone number or game account
    SERVICE = "service", _("人工服务")  # by the shop's people, with progress and proof


class RecipientKind(models.TextChoices):
    """What the buyer must say before a top-up or a service can be carried out."""

    NONE = "", _("无")
    PHONE = "phone", _("手机号")
    GAME = "game", _("游戏账号与区服")


class Category(models.Model):
    """分类."""

    slug = models.SlugField(_("地址"), max_length=40, unique=True)
    name = models.CharField(_("名称"), max_length=30)
    name_en = models.CharField(_("英文名称"), max_length=40)
    position = models.PositiveSmallIntegerField(_("顺序"), default=0)

    class Meta:
        verbose_name = _("分类")
        verbose_name_plural = _("分类")
        ordering = ("position", "pk")

    def __str__(self) -> str:
        return self.name


class Product(models.Model):
    """商品."""

    shop = models.ForeignKey(Shop, models.PROTECT, related_name="products", verbose_name=_("店铺"))
    policy = models.ForeignKey(RefundPolicy, models.PROTECT, related_name="products", verbose_name=_("退款政策"))
    kind = models.CharField(_("类型"), max_length=20, choices=ProductKind.choices, default=ProductKind.CARD_CODE)
    fulfilment = models.CharField(_("交付方式"), max_length=16, choices=Fulfilment.choices, default=Fulfilment.CODES)
    category = models.ForeignKey(
        Category, models.PROTECT, null=True, blank=True, related_name="products", verbose_name=_("分类")
    )
    supplier = models.ForeignKey(
        Supplier, models.PROTECT, null=True, blank=True, related_name="products", verbose_name=_("供应商"),
        help_text=_("直充由它执行；卡密由它查询是否兑换"),
    )  # fmt: skip
    supplier_sku = models.CharField(_("供应商商品号"), max_length=60, blank=True)
    recipient_kind = models.CharField(
        _("买家需填写"), max_length=8, choices=RecipientKind.choices, default=RecipientKind.NONE, blank=True
    )
    is_cross_border = models.BooleanField(_("跨境商品"), default=False)
    validity = models.CharField(_("有效期说明"), max_length=60, blank=True)
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
            ),
            models.CheckConstraint(
                name="top_up_has_supplier_and_recipient",
                condition=~Q(fulfilment="top_up") | (Q(supplier__isnull=False) & ~Q(recipient_kind="")),
                violation_error_message=_("直充商品须选择供应商，并要求买家填写手机号或游戏账号。"),
            ),
            models.CheckConstraint(
                name="service_is_handed_over_by_people",
                condition=Q(kind="service", fulfilment="service") | (~Q(kind="service") & ~Q(fulfilment="service")),
                violation_error_message=_("代练与定制由人工交付，其他商品不能由人工交付。"),
            ),
        ]
        indexes = [
            models.Index(name="product_listed", fields=["-created_at", "-id"], condition=Q(is_listed=True)),
            models.Index(name="product_of_shop", fields=["shop", "-created_at", "-id"]),
            models.Index(
                name="product_of_category", fields=["category", "-created_at", "-id"], condition=Q(is_listed=True)
            ),
        ]
        triggers = [
            under_published_terms("product_is_under_published_terms"),
            pgtrigger.Trigger(
                name="product_is_found_while_it_is_listed",
                when=pgtrigger.After,
                operation=pgtrigger.Insert | pgtrigger.Update | pgtrigger.Delete,
                func="""
                    IF TG_OP = 'UPDATE' AND NEW.name = OLD.name AND NEW.is_listed = OLD.is_listed THEN
                        RETURN NULL;
                    END IF;
                    IF TG_OP <> 'INSERT' THEN
                        DELETE FROM shops_productterm
                            WHERE term = ANY(shops_search_terms(OLD.name)) AND product_id = OLD.id;
                    END IF;
                    IF TG_OP <> 'DELETE' THEN
                        INSERT INTO shops_productterm (term, product_id)
                            SELECT term, NEW.id FROM unnest(shops_search_terms(NEW.name)) AS term WHERE NEW.is_listed;
                    END IF;
                    RETURN NULL;
                """,
            ),
        ]

    def __str__(self) -> str:
        return self.name


class ProductTerm(models.Model):
    """搜索词: a listed product under one term of its name, kept by triggers. Read from the newest product on, so that a
    search costs the same however many products bear the word (``shops/search.py``, docs/decisions/0010)."""

    pk = models.CompositePrimaryKey("term", "product_id")
    term = models.CharField(max_length=8)
    product = models.ForeignKey(Product, models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+")

    class Meta:
        verbose_name = _("搜索词")
        verbose_name_plural = _("搜索词")


class CouponKind(models.TextChoices):
    FIXED = "fixed", _("立减")
    PERCENT = "percent", _("折扣")


class Coupon(models.Model):
    """优惠券 of one shop: a fixed sum or a percentage off. Who used it stands in ``orders.CouponUse``."""

    shop = models.ForeignKey(Shop, models.PROTECT, related_name="coupons", verbose_name=_("店铺"))
    code = models.CharField(_("券码"), max_length=20)
    kind = models.CharField(_("类型"), max_length=8, choices=CouponKind.choices)
    off_fen = models.PositiveIntegerField(_("立减（分）"), default=0)
    off_percent = models.PositiveSmallIntegerField(_("减去百分之"), default=0)
    minimum_fen = models.PositiveIntegerField(_("满多少可用（分）"), default=0)
    starts_at = models.DateTimeField(_("开始"))
    ends_at = models.DateTimeField(_("结束"))
    most_uses = models.PositiveIntegerField(_("总次数"))
    is_active = models.BooleanField(_("启用"), default=True)

    class Meta:
        verbose_name = _("优惠券")
        verbose_name_plural = _("优惠券")
        constraints = [
            models.UniqueConstraint(name="coupon_code_is_unique_in_its_shop", fields=["shop", "code"]),
            models.CheckConstraint(
                name="coupon_takes_a_sum_or_a_share",
                condition=Q(kind="fixed", off_fen__gt=0, off_percent=0)
                | Q(kind="percent", off_fen=0, off_percent__gt=0, off_percent__lt=100),
                violation_error_message=_("立减须填金额；折扣须填 1 到 99 的百分数。"),
            ),
            models.CheckConstraint(name="coupon_ends_after_it_starts", condition=Q(ends_at__gt=models.F("starts_at"))),
            models.CheckConstraint(
                name="coupon_has_dates_that_can_be_shown",
                condition=Q(starts_at__gte=EARLIEST, ends_at__lt=LATEST),
                violation_error_message=OUT_OF_TIME,
            ),
        ]

    def __str__(self) -> str:
        return self.code
