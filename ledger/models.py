"""Where every fen is. Double entry: each posting sums to zero, by a deferred constraint of the database (I6)."""

from __future__ import annotations

import pgtrigger
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from append_only import append_only
from money import yuan


class AccountKind(models.TextChoices):
    CHANNEL = "channel", _("渠道资金")  # what the channel holds for us
    SHOP = "shop", _("店铺货款")  # what we owe a shop
    SURPLUS = "surplus", _("多收待退")  # paid twice, or after the order was canceled
    BALANCE = "balance", _("买家余额")  # what we owe a buyer


class Account(models.Model):
    """账户. Its balance is folded from its entries; there is no balance column to disagree."""

    code = models.CharField(_("账户"), max_length=60, unique=True)  # e.g. channel:wechat, shop:7, balance:42
    kind = models.CharField(_("类别"), max_length=16, choices=AccountKind.choices)

    class Meta:
        verbose_name = _("账户")
        verbose_name_plural = _("账户")

    def __str__(self) -> str:
        return self.code


class Posting(models.Model):
    """记账: one thing that happened to money. ``ref`` names it, so that it cannot be posted twice."""

    ref = models.CharField(
        _("凭据"), max_length=80, unique=True
    )  # payment:P…, refund:P…R01, refund_returned:…, credit:R…
    posted_at = models.DateTimeField(_("记账时间"))

    class Meta:
        verbose_name = _("记账")
        verbose_name_plural = _("记账")
        triggers = append_only("postings_are_append_only")

    def __str__(self) -> str:
        return self.ref


class Side(models.TextChoices):
    DEBIT = "debit", _("借")
    CREDIT = "credit", _("贷")


class Entry(models.Model):
    """分录: a positive amount on one side of one account."""

    posting = models.ForeignKey(Posting, models.PROTECT, related_name="entries")
    account = models.ForeignKey(Account, models.PROTECT, related_name="entries")
    side = models.CharField(_("借贷"), max_length=8, choices=Side.choices)
    amount_fen = models.PositiveBigIntegerField(_("金额（分）"))

    class Meta:
        verbose_name = _("分录")
        verbose_name_plural = _("分录")
        constraints = [
            models.CheckConstraint(name="entry_amount_is_positive", condition=Q(amount_fen__gt=0)),
            models.CheckConstraint(name="entry_side_is_listed", condition=Q(side__in=Side.values)),
        ]
        triggers = [
            *append_only("entries_are_append_only"),
            pgtrigger.Trigger(
                name="posting_sums_to_zero",
                when=pgtrigger.After,
                operation=pgtrigger.Insert,
                timing=pgtrigger.Deferred,
                func="""
                IF (SELECT sum(CASE side WHEN 'debit' THEN amount_fen ELSE -amount_fen END)
                      FROM ledger_entry WHERE posting_id = NEW.posting_id) <> 0 THEN
                    RAISE EXCEPTION 'posting % does not sum to zero', NEW.posting_id USING ERRCODE = 'check_violation';
                END IF;
                RETURN NULL;
                """,
            ),
        ]

    def __str__(self) -> str:
        return f"{Side(self.side).label} {yuan(self.amount_fen)}"
