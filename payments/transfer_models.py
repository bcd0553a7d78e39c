"""转账: money that leaves by hand, to a bank card or a wallet account, and where it goes to."""

from __future__ import annotations

import uuid

import pgtrigger
from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from append_only import append_only
from identifiers import public_number, uuid7
from shops.models import Shop


def new_transfer_no() -> str:
    return public_number("T", 14)


class PayeeKind(models.TextChoices):
    BANK = "bank", _("银行卡")
    ALIPAY = "alipay", _("支付宝账号")
    WECHAT = "wechat", _("微信号")


_OF_ONE = Q(shop__isnull=True, user__isnull=False) | Q(shop__isnull=False, user__isnull=True)


class Payee(models.Model):
    """收款账户 of a shop or of a buyer: name, bank and number sealed to this row, the last four in clear.

    A change is a new row; the newest is where money goes, a day after it was laid down.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    shop = models.ForeignKey(Shop, models.PROTECT, null=True, blank=True, related_name="payees", verbose_name=_("店铺"))
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="payees", verbose_name=_("买家")
    )
    kind = models.CharField(_("类别"), max_length=16, choices=PayeeKind.choices)
    last_four = models.CharField(_("尾号"), max_length=4)
    sealed = models.BinaryField(_("收款账户（密文）"), editable=False)
    key_id = models.CharField(max_length=40, editable=False)
    digest = models.BinaryField(_("指纹"), max_length=32, editable=False)  # the same account again is no change
    # The check whose name its holder bears: proved as it was laid down. None: nobody looked, or a shop's.
    real_name = models.ForeignKey(
        "accounts.RealNameCheck", models.PROTECT, null=True, blank=True, related_name="+", verbose_name=_("实名认证")
    )
    set_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", verbose_name=_("设置人"))
    set_at = models.DateTimeField(_("设置时间"))

    class Meta:
        verbose_name = _("收款账户")
        verbose_name_plural = _("收款账户")
        constraints = [
            models.CheckConstraint(name="payee_kind_is_listed", condition=Q(kind__in=PayeeKind.values)),
            models.CheckConstraint(name="payee_is_a_shops_or_a_buyers", condition=_OF_ONE),
            models.CheckConstraint(name="payee_is_sealed", condition=~Q(key_id="")),
        ]
        indexes = [
            models.Index(name="payee_of_shop", fields=["shop", "-set_at"], condition=Q(shop__isnull=False)),
            models.Index(name="payee_of_user", fields=["user", "-set_at"], condition=Q(user__isnull=False)),
        ]
        triggers = [
            pgtrigger.Protect(name="payee_is_never_deleted", operation=pgtrigger.Delete),
            pgtrigger.Protect(  # only a change of keys touches it
                name="payee_never_changes",
                operation=pgtrigger.UpdateOf(
                    "shop_id", "user_id", "kind", "last_four", "digest", "real_name_id", "set_by_id", "set_at"
                ),
                condition=pgtrigger.AnyChange(
                    "shop", "user", "kind", "last_four", "digest", "real_name", "set_by", "set_at"
                ),
            ),
        ]

    def __str__(self) -> str:
        return f"{PayeeKind(self.kind).label} {_('尾号')} {self.last_four}"


class PayeeLook(models.Model):
    """查看收款账户: each time that a person read it in clear."""

    payee = models.ForeignKey(Payee, models.PROTECT, related_name="looks", verbose_name=_("收款账户"))
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", verbose_name=_("查看人"))
    at = models.DateTimeField(_("时间"))

    class Meta:
        verbose_name = _("查看收款账户")
        verbose_name_plural = _("查看收款账户")
        triggers = append_only("payee_looks_are_append_only")

    def __str__(self) -> str:
        return f"{self.payee_id} #{self.pk}"


class Purpose(models.TextChoices):
    SHOP_WITHDRAWAL = "shop_withdrawal", _("店铺提现")
    CASH_OUT = "cash_out", _("余额提现")
    REDIRECT = "redirect", _("退款改付")  # a refund that the paying account did not take


class TransferStatus(models.TextChoices):
    REQUESTED = "requested", _("待审批")
    APPROVED = "approved", _("待转账")  # a person transfers it at the bank, and records the voucher
    PAID = "paid", _("已转账")
    REFUSED = "refused", _("未通过")  # the money is back where it came from
    FAILED = "failed", _("已退票")  # the bank gave it back, and it is back where it came from

    @classmethod
    def waiting(cls) -> list[str]:
        return [cls.REQUESTED, cls.APPROVED]


class Transfer(models.Model):
    """一笔转账: asked for, approved by another, paid by a third, each with who and when. Its money is taken at once.

    ``transfers.py`` is the only writer.
    """

    transfer_no = models.CharField(_("转账单号"), max_length=20, unique=True, default=new_transfer_no, editable=False)
    purpose = models.CharField(_("用途"), max_length=16, choices=Purpose.choices)
    shop = models.ForeignKey(
        Shop, models.PROTECT, null=True, blank=True, related_name="transfers", verbose_name=_("店铺")
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="transfers",
        verbose_name=_("买家"),
    )  # fmt: skip
    payee = models.ForeignKey(Payee, models.PROTECT, related_name="transfers", verbose_name=_("收款账户"))
    payment = models.ForeignKey(
        "payments.Payment", models.PROTECT, null=True, blank=True, related_name="transfers", verbose_name=_("收款")
    )  # of a redirect: what it gives back of; its money is held until it is paid
    instead_of = models.ForeignKey(
        "payments.RefundAttempt", models.PROTECT, null=True, blank=True, related_name="transfers",
        verbose_name=_("代替的渠道退款"),
    )  # fmt: skip  # empty: none was ever sent
    amount_fen = models.PositiveBigIntegerField(_("金额（分）"))
    status = models.CharField(
        _("状态"), max_length=16, choices=TransferStatus.choices, default=TransferStatus.REQUESTED
    )
    due_at = models.DateTimeField(_("最迟办理"), null=True, blank=True)  # empty: at rest
    request_key = models.UUIDField(_("请求标识"), unique=True, default=uuid.uuid4, editable=False)  # a form sent twice
    requested_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+",
                                     verbose_name=_("申请人"))  # fmt: skip
    requested_at = models.DateTimeField(_("申请时间"))
    approved_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+",
                                    verbose_name=_("审批人"))  # fmt: skip
    approved_at = models.DateTimeField(_("审批时间"), null=True, blank=True)
    paid_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+",
                                verbose_name=_("付款登记人"))  # fmt: skip
    paid_at = models.DateTimeField(_("付款时间"), null=True, blank=True)  # the bank's
    voucher = models.CharField(_("凭证号"), max_length=60, blank=True)
    ended_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+",
                                 verbose_name=_("退回登记人"))  # fmt: skip
    ended_at = models.DateTimeField(_("退回时间"), null=True, blank=True)
    reason = models.CharField(_("原因"), max_length=200, blank=True)  # refused or failed
    news_at = models.DateTimeField(_("有新结果"), null=True, blank=True)  # of a redirect: cleared by the app above
    # 存疑: the database has gone back in time, and the bank may have paid it by then.
    in_doubt_at = models.DateTimeField(_("存疑自"), null=True, blank=True)
    checked_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+",
                                   verbose_name=_("流水核对人"))  # fmt: skip
    checked_at = models.DateTimeField(_("流水核对时间"), null=True, blank=True)
    # Of a redirect: since when its channel says that it has paid what this stands for.
    paid_there_at = models.DateTimeField(_("渠道称已退自"), null=True, blank=True)

    class Meta:
        verbose_name = _("转账")
        verbose_name_plural = _("转账")
        constraints = [
            models.CheckConstraint(name="transfer_amount_is_positive", condition=Q(amount_fen__gt=0)),
            models.CheckConstraint(name="transfer_status_is_listed", condition=Q(status__in=TransferStatus.values)),
            models.CheckConstraint(
                name="transfer_purpose_says_whose",
                condition=Q(purpose="shop_withdrawal", shop__isnull=False, user__isnull=True)
                | Q(purpose__in=["cash_out", "redirect"], shop__isnull=True, user__isnull=False),
            ),
            models.CheckConstraint(
                name="only_a_redirect_is_of_a_payment",
                condition=Q(purpose="redirect", payment__isnull=False)
                | ~Q(purpose="redirect") & Q(payment__isnull=True, instead_of__isnull=True, news_at__isnull=True),
            ),
            models.CheckConstraint(
                name="only_a_redirect_is_paid_there",
                condition=Q(paid_there_at__isnull=True) | Q(instead_of__isnull=False),
            ),
            models.CheckConstraint(  # four eyes
                name="transfer_is_approved_by_another",
                condition=Q(approved_by__isnull=True) | ~Q(approved_by=F("requested_by")),
            ),
            models.CheckConstraint(
                name="transfer_is_paid_by_another",
                condition=Q(paid_by__isnull=True) | ~Q(paid_by=F("approved_by")) & ~Q(paid_by=F("requested_by")),
            ),
            models.CheckConstraint(  # or one person could pay, take it back on paper, and have it asked for again
                name="transfer_is_given_back_by_another",
                condition=Q(paid_by__isnull=True) | Q(ended_by__isnull=True) | ~Q(ended_by=F("paid_by")),
            ),
            models.CheckConstraint(
                name="waiting_transfer_is_due",
                condition=Q(status__in=["requested", "approved"], due_at__isnull=False)
                | Q(status__in=["paid", "refused", "failed"], due_at__isnull=True),
            ),
            models.CheckConstraint(
                name="approved_transfer_says_by_whom",
                condition=Q(status="requested", approved_by__isnull=True, approved_at__isnull=True)
                | Q(status="refused")
                | Q(status__in=["approved", "paid", "failed"], approved_by__isnull=False, approved_at__isnull=False),
            ),
            models.CheckConstraint(
                name="paid_transfer_has_its_voucher",
                condition=Q(status__in=["paid", "failed"], paid_by__isnull=False, paid_at__isnull=False)
                & ~Q(voucher="")
                | Q(status__in=["requested", "approved", "refused"], paid_by__isnull=True, paid_at__isnull=True)
                & Q(voucher=""),
            ),
            models.CheckConstraint(
                name="ended_transfer_says_why",
                condition=Q(status__in=["refused", "failed"], ended_by__isnull=False, ended_at__isnull=False)
                & ~Q(reason="")
                | Q(status__in=["requested", "approved", "paid"], ended_by__isnull=True, ended_at__isnull=True)
                & Q(reason=""),
            ),
            models.CheckConstraint(
                name="checked_transfer_says_by_whom",
                condition=Q(checked_by__isnull=True, checked_at__isnull=True)
                | Q(checked_by__isnull=False, checked_at__isnull=False),
            ),
            models.CheckConstraint(  # or one person could say that it was not paid, and pay it again
                name="checked_transfer_is_paid_by_another",
                condition=Q(checked_by__isnull=True) | Q(paid_by__isnull=True) | ~Q(paid_by=F("checked_by")),
            ),
            models.UniqueConstraint(name="voucher_serves_once", fields=["voucher"], condition=~Q(voucher="")),
        ]
        indexes = [
            models.Index(name="transfer_due", fields=["due_at", "id"], condition=Q(due_at__isnull=False)),
            models.Index(name="transfer_of_shop", fields=["shop", "-id"], condition=Q(shop__isnull=False)),
            models.Index(name="transfer_of_user", fields=["user", "-id"], condition=Q(user__isnull=False)),
            models.Index(name="transfer_news", fields=["news_at", "id"], condition=Q(news_at__isnull=False)),
        ]
        triggers = [
            pgtrigger.Protect(name="transfer_is_never_deleted", operation=pgtrigger.Delete),
            pgtrigger.Protect(
                name="transfer_keeps_what_was_asked",
                operation=pgtrigger.Update,
                condition=pgtrigger.AnyChange(
                    "transfer_no", "purpose", "shop", "user", "payee", "payment", "instead_of", "amount_fen",
                    "request_key", "requested_by", "requested_at",
                ),
            ),
            pgtrigger.Trigger(
                name="transfer_goes_to_its_owners_account",
                when=pgtrigger.Before,
                operation=pgtrigger.Insert,
                func="""
                IF NOT EXISTS (SELECT FROM payments_payee WHERE id = NEW.payee_id
                               AND shop_id IS NOT DISTINCT FROM NEW.shop_id
                               AND user_id IS NOT DISTINCT FROM NEW.user_id) THEN
                    RAISE EXCEPTION 'transfer_goes_to_its_owners_account: the payee is another''s'
                        USING ERRCODE = 'check_violation';
                END IF;
                RETURN NEW;
                """,
            ),
            pgtrigger.Trigger(  # I13: a balance does not turn a refund into money for somebody else
                name="transfer_of_a_balance_goes_to_its_buyer",
                when=pgtrigger.Before,
                operation=pgtrigger.Insert,
                condition=pgtrigger.Condition("NEW.purpose = 'cash_out' AND NEW.user_id IS NOT NULL"),
                func="""
                IF NOT EXISTS (SELECT FROM payments_payee AS payee
                                 JOIN accounts_realnamecheck AS known ON known.id = payee.real_name_id
                                WHERE payee.id = NEW.payee_id AND known.user_id = NEW.user_id
                                  AND known.outcome = 'passed') THEN
                    RAISE EXCEPTION 'transfer_of_a_balance_goes_to_its_buyer: nobody proved whose it is'
                        USING ERRCODE = 'check_violation';
                END IF;
                RETURN NEW;
                """,
            ),
            pgtrigger.Trigger(  # I13: beside a refund that its channel may still pay, the buyer could be paid twice
                name="redirect_waits_for_the_old_refund",
                when=pgtrigger.Before,
                operation=pgtrigger.Insert | pgtrigger.UpdateOf("status"),
                condition=pgtrigger.Condition(  # what the bank has paid is a fact
                    "NEW.instead_of_id IS NOT NULL AND NEW.status IN ('requested', 'approved')"
                ),
                func="""
                IF NOT EXISTS (SELECT FROM payments_refundattempt
                               WHERE id = NEW.instead_of_id AND payment_id = NEW.payment_id
                               AND status IN ('closed', 'back_with_merchant')) THEN
                    RAISE EXCEPTION 'redirect_waits_for_the_old_refund: its channel has not closed it'
                        USING ERRCODE = 'check_violation';
                END IF;
                RETURN NEW;
                """,
            ),
            pgtrigger.Protect(  # the channel's word stays: it ends by the transfer's own end
                name="paid_there_is_not_taken_back",
                operation=pgtrigger.UpdateOf("paid_there_at"),
                condition=pgtrigger.Condition(
                    "OLD.paid_there_at IS NOT NULL AND OLD.paid_there_at IS DISTINCT FROM NEW.paid_there_at"
                ),
            ),
            pgtrigger.Trigger(  # I13: what its bank did before the database went back is a fact, and recorded
                name="redirect_is_not_approved_beside_its_refund",
                when=pgtrigger.Before,
                operation=pgtrigger.UpdateOf("status"),
                condition=pgtrigger.Condition(
                    "OLD.status <> NEW.status AND NEW.status = 'approved'"
                    " AND NEW.paid_there_at IS NOT NULL AND NEW.in_doubt_at IS NULL"
                ),
                func="""
                RAISE EXCEPTION 'redirect_is_not_approved_beside_its_refund: %', NEW.transfer_no
                    USING ERRCODE = 'check_violation';
                """,
            ),
            pgtrigger.Trigger(  # F6, F7: nothing pays it again, or gives it back, before somebody asked the bank
                name="transfer_in_doubt_waits_for_the_bank",
                when=pgtrigger.Before,
                operation=pgtrigger.UpdateOf("status", "in_doubt_at"),
                condition=pgtrigger.Condition("OLD.in_doubt_at IS NOT NULL"),
                func="""
                IF NEW.status = 'refused' OR NEW.status = 'paid' AND OLD.status <> 'paid'
                   AND NEW.paid_at > OLD.in_doubt_at THEN
                    RAISE EXCEPTION 'transfer_in_doubt_waits_for_the_bank: %', NEW.transfer_no
                        USING ERRCODE = 'check_violation';
                END IF;
                IF NEW.in_doubt_at IS NULL AND coalesce(NEW.checked_at <= OLD.in_doubt_at, true) THEN
                    RAISE EXCEPTION 'transfer_in_doubt_waits_for_the_bank: nobody has looked'
                        USING ERRCODE = 'check_violation';
                END IF;
                RETURN NEW;
                """,
            ),
            pgtrigger.Trigger(  # the other half: ``voucher_serves_one_deposit``
                name="voucher_of_a_deposit_pays_no_transfer",
                when=pgtrigger.Before,
                operation=pgtrigger.Insert | pgtrigger.UpdateOf("voucher"),
                condition=pgtrigger.Condition("NEW.voucher <> ''"),
                func="""
                PERFORM pg_advisory_xact_lock(4903, hashtext(NEW.voucher));
                IF EXISTS (SELECT FROM shops_depositentry WHERE voucher = NEW.voucher AND amount_fen < 0) THEN
                    RAISE EXCEPTION 'voucher_serves_once: it has paid a deposit back'
                        USING ERRCODE = 'check_violation';
                END IF;
                RETURN NEW;
                """,
            ),
            pgtrigger.Trigger(  # its money is taken as it is asked for, leaves as it is paid, and comes back as it ends
                name="transfer_is_posted",
                when=pgtrigger.After,
                operation=pgtrigger.Insert | pgtrigger.UpdateOf("status"),
                timing=pgtrigger.Deferred,
                declare=[("source", "text"), ("missing", "text")],
                func="""
                source := coalesce('available:' || NEW.shop_id, 'balance:' || NEW.user_id);
                SELECT due.kind INTO missing FROM (VALUES
                    ('transfer', source, 'debit', NEW.purpose <> 'redirect'),
                    ('transfer_paid', 'bank:platform', 'credit', NEW.status IN ('paid', 'failed')),
                    ('transfer_failed', 'bank:platform', 'debit', NEW.status = 'failed'),
                    ('transfer_back', source, 'credit',
                     NEW.purpose <> 'redirect' AND NEW.status IN ('refused', 'failed'))
                ) AS due (kind, account, side, is_due)
                 WHERE is_due AND NOT EXISTS (
                    SELECT FROM ledger_posting AS posting
                      JOIN ledger_entry AS entry ON entry.posting_id = posting.id
                      JOIN ledger_account AS account ON account.id = entry.account_id
                     WHERE posting.ref = due.kind || ':' || NEW.transfer_no AND account.code = due.account
                       AND entry.side = due.side AND entry.amount_fen = NEW.amount_fen) LIMIT 1;
                IF missing IS NOT NULL THEN
                    RAISE EXCEPTION 'transfer_is_posted: % is %, and nothing is posted as its %',
                        NEW.transfer_no, NEW.status, missing USING ERRCODE = 'check_violation';
                END IF;
                RETURN NULL;
                """,
            ),
            pgtrigger.Trigger(
                name="transfer_moves_by_the_table",
                when=pgtrigger.Before,
                operation=pgtrigger.UpdateOf("status"),
                condition=pgtrigger.Condition("OLD.status IS DISTINCT FROM NEW.status"),
                func="""
                IF (OLD.status, NEW.status) NOT IN (('requested', 'approved'), ('requested', 'refused'),
                    ('approved', 'paid'), ('approved', 'refused'), ('paid', 'failed')) THEN
                    RAISE EXCEPTION 'transfer_moves_by_the_table: % to %', OLD.status, NEW.status
                        USING ERRCODE = 'check_violation';
                END IF;
                RETURN NEW;
                """,
            ),
        ]  # fmt: skip

    def __str__(self) -> str:
        return self.transfer_no


class TransferEvent(models.Model):
    """转账记录: each step, with who took it."""

    transfer = models.ForeignKey(Transfer, models.PROTECT, related_name="events", verbose_name=_("转账"))
    from_status = models.CharField(_("从"), max_length=16, choices=TransferStatus.choices, blank=True)
    to_status = models.CharField(_("到"), max_length=16, choices=TransferStatus.choices)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", verbose_name=_("操作人"))
    at = models.DateTimeField(_("时间"))
    note = models.CharField(_("说明"), max_length=200, blank=True)

    class Meta:
        verbose_name = _("转账记录")
        verbose_name_plural = _("转账记录")
        indexes = [models.Index(name="event_of_transfer", fields=["transfer", "id"])]
        triggers = append_only("transfer_events_are_append_only")

    def __str__(self) -> str:
        return f"{self.transfer_id} {self.to_status}"
