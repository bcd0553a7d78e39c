"""订单: what was bought. It keeps the policy and the page it was placed under; later edits never reach it (PM19)."""

from __future__ import annotations

import pgtrigger
from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from append_only import append_only
from identifiers import public_number
from records.models import Link
from shops.models import Coupon, Fulfilment, Product, RefundPolicy, Shop
from shops.models.policy import under_published_terms
from workqueue import WorkItem


def new_order_no() -> str:
    return public_number("D")


class OrderStatus(models.TextChoices):
    PLACED = "placed", _("待付款")
    PAID = "paid", _("已付款，待交付")
    DELIVERED = "delivered", _("已交付")
    COMPLETED = "completed", _("已完成")  # every code seen, the buyer said so, or the time for objections is over
    CANCELED = "canceled", _("已取消")  # unpaid, or nothing of it will be delivered: ``Cancellation`` says why


TO_SETTLE = Q(settled_at__isnull=True, paid_at__isnull=False, status__in=["delivered", "completed", "canceled"])

#: Once; after all is delivered or canceled; not while money may still be asked for, or is on its way, or an appeal is
#: open; nothing that the shop has itself; exactly what the buyer paid less what went back; and not without its posting.
SETTLES = """
IF TG_OP = 'UPDATE' THEN
    IF (NEW.settled_at, NEW.settled_fen) IS NOT DISTINCT FROM (OLD.settled_at, OLD.settled_fen) THEN
        RETURN NEW;
    END IF;
    IF OLD.settled_at IS NOT NULL THEN
        RAISE EXCEPTION 'order % is settled already', NEW.order_no USING ERRCODE = 'check_violation';
    END IF;
ELSIF NEW.settled_at IS NULL THEN
    RETURN NEW;
END IF;
IF NEW.status NOT IN ('completed', 'canceled')
   OR EXISTS (SELECT FROM orders_orderline AS line WHERE line.order_id = NEW.id
              AND NOT EXISTS (SELECT FROM orders_delivery WHERE line_id = line.id)
              AND NOT EXISTS (SELECT FROM orders_cancellationline WHERE line_id = line.id))
   OR EXISTS (SELECT FROM orders_cancellation WHERE order_id = NEW.id AND heard_at IS NULL) THEN
    RAISE EXCEPTION 'order % is not done with', NEW.order_no USING ERRCODE = 'check_violation';
END IF;
IF EXISTS (SELECT FROM refunds_refund WHERE order_id = NEW.id AND held_fen > 0)
   OR EXISTS (SELECT FROM refunds_refund WHERE order_id = NEW.id AND status = 'rejected'
              AND appeal_until > NEW.settled_at) THEN
    RAISE EXCEPTION 'money of order % may still be asked for', NEW.order_no USING ERRCODE = 'check_violation';
END IF;
IF EXISTS (SELECT FROM payments_payment AS payment JOIN payments_channelaccount AS account ON account.id = account_id
            WHERE payment.order_id = NEW.id AND payment.status = 'paid' AND NOT payment.is_surplus
              AND account.shop_id IS NOT NULL) THEN
    RAISE EXCEPTION 'order % was paid to the shop itself', NEW.order_no USING ERRCODE = 'check_violation';
END IF;
SELECT coalesce(sum(amount_fen - external_fen), 0) INTO owed_fen FROM payments_payment
 WHERE order_id = NEW.id AND status = 'paid' AND NOT is_surplus;
owed_fen := greatest(0, owed_fen - coalesce((SELECT sum(amount_fen + fee_fen) FROM refunds_refund
                                              WHERE order_id = NEW.id AND status IN ('paid_out', 'arrived')), 0));
SELECT coalesce(sum(entry.amount_fen), 0) INTO posted_fen
  FROM ledger_posting AS posting
  JOIN ledger_entry AS entry ON entry.posting_id = posting.id AND entry.side = 'debit'
  JOIN ledger_account AS account ON account.id = entry.account_id AND account.code = 'shop:' || NEW.shop_id
 WHERE posting.ref = 'settle:' || NEW.order_no;
IF NEW.settled_fen <> owed_fen OR NEW.settled_fen <> posted_fen THEN
    RAISE EXCEPTION 'order % settles for % fen, not %, and % are posted', NEW.order_no, owed_fen, NEW.settled_fen,
        posted_fen USING ERRCODE = 'check_violation';
END IF;
RETURN NEW;
"""


class Order(WorkItem):
    """订单. Its history is ``OrderEvent``; ``orders/watch.py`` comes back to it while it is due."""

    order_no = models.CharField(_("订单号"), max_length=20, unique=True, default=new_order_no, editable=False)
    buyer = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="orders", verbose_name=_("买家"))
    shop = models.ForeignKey(Shop, models.PROTECT, related_name="orders", verbose_name=_("店铺"))
    policy = models.ForeignKey(RefundPolicy, models.PROTECT, related_name="orders", verbose_name=_("退款政策版本"))
    status = models.CharField(_("状态"), max_length=16, choices=OrderStatus.choices, default=OrderStatus.PLACED)
    goods_fen = models.PositiveIntegerField(_("商品总价（分）"))
    discount_fen = models.PositiveIntegerField(_("优惠（分）"), default=0)
    total_fen = models.PositiveIntegerField(_("应付（分）"))
    # Whom a top-up or a service is for, sealed for this order's number (shops/vault.py); the mask is what pages show.
    recipient_sealed = models.BinaryField(null=True)
    recipient_key_id = models.CharField(max_length=40, blank=True)
    recipient_masked = models.CharField(_("充值对象"), max_length=80, blank=True)
    recipient_digest = models.BinaryField(max_length=32, null=True)  # keyed: finds the same order placed twice
    # Where a guest's order came from, keyed: guests of one address together keep no more unpaid codes than one account.
    guest_origin = models.BinaryField(max_length=32, null=True)
    placed_at = models.DateTimeField(_("下单时间"))
    expires_at = models.DateTimeField(_("付款截止"))
    paid_at = models.DateTimeField(_("付款时间"), null=True, blank=True)
    delivered_at = models.DateTimeField(_("交付时间"), null=True, blank=True)
    completed_at = models.DateTimeField(_("完成时间"), null=True, blank=True)
    canceled_at = models.DateTimeField(_("取消时间"), null=True, blank=True)
    # 结算: its money is the shop's own from then on (refunds/settlement.py). When that is looked at; empty: not yet.
    settle_from = models.DateTimeField(_("最早结算时间"), null=True, blank=True)
    settled_at = models.DateTimeField(_("结算时间"), null=True, blank=True)
    settled_fen = models.PositiveIntegerField(_("结算金额（分）"), null=True, blank=True)
    promised_at = models.DateTimeField(_("承诺交付时间"), null=True, blank=True)  # set when paid
    overdue_since = models.DateTimeField(_("逾期自"), null=True, blank=True)
    checkout_key = models.UUIDField(_("下单幂等键"), unique=True)  # a double tap makes one order (P1)

    class Meta:
        verbose_name = _("订单")
        verbose_name_plural = _("订单")
        constraints = [
            models.CheckConstraint(name="order_status_is_listed", condition=Q(status__in=OrderStatus.values)),
            models.CheckConstraint(name="order_total_is_positive", condition=Q(total_fen__gt=0)),
            models.CheckConstraint(
                name="order_total_is_goods_less_discount", condition=Q(goods_fen=F("total_fen") + F("discount_fen"))
            ),
            models.CheckConstraint(  # I4: no paid order waits for a delivery that nobody comes back to
                name="undelivered_order_is_due", condition=~Q(status="paid") | Q(next_due_at__isnull=False)
            ),
            models.CheckConstraint(
                name="paid_order_has_its_time",
                condition=Q(paid_at__isnull=False) | Q(status__in=[OrderStatus.PLACED, OrderStatus.CANCELED]),
            ),
            models.CheckConstraint(
                name="settled_order_says_how_much",
                condition=Q(settled_at__isnull=True, settled_fen__isnull=True)
                | Q(settled_at__isnull=False, settled_fen__isnull=False),
            ),
        ]
        indexes = [
            models.Index(name="order_of_buyer", fields=["buyer", "-placed_at", "-id"]),
            models.Index(name="order_of_shop", fields=["shop", "-placed_at", "-id"]),
            models.Index(name="order_due", fields=["next_due_at", "id"], condition=Q(next_due_at__isnull=False)),
            models.Index(name="order_to_deliver", fields=["shop", "promised_at", "id"], condition=Q(status="paid")),
            models.Index(name="order_of_guests", fields=["guest_origin"], condition=Q(guest_origin__isnull=False)),
            models.Index(name="order_open_of_shop", fields=["shop", "id"], condition=Q(status__in=["placed", "paid"])),
            models.Index(  # what a shop waits for
                name="order_unsettled_of_shop",
                fields=["shop", "settle_from", "id"],
                condition=Q(settled_at__isnull=True, settle_from__isnull=False),
            ),
            models.Index(name="order_to_settle", fields=["settle_from", "id"], condition=TO_SETTLE),
        ]
        triggers = [
            pgtrigger.Protect(name="order_is_never_deleted", operation=pgtrigger.Delete),
            under_published_terms("order_is_under_published_terms"),
            pgtrigger.Protect(  # PM19
                name="order_keeps_its_policy",
                operation=pgtrigger.UpdateOf("policy_id"),
                condition=pgtrigger.AnyChange("policy"),
            ),
            pgtrigger.Trigger(
                name="order_settles_once_and_rightly",
                when=pgtrigger.Before,
                operation=pgtrigger.Insert | pgtrigger.UpdateOf("settled_at", "settled_fen"),
                declare=[("owed_fen", "bigint"), ("posted_fen", "bigint")],
                func=SETTLES,
            ),
        ]

    def __str__(self) -> str:
        return self.order_no


class OrderStep(models.TextChoices):
    """What happens to an order, as its buyer and its shop read it in the record. ``history.record`` takes no other."""

    PLACE = "place", _("下单")
    PAY = "pay", _("付款成功")
    LAPSE = "lapse", _("未付款，订单取消")
    CALL_OFF = "call_off", _("未付款的订单被取消")
    CANCEL_LINES = "cancel_lines", _("未交付的商品取消")
    CANCEL = "cancel", _("订单取消")
    DELIVER = "deliver", _("全部交付")
    REPLACE = "replace", _("补发新卡密")
    VERIFY = "verify", _("买家再次验证身份")
    SEE_RECIPIENT = "see_recipient", _("商家查看充值对象")
    DECIDE_ARRIVED = "decide_arrived", _("平台认定充值已到账")
    DECIDE_FAILED = "decide_failed", _("平台认定充值失败")
    START_SERVICE = "start_service", _("商家开始服务")
    HAND_OVER_SERVICE = "hand_over_service", _("商家交付服务")
    COMPLETE = "complete", _("订单完成")
    CLAIM = "claim", _("访客订单归入账号")
    ADOPT = "adopt", _("建档：此前没有逐步记录")  # by the migration that began the record


class OrderEvent(Link):
    """订单记录: one link of an order's chain."""

    STREAM = "order"
    SUBJECT = "order"
    PUBLIC = ("step", "to_status", "actor_id")
    PERSONAL = ("note",)
    NUMBER = "order_no"

    order = models.ForeignKey(Order, models.PROTECT, related_name="events")
    step = models.CharField(_("步骤"), max_length=32, choices=OrderStep.choices)
    to_status = models.CharField(_("其后状态"), max_length=16, choices=OrderStatus.choices)
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")
    note = models.CharField(_("说明"), max_length=500, blank=True)

    class Meta:
        verbose_name = _("订单记录")
        verbose_name_plural = _("订单记录")
        constraints = [models.UniqueConstraint(name="order_events_are_numbered", fields=["order", "sequence"])]
        indexes = [models.Index(name="order_event_of_day", fields=["recorded_at"])]
        triggers = append_only("order_events_are_append_only")


class OrderLine(models.Model):
    """订单行: one unit bought, so one code and one share of the price. Refunds are counted by line."""

    order = models.ForeignKey(Order, models.PROTECT, related_name="lines")
    position = models.PositiveSmallIntegerField(_("行号"))
    product = models.ForeignKey(Product, models.PROTECT, related_name="order_lines", verbose_name=_("商品"))
    product_name = models.CharField(_("商品名（下单时）"), max_length=80)
    product_page = models.JSONField(_("商品页快照"))  # S0-24: what the buyer was shown
    fulfilment = models.CharField(_("交付方式"), max_length=16, choices=Fulfilment.choices, default=Fulfilment.CODES)
    list_price_fen = models.PositiveIntegerField(_("标价（分）"))
    price_fen = models.PositiveIntegerField(_("实付（分）"))  # after this line's share of the discount (PM12)

    class Meta:
        verbose_name = _("订单行")
        verbose_name_plural = _("订单行")
        constraints = [
            models.UniqueConstraint(name="order_line_position_is_unique", fields=["order", "position"]),
            models.CheckConstraint(name="order_line_price_is_positive", condition=Q(price_fen__gt=0)),
            models.CheckConstraint(
                name="order_line_costs_at_most_its_list_price", condition=Q(price_fen__lte=F("list_price_fen"))
            ),
        ]
        indexes = [models.Index(name="order_line_of_product", fields=["product", "-id"])]
        triggers = append_only("order_lines_are_append_only")  # S0-24, PM19


class CouponUse(models.Model):
    """用券: one coupon, one order, numbered. Its lock and ``discounts.with_used`` guard how often it is used."""

    coupon = models.ForeignKey(Coupon, models.PROTECT, related_name="uses")
    order = models.OneToOneField(Order, models.PROTECT, related_name="coupon_use")
    number = models.PositiveIntegerField(_("第几次"))
    at = models.DateTimeField(_("时间"))

    class Meta:
        verbose_name = _("用券记录")
        verbose_name_plural = _("用券记录")
        constraints = [models.UniqueConstraint(name="coupon_uses_are_numbered", fields=["coupon", "number"])]
        triggers = append_only("coupon_uses_are_append_only")
