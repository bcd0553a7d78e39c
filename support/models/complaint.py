"""投诉商家: a buyer's complaint about a shop, apart from any appeal; what the shop says to it, and what was found."""

from __future__ import annotations

import pgtrigger
from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from identifiers import public_number
from orders.models import Order
from refunds.models import Refund
from shops.models import Shop
from support.models.ticket import Tier
from workqueue import WorkItem


def new_complaint_no() -> str:
    return public_number("C")


class ShopCause(models.TextChoices):
    FRAUD = "fraud", _("疑似欺诈")
    FALSE_GOODS = "false_goods", _("虚假描述或假货")
    OUTSIDE = "outside", _("引导站外交易")
    ASKS_CODES = "asks_codes", _("索要密码、验证码或卡密")
    BROKEN_PROMISE = "broken", _("承诺不兑现")
    ABUSE = "abuse", _("辱骂或骚扰")
    OTHER = "other", _("其他")


class ComplaintStatus(models.TextChoices):
    OPEN = "open", _("已受理")
    INVESTIGATING = "investigating", _("调查中")
    UPHELD = "upheld", _("投诉成立")
    DISMISSED = "dismissed", _("投诉不成立")


DECIDED = ["upheld", "dismissed"]
LONGEST_EXTENSION_HOURS = 30 * 24


class ShopComplaint(WorkItem):
    """投诉 (S0-34). Its clock is its own. A refund of the order waits longer for it only where somebody has written
    why: ``extends_review_hours`` with ``extends_review_reason`` (S2-17).
    """

    complaint_no = models.CharField(_("投诉号"), max_length=20, unique=True, default=new_complaint_no, editable=False)
    order = models.ForeignKey(Order, models.PROTECT, related_name="complaints", verbose_name=_("订单"))
    shop = models.ForeignKey(Shop, models.PROTECT, related_name="complaints", verbose_name=_("店铺"))
    buyer = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", verbose_name=_("买家"))
    causes = ArrayField(models.CharField(max_length=12, choices=ShopCause.choices), verbose_name=_("事由"))
    text = models.CharField(_("经过"), max_length=1000)
    warnings = models.JSONField(_("提醒"), default=list)
    status = models.CharField(_("状态"), max_length=14, choices=ComplaintStatus.choices, default=ComplaintStatus.OPEN)
    tier = models.CharField(_("等谁处理"), max_length=10, choices=Tier.choices, default=Tier.SENIOR)
    opened_at = models.DateTimeField(_("提交时间"))
    promised_by = models.DateTimeField(_("期限"), null=True, blank=True)
    investigator = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+", verbose_name=_("调查人")
    )
    investigated_at = models.DateTimeField(_("开始调查"), null=True, blank=True)
    shop_answer = models.CharField(_("商家答复"), max_length=1000, blank=True)
    shop_answered_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+", verbose_name=_("商家答复人")
    )
    shop_answered_at = models.DateTimeField(_("商家答复时间"), null=True, blank=True)
    decided_at = models.DateTimeField(_("结论时间"), null=True, blank=True)
    reason = models.CharField(_("结论理由"), max_length=500, blank=True)
    refund = models.ForeignKey(
        Refund, models.PROTECT, null=True, blank=True, related_name="+", verbose_name=_("延长审核的退款单")
    )
    extends_review_hours = models.PositiveSmallIntegerField(_("延长审核（小时）"), default=0)
    extends_review_reason = models.CharField(_("延长理由"), max_length=500, blank=True)
    extended_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+", verbose_name=_("谁延长")
    )
    extended_at = models.DateTimeField(_("延长时间"), null=True, blank=True)

    class Meta:
        verbose_name = _("投诉商家")
        verbose_name_plural = _("投诉商家")
        constraints = [
            models.CheckConstraint(name="complaint_status_is_listed", condition=Q(status__in=ComplaintStatus.values)),
            models.CheckConstraint(
                name="complaint_causes_are_listed",
                condition=Q(causes__contained_by=ShopCause.values) & Q(causes__len__gt=0),
            ),
            models.CheckConstraint(name="complaint_says_what_happened", condition=~Q(text="")),
            models.CheckConstraint(
                name="complaint_goes_up_from_seniors", condition=Q(tier__in=[Tier.SENIOR, Tier.OPERATOR])
            ),
            models.CheckConstraint(  # I4
                name="open_complaint_is_due",
                condition=Q(status__in=DECIDED, next_due_at__isnull=True, promised_by__isnull=True)
                | (~Q(status__in=DECIDED) & Q(next_due_at__isnull=False, promised_by__isnull=False)),
            ),
            models.CheckConstraint(
                name="complaint_beyond_open_has_an_investigator",
                condition=Q(status="open")
                | (~Q(status="open") & Q(investigator__isnull=False, investigated_at__isnull=False)),
            ),
            models.CheckConstraint(  # I10
                name="nobody_investigates_their_own_complaint",
                condition=Q(investigator__isnull=True) | ~Q(investigator=F("buyer")),
            ),
            models.CheckConstraint(
                name="decided_complaint_says_why",
                condition=~Q(status__in=DECIDED) | (Q(decided_at__isnull=False) & ~Q(reason="")),
            ),
            models.CheckConstraint(
                name="shops_answer_names_who",
                condition=Q(shop_answer="", shop_answered_by__isnull=True, shop_answered_at__isnull=True)
                | (~Q(shop_answer="") & Q(shop_answered_by__isnull=False, shop_answered_at__isnull=False)),
            ),
            models.CheckConstraint(  # S2-17
                name="longer_review_has_a_reason",
                condition=Q(extends_review_hours=0, extended_by__isnull=True, extended_at__isnull=True)
                | (
                    Q(extends_review_hours__gt=0, extends_review_hours__lte=LONGEST_EXTENSION_HOURS)
                    & Q(refund__isnull=False, extended_by__isnull=False, extended_at__isnull=False)
                    & ~Q(extends_review_reason="")
                ),
            ),
            models.UniqueConstraint(
                name="one_open_complaint_per_order", fields=["order"], condition=~Q(status__in=DECIDED)
            ),
        ]
        indexes = [
            models.Index(name="complaint_of_buyer", fields=["buyer", "-opened_at", "-id"]),
            models.Index(name="complaint_of_shop", fields=["shop", "-opened_at", "-id"]),
            models.Index(name="complaint_upheld", fields=["shop", "decided_at"], condition=Q(status="upheld")),
            models.Index(name="complaint_in_order", fields=["promised_by", "-id"]),  # the desk's list
            models.Index(name="complaint_due", fields=["next_due_at", "id"], condition=Q(next_due_at__isnull=False)),
            models.Index(
                name="complaint_waiting", fields=["promised_by", "id"], condition=Q(promised_by__isnull=False)
            ),
        ]
        triggers = [
            pgtrigger.Protect(name="complaint_is_never_deleted", operation=pgtrigger.Delete),
            pgtrigger.Protect(
                name="complaint_stays_as_it_was_made",
                operation=pgtrigger.UpdateOf(
                    "complaint_no", "order_id", "shop_id", "buyer_id", "causes", "text", "warnings", "opened_at"
                ),
                condition=pgtrigger.AnyChange(
                    "complaint_no", "order", "shop", "buyer", "causes", "text", "warnings", "opened_at"
                ),
            ),
            pgtrigger.Protect(
                name="shop_answers_a_complaint_once",
                operation=pgtrigger.UpdateOf("shop_answer", "shop_answered_by_id", "shop_answered_at"),
                condition=pgtrigger.Condition(
                    "OLD.shop_answer <> '' AND (OLD.shop_answer IS DISTINCT FROM NEW.shop_answer"
                    " OR OLD.shop_answered_by_id IS DISTINCT FROM NEW.shop_answered_by_id"
                    " OR OLD.shop_answered_at IS DISTINCT FROM NEW.shop_answered_at)"
                ),
            ),
            pgtrigger.Protect(
                name="longer_review_is_written_once",
                operation=pgtrigger.UpdateOf("refund_id", "extends_review_hours", "extends_review_reason"),
                condition=pgtrigger.Condition(
                    "OLD.extends_review_hours > 0 AND (OLD.refund_id IS DISTINCT FROM NEW.refund_id"
                    " OR OLD.extends_review_hours IS DISTINCT FROM NEW.extends_review_hours"
                    " OR OLD.extends_review_reason IS DISTINCT FROM NEW.extends_review_reason)"
                ),
            ),
            pgtrigger.Protect(
                name="decided_complaint_stays_decided",
                operation=pgtrigger.Update,
                condition=pgtrigger.Condition("OLD.status IN ('upheld', 'dismissed') AND OLD.* IS DISTINCT FROM NEW.*"),
            ),
            pgtrigger.Trigger(  # I10: by the database too, whoever asks
                name="complaint_is_about_its_orders_shop",
                when=pgtrigger.Before,
                operation=pgtrigger.Insert | pgtrigger.UpdateOf("investigator_id", "refund_id"),
                func="""
                IF NOT EXISTS (SELECT FROM orders_order WHERE id = NEW.order_id AND shop_id = NEW.shop_id) THEN
                    RAISE EXCEPTION 'complaint_is_about_its_orders_shop' USING ERRCODE = 'check_violation';
                END IF;
                IF EXISTS (SELECT FROM shops_shop_members WHERE shop_id = NEW.shop_id AND user_id = NEW.investigator_id)
                THEN
                    RAISE EXCEPTION 'investigator_belongs_to_the_shop' USING ERRCODE = 'check_violation';
                END IF;
                IF NEW.refund_id IS NOT NULL
                   AND NOT EXISTS (SELECT FROM refunds_refund WHERE id = NEW.refund_id AND order_id = NEW.order_id) THEN
                    RAISE EXCEPTION 'longer_review_is_of_the_same_order' USING ERRCODE = 'check_violation';
                END IF;
                RETURN NEW;
                """,
            ),
        ]

    def __str__(self) -> str:
        return self.complaint_no
