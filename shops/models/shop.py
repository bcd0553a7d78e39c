"""店铺: who sells, who works there, what they applied with, what they deposited, how they are doing."""

from __future__ import annotations

import pgtrigger
from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from append_only import append_only
from identifiers import uuid7
from money import yuan


class ShopStatus(models.TextChoices):
    """What leads from one to the next is the table in ``shops/life.py``."""

    OPEN = "open", _("营业")
    SUSPENDED = "suspended", _("暂停营业")  # nothing is sold; open orders are canceled by an operator's decision
    LEAVING = "leaving", _("退出中")  # nothing is sold; what was sold is still served
    CLOSED = "closed", _("已退出")


class Shop(models.Model):
    """店铺."""

    name = models.CharField(_("店铺名"), max_length=60, unique=True)
    about = models.CharField(_("简介"), max_length=200, blank=True)
    members = models.ManyToManyField(
        settings.AUTH_USER_MODEL, through="ShopMember", related_name="shops", verbose_name=_("成员"), blank=True
    )
    status = models.CharField(_("状态"), max_length=16, choices=ShopStatus.choices, default=ShopStatus.OPEN)
    guarantee_since = models.DateTimeField(_("退款保障标识自"), null=True, blank=True)  # earned by rule: badge.py
    created_at = models.DateTimeField(_("入驻时间"))

    class Meta:
        verbose_name = _("店铺")
        verbose_name_plural = _("店铺")
        constraints = [
            models.CheckConstraint(name="shop_status_is_listed", condition=Q(status__in=ShopStatus.values)),
        ]

    def __str__(self) -> str:
        return self.name


class ShopRole(models.TextChoices):
    """What each may do stands in ``shops/rights.py``."""

    OWNER = "owner", _("店主")
    MANAGER = "manager", _("店长")
    CLERK = "clerk", _("客服")


class ShopMember(models.Model):
    """店员."""

    shop = models.ForeignKey(Shop, models.CASCADE, related_name="memberships", verbose_name=_("店铺"))
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="memberships", verbose_name=_("账号")
    )
    role = models.CharField(_("身份"), max_length=16, choices=ShopRole.choices, default=ShopRole.OWNER)

    class Meta:
        verbose_name = _("店员")
        verbose_name_plural = _("店员")
        db_table = "shops_shop_members"
        constraints = [
            models.UniqueConstraint(name="one_membership_per_shop_and_user", fields=["shop", "user"]),
            models.CheckConstraint(name="shop_role_is_listed", condition=Q(role__in=ShopRole.values)),
        ]


class ShopEvent(models.Model):
    """店铺记录: every change of a shop's life, and of its badge, with who and why."""

    shop = models.ForeignKey(Shop, models.PROTECT, related_name="events")
    step = models.CharField(_("步骤"), max_length=32)
    from_status = models.CharField(_("原状态"), max_length=16, blank=True)
    to_status = models.CharField(_("新状态"), max_length=16)
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")
    reason = models.TextField(_("原因"), blank=True, max_length=500)
    at = models.DateTimeField(_("时间"))

    class Meta:
        verbose_name = _("店铺记录")
        verbose_name_plural = _("店铺记录")
        indexes = [models.Index(name="shop_event_of_shop", fields=["shop", "-id"])]
        triggers = append_only("shop_events_are_append_only")

    def __str__(self) -> str:
        return f"{self._meta.verbose_name} {self.pk}"


class ApplicationStatus(models.TextChoices):
    SUBMITTED = "submitted", _("待审核")
    APPROVED = "approved", _("已通过")
    REJECTED = "rejected", _("未通过")


class ShopApplication(models.Model):
    """入驻申请. Approved by an operator; its shop opens in the same transaction."""

    applicant = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="shop_applications", verbose_name=_("申请人")
    )
    name = models.CharField(_("店铺名"), max_length=60)
    about = models.CharField(_("简介"), max_length=200, blank=True)
    goods = models.CharField(_("经营品类"), max_length=200)
    contact = models.CharField(_("联系方式"), max_length=60)
    status = models.CharField(
        _("状态"), max_length=16, choices=ApplicationStatus.choices, default=ApplicationStatus.SUBMITTED
    )
    shop = models.OneToOneField(Shop, models.PROTECT, null=True, blank=True, related_name="application")
    decided_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+")
    decided_at = models.DateTimeField(_("审核时间"), null=True, blank=True)
    decision_note = models.TextField(_("审核说明"), blank=True, max_length=500)
    submitted_at = models.DateTimeField(_("申请时间"))

    class Meta:
        verbose_name = _("入驻申请")
        verbose_name_plural = _("入驻申请")
        constraints = [
            models.UniqueConstraint(
                name="one_open_application_per_applicant", fields=["applicant"], condition=Q(status="submitted")
            ),
            models.CheckConstraint(
                name="approved_application_has_its_shop",
                condition=Q(status="approved", shop__isnull=False) | (~Q(status="approved") & Q(shop__isnull=True)),
            ),
            models.CheckConstraint(
                name="decided_application_says_by_whom",
                condition=Q(status="submitted", decided_by__isnull=True)
                | (~Q(status="submitted") & Q(decided_by__isnull=False, decided_at__isnull=False)),
            ),
        ]

    def __str__(self) -> str:
        return self.name


class ApplicationDocument(models.Model):
    """入驻材料: a repainted image, private to the applicant and the operators."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    application = models.ForeignKey(ShopApplication, models.PROTECT, related_name="documents")
    title = models.CharField(_("材料"), max_length=40)
    image = models.FileField(_("图片"), upload_to="applications", max_length=200)
    content_type = models.CharField(_("格式"), max_length=20)
    created_at = models.DateTimeField(_("提交时间"))

    class Meta:
        verbose_name = _("入驻材料")
        verbose_name_plural = _("入驻材料")
        triggers = append_only("application_documents_are_append_only")


class ReturnStatus(models.TextChoices):
    ASKED = "asked", _("待付款")  # one of finance asked for it; another pays it at the bank, and records the voucher
    PAID = "paid", _("已退还")
    DROPPED = "dropped", _("已撤下")  # nothing was paid


class DepositReturn(models.Model):
    """退还保证金: money that leaves to a shop, asked for by one of finance, paid and recorded by another (four eyes).

    A mistaken entry is taken back the same way. ``deposits.py`` is the only writer.
    """

    shop = models.ForeignKey(Shop, models.PROTECT, related_name="deposit_returns", verbose_name=_("店铺"))
    amount_fen = models.PositiveIntegerField(_("金额（分）"))
    note = models.CharField(_("事由"), max_length=200)
    status = models.CharField(_("状态"), max_length=8, choices=ReturnStatus.choices, default=ReturnStatus.ASKED)
    asked_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", verbose_name=_("申请人"))
    asked_at = models.DateTimeField(_("申请时间"))
    due_at = models.DateTimeField(_("最迟办理"), null=True, blank=True)  # empty: at rest
    ended_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+", verbose_name=_("办理人")
    )  # empty although it ended: the machine, after a restore
    ended_at = models.DateTimeField(_("办理时间"), null=True, blank=True)
    reason = models.CharField(_("原因"), max_length=200, blank=True)  # of a dropped one

    class Meta:
        verbose_name = _("退还保证金")
        verbose_name_plural = _("退还保证金")
        constraints = [
            models.CheckConstraint(name="deposit_return_is_of_something", condition=Q(amount_fen__gt=0) & ~Q(note="")),
            models.CheckConstraint(name="deposit_return_status_is_listed", condition=Q(status__in=ReturnStatus.values)),
            models.CheckConstraint(  # four eyes
                name="deposit_return_is_paid_by_another",
                condition=~Q(status="paid") | Q(ended_by__isnull=False) & ~Q(ended_by=F("asked_by")),
            ),
            models.CheckConstraint(
                name="asked_deposit_return_is_due",
                condition=Q(status="asked", due_at__isnull=False, ended_at__isnull=True, ended_by__isnull=True)
                | ~Q(status="asked") & Q(due_at__isnull=True, ended_at__isnull=False),
            ),
            models.CheckConstraint(
                name="dropped_deposit_return_says_why", condition=~Q(status="dropped") | ~Q(reason="")
            ),
            models.UniqueConstraint(  # so that the sum of what is asked for is what one of them asks for
                name="one_open_deposit_return_per_shop", fields=["shop"], condition=Q(status="asked")
            ),
        ]
        indexes = [models.Index(name="deposit_return_due", fields=["due_at", "id"], condition=Q(status="asked"))]
        triggers = [
            pgtrigger.Protect(name="deposit_return_is_never_deleted", operation=pgtrigger.Delete),
            pgtrigger.Protect(
                name="deposit_return_keeps_what_was_asked",
                operation=pgtrigger.Update,
                condition=pgtrigger.AnyChange("shop", "amount_fen", "note", "asked_by", "asked_at"),
            ),
            pgtrigger.Protect(
                name="ended_deposit_return_stays_so",
                operation=pgtrigger.Update,
                condition=pgtrigger.Condition("OLD.status <> 'asked'"),
            ),
            pgtrigger.Trigger(
                name="paid_deposit_return_is_booked",
                when=pgtrigger.Before,
                operation=pgtrigger.Insert | pgtrigger.Update,
                condition=pgtrigger.Condition("NEW.status = 'paid'"),
                func="""
                IF NOT EXISTS (SELECT FROM shops_depositentry
                               WHERE of_return_id = NEW.id AND recorded_by_id = NEW.ended_by_id) THEN
                    RAISE EXCEPTION 'paid_deposit_return_is_booked: % is not', NEW.id USING ERRCODE = 'check_violation';
                END IF;
                RETURN NEW;
                """,
            ),
        ]

    def __str__(self) -> str:
        return f"{self._meta.verbose_name} {yuan(self.amount_fen)}"


class DepositEntry(models.Model):
    """保证金流水: recorded by finance with a voucher. The sum is what the shop has deposited; corrections reverse."""

    shop = models.ForeignKey(Shop, models.PROTECT, related_name="deposits", verbose_name=_("店铺"))
    amount_fen = models.IntegerField(_("金额（分）"), help_text=_("存入为正，退还或扣除为负"))
    voucher = models.CharField(_("凭证号"), max_length=60)
    note = models.CharField(_("说明"), max_length=200, blank=True)
    recorded_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    at = models.DateTimeField(_("时间"))
    of_return = models.OneToOneField(
        DepositReturn, models.PROTECT, null=True, blank=True, related_name="entry", verbose_name=_("退还保证金")
    )  # what is negative; older rows have none

    class Meta:
        verbose_name = _("保证金流水")
        verbose_name_plural = _("保证金流水")
        constraints = [
            models.CheckConstraint(name="deposit_entry_moves_money", condition=~Q(amount_fen=0)),
            models.CheckConstraint(
                name="only_what_leaves_is_a_return", condition=Q(amount_fen__lt=0) | Q(of_return__isnull=True)
            ),
            models.UniqueConstraint(name="deposit_voucher_is_booked_once", fields=["shop", "voucher"]),
        ]
        indexes = [models.Index(name="deposit_of_shop", fields=["shop", "-id"])]
        triggers = [
            *append_only("deposit_entries_are_append_only"),
            pgtrigger.Trigger(  # what the bank did once: for this shop alone, and not a transfer besides
                name="voucher_serves_one_deposit",
                when=pgtrigger.Before,
                operation=pgtrigger.Insert,
                func="""
                PERFORM pg_advisory_xact_lock(4903, hashtext(NEW.voucher));
                IF EXISTS (SELECT FROM shops_depositentry WHERE voucher = NEW.voucher AND shop_id <> NEW.shop_id)
                   OR NEW.amount_fen < 0 AND EXISTS (SELECT FROM payments_transfer WHERE voucher = NEW.voucher) THEN
                    RAISE EXCEPTION 'voucher_serves_one_deposit: it is booked elsewhere'
                        USING ERRCODE = 'check_violation';
                END IF;
                RETURN NEW;
                """,
            ),
            pgtrigger.Trigger(  # by the bank's side of it: what the shop has of it is ``money.py``'s to say
                name="deposit_is_posted",
                when=pgtrigger.After,
                operation=pgtrigger.Insert,
                timing=pgtrigger.Deferred,
                func="""
                IF NEW.amount_fen <> (
                    SELECT coalesce(sum(CASE side WHEN 'debit' THEN entry.amount_fen ELSE -entry.amount_fen END), 0)
                      FROM ledger_posting AS posting
                      JOIN ledger_entry AS entry ON entry.posting_id = posting.id
                      JOIN ledger_account AS account ON account.id = entry.account_id
                     WHERE posting.ref = 'deposit:' || NEW.id AND account.code = 'bank:platform') THEN
                    RAISE EXCEPTION 'deposit_is_posted: % is not', NEW.id USING ERRCODE = 'check_violation';
                END IF;
                RETURN NULL;
                """,
            ),
            pgtrigger.Trigger(
                name="deposit_leaves_by_two_people",
                when=pgtrigger.Before,
                operation=pgtrigger.Insert,
                condition=pgtrigger.Condition("NEW.amount_fen < 0"),
                func="""
                IF NOT EXISTS (SELECT FROM shops_depositreturn
                               WHERE id = NEW.of_return_id AND shop_id = NEW.shop_id AND amount_fen = -NEW.amount_fen
                                 AND status = 'asked' AND asked_by_id <> NEW.recorded_by_id) THEN
                    RAISE EXCEPTION 'deposit_leaves_by_two_people: nobody else has asked for it'
                        USING ERRCODE = 'check_violation';
                END IF;
                IF (SELECT is_stopped FROM payments_outgoingswitch WHERE account_id IS NULL
                     ORDER BY id DESC LIMIT 1) THEN
                    RAISE EXCEPTION 'deposit_waits_while_money_is_stopped' USING ERRCODE = 'check_violation';
                END IF;
                RETURN NEW;
                """,
            ),
        ]

    def __str__(self) -> str:
        return f"{self.voucher} {yuan(self.amount_fen)}"


class ShopFigures(models.Model):
    """店铺数据 over the last 30 days, computed anew every hour by ``refunds/figures.py`` (S1-21)."""

    shop = models.OneToOneField(Shop, models.PROTECT, related_name="figures")
    paid_orders = models.PositiveIntegerField(_("已付订单"), default=0)
    delivered_in_time = models.PositiveIntegerField(_("按时交付"), default=0)
    delivered_late = models.PositiveIntegerField(_("逾期交付"), default=0)
    refunded_orders = models.PositiveIntegerField(_("退款订单"), default=0)
    rejected_refunds = models.PositiveIntegerField(_("被驳回的退款"), default=0)
    canceled_by_shop = models.PositiveIntegerField(_("商家原因取消"), default=0)
    median_handling_minutes = models.PositiveIntegerField(_("退款处理中位时长（分钟）"), null=True, blank=True)
    reply_minutes = models.PositiveIntegerField(_("客服回复中位时长（分钟）"), null=True, blank=True)
    review_count = models.PositiveIntegerField(_("评价数"), default=0)
    stars_total = models.PositiveIntegerField(_("评分合计"), default=0)
    computed_at = models.DateTimeField(_("计算时间"))

    class Meta:
        verbose_name = _("店铺数据")
        verbose_name_plural = _("店铺数据")


class GuaranteeTerms(models.Model):
    """退款保障标识的条件, a version: the one in force is the newest published. ``shops/badge.py`` judges by it."""

    version = models.PositiveIntegerField(_("版本"), unique=True)
    deposit_fen = models.PositiveIntegerField(_("保证金不少于（分）"), default=100_000)
    open_days = models.PositiveSmallIntegerField(_("开店满（天）"), default=7)
    in_time_percent = models.PositiveSmallIntegerField(_("按时交付率不低于（%）"), default=95)
    least_deliveries = models.PositiveSmallIntegerField(_("近 30 天交付不少于（单）"), default=10)
    most_canceled_percent = models.PositiveSmallIntegerField(_("商家原因取消率不高于（%）"), default=2)
    unsuspended_days = models.PositiveSmallIntegerField(_("未被处罚满（天）"), default=90)
    published_at = models.DateTimeField(_("发布时间"))

    class Meta:
        verbose_name = _("保障标识条件")
        verbose_name_plural = _("保障标识条件")
        constraints = [
            models.CheckConstraint(
                name="guarantee_percents_are_shares",
                condition=Q(in_time_percent__lte=100, most_canceled_percent__lte=100),
            ),
        ]
        triggers = append_only("published_guarantee_terms_never_change")

    def __str__(self) -> str:
        return f"v{self.version}"
