"""取消: why an order will not be delivered, whose fault that is, and what follows from it."""

from __future__ import annotations

import pgtrigger
from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from append_only import append_only
from orders.models.order import Order, OrderLine
from shops.models import Product, Shop
from workqueue import WorkItem


class Cause(models.TextChoices):
    """取消原因 (S4-1). Fault, penalty and priority of each: the table in ``orders/cancellation.py``."""

    OUT_OF_STOCK = "out_of_stock", _("商家缺货")
    SUPPLIER_FAILED = "supplier_failed", _("充值失败")
    LATE = "late", _("超时未交付")
    SHOP_SUSPENDED = "shop_suspended", _("店铺被处罚")
    SHOP_LEAVING = "shop_leaving", _("店铺退出")
    BUYER = "buyer", _("个人原因")
    DUPLICATE = "duplicate", _("重复下单")
    RISK = "risk", _("风控拦截")
    DELISTED = "delisted", _("平台下架")
    OUTAGE = "outage", _("系统故障，交易无效")


class BulkCancellationStatus(models.TextChoices):
    PREVIEWED = "previewed", _("待确认")
    RUNNING = "running", _("进行中")
    DONE = "done", _("已完成")
    ABANDONED = "abandoned", _("已放弃")


class BulkCancellation(WorkItem):
    """批量取消 of everything that a shop, or a product, has not delivered yet. Survives any crash: each order once."""

    shop = models.ForeignKey(Shop, models.PROTECT, null=True, blank=True, related_name="+", verbose_name=_("店铺"))
    product = models.ForeignKey(
        Product, models.PROTECT, null=True, blank=True, related_name="+", verbose_name=_("商品")
    )
    cause = models.CharField(_("原因"), max_length=16, choices=Cause.choices)
    reason = models.CharField(_("说明（买家可见）"), max_length=300)
    status = models.CharField(
        _("状态"), max_length=16, choices=BulkCancellationStatus.choices, default=BulkCancellationStatus.PREVIEWED
    )
    order_count = models.PositiveIntegerField(_("订单数（预览）"), default=0)
    unpaid_count = models.PositiveIntegerField(_("待付款订单数（预览）"), default=0)
    refund_fen = models.BigIntegerField(_("应退合计（分，预览）"), default=0)
    penalty_fen = models.BigIntegerField(_("违约金合计（分，预览）"), default=0)
    canceled_count = models.PositiveIntegerField(_("已取消"), default=0)
    called_off_count = models.PositiveIntegerField(_("待付款订单已关闭"), default=0)
    skipped_count = models.PositiveIntegerField(_("未能取消"), default=0)
    skipped = models.JSONField(_("未能取消的原因"), default=dict)  # {"begun": 2}: see ``orders/bulk.py``
    last_order_id = models.BigIntegerField(_("进行到"), default=0)  # a restart goes on behind it
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", verbose_name=_("预览人"))
    started_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+", verbose_name=_("开始人")
    )  # who cancels; the one above has only looked
    created_at = models.DateTimeField(_("建立时间"))
    started_at = models.DateTimeField(_("开始时间"), null=True, blank=True)
    finished_at = models.DateTimeField(_("完成时间"), null=True, blank=True)

    class Meta:
        verbose_name = _("批量取消")
        verbose_name_plural = _("批量取消")
        constraints = [
            models.CheckConstraint(
                name="bulk_cancellation_is_about_a_shop_or_a_product",
                condition=Q(shop__isnull=False, product__isnull=True) | Q(shop__isnull=True, product__isnull=False),
            ),
            models.CheckConstraint(
                name="running_bulk_cancellation_is_due", condition=~Q(status="running") | Q(next_due_at__isnull=False)
            ),
            models.CheckConstraint(
                name="started_bulk_cancellation_names_who",
                condition=Q(started_at__isnull=True, started_by__isnull=True)
                | Q(started_at__isnull=False, started_by__isnull=False),
            ),
        ]
        triggers = [pgtrigger.Protect(name="bulk_cancellation_is_never_deleted", operation=pgtrigger.Delete)]

    def __str__(self) -> str:
        return f"批量取消 {self.pk}"


class Cancellation(WorkItem):
    """取消: these lines of a paid order will not be delivered; their money goes back.

    Due until ``refunds/cancellations.py`` has heard of it. The penalty is recorded here; ``refunds/penalties.py`` posts
    it.
    """

    order = models.ForeignKey(Order, models.PROTECT, related_name="cancellations", verbose_name=_("订单"))
    cause = models.CharField(_("原因"), max_length=16, choices=Cause.choices)
    reason = models.CharField(_("说明"), max_length=300, blank=True)
    bulk = models.ForeignKey(
        BulkCancellation, models.PROTECT, null=True, blank=True, related_name="cancellations", verbose_name=_("批次")
    )
    canceled_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+")
    refund_fen = models.PositiveIntegerField(_("应退（分）"))
    fee_fen = models.PositiveIntegerField(_("手续费（分）"), default=0)
    penalty_fen = models.PositiveIntegerField(_("商家违约金（分）"), default=0)
    penalty_due_at = models.DateTimeField(_("违约金应付"), null=True, blank=True)  # refunds/penalties.py pays it
    penalty_paid_at = models.DateTimeField(_("违约金已付"), null=True, blank=True)
    priority = models.PositiveSmallIntegerField(_("优先级"), default=5)  # smaller goes first
    at = models.DateTimeField(_("时间"))
    heard_at = models.DateTimeField(_("退款已发起"), null=True, blank=True)

    class Meta:
        verbose_name = _("取消")
        verbose_name_plural = _("取消")
        constraints = [
            models.CheckConstraint(name="cancellation_cause_is_listed", condition=Q(cause__in=Cause.values)),
            models.CheckConstraint(
                name="unheard_cancellation_is_due",
                condition=Q(heard_at__isnull=False, next_due_at__isnull=True)
                | Q(heard_at__isnull=True, next_due_at__isnull=False),
            ),
            models.CheckConstraint(
                name="penalty_is_due_or_paid",
                condition=Q(penalty_fen=0, penalty_due_at__isnull=True, penalty_paid_at__isnull=True)
                | Q(penalty_fen__gt=0, penalty_due_at__isnull=False, penalty_paid_at__isnull=True)
                | Q(penalty_fen__gt=0, penalty_due_at__isnull=True, penalty_paid_at__isnull=False),
            ),
        ]
        indexes = [
            models.Index(name="cancellation_due", fields=["next_due_at", "id"], condition=Q(next_due_at__isnull=False)),
            models.Index(
                name="penalty_due", fields=["penalty_due_at", "id"], condition=Q(penalty_due_at__isnull=False)
            ),
        ]
        triggers = [
            pgtrigger.Protect(name="cancellation_is_never_deleted", operation=pgtrigger.Delete),
            pgtrigger.Protect(
                name="cancellation_terms_never_change",
                operation=pgtrigger.Update,
                condition=pgtrigger.AnyChange(
                    "order", "cause", "reason", "bulk", "canceled_by", "refund_fen", "fee_fen", "penalty_fen", "at"
                ),
            ),
            pgtrigger.Trigger(  # S4-16: with its posting, whole, and once
                name="penalty_is_paid_by_its_posting",
                when=pgtrigger.Before,
                operation=pgtrigger.Insert | pgtrigger.UpdateOf("penalty_paid_at"),
                declare=[("posted_fen", "bigint")],
                func="""
                IF TG_OP = 'UPDATE' THEN
                    IF NEW.penalty_paid_at IS NOT DISTINCT FROM OLD.penalty_paid_at THEN
                        RETURN NEW;
                    END IF;
                    IF OLD.penalty_paid_at IS NOT NULL THEN
                        RAISE EXCEPTION 'penalty % is paid already', NEW.id USING ERRCODE = 'check_violation';
                    END IF;
                ELSIF NEW.penalty_paid_at IS NULL THEN
                    RETURN NEW;
                END IF;
                SELECT coalesce(sum(entry.amount_fen), 0) INTO posted_fen
                  FROM ledger_posting AS posting
                  JOIN ledger_entry AS entry ON entry.posting_id = posting.id AND entry.side = 'credit'
                  JOIN ledger_account AS account ON account.id = entry.account_id
                  JOIN orders_order AS placed ON placed.id = NEW.order_id
                 WHERE posting.ref = 'penalty:' || NEW.id AND account.code = 'balance:' || placed.buyer_id;
                IF posted_fen <> NEW.penalty_fen THEN
                    RAISE EXCEPTION 'penalty %: % fen are posted, not %', NEW.id, posted_fen, NEW.penalty_fen
                        USING ERRCODE = 'check_violation';
                END IF;
                RETURN NEW;
                """,
            ),
        ]

    def __str__(self) -> str:
        return f"取消 {self.pk}"


class CancellationLine(models.Model):
    """取消的行: each order line is canceled at most once, whoever cancels."""

    cancellation = models.ForeignKey(Cancellation, models.PROTECT, related_name="lines")
    line = models.OneToOneField(OrderLine, models.PROTECT, related_name="cancellation_line")

    class Meta:
        verbose_name = _("取消的行")
        verbose_name_plural = _("取消的行")
        triggers = append_only("cancellation_lines_are_append_only")
